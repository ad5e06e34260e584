/**
 * cluster/handshake.ts: how two nodes come to trust a connection. A synchronous state machine: steps of the peer in, bytes to
 * send and an outcome out. Both sides run it, as dialer or acceptor.
 *
 *   dialer                                   acceptor
 *   HELLO (versions, id, nonce)        -->
 *                                      <--   HELLO, PROOF = mac("acceptor", both HELLOs)
 *   IDENTITY, mac("dialer", all so far) -->        checks it
 *       checks it                      <--   IDENTITY, mac("acceptor", all so far)
 *   WELCOME                            -->
 *   open                                     open
 *
 * The mac is an HMAC of the shared secret over everything said so far, both fresh nonces in it, with the maker's role in front. So
 * an answer recorded earlier is worth nothing (other nonces), nor is the other's own answer sent back (other role), and no
 * field can be changed on the way. The acceptor proves itself before the dialer says who it is; what the cluster is set to is told
 * only to who proved the secret. Off loopback there is no handshake without a secret.
 * Price: it protects the beginning. Who can change packets later can take over the connection; against that only TLS helps.
 *
 * Invariants: one outcome, and nothing is sent after it; a refusal is told to the peer, so that both logs say why; no
 * clock, no random source: time and nonce are arguments, and so is the mac, because crypto belongs to platform/.
 */
import { FRAME_HEADER_BYTES, VERSION_MAX, VERSION_MIN } from "../codec/frame/layout.js";
import { decodeStep, encodeStep, type Hello, type Identity, MAC_BYTES, type Step } from "../codec/frame/steps.js";
import { type Acquaintance, type OwnIdentity, type PeerSaid, refusalOf } from "./peer-identity.js";

/** HMAC-SHA-256 of the secret over the bytes: 32 bytes. */
export type Mac = (secret: string, bytes: Buffer) => Buffer;

export interface HandshakeOptions {
  readonly role: "dialer" | "acceptor";
  readonly self: OwnIdentity;
  /** Whom the dialer means to reach; "" = whoever answers. The acceptor has "". */
  readonly wantedId: string;
  /** "" = none. */
  readonly secret: string;
  readonly loopback: boolean;
  /** 32 bytes that nobody can guess and that were never used before. */
  readonly nonce: Buffer;
  readonly mac: Mac;
  readonly knownOf: (id: string) => Acquaintance;
  /** Steady clock. A peer that has not finished by then is refused. */
  readonly deadlineMs: number;
  /** Versions spoken; this code's own unless a test says otherwise. */
  readonly versions?: readonly [min: number, max: number];
}

export type Outcome =
  | { readonly kind: "open"; readonly id: string; readonly version: number; readonly peer: PeerSaid }
  | { readonly kind: "refused"; readonly id: string; readonly text: string; readonly byPeer: boolean };

export interface Effects {
  /** Whole frames, to be sent in this order. */
  readonly send: readonly Buffer[];
  /** Set once, with the last effects. After a refusal the connection is closed when the frames have left. */
  readonly outcome: Outcome | undefined;
}

const NOTHING: Effects = { send: [], outcome: undefined };
const EMPTY: Buffer = Buffer.alloc(0);

export class Handshake {
  private readonly options: HandshakeOptions;
  private readonly versions: readonly [min: number, max: number];
  private expected: Step["step"] | "nothing";
  /** Payloads of all steps so far, each behind its length. */
  private readonly transcript: Buffer[] = [];
  private peerHello: Hello | undefined;
  private peer: PeerSaid | undefined;
  private version = 0;

  constructor(options: HandshakeOptions) {
    this.options = options;
    this.versions = options.versions ?? [VERSION_MIN, VERSION_MAX];
    this.expected = "hello";
  }

  /** The id that the peer gave itself so far; "" = none yet. Not proved before the outcome. */
  get peerId(): string {
    return this.peerHello?.id ?? "";
  }

  /** To be called once, first, by both sides. */
  start(): Effects {
    const { secret, loopback, role } = this.options;
    if (secret === "" && !loopback) {
      return this.refuse("nodes on other machines are talked to only with a cluster-secret; this node has none");
    }
    return role === "dialer" ? { send: [this.say(this.hello())], outcome: undefined } : NOTHING;
  }

  /** Time has come to look at the clock. */
  tick(nowMs: number): Effects {
    if (this.expected === "nothing" || nowMs < this.options.deadlineMs) return NOTHING;
    return this.refuse("the handshake was not finished in time");
  }

  /** The payload of a HANDSHAKE frame: bytes[from .. to), borrowed. */
  receive(bytes: Buffer, from: number, to: number): Effects {
    if (this.expected === "nothing") return NOTHING;
    const step = decodeStep(bytes, from, to);
    if (step === undefined) return this.refuse("a step of the handshake is malformed");
    if (step.step === "refused")
      return this.end({ kind: "refused", id: this.peerId, text: step.text, byPeer: true }, []);
    if (step.step !== this.expected) return this.refuse(`the handshake was at ${this.expected}, and ${step.step} came`);
    const before = this.transcript.slice();
    this.note(bytes, from, to);
    switch (step.step) {
      case "hello":
        return this.onHello(step);
      case "proof":
        return this.onProof(step.mac, before);
      case "identity":
        return this.onIdentity(step, before, withoutMac(bytes.subarray(from, to), step.mac.length));
      default:
        return this.open([]);
    }
  }

  private onHello(hello: Hello): Effects {
    this.peerHello = hello;
    const { self, wantedId, role, secret } = this.options;
    const [min, max] = this.versions;
    this.version = Math.min(max, hello.versionMax);
    if (this.version < Math.max(min, hello.versionMin)) {
      return this.refuse(
        `${self.id} speaks versions ${min} to ${max} and ${hello.id} ${hello.versionMin} to ${hello.versionMax}`,
      );
    }
    if (hello.id === self.id) return this.refuse(`${self.id} is the id of both`);
    if (wantedId !== "" && hello.id !== wantedId) {
      return this.refuse(`${wantedId} was expected at this address, and ${hello.id} answers`);
    }
    if (hello.wantedId !== "" && hello.wantedId !== self.id) {
      return this.refuse(`${hello.wantedId} was expected at this address, and ${self.id} answers`);
    }
    if (hello.hasSecret !== (secret !== "")) {
      const [has, lacks] = hello.hasSecret ? [hello.id, self.id] : [self.id, hello.id];
      return this.refuse(`${has} has a cluster-secret and ${lacks} has none`);
    }
    if (role === "dialer") {
      this.expected = "proof";
      return NOTHING;
    }
    this.expected = "identity";
    const mine = this.say(this.hello());
    return {
      send: [mine, this.say({ step: "proof", mac: this.macOf("acceptor", this.transcript) })],
      outcome: undefined,
    };
  }

  private onProof(mac: Buffer, before: readonly Buffer[]): Effects {
    if (!this.isRight(mac, "acceptor", before)) return this.refuse("the cluster-secret differs");
    this.expected = "identity";
    return { send: [this.identity()], outcome: undefined };
  }

  private onIdentity(theirs: Identity, before: readonly Buffer[], bare: Buffer): Effects {
    const { role, self, knownOf } = this.options;
    const maker = role === "dialer" ? "acceptor" : "dialer";
    if (!this.isRight(theirs.mac, maker, [...before, lengthOf(bare), bare])) {
      return this.refuse("the cluster-secret differs");
    }
    const said = { ...theirs, starts: this.peerHello?.starts ?? [] };
    const text = refusalOf(self, this.peerId, said, knownOf(this.peerId));
    if (text !== undefined) return this.refuse(text);
    this.peer = said;
    if (role === "dialer") return this.open([encodeStep({ step: "welcome" })]);
    this.expected = "welcome";
    return { send: [this.identity()], outcome: undefined };
  }

  private open(send: readonly Buffer[]): Effects {
    const peer = this.peer as PeerSaid;
    return this.end({ kind: "open", id: this.peerId, version: this.version, peer }, send);
  }

  private refuse(text: string): Effects {
    return this.end({ kind: "refused", id: this.peerId, text, byPeer: false }, [encodeStep({ step: "refused", text })]);
  }

  private end(outcome: Outcome, send: readonly Buffer[]): Effects {
    this.expected = "nothing";
    return { send, outcome };
  }

  private hello(): Hello {
    const { self, secret, wantedId, nonce } = this.options;
    const { id, starts } = self;
    const [versionMin, versionMax] = this.versions;
    return { step: "hello", versionMin, versionMax, hasSecret: secret !== "", id, wantedId, nonce, starts };
  }

  /** Our identity, with the mac over all that was said and the identity itself. */
  private identity(): Buffer {
    const { id: _, starts: __, ...self } = this.options.self;
    const identity: Identity = { step: "identity", ...self, mac: EMPTY };
    const bare = payloadOf(encodeStep(identity));
    const mac = this.macOf(this.options.role, [...this.transcript, lengthOf(bare), bare]);
    return this.say({ ...identity, mac });
  }

  /** The frame of a step of ours, which becomes part of what was said. */
  private say(step: Step): Buffer {
    const frame = encodeStep(step);
    const payload = payloadOf(frame);
    this.note(payload, 0, payload.length);
    return frame;
  }

  private note(bytes: Buffer, from: number, to: number): void {
    this.transcript.push(lengthOf(bytes.subarray(from, to)), Buffer.from(bytes.subarray(from, to)));
  }

  private macOf(role: "dialer" | "acceptor", said: readonly Buffer[]): Buffer {
    const { secret, mac } = this.options;
    return secret === "" ? EMPTY : mac(secret, Buffer.concat([Buffer.from(`kvorum peer ${role}\n`), ...said]));
  }

  /** In a time that does not depend on how much of it is right. */
  private isRight(mac: Buffer, role: "dialer" | "acceptor", said: readonly Buffer[]): boolean {
    const right = this.macOf(role, said);
    if (mac.length !== right.length || (right.length > 0 && right.length !== MAC_BYTES)) return false;
    let difference = 0;
    for (let i = 0; i < right.length; i++) difference |= mac[i] ^ right[i];
    return difference === 0;
  }
}

/** A peer's IDENTITY as it was before its mac was put in: its bytes, not what we would write. The mac comes last, behind its length. */
function withoutMac(payload: Buffer, macBytes: number): Buffer {
  const bare = Buffer.from(payload.subarray(0, payload.length - macBytes));
  bare[bare.length - 1] = 0;
  return bare;
}

function payloadOf(frame: Buffer): Buffer {
  return frame.subarray(FRAME_HEADER_BYTES);
}

/** Lengths between the steps, so that no two conversations make the same bytes. */
function lengthOf(bytes: Buffer): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(bytes.length);
  return out;
}
