/**
 * test/lib/peers.ts: identities, records and macs of nodes for the tests of the cluster room.
 */
import { createHmac } from "node:crypto";
import type { HandshakeOptions, Mac } from "../../src/cluster/handshake.js";
import type { Acquaintance, OwnIdentity, PeerRecord } from "../../src/cluster/peer-identity.js";
import { LINK_TIMES, type PeerLink } from "../../src/cluster/peer-link.js";
import { Peers, type PeersOptions } from "../../src/cluster/peers.js";
import type { SendLimits } from "../../src/cluster/send-queue.js";
import { clusterIdOf } from "../../src/core/ring/placement.js";
import { Random } from "../../src/lib/random.js";
import type { Dialer } from "../../src/ports/network.js";
import type { Scheduler } from "../../src/ports/scheduler.js";

const hmac: Mac = (secret, bytes) => createHmac("sha256", secret).update(bytes).digest();

const MEMBERS: readonly string[] = ["a", "b", "c"];

export function identity(id: string, changes: Partial<OwnIdentity> = {}): OwnIdentity {
  return {
    id,
    clusterId: clusterIdOf("test", MEMBERS),
    uuid: `uuid-of-${id}`,
    run: `run-of-${id}`,
    boot: 1,
    starts: [],
    ceiling: 1000,
    configVersion: 1,
    fixed: [
      ["cluster-name", "test"],
      ["partitions", "1024"],
    ],
    versioned: [
      ["n", "3"],
      ["members", MEMBERS.join(",")],
    ],
    ...changes,
  };
}

export function recordOf({ uuid, run, boot, ceiling }: OwnIdentity): PeerRecord {
  return { uuid, run, boot, ceiling };
}

/** A member that was never met. */
export function stranger(id: string): Acquaintance {
  return { record: undefined, member: MEMBERS.includes(id), here: undefined };
}

const random = new Random(1);

/** Never the same twice. */
export function nonce(): Buffer {
  return Buffer.from(Array.from({ length: 32 }, () => random.below(256)));
}

export function options(role: "dialer" | "acceptor", changes: Partial<HandshakeOptions> = {}): HandshakeOptions {
  return {
    role,
    self: identity(role === "dialer" ? "a" : "b"),
    wantedId: role === "dialer" ? "b" : "",
    secret: "a secret of the cluster",
    loopback: false,
    nonce: nonce(),
    mac: hmac,
    knownOf: stranger,
    deadlineMs: 5000,
    ...changes,
  };
}

/** Short messages of a test: FORWARD with a text. */
const FORWARD = 10;
const HEADER_BYTES = 20;

export const LIMITS: SendLimits = {
  messagesMax: 1000,
  bytesMax: 4 * 1024 * 1024,
  largeBytesMax: 8 * 1024 * 1024,
  messageBytesMax: 16 * 1024 * 1024,
};

export interface PeerPorts {
  readonly scheduler: Scheduler;
  readonly dialer: Dialer;
}

/** A node that has nothing but links, and writes down what happens on them. */
export class TestPeer {
  readonly id: string;
  self: OwnIdentity;
  syncedLsn = 0;
  readonly peers: Peers;
  /** "from text", in the order of arrival. */
  readonly received: string[] = [];
  /** Budgets of what was received. */
  readonly budgets: number[] = [];
  /** "b up", "b lost", "b: why". */
  readonly events: string[] = [];
  readonly turnedAway: string[] = [];
  readonly records: Map<string, PeerRecord> = new Map();
  /** It cannot put anybody on record. */
  forgetful = false;
  private readonly scheduler: Scheduler;
  onMessage: (link: PeerLink, text: string, id: number) => void = () => {};

  constructor(id: string, ports: PeerPorts, seed: number, changes: Partial<PeersOptions> = {}) {
    const jitter = new Random(seed);
    this.id = id;
    this.scheduler = ports.scheduler;
    this.self = identity(id);
    this.peers = new Peers({
      ...ports,
      times: LINK_TIMES,
      handshakeMs: 2000,
      lingerMs: 1000,
      shakingMax: 8,
      limits: LIMITS,
      unit: () => jitter.unit(),
      nonce,
      mac: hmac,
      secret: "a secret of the cluster",
      self: () => this.self,
      syncedLsn: () => this.syncedLsn,
      recordOf: (peer) => this.records.get(peer),
      events: {
        met: (link, peer) => {
          if (this.forgetful) return false;
          this.records.set(link.peerId, peer);
          return true;
        },
        message: (link, reader) => {
          const text = reader.bytes.latin1Slice(reader.at, reader.at + reader.length);
          this.received.push(`${link.peerId} ${text.length > 100 ? `${text.length} bytes of ${text[0]}` : text}`);
          this.budgets.push(reader.budgetMs);
          this.onMessage(link, text, reader.id);
        },
        state: (link, state) => this.events.push(`${link.peerId} ${state}`),
        measured: () => {},
        lost: (link) => this.events.push(`${link.peerId} lost`),
        left: (link) => this.events.push(`${link.peerId} left`),
        missed: (link) => this.events.push(`${link.peerId} missed`),
        trouble: (link, why) => this.events.push(`${link.peerId}: ${why}`),
      },
      turnedAway: (_remote, why) => this.turnedAway.push(why),
      ...changes,
    });
  }

  link(id: string): PeerLink {
    const link = this.peers.links.get(id);
    if (link === undefined) throw new Error(`${this.id} has no link to ${id}`);
    return link;
  }

  /** @returns false: there was no room, or no connection. */
  send(to: string, text: string, budgetMs: number = Number.POSITIVE_INFINITY, id = 0): boolean {
    const bytes = Buffer.from(text, "latin1");
    const writer = this.link(to).claim(HEADER_BYTES + bytes.length, this.scheduler.monotonicMs() + budgetMs);
    writer?.opaque(FORWARD, 0, id, 0, 0, bytes, 0, bytes.length);
    return writer !== undefined;
  }

  /** Events of one kind. */
  count(event: string): number {
    return this.events.filter((one) => one === event).length;
  }
}
