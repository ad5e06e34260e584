/**
 * commands/bits.ts: single bits of a string, counting and finding them: SETBIT, GETBIT, BITCOUNT, BITPOS.
 * Bit 0 is the highest bit of the first byte. Beyond the end all bits are 0.
 * As in Redis 7.2 (and not before) BITCOUNT and BITPOS check their arguments also when the key is missing.
 */
import { type Viewed, viewed } from "../lib/view.js";
import type { Context } from "./context.js";
import { type Integer, integerArg, isWord, parseInteger } from "./numbers.js";
import { wrongType } from "./set.js";
import { clampRange, range, resolveRange } from "./strings.js";
import { SYNTAX } from "./texts.js";

export const BAD_OFFSET = "ERR bit offset is not an integer or out of range";
const BAD_BIT = "ERR bit is not an integer or out of range";

/** A bit offset that lies within the longest value; -1 after having written an error. */
function offsetArg(c: Context, index: number): number {
  const args = c.args;
  const offset = parseInteger(args.bytes, args.start[index], args.length[index]);
  if (offset !== undefined && offset >= 0 && offset < c.host.maxValueBytes * 8) return Number(offset);
  c.reply.error(BAD_OFFSET);
  return -1;
}

export function getBit(c: Context): void {
  const offset = offsetArg(c, 2);
  if (offset < 0 || wrongType(c)) return;
  const key = c.key;
  const index = Math.floor(offset / 8);
  const byte = key.present && index < key.valueBytes ? key.bytes[key.valueAt + index] : 0;
  c.reply.int((byte >> (7 - (offset % 8))) & 1);
}

export function setBit(c: Context): void {
  const offset = offsetArg(c, 2);
  if (offset < 0) return;
  const bit = integerArg(c, 3, BAD_BIT);
  if (bit === undefined) return;
  if (bit !== 0 && bit !== 1) {
    c.reply.error(BAD_BIT);
    return;
  }
  if (wrongType(c)) return;
  const index = Math.floor(offset / 8);
  const { key } = c;
  const mask = 0x80 >> (offset % 8);
  if (key.present && key.raw && index < key.valueBytes) {
    const old = key.bytes[key.valueAt + index] & mask ? 1 : 0;
    if (old === bit) {
      // A whole bitmap need not go to the log to say what it says. One that is not raw becomes so, which OBJECT ENCODING shows.
      c.reply.int(old);
      return;
    }
  }
  const value = grown(c, index + 1);
  c.reply.int(value[index] & mask ? 1 : 0);
  if (bit === 1) value[index] |= mask;
  else value[index] &= ~mask;
  c.put(value, 0, value.length, key.present ? key.expireAt : 0, true);
}

/** The key's value in scratch, lengthened with zeros to at least `least` bytes. */
export function grown(c: Context, least: number): Viewed {
  const key = c.key;
  const old = key.present ? key.valueBytes : 0;
  const total = Math.max(old, least);
  const value = viewed(c.scratch(total).subarray(0, total));
  if (old > 0) key.bytes.copy(value, 0, key.valueAt, key.valueAt + old);
  if (total > old) value.fill(0, old, total);
  return value;
}

const UNIT_BYTE = 0;
const UNIT_BIT = 1;

/** BYTE or BIT; -1 after having written an error. */
function unitArg(c: Context, index: number): number {
  if (isWord(c.args, index, "bit")) return UNIT_BIT;
  if (isWord(c.args, index, "byte")) return UNIT_BYTE;
  c.reply.error(SYNTAX);
  return -1;
}

const SET_BITS: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
});

export function bitCount(c: Context): void {
  const { args, key } = c;
  let start: Integer | undefined = 0;
  let end: Integer | undefined = -1;
  let unit = UNIT_BYTE;
  if (args.count > 2) {
    if (args.count !== 4 && args.count !== 5) {
      c.reply.error(SYNTAX);
      return;
    }
    start = integerArg(c, 2);
    if (start === undefined) return;
    end = integerArg(c, 3);
    if (end === undefined) return;
    if (args.count === 5) unit = unitArg(c, 4);
    if (unit < 0) return;
  }
  if (wrongType(c)) return;
  const length = key.present ? key.valueBytes : 0;
  const some = resolveRange(start, end, unit === UNIT_BIT ? length * 8 : length);
  if (!some) c.reply.int(0);
  else if (unit === UNIT_BIT) c.reply.int(countBits(key.bytes, key.valueAt, range.from, range.to));
  else c.reply.int(countBits(key.bytes, key.valueAt, range.from * 8, range.to * 8 + 7));
}

/** Set bits among from..to, counted from the byte at `at`. O(to - from). */
function countBits(bytes: Buffer, at: number, from: number, to: number): number {
  const first = Math.floor(from / 8);
  const last = Math.floor(to / 8);
  let count = 0;
  for (let i = at + first; i <= at + last; i++) count += SET_BITS[bytes[i]];
  count -= SET_BITS[bytes[at + first] & ~(0xff >> (from % 8))];
  return count - SET_BITS[bytes[at + last] & (0x7f >> (to % 8))];
}

export function bitPos(c: Context): void {
  const { args, key } = c;
  const bit = integerArg(c, 2);
  if (bit === undefined) return;
  if (bit !== 0 && bit !== 1) {
    c.reply.error("ERR The bit argument must be 1 or 0.");
    return;
  }
  if (args.count > 6) {
    c.reply.error(SYNTAX);
    return;
  }
  const start = args.count > 3 ? integerArg(c, 3) : 0;
  if (start === undefined) return;
  const unit = args.count > 5 ? unitArg(c, 5) : UNIT_BYTE;
  if (unit < 0) return;
  const end = args.count > 4 ? integerArg(c, 4) : -1;
  if (end === undefined || wrongType(c)) return;
  if (!key.present) {
    c.reply.int(bit === 1 ? -1 : 0);
    return;
  }
  if (!clampRange(start, end, unit === UNIT_BIT ? key.valueBytes * 8 : key.valueBytes)) {
    c.reply.int(-1);
    return;
  }
  const from = unit === UNIT_BIT ? range.from : range.from * 8;
  const to = unit === UNIT_BIT ? range.to : range.to * 8 + 7;
  const found = findBit(key.bytes, key.valueAt, from, to, bit);
  // Without an explicit end the string goes on with zeros for ever.
  if (found < 0 && bit === 0 && args.count < 5) c.reply.int(key.valueBytes * 8);
  else c.reply.int(found);
}

/** The first bit among from..to that is `bit`, or -1. */
function findBit(bytes: Buffer, at: number, from: number, to: number, bit: number): number {
  const none = bit === 1 ? 0 : 0xff;
  for (let i = from; i <= to; ) {
    const byte = bytes[at + Math.floor(i / 8)];
    if (byte === none) i += 8 - (i % 8);
    else if (((byte >> (7 - (i % 8))) & 1) === bit) return i;
    else i++;
  }
  return -1;
}
