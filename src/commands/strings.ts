/**
 * commands/strings.ts: reading and changing string values: GET and its kin, ranges, APPEND, MSETNX.
 * A value that is changed in place counts as raw from then on (OBJECT ENCODING), as in Redis.
 */
import { type Viewed, viewed } from "../lib/view.js";
import type { Context } from "./context.js";
import { clamp, type Integer, integerArg } from "./numbers.js";
import { writeValue, wrongType } from "./set.js";
import { TOO_LONG } from "./texts.js";

const NO_BYTES: Viewed = viewed(Buffer.alloc(0));

// HOT: once per GET. No allocation. Guard: bench/micro/commands.ts
export function get(c: Context): void {
  const key = c.key;
  if (!key.present) c.reply.nullBulk();
  else if (!wrongType(c)) c.reply.bulk(key.bytes, key.valueAt, key.valueBytes);
}

/** MGET's step: what is no string counts as missing. */
export function getOne(c: Context): void {
  const key = c.key;
  if (key.present && key.type === 0) c.reply.bulk(key.bytes, key.valueAt, key.valueBytes);
  else c.reply.nullBulk();
}

/** MSET's step. */
export function setOne(c: Context): void {
  const args = c.args;
  c.put(args.bytes, args.start[2], args.length[2], 0);
  c.reply.ok();
}

export function getDel(c: Context): void {
  if (wrongType(c)) return;
  writeValue(c);
  if (c.key.present) c.remove();
}

export function strLen(c: Context): void {
  if (!wrongType(c)) c.reply.int(c.key.present ? c.key.valueBytes : 0);
}

/** MSETNX: all keys or none, so it is no "each" command. */
export function mSetNx(c: Context): void {
  const args = c.args;
  if (args.count % 2 === 0) {
    c.reply.error("ERR wrong number of arguments for 'msetnx' command");
    return;
  }
  for (let i = 1; i < args.count; i += 2) {
    if (c.space.find(c.db, args.bytes, args.start[i], args.length[i], c.key, false)) {
      c.reply.int(0);
      return;
    }
  }
  const { bytes, start, length } = args;
  for (let i = 1; i < args.count; i += 2)
    c.space.put(c.db, bytes, start[i], length[i], bytes, start[i + 1], length[i + 1], 0, false);
  c.reply.int(1);
}

/** @returns true, after having written the error, when a value of so many bytes may not be. */
function tooLong(c: Context, bytes: Integer): boolean {
  if (bytes <= c.host.maxValueBytes) return false;
  c.reply.error(TOO_LONG);
  return true;
}

export function append(c: Context): void {
  const { args, key } = c;
  const at = args.start[2];
  const length = args.length[2];
  if (!key.present) {
    c.put(args.bytes, at, length, 0);
    c.reply.int(length);
    return;
  }
  const total = key.valueBytes + length;
  if (wrongType(c) || tooLong(c, total)) return;
  const value = c.scratch(total);
  key.bytes.copy(value, 0, key.valueAt, key.valueAt + key.valueBytes);
  args.bytes.copy(value, key.valueBytes, at, at + length);
  c.put(value, 0, total, key.expireAt, true);
  c.reply.int(total);
}

/** The bytes from..to (inclusive, after counting from the end) of a string of `length`; from > to when empty. */
export const range: { from: number; to: number } = { from: 0, to: -1 };

/** Resolve Redis's start and end of a range within 0..length-1 into `range`. @returns false when it is empty. */
export function resolveRange(start: Integer, end: Integer, length: number): boolean {
  // Only this comparison tells apart what clamping makes equal.
  if (start < 0 && end < 0 && start > end) return false;
  return clampRange(start, end, length);
}

/** The same for BITPOS, where start and end may both lie before the string and then mean its first element. */
export function clampRange(start: Integer, end: Integer, length: number): boolean {
  let from = clamp(start, -length - 1, length);
  let to = clamp(end, -length - 1, length);
  if (from < 0) from = Math.max(0, length + from);
  if (to < 0) to = Math.max(0, length + to);
  if (to >= length) to = length - 1;
  range.from = from;
  range.to = to;
  return from <= to;
}

export function getRange(c: Context): void {
  const start = integerArg(c, 2);
  if (start === undefined) return;
  const end = integerArg(c, 3);
  if (end === undefined || wrongType(c)) return;
  const key = c.key;
  if (!key.present || !resolveRange(start, end, key.valueBytes)) c.reply.bulk(NO_BYTES, 0, 0);
  else c.reply.bulk(key.bytes, key.valueAt + range.from, range.to - range.from + 1);
}

export function setRange(c: Context): void {
  const { args, key } = c;
  const given = integerArg(c, 2);
  if (given === undefined) return;
  if (given < 0) {
    c.reply.error("ERR offset is out of range");
    return;
  }
  if (wrongType(c)) return;
  const old = key.present ? key.valueBytes : 0;
  const length = args.length[3];
  if (length === 0) {
    c.reply.int(old);
    return;
  }
  if (tooLong(c, given) || tooLong(c, Number(given) + length)) return;
  const offset = Number(given);
  const total = Math.max(old, offset + length);
  const value = c.scratch(total);
  if (old > 0) key.bytes.copy(value, 0, key.valueAt, key.valueAt + old);
  if (offset > old) value.fill(0, old, offset);
  args.bytes.copy(value, offset, args.start[3], args.start[3] + length);
  c.put(value, 0, total, key.present ? key.expireAt : 0, true);
  c.reply.int(total);
}
