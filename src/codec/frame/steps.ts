/**
 * codec/frame/steps.ts: the bytes of the handshake's steps, each the payload of a HANDSHAKE frame of version 0. This layout
 * never changes: it is what nodes of any two versions have in common. A later version may add fields behind the last one of
 * HELLO; they are passed over. The list of starts was added so: a HELLO that ends before it reads as one with none.
 *
 *   HELLO     u8 1, u8 versionMin, u8 versionMax, u8 flags (1 = has a secret), id, wantedId, 32 bytes nonce, list of (run, u53 lsn)
 *   PROOF     u8 2, mac
 *   IDENTITY  u8 3, clusterId, uuid, run, u53 boot, u53 ceiling, u53 configVersion, 2 x list of (name, value), mac
 *   WELCOME   u8 4
 *   REFUSED   u8 5, text
 *   text fields: u16 bytes, UTF-8; a list: u16 count, then its items; a mac: u8 bytes (0 or 32), then those
 *
 * It must never: throw for what a peer sends, or allocate by a length that is not there.
 * Invariants: what is read lies within its limits; a step that breaks a rule reads as undefined.
 */
import { assert } from "../../lib/assert.js";
import { sealFrame } from "./frame-seal.js";
import { FRAME_HANDSHAKE, FRAME_HEADER_BYTES, readU53, VERSION_HANDSHAKE, writeU53 } from "./layout.js";

export const HANDSHAKE_BYTES_MAX: number = 256 * 1024;
const NONCE_BYTES = 32;
export const MAC_BYTES = 32;
const NAME_BYTES_MAX = 64;
const TEXT_BYTES_MAX = 1000;
const VALUE_BYTES_MAX = 65535;
const SETTINGS_MAX = 64;
/** Starts that a HELLO tells of: of one who was not met for longer the number alone counts. */
export const STARTS_MAX = 1000;
const HAS_SECRET = 1;
const LSN_UNKNOWN = 2 ** 53 - 1;

export type Setting = readonly [name: string, value: string];

/** A start of a directory. */
export interface Start {
  /** What it was told from others by. */
  readonly run: string;
  /** Where the log ended that it found; undefined: it came to no log. */
  readonly lsn: number | undefined;
}

export interface Hello {
  readonly step: "hello";
  readonly versionMin: number;
  readonly versionMax: number;
  readonly hasSecret: boolean;
  readonly id: string;
  /** Whom the sender takes the other for; "" = it does not know. */
  readonly wantedId: string;
  readonly nonce: Buffer;
  /** The present one first. */
  readonly starts: readonly Start[];
}

export interface Identity {
  readonly step: "identity";
  readonly clusterId: string;
  /** Of the data directory: another one is another node. */
  readonly uuid: string;
  /** Drawn at each start of the process: two processes that say they are the same are told apart by it. */
  readonly run: string;
  /** Counts the starts of the directory. */
  readonly boot: number;
  /** No dot above it was issued or promised: it never falls. */
  readonly ceiling: number;
  readonly configVersion: number;
  /** Fixed when the cluster was made. */
  readonly fixed: readonly Setting[];
  /** May differ between nodes that have not the same configVersion. */
  readonly versioned: readonly Setting[];
  /** Empty without a secret. */
  readonly mac: Buffer;
}

export type Step =
  | Hello
  | Identity
  | { readonly step: "proof"; readonly mac: Buffer }
  | { readonly step: "welcome" }
  | { readonly step: "refused"; readonly text: string };

/** A whole frame with this step. @throws {InvariantError} when a field of ours is over its limit. */
export function encodeStep(step: Step): Buffer {
  const parts: Buffer[] = [Buffer.alloc(FRAME_HEADER_BYTES)];
  switch (step.step) {
    case "hello":
      assert(step.nonce.length === NONCE_BYTES, "nonce of a wrong length", step.nonce.length);
      parts.push(Buffer.from([1, step.versionMin, step.versionMax, step.hasSecret ? HAS_SECRET : 0]));
      parts.push(text(step.id, NAME_BYTES_MAX), text(step.wantedId, NAME_BYTES_MAX), step.nonce, starts(step.starts));
      break;
    case "proof":
      parts.push(Buffer.from([2]), mac(step.mac));
      break;
    case "identity":
      parts.push(Buffer.from([3]), ...[step.clusterId, step.uuid, step.run].map((one) => text(one, NAME_BYTES_MAX)));
      parts.push(u53(step.boot), u53(step.ceiling), u53(step.configVersion));
      parts.push(settings(step.fixed), settings(step.versioned), mac(step.mac));
      break;
    case "welcome":
      parts.push(Buffer.from([4]));
      break;
    case "refused":
      parts.push(Buffer.from([5]), text(cut(step.text), TEXT_BYTES_MAX));
      break;
  }
  const frame = Buffer.concat(parts);
  assert(frame.length <= HANDSHAKE_BYTES_MAX, "a step of the handshake is too long", frame.length);
  sealFrame(frame, 0, frame.length, VERSION_HANDSHAKE, FRAME_HANDSHAKE, 0);
  return frame;
}

function starts(list: readonly Start[]): Buffer {
  assert(list.length <= STARTS_MAX, "too many starts", list.length);
  const items = list.flatMap(({ run, lsn }) => [text(run, NAME_BYTES_MAX), u53(lsn ?? LSN_UNKNOWN)]);
  return Buffer.concat([u16(list.length), ...items]);
}

/** So that its UTF-8 is within the limit, whatever is in it. */
function cut(words: string): string {
  return words.slice(0, TEXT_BYTES_MAX / 3);
}

function text(value: string, bytesMax: number): Buffer {
  const bytes = Buffer.from(value);
  assert(bytes.length <= bytesMax, "text too long for the handshake", value);
  return Buffer.concat([u16(bytes.length), bytes]);
}

function settings(list: readonly Setting[]): Buffer {
  assert(list.length <= SETTINGS_MAX, "too many settings", list.length);
  const items = list.flatMap(([name, value]) => [text(name, NAME_BYTES_MAX), text(value, VALUE_BYTES_MAX)]);
  return Buffer.concat([u16(list.length), ...items]);
}

function mac(bytes: Buffer): Buffer {
  assert(bytes.length === 0 || bytes.length === MAC_BYTES, "mac of a wrong length", bytes.length);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function u16(value: number): Buffer {
  return Buffer.from([value & 255, value >>> 8]);
}

function u53(value: number): Buffer {
  assert(Number.isSafeInteger(value) && value >= 0, "number out of range", value);
  const out = Buffer.alloc(8);
  writeU53(out, 0, value);
  return out;
}

/** @returns the step in the payload bytes[from .. to), its texts and macs copied; undefined when it is malformed. */
export function decodeStep(bytes: Buffer, from: number, to: number): Step | undefined {
  const fields = new Fields(bytes, from, to);
  const step = readStep(fields);
  return fields.bad ? undefined : step;
}

function readStep(fields: Fields): Step | undefined {
  switch (fields.u8()) {
    case 1: {
      const [versionMin, versionMax, flags] = [fields.u8(), fields.u8(), fields.u8()];
      const [id, wantedId] = [fields.text(NAME_BYTES_MAX), fields.text(NAME_BYTES_MAX)];
      const nonce = fields.take(NONCE_BYTES);
      const starts = fields.isOver ? [] : fields.starts();
      if (versionMin > versionMax || versionMin === VERSION_HANDSHAKE || id === "") return undefined;
      const hasSecret = (flags & HAS_SECRET) !== 0;
      return { step: "hello", versionMin, versionMax, hasSecret, id, wantedId, nonce, starts };
    }
    case 2:
      return fields.ended({ step: "proof", mac: fields.mac() });
    case 3: {
      const [clusterId, uuid, run] = [
        fields.text(NAME_BYTES_MAX),
        fields.text(NAME_BYTES_MAX),
        fields.text(NAME_BYTES_MAX),
      ];
      const [boot, ceiling, configVersion] = [fields.u53(), fields.u53(), fields.u53()];
      const [fixed, versioned] = [fields.settings(), fields.settings()];
      const theirs = fields.mac();
      return fields.ended({
        step: "identity",
        clusterId,
        uuid,
        run,
        boot,
        ceiling,
        configVersion,
        fixed,
        versioned,
        mac: theirs,
      });
    }
    case 4:
      return fields.ended({ step: "welcome" });
    case 5:
      return fields.ended({ step: "refused", text: fields.text(TEXT_BYTES_MAX) });
    default:
      return undefined;
  }
}

/** Fields one after the other. Once one is not there, `bad` is set and all that follow are empty. */
class Fields {
  bad = false;
  private readonly bytes: Buffer;
  private at: number;
  private readonly to: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.bytes = bytes;
    this.at = from;
    this.to = to;
  }

  /** A copy of the next bytes; as many zeros when they are not there. */
  take(length: number): Buffer {
    if (this.bad || length > this.to - this.at) {
      this.bad = true;
      // By a length of at most two bytes' worth.
      return Buffer.alloc(length);
    }
    this.at += length;
    return Buffer.from(this.bytes.subarray(this.at - length, this.at));
  }

  u8(): number {
    return this.take(1)[0];
  }

  u16(): number {
    const bytes = this.take(2);
    return bytes[0] | (bytes[1] << 8);
  }

  u53(): number {
    const value = readU53(this.take(8), 0);
    if (value < 0) this.bad = true;
    return value;
  }

  text(bytesMax: number): string {
    const length = this.u16();
    if (length > bytesMax) this.bad = true;
    return this.bad ? "" : this.take(length).toString();
  }

  settings(): Setting[] {
    const count = this.u16();
    if (count > SETTINGS_MAX) this.bad = true;
    const list: Setting[] = [];
    for (let i = 0; i < count && !this.bad; i++) list.push([this.text(NAME_BYTES_MAX), this.text(VALUE_BYTES_MAX)]);
    return list;
  }

  starts(): Start[] {
    const count = this.u16();
    if (count > STARTS_MAX) this.bad = true;
    const list: Start[] = [];
    for (let i = 0; i < count && !this.bad; i++) {
      const [run, lsn] = [this.text(NAME_BYTES_MAX), this.u53()];
      list.push({ run, lsn: lsn === LSN_UNKNOWN ? undefined : lsn });
    }
    return list;
  }

  get isOver(): boolean {
    return this.at === this.to;
  }

  mac(): Buffer {
    const length = this.u8();
    if (length !== 0 && length !== MAC_BYTES) this.bad = true;
    return this.take(this.bad ? 0 : length);
  }

  /** The step, when nothing follows it. */
  ended(step: Step): Step | undefined {
    return this.at === this.to ? step : undefined;
  }
}
