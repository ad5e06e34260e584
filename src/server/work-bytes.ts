/**
 * server/work-bytes.ts: works as bytes, for the node that is to run them. The same bytes are the work's own copy of its arguments.
 *
 *   work     version (1) | kind (1) | flags (1) | what the kind has
 *   COMMAND  command
 *   FETCH    nothing
 *   STEPS    watched (1): 0 or 1 | present (1) | version (8) | its node (4) | known (4), each: name length (4) | name | state
 *            | commands (4), each: command
 *   LARGE    database (1) | arguments (4) | length (4) of each | which of them is the large one (4) | room (4) | the others | so many bytes of no
 *            meaning | the large one. A COMMAND otherwise (large-work.ts).
 *   SERIES   for each: length (4) | a work that is no series
 *   command  database (1) | arguments (4) | length (4) of each | the arguments
 *   state    flags (1): 1 present, 2 raw | type (1) | expireAt (8) | version (8) | its node (4) | value length (4) | value
 *
 * Integers of 4 bytes lowest byte first, those of 8 are doubles. `flags` of a work: 1 it may write, 2 replies are RESP3,
 * 4 the value is not asked for.
 * Invariants: reading never throws and never reads beyond the end; what is read lies in the same bytes, nothing is copied.
 */
import { readU32, writeU32 } from "../codec/record/record.js";
import type { Args } from "../codec/resp/args.js";
import { copyPlain } from "../lib/copy.js";
import { viewed } from "../lib/view.js";

const VERSION = 1;
export const HEADER_BYTES = 3;

export const WORK_COMMAND = 1;
export const WORK_FETCH = 2;
export const WORK_STEPS = 3;
export const WORK_SERIES = 4;
export const WORK_LARGE = 5;

const FLAG_WRITES = 1;
export const FLAG_RESP3 = 2;
export const FLAG_BRIEF = 4;

const STATE_PRESENT = 1;
const STATE_RAW = 2;
/** Of a state, before its value. */
const STATE_BYTES = 1 + 1 + 8 + 8 + 4 + 4;
/** What a record can hold. */
const TYPE_MAX = 15;
const EXPIRE_MAX = 2 ** 48 - 1;

/** A key as a work is told of it: what a linearizable read found. */
export interface KnownState {
  readonly present: boolean;
  readonly raw: boolean;
  readonly type: number;
  readonly expireAt: number;
  /** Of what the own key is after a step that wrote it: 0, which no state has. */
  readonly version: number;
  readonly versionNode: number;
  readonly value: Buffer;
}

export function flagsOf(writes: boolean, proto: number): number {
  return (writes ? FLAG_WRITES : 0) | (proto === 3 ? FLAG_RESP3 : 0);
}

export function commandBytes(args: Args): number {
  let total = 1 + 4 + 4 * args.count;
  for (let i = 0; i < args.count; i++) total += args.length[i];
  return total;
}

// HOT: once per command in a cluster.
/** @returns where the output goes on. */
export function writeCommand(out: Buffer, at: number, db: number, args: Args): number {
  const { count, bytes, start, length } = args;
  out[at] = db;
  writeU32(out, at + 1, count);
  at += 5;
  let to = at + 4 * count;
  for (let i = 0; i < count; i++, at += 4) {
    writeU32(out, at, length[i]);
    copyPlain(bytes, start[i], out, to, length[i]);
    to += length[i];
  }
  return to;
}

// HOT: once per command and try in a cluster.
/**
 * Let `args` point to the command at bytes[at + 1], behind its database.
 * @returns where the bytes go on, -1: malformed.
 */
export function readCommand(bytes: Buffer, at: number, args: Args): number {
  if (at + 5 > bytes.length) return -1;
  const count = readU32(bytes, at + 1);
  at += 5;
  if (count === 0 || count > (bytes.length - at) >>> 2) return -1;
  let from = at + 4 * count;
  args.bytes = viewed(bytes);
  args.count = 0;
  for (let i = 0; i < count; i++, at += 4) {
    const length = readU32(bytes, at);
    if (length > bytes.length - from) return -1;
    args.push(from, length);
    from += length;
  }
  return from;
}

/** A work without a body. */
export function writeHeader(out: Buffer, kind: number, flags: number): Buffer {
  out[0] = VERSION;
  out[1] = kind;
  out[2] = flags;
  return out;
}

export function versionIsKnown(bytes: Buffer): boolean {
  return bytes.length >= HEADER_BYTES && bytes[0] === VERSION;
}

export function encodeState(state: KnownState): Buffer {
  const out = Buffer.allocUnsafe(STATE_BYTES + state.value.length);
  out[0] = (state.present ? STATE_PRESENT : 0) | (state.raw ? STATE_RAW : 0);
  out[1] = state.type;
  out.writeDoubleLE(state.expireAt, 2);
  out.writeDoubleLE(state.version, 10);
  writeU32(out, 18, state.versionNode);
  writeU32(out, 22, state.value.length);
  state.value.copy(out, STATE_BYTES);
  return out;
}

/** Of a state that encodeState made. */
export function stateVersionNode(bytes: Buffer): number {
  return bytes.length < STATE_BYTES ? 0 : readU32(bytes, 18);
}

/** Reads one thing after the other. Once something is not there, `failed` is set, and everything is 0 or empty from then on. */
export class WorkReader {
  failed = false;
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  private take(length: number): number {
    const { at } = this;
    if (this.failed || length > this.bytes.length - at) {
      this.failed = true;
      return -1;
    }
    this.at = at + length;
    return at;
  }

  u8(): number {
    const at = this.take(1);
    return at < 0 ? 0 : this.bytes[at];
  }

  u32(): number {
    const at = this.take(4);
    return at < 0 ? 0 : readU32(this.bytes, at);
  }

  /** A number that is finite and not negative. */
  f64(): number {
    const at = this.take(8);
    const value = at < 0 ? 0 : this.bytes.readDoubleLE(at);
    if (Number.isFinite(value) && value >= 0) return value;
    this.failed = true;
    return 0;
  }

  /** A count of things of which each takes at least `least` bytes. */
  count(least: number): number {
    const count = this.u32();
    if (count * least <= this.bytes.length - this.at) return count;
    this.failed = true;
    return 0;
  }

  /** A view. */
  view(length: number): Buffer {
    const at = this.take(length);
    return at < 0 ? Buffer.alloc(0) : this.bytes.subarray(at, at + length);
  }

  state(): KnownState {
    const flags = this.u8();
    const type = this.u8();
    const expireAt = this.f64();
    const version = this.f64();
    const versionNode = this.u32();
    const value = this.view(this.u32());
    if (type > TYPE_MAX || expireAt > EXPIRE_MAX || !Number.isInteger(expireAt)) this.failed = true;
    return {
      present: (flags & STATE_PRESENT) !== 0,
      raw: (flags & STATE_RAW) !== 0,
      type,
      expireAt,
      version,
      versionNode,
      value,
    };
  }

  /** @returns the command's database; its arguments are in `args`. */
  command(args: Args): number {
    const db = this.bytes[this.at];
    const end = this.failed ? -1 : readCommand(this.bytes, this.at, args);
    this.failed = end < 0;
    if (!this.failed) this.at = end;
    return db;
  }

  /** All was there, and nothing is left. */
  get done(): boolean {
    return !this.failed && this.at === this.bytes.length;
  }
}

/** Decode what a FETCH gave back. */
export function decodeState(bytes: Buffer): KnownState | undefined {
  const reader = new WorkReader(bytes, 0);
  const state = reader.state();
  return reader.done ? state : undefined;
}

/** Are bytes[at ..] parts, each with its length in front, to the very end? */
export function areParts(bytes: Buffer, at: number): boolean {
  let next = at;
  while (next < bytes.length) next += 4 + readU32(bytes, next);
  return next === bytes.length;
}
