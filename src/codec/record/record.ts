/**
 * codec/record/record.ts: the body of a record, one key's state as bytes. The same bytes lie in memory, in a batch of the
 * log, in a frame to a peer and in a snapshot; it is encoded once.
 *
 * Layout, little endian, no alignment assumed:
 *    0  u32  bodyBytes    the whole body, this field included
 *    4  u8   type | db    low nibble TYPE_*, high nibble the database 0..15
 *    5  u8   flags        FLAG_*
 *    6  u16  keyBytes     0 when FLAG_LONG_KEY says that a u32 follows
 *    8  u32  hlc, low 32 bits
 *   12  u32  hlc, high 21 bits | node index << 21 (11 bits)
 *   16  [u32 epoch]       only with FLAG_EPOCH, else 0. (epoch, hlc, node) is the dot: a total order of states
 *       [u32 keyBytes]    only with FLAG_LONG_KEY: keys above 65535 bytes
 *       [u48 expireAt]    only with FLAG_EXPIRES: absolute deadline, ms since the Unix epoch
 *       [u16 count, count x dot of 12 bytes {u32 hlc low, u32 hlc high|node, u32 epoch}]   only with FLAG_VECTOR
 *       key
 *       value             what is left
 *
 * Invariants: HEADER_BYTES <= bodyBytes; optional fields stand in the order drawn; a tombstone has no value.
 * Price: 16 bytes a record. Varints would save about 5 of them and cost every reader a loop.
 */
import { assert } from "../../lib/assert.js";
import { copyBytes } from "../../lib/copy.js";
import type { Viewed } from "../../lib/view.js";

export const HEADER_BYTES = 16;
export const TYPE_STRING = 0;
/** A record of the log: the hlc in its dot is a ceiling (core/clock/ceiling.ts). No key, no value, no key's state. */
export const TYPE_CEILING = 14;
/** A record of the log that empties a database, or all of them when its key is "*": no key's state. */
export const TYPE_FLUSH = 15;

/** Can a key's state have this type? Nobody may keep one that it does not know: it would be lost on those who cannot read it. */
export function isStateType(type: number): boolean {
  return type === TYPE_STRING;
}

export const FLAG_EXPIRES = 1;
export const FLAG_VECTOR = 2;
export const FLAG_TOMBSTONE = 4;
export const FLAG_EPOCH = 8;
export const FLAG_LONG_KEY = 16;
/** The value was changed in place (APPEND, SETRANGE...): OBJECT ENCODING says raw. No meaning beyond that. */
export const FLAG_RAW = 32;
const FLAGS_KNOWN = 63;
const FLAGS_WITH_FIELDS = FLAG_EXPIRES | FLAG_VECTOR | FLAG_EPOCH | FLAG_LONG_KEY;

export const SHORT_KEY_BYTES_MAX = 65535;
export const EXPIRE_BYTES = 6;
export const VECTOR_ENTRY_BYTES = 12;
const TWO_32 = 4_294_967_296;

/** Bytes of the body of a state alone (no epoch, no vector). */
export function bodyBytesOf(keyBytes: number, valueBytes: number, expires: boolean): number {
  return HEADER_BYTES + (keyBytes > SHORT_KEY_BYTES_MAX ? 4 : 0) + (expires ? EXPIRE_BYTES : 0) + keyBytes + valueBytes;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/**
 * The second word of the header: type, database, flags and short length at one load, for the paths where each load counts. Where isPlain() says
 * so, the key begins at HEADER_BYTES and has plainKeyBytes() bytes, and there is no deadline.
 */
export function headOf(bytes: Viewed, at: number): number {
  return bytes.view.getInt32(at + 4, true);
}
export function typeOf(head: number): number {
  return head & 15;
}
export function flagsOf(head: number): number {
  return (head >>> 8) & 255;
}
export function isPlain(head: number): boolean {
  return (head & (FLAGS_WITH_FIELDS << 8)) === 0;
}
export function plainKeyBytes(head: number): number {
  return head >>> 16;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

// HOT: once per write. No allocation. Guard: bench/micro/record.ts
/**
 * Encode a body at out[at]; room for bodyBytesOf(...) must be there.
 * @param typeAndDb type | db << 4. @param flags FLAG_TOMBSTONE and FLAG_RAW as wanted; the others are derived.
 * @param expireAt ms, 0 = none. @param hlcHigh with the node index in its upper 11 bits.
 */
export function encodeBody(
  out: Viewed,
  at: number,
  typeAndDb: number,
  flags: number,
  hlcLow: number,
  hlcHigh: number,
  expireAt: number,
  key: Viewed,
  keyAt: number,
  keyBytes: number,
  value: Viewed,
  valueAt: number,
  valueBytes: number,
): void {
  const { view } = out;
  let fields = at + HEADER_BYTES;
  let allFlags = flags;
  if (keyBytes > SHORT_KEY_BYTES_MAX) {
    allFlags |= FLAG_LONG_KEY;
    view.setInt32(fields, keyBytes, true);
    fields += 4;
  }
  if (expireAt !== 0) {
    allFlags |= FLAG_EXPIRES;
    writeExpireAt(out, fields, expireAt);
    fields += EXPIRE_BYTES;
  }
  const shortBytes = keyBytes > SHORT_KEY_BYTES_MAX ? 0 : keyBytes;
  view.setInt32(at + 4, typeAndDb | (allFlags << 8) | (shortBytes << 16), true);
  view.setInt32(at + 8, hlcLow, true);
  view.setInt32(at + 12, hlcHigh, true);
  copyBytes(key, keyAt, out, fields, keyBytes);
  fields += keyBytes;
  copyBytes(value, valueAt, out, fields, valueBytes);
  view.setInt32(at, fields + valueBytes - at, true);
}

export function writeExpireAt(out: Buffer, at: number, expireAt: number): void {
  assert(expireAt > 0 && expireAt < 2 ** 48, "deadline out of range", expireAt);
  writeU32(out, at, expireAt >>> 0);
  const high = Math.floor(expireAt / TWO_32);
  out[at + 4] = high;
  out[at + 5] = high >>> 8;
}

/** Offset of the key within the body. */
export function keyOffset(bytes: Uint8Array, at: number): number {
  const flags = bytes[at + 5];
  return (flags & FLAGS_WITH_FIELDS) === 0 ? HEADER_BYTES : HEADER_BYTES + fieldBytes(bytes, at, flags);
}

function fieldBytes(bytes: Uint8Array, at: number, flags: number): number {
  let total = 0;
  if (flags & FLAG_EPOCH) total += 4;
  if (flags & FLAG_LONG_KEY) total += 4;
  if (flags & FLAG_EXPIRES) total += EXPIRE_BYTES;
  if (flags & FLAG_VECTOR) {
    const count = bytes[at + HEADER_BYTES + total] | (bytes[at + HEADER_BYTES + total + 1] << 8);
    total += 2 + count * VECTOR_ENTRY_BYTES;
  }
  return total;
}

export function keyLength(bytes: Uint8Array, at: number): number {
  const flags = bytes[at + 5];
  if ((flags & FLAG_LONG_KEY) === 0) return bytes[at + 6] | (bytes[at + 7] << 8);
  return readU32(bytes, at + HEADER_BYTES + (flags & FLAG_EPOCH ? 4 : 0));
}

/** The absolute deadline in ms, 0 = none. */
export function expireAtOf(bytes: Uint8Array, at: number): number {
  const flags = bytes[at + 5];
  if ((flags & FLAG_EXPIRES) === 0) return 0;
  const field = at + HEADER_BYTES + (flags & FLAG_EPOCH ? 4 : 0) + (flags & FLAG_LONG_KEY ? 4 : 0);
  return readU32(bytes, field) + (bytes[field + 4] | (bytes[field + 5] << 8)) * TWO_32;
}

/** Length of the body, and the hlc part of its dot, as readU32 and hlcOf() say, at fewer loads. */
export function bodyBytesAt(bytes: Viewed, at: number): number {
  return bytes.view.getUint32(at, true);
}
export function hlcOfViewed(bytes: Viewed, at: number): number {
  return (bytes.view.getInt32(at + 12, true) & 0x1fffff) * TWO_32 + bytes.view.getUint32(at + 8, true);
}

/** The hlc part of the dot, below 2^53. */
export function hlcOf(bytes: Uint8Array, at: number): number {
  return (readU32(bytes, at + 12) & 0x1fffff) * TWO_32 + readU32(bytes, at + 8);
}

export function epochOf(bytes: Uint8Array, at: number): number {
  return bytes[at + 5] & FLAG_EPOCH ? readU32(bytes, at + HEADER_BYTES) : 0;
}

/** Order of two bodies by dot (epoch, hlc, node): negative, 0 (the same dot), positive. */
export function compareDots(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  const epochs = epochOf(a, aAt) - epochOf(b, bAt);
  if (epochs !== 0) return epochs;
  const hlcs = hlcOf(a, aAt) - hlcOf(b, bAt);
  if (hlcs !== 0) return hlcs;
  return (readU32(a, aAt + 12) >>> 21) - (readU32(b, bAt + 12) >>> 21);
}

/**
 * Is there a well-formed body at bytes[at .. end)? To be asked of everything that was read from outside, after its crc
 * was found right: a body that passes can be handed to every function above.
 * @returns its length in bytes, or -1.
 */
export function checkBody(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < HEADER_BYTES) return -1;
  const total = readU32(bytes, at);
  if (total < HEADER_BYTES || total > end - at) return -1;
  const flags = bytes[at + 5];
  if (flags & ~FLAGS_KNOWN) return -1;
  let fixed = HEADER_BYTES + (flags & FLAG_EPOCH ? 4 : 0) + (flags & FLAG_LONG_KEY ? 4 : 0);
  if (flags & FLAG_EXPIRES) fixed += EXPIRE_BYTES;
  if (flags & FLAG_VECTOR) fixed += 2;
  if (fixed > total) return -1;
  const from = keyOffset(bytes, at);
  if (from > total) return -1;
  const valueBytes = total - from - keyLength(bytes, at);
  if (valueBytes < 0 || (flags & FLAG_TOMBSTONE && valueBytes !== 0)) return -1;
  return total;
}
