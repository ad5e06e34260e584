/**
 * commands/numbers.ts: integers of up to 64 bits between bytes and numbers.
 * Up to 15 digits they are numbers (exact, and no allocation); longer ones are bigints. Both kinds compare with each other
 * by < and >, so that callers clamp first and calculate afterwards.
 * Invariant: only the canonical form is accepted, as in Redis: no plus sign, no leading zero, no "-0", no spaces.
 */
import type { Args } from "../codec/resp/args.js";
import type { Context } from "./context.js";
import { NOT_INTEGER } from "./texts.js";

export type Integer = number | bigint;

export const INT64_MAX = 0x7fffffffffffffffn;
export const INT64_MIN = -0x8000000000000000n;
/** Most bytes writeInteger and a 64-bit decimal need. */
export const INTEGER_BYTES_MAX = 20;
const SMALL_DIGITS_MAX = 15;

const MINUS = 45;
const ZERO = 48;

// HOT: once per INCR. No allocation. Guard: bench/micro/commands.ts
/** @returns the integer of bytes[at .. at + length), or NaN when it is not one or has more than 15 digits. */
export function parseSmall(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length;
  let i = at;
  const negative = length > 1 && bytes[at] === MINUS;
  if (negative) i++;
  const digits = end - i;
  if (digits < 1 || digits > SMALL_DIGITS_MAX) return Number.NaN;
  let value = bytes[i] - ZERO;
  if (value === 0) return length === 1 ? 0 : Number.NaN;
  if (value < 0 || value > 9) return Number.NaN;
  for (i++; i < end; i++) {
    const digit = bytes[i] - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

/** @returns the 64-bit integer of bytes[at .. at + length), undefined when it is not one. */
export function parseInteger(bytes: Buffer, at: number, length: number): Integer | undefined {
  const small = parseSmall(bytes, at, length);
  if (!Number.isNaN(small)) return small;
  if (length <= SMALL_DIGITS_MAX || length > INTEGER_BYTES_MAX) return undefined;
  const first = bytes[at] === MINUS ? at + 1 : at;
  if (bytes[first] === ZERO) return undefined;
  for (let i = first; i < at + length; i++) if (bytes[i] < ZERO || bytes[i] > ZERO + 9) return undefined;
  const value = BigInt(bytes.latin1Slice(at, at + length));
  return value > INT64_MAX || value < INT64_MIN ? undefined : value;
}

/** An argument as an integer; undefined after having written the error. */
export function integerArg(c: Context, index: number, error: string = NOT_INTEGER): Integer | undefined {
  const args = c.args;
  const value = parseInteger(args.bytes, args.start[index], args.length[index]);
  if (value === undefined) c.reply.error(error);
  return value;
}

/** The nearest number within min..max. */
export function clamp(value: Integer, min: number, max: number): number {
  return value <= min ? min : value >= max ? max : Number(value);
}

// HOT: once per INCR. No allocation up to 2^53.
/** Write a safe integer in decimal. @returns its length in bytes, at most 17. */
export function writeInteger(out: Buffer, at: number, value: number): number {
  let rest = value;
  let start = at;
  if (rest < 0) {
    out[start++] = MINUS;
    rest = -rest;
  }
  let digits = 1;
  for (let bound = 10; rest >= bound; bound *= 10) digits++;
  for (let i = start + digits - 1; i >= start; i--) {
    const tenth = rest < 0x40000000 ? (rest / 10) | 0 : Math.floor(rest / 10);
    out[i] = ZERO + (rest - tenth * 10);
    rest = tenth;
  }
  return start + digits - at;
}

// HOT: once per option word. No allocation.
/** Is the argument this word, in any case? @param word lower case. */
export function isWord(args: Args, index: number, word: string): boolean {
  const length = args.length[index];
  if (length !== word.length) return false;
  const bytes = args.bytes;
  const start = args.start[index];
  for (let i = 0; i < length; i++) {
    let byte = bytes[start + i];
    if (byte >= 65 && byte <= 90) byte += 32;
    if (byte !== word.charCodeAt(i)) return false;
  }
  return true;
}
