/**
 * storage/state-record.ts: a state of a key's register as the bytes of a record (codec/record), and back. Encoded once: the same bytes lie
 * in the log, in memory, in an ACCEPT to a peer and in a snapshot.
 *
 *   record              register
 *   dot                 the ballot under which the state was accepted
 *   value, type, raw    the value; FLAG_TOMBSTONE: none
 *   expireAt            its deadline
 *   vector              vv, and `cut` as the entry of node CUT_NODE. No vector: vv is the dot alone, cut is 0, which is
 *                       what a key written by one node only has, and costs nothing
 *
 * Invariants: decode(encode(x)) is x; a record of the engine alone (no vector, node 0) is a state like any other.
 * Names of keys in core/register are strings: the database as one character, then the key's bytes as latin1.
 */
import {
  EXPIRE_BYTES,
  epochOf,
  expireAtOf,
  FLAG_EPOCH,
  FLAG_EXPIRES,
  FLAG_LONG_KEY,
  FLAG_RAW,
  FLAG_TOMBSTONE,
  FLAG_VECTOR,
  HEADER_BYTES,
  hlcOf,
  keyLength,
  keyOffset,
  readU32,
  SHORT_KEY_BYTES_MAX,
  VECTOR_ENTRY_BYTES,
  writeExpireAt,
  writeU32,
} from "../codec/record/record.js";
import { type Dot, sameDot } from "../core/clock/dot.js";
import { VersionVector } from "../core/clock/version-vector.js";
import type { RegisterState } from "../core/register/state.js";
import { assert } from "../lib/assert.js";
import { LARGE_BYTES, takeRoom } from "../lib/room.js";

/** What a key holds. Never changed once made. */
export interface Value {
  /** TYPE_* of codec/record. */
  readonly type: number;
  /** Built in place by APPEND, SETRANGE...: OBJECT ENCODING says raw. */
  readonly raw: boolean;
  readonly bytes: Buffer;
}

/** A state that came out of a record, with those very bytes: under the same ballot it is encoded already. */
export interface RecordState extends RegisterState<Value> {
  readonly ballot: Dot;
  /** The whole record, no more. Never changed. */
  readonly record: Buffer;
}

/** No member has it: a dot's node index has 11 bits, and members are at most 2047. */
export const CUT_NODE = 2047;
const TWO_32 = 4_294_967_296;
const HLC_HIGH_MASK = 0x1fffff;

/** The register's name of bytes[at .. at + length) in a database. */
export function nameOf(db: number, bytes: Buffer, at: number, length: number): string {
  return String.fromCharCode(db) + bytes.latin1Slice(at, at + length);
}

export function dbOf(name: string): number {
  return name.charCodeAt(0);
}

/** The key's bytes, newly made. */
export function keyOf(name: string): Buffer {
  return Buffer.from(name.slice(1), "latin1");
}

/** @returns the record of `state`, accepted under `ballot`. Nobody may change it. */
export function encodeState(name: string, ballot: Dot, state: RegisterState<Value>): Buffer {
  if ("record" in state && sameDot((state as RecordState).ballot, ballot)) return (state as RecordState).record;
  const { value, expireAt, vv, cut } = state;
  const keyBytes = name.length - 1;
  const alone = cut === 0 && vv.dots.length === 1 && sameDot(vv.dots[0], ballot);
  const entries = vv.dots.length + (cut === 0 ? 0 : 1);
  const valueBytes = value === undefined ? 0 : value.bytes.length;
  let flags = value === undefined ? FLAG_TOMBSTONE : value.raw ? FLAG_RAW : 0;
  let total = HEADER_BYTES + keyBytes + valueBytes;
  if (ballot.epoch !== 0) {
    flags |= FLAG_EPOCH;
    total += 4;
  }
  if (keyBytes > SHORT_KEY_BYTES_MAX) {
    flags |= FLAG_LONG_KEY;
    total += 4;
  }
  if (expireAt !== 0) {
    flags |= FLAG_EXPIRES;
    total += EXPIRE_BYTES;
  }
  if (!alone) {
    flags |= FLAG_VECTOR;
    total += 2 + entries * VECTOR_ENTRY_BYTES;
  }
  // Where the value lies with room in front of it, the record is made around it.
  const around = valueBytes > LARGE_BYTES ? takeRoom((value as Value).bytes, total - valueBytes) : undefined;
  const out = around ?? Buffer.allocUnsafeSlow(total);
  writeU32(out, 0, total);
  out[4] = (value === undefined ? 0 : value.type) | (dbOf(name) << 4);
  out[5] = flags;
  out[6] = flags & FLAG_LONG_KEY ? 0 : keyBytes;
  out[7] = flags & FLAG_LONG_KEY ? 0 : keyBytes >>> 8;
  writeHlc(out, 8, ballot);
  let at = HEADER_BYTES;
  if (flags & FLAG_EPOCH) {
    writeU32(out, at, ballot.epoch);
    at += 4;
  }
  if (flags & FLAG_LONG_KEY) {
    writeU32(out, at, keyBytes);
    at += 4;
  }
  if (flags & FLAG_EXPIRES) {
    writeExpireAt(out, at, expireAt);
    at += EXPIRE_BYTES;
  }
  if (flags & FLAG_VECTOR) at = writeVector(out, at, vv, cut, entries);
  out.latin1Write(name.slice(1), at);
  if (around === undefined) value?.bytes.copy(out, at + keyBytes);
  return out;
}

function writeVector(out: Buffer, from: number, vv: VersionVector, cut: number, entries: number): number {
  out[from] = entries;
  out[from + 1] = entries >>> 8;
  let at = from + 2;
  for (const dot of vv.dots) at = writeEntry(out, at, dot);
  return cut === 0 ? at : writeEntry(out, at, { epoch: 0, hlc: cut, node: CUT_NODE });
}

function writeEntry(out: Buffer, at: number, dot: Dot): number {
  writeHlc(out, at, dot);
  writeU32(out, at + 8, dot.epoch);
  return at + VECTOR_ENTRY_BYTES;
}

function writeHlc(out: Buffer, at: number, { hlc, node }: Dot): void {
  assert(node >= 0 && node <= CUT_NODE, "node index out of range", node);
  writeU32(out, at, hlc >>> 0);
  writeU32(out, at + 4, (Math.floor(hlc / TWO_32) | (node << 21)) >>> 0);
}

/** The dot of the record at bytes[at]. */
export function ballotOf(bytes: Buffer, at: number): Dot {
  return { epoch: epochOf(bytes, at), hlc: hlcOf(bytes, at), node: readU32(bytes, at + 12) >>> 21 };
}

export function nameOfRecord(bytes: Buffer, at: number): string {
  return nameOf(bytes[at + 4] >>> 4, bytes, at + keyOffset(bytes, at), keyLength(bytes, at));
}

/**
 * @param record one record and nothing else, which checkBody found well-formed and nobody will change: the state lives in it.
 * @returns undefined: its vector is out of order, or has a node twice: it was made by no node.
 */
export function decodeState(record: Buffer): RecordState | undefined {
  const ballot = ballotOf(record, 0);
  const flags = record[5];
  const vector = flags & FLAG_VECTOR ? readVector(record) : { vv: VersionVector.of([ballot]), cut: 0 };
  if (vector === undefined) return undefined;
  const from = keyOffset(record, 0) + keyLength(record, 0);
  const value =
    flags & FLAG_TOMBSTONE
      ? undefined
      : { type: record[4] & 15, raw: (flags & FLAG_RAW) !== 0, bytes: record.subarray(from) };
  return { value, expireAt: expireAtOf(record, 0), vv: vector.vv, cut: vector.cut, ballot, record };
}

function readVector(bytes: Buffer): { vv: VersionVector; cut: number } | undefined {
  const flags = bytes[5];
  let at = HEADER_BYTES + (flags & FLAG_EPOCH ? 4 : 0) + (flags & FLAG_LONG_KEY ? 4 : 0);
  if (flags & FLAG_EXPIRES) at += EXPIRE_BYTES;
  const count = bytes[at] | (bytes[at + 1] << 8);
  const dots: Dot[] = [];
  let cut = 0;
  at += 2;
  for (let i = 0; i < count; i++, at += VECTOR_ENTRY_BYTES) {
    const high = readU32(bytes, at + 4);
    const dot = {
      epoch: readU32(bytes, at + 8),
      hlc: (high & HLC_HIGH_MASK) * TWO_32 + readU32(bytes, at),
      node: high >>> 21,
    };
    if (i > 0 && cut !== 0) return undefined;
    if (dots.length > 0 && dot.node <= dots[dots.length - 1].node) return undefined;
    if (dot.node === CUT_NODE) cut = dot.hlc;
    else dots.push(dot);
  }
  return { vv: VersionVector.of(dots), cut };
}
