/**
 * codec/resp/request-parser.ts: what clients send, to offsets. One parser per connection; it takes up where it stopped
 * when more bytes have come, so a command in a thousand packets is looked at once.
 * It must never: throw for what a client sends, copy an argument, or allocate by a length that was only declared.
 * Invariants: `next` returns DONE, INCOMPLETE or ERROR. After DONE `args` holds a command with at least one argument.
 * After INCOMPLETE the bytes from `position` on must be presented again, in front of new ones, as `from` of the next call; they
 * may lie in another buffer or at another offset by then. After ERROR the connection is of no further use.
 *
 * Two forms (RESP specification, "Sending commands"; exact rules and texts: Redis 7.0 networking.c, sds.c sdssplitargs):
 *
 *   *3 CR LF  $3 CR LF  SET CR LF  $1 CR LF  k CR LF  $1 CR LF  v CR LF      any bytes, lengths ahead
 *   SET k "v\x00" LF                                                        a line for humans; CR LF or LF
 *
 * As in Redis the byte after a header's CR and the two after an argument are skipped, not compared. A malformed header is
 * an error only once its CR has come. Escapes of a line are undone in place: the text never becomes longer.
 */
import { VALUE_BYTES_MOST } from "../../lib/limits.js";
import type { Viewed } from "../../lib/view.js";
import { Args } from "./args.js";
import { SHORT_COUNT_BYTES, SHORT_LENGTH_BYTES_MAX, shortCount, shortLength } from "./short-header.js";
import { splitLine } from "./split-line.js";

export const INCOMPLETE = 0;
export const DONE = 1;
export const ERROR = 2;

/** What a client may send. Each is an error before anything is allocated for it. */
export interface RequestLimits {
  /** Arguments of one command, its name included. */
  argsMax: number;
  /** Bytes of one argument (proto-max-bulk-len). */
  bulkBytesMax: number;
  /** Bytes of an inline command, and of a header line that has no end. */
  lineBytesMax: number;
  /** Of one command, and bytes of one argument, before AUTH. */
  unauthenticatedArgsMax: number;
  unauthenticatedBytesMax: number;
}

/** Redis's constants. proto-max-bulk-len is an option; the caller keeps `bulkBytesMax` at its value. */
export const LIMITS_DEFAULT: Readonly<RequestLimits> = {
  argsMax: 1024 * 1024,
  bulkBytesMax: VALUE_BYTES_MOST,
  lineBytesMax: 64 * 1024,
  // Since 6.2.6 (CVE-2021-32675): enough for HELLO 3 AUTH user password SETNAME name.
  unauthenticatedArgsMax: 10,
  unauthenticatedBytesMax: 16384,
};

const LF = 10;
const CR = 13;
const DOLLAR = 36;
const STAR = 42;
const MINUS = 45;
const ZERO = 48;

/** A line's digits as a number, or one of these. */
const NOT_A_NUMBER = -2;
const NO_LINE_YET = -3;
const LINE_TOO_LONG = -4;
/** Longest decimal that is looked at: 15 digits are exact in a double and far above every limit. */
const DIGITS_MAX = 15;
const INT64_DIGITS_MAX = 19;

export class RequestParser {
  /** The command after DONE: the shared Args, or an own one when the command came in several pieces. */
  args: Args;
  /** DONE: the first byte after the command. INCOMPLETE: the first byte that must be kept. ERROR: where it was found. */
  position = 0;
  /** INCOMPLETE: how many bytes from `position` on are known to be needed (a hint for sizing a buffer); 0 = unknown. */
  needed = 0;
  /** Text of the last ERROR, as Redis words it, without the code: "Protocol error: ...". */
  errorText = "";
  /** False narrows the limits to what a client may send before AUTH. */
  authenticated = true;

  private readonly shared: Args;
  private readonly limits: Readonly<RequestLimits>;

  // State of a command that has begun and is not complete. Offsets are relative to its first byte.
  /** Arguments still to come; 0 = between commands. */
  private left = 0;
  /** Declared length of the argument being read; -1 = its header has not been read. */
  private bulk = -1;
  /** Where to go on: the current argument's header, or its bytes when `bulk` is known. */
  private at = 0;
  /** How far the search for the end of the current line has come, so that no byte is searched twice. */
  private searched = 0;

  /** @param shared arguments of commands that arrive whole: one object for all connections of a server. */
  constructor(shared: Args, limits: Readonly<RequestLimits> = LIMITS_DEFAULT) {
    this.shared = shared;
    this.args = shared;
    this.limits = limits;
  }

  /** True when a command has begun and its end has not come. */
  get midway(): boolean {
    return this.left > 0 || this.searched > 0;
  }

  // HOT: once per command. No allocation, closure, throw or string. Guard: bench/micro/resp-decode.ts
  /**
   * Parse one command from bytes[from .. end).
   * @param bytes borrowed; `args` refers to it after DONE. An inline command with escapes is changed in place.
   * @returns DONE, INCOMPLETE or ERROR. Commands without arguments (`*0`, an empty line) are passed over silently.
   */
  next(bytes: Viewed, from: number, end: number): number {
    if (this.left > 0) return this.rest(bytes, from, end);
    this.args = this.shared;
    let start = from;
    while (start < end) {
      if (bytes[start] !== STAR) {
        const state = this.line(bytes, start, end);
        if (state !== DONE || this.args.count > 0) return state;
        start = this.position;
        continue;
      }
      let at = start + 1;
      const short = start + SHORT_COUNT_BYTES <= end ? shortCount(bytes.view.getInt32(start, true)) : 0;
      if (short > 0) {
        this.left = short;
        at = start + SHORT_COUNT_BYTES;
      } else {
        const count = this.number(bytes, start, start, end, this.limits.argsMax);
        if (count < 0) return this.badCount(count, start);
        at = this.at;
        if (count === 0) {
          start = at;
          continue;
        }
        this.left = count;
      }
      if (!this.authenticated && this.left > this.limits.unauthenticatedArgsMax)
        return this.fail(start, "Protocol error: unauthenticated multibulk length");
      const args = this.shared;
      args.bytes = bytes;
      args.count = 0;
      return this.bulks(args, bytes, start, at, end, 0, -1);
    }
    this.position = start;
    this.needed = 0;
    return INCOMPLETE;
  }

  /** Go on with a command that began in an earlier call. Its arguments are kept relative to its first byte. */
  private rest(bytes: Viewed, from: number, end: number): number {
    const args = this.args;
    args.bytes = bytes;
    const state = this.bulks(args, bytes, from, from + this.at, end, from, this.bulk);
    if (state === DONE && from > 0) for (let i = 0; i < args.count; i++) args.start[i] += from;
    return state;
  }

  // HOT: once per command, its loop once per argument.
  /**
   * Read arguments until none is left.
   * @param base the command's first byte; `shift` is taken off the offsets that are stored; `bulk` as the field.
   */
  private bulks(args: Args, bytes: Viewed, base: number, at: number, end: number, shift: number, bulk: number): number {
    let left = this.left;
    const max = this.authenticated ? this.limits.bulkBytesMax : this.limits.unauthenticatedBytesMax;
    const { view } = bytes;
    for (;;) {
      const short = bulk < 0 && at + SHORT_LENGTH_BYTES_MAX <= end ? shortLength(view.getInt32(at, true)) : -1;
      if (short >= 0 && short >>> 3 <= max) {
        bulk = short >>> 3;
        at += short & 7;
      } else if (bulk < 0) {
        let i = at + 1;
        let length = 0;
        // Up to 8 digits with their CR and one byte more, all here; anything else takes the slow way.
        const last = end - 2 < at + 9 ? end - 2 : at + 9;
        while (i < last) {
          const digit = bytes[i] - ZERO;
          if (digit < 0 || digit > 9) break;
          length = length * 10 + digit;
          i++;
        }
        const digits = i - at - 1;
        if (
          digits > 0 &&
          i + 1 < end &&
          bytes[i] === CR &&
          bytes[at] === DOLLAR &&
          length <= max &&
          (digits === 1 || bytes[at + 1] !== ZERO)
        ) {
          at = i + 2;
        } else {
          length = this.header(bytes, base, at, end);
          if (length < 0) {
            if (length !== NO_LINE_YET) return ERROR;
            return this.suspend(args, base, at, left, -1, shift, at - base + 1);
          }
          at = this.at;
        }
        bulk = length;
      }
      const next = at + bulk + 2;
      if (next > end) return this.suspend(args, base, at, left, bulk, shift, next - base);
      args.push(at - shift, bulk);
      at = next;
      bulk = -1;
      if (--left === 0) {
        this.left = 0;
        this.searched = 0;
        this.position = at;
        return DONE;
      }
    }
  }

  /** Keep what is known of an incomplete command. The shared arguments are left to the next connection. */
  private suspend(
    args: Args,
    base: number,
    at: number,
    left: number,
    bulk: number,
    shift: number,
    needed: number,
  ): number {
    if (args === this.shared) {
      const own = new Args();
      for (let i = 0; i < args.count; i++) own.push(args.start[i] - base + shift, args.length[i]);
      this.args = own;
    }
    this.left = left;
    this.bulk = bulk;
    this.at = at - base;
    this.position = base;
    this.needed = needed;
    return INCOMPLETE;
  }

  /** An argument's header that is unusual: long, cut off or wrong. @returns the length, NO_LINE_YET, or < 0 after fail(). */
  private header(bytes: Viewed, base: number, at: number, end: number): number {
    const length = this.number(bytes, base, at, end, this.limits.bulkBytesMax);
    if (length === NO_LINE_YET) return length;
    if (length === LINE_TOO_LONG) this.fail(at, "Protocol error: too big bulk count string");
    else if (bytes[at] !== DOLLAR)
      this.fail(at, `Protocol error: expected '$', got '${String.fromCharCode(bytes[at])}'`);
    else if (length < 0) this.fail(at, "Protocol error: invalid bulk length");
    else if (length > this.limits.unauthenticatedBytesMax && !this.authenticated)
      this.fail(at, "Protocol error: unauthenticated bulk length");
    else return length;
    return NOT_A_NUMBER;
  }

  /**
   * The decimal between the type byte at `at` and the next CR; `this.at` is then the first byte after the line.
   * @returns 0..max, NOT_A_NUMBER (also for one above max), NO_LINE_YET or LINE_TOO_LONG. `*` alone may be negative, which counts as 0.
   */
  private number(bytes: Viewed, base: number, at: number, end: number, max: number): number {
    const searched = base + this.searched;
    // Not indexOf: it would run on into what lies behind `end`, which may be megabytes.
    let cr = Math.max(searched, at);
    while (cr < end && bytes[cr] !== CR) cr++;
    if (cr === end && cr - at > this.limits.lineBytesMax) return LINE_TOO_LONG;
    if (cr + 1 >= end) {
      this.searched = cr - base;
      return NO_LINE_YET;
    }
    this.searched = 0;
    this.at = cr + 2;
    const negative = bytes[at + 1] === MINUS;
    const first = negative ? at + 2 : at + 1;
    const digits = cr - first;
    if (digits > DIGITS_MAX && negative && bytes[at] === STAR) return veryNegative(bytes, first, cr) ? 0 : NOT_A_NUMBER;
    if (digits < 1 || digits > DIGITS_MAX) return NOT_A_NUMBER;
    // As string2ll: no leading zero, no plus sign, no "-0".
    if (bytes[first] === ZERO && (digits > 1 || negative)) return NOT_A_NUMBER;
    let value = 0;
    for (let i = first; i < cr; i++) {
      const digit = bytes[i] - ZERO;
      if (digit < 0 || digit > 9) return NOT_A_NUMBER;
      value = value * 10 + digit;
    }
    if (negative) return bytes[at] === STAR ? 0 : NOT_A_NUMBER;
    return value > max ? NOT_A_NUMBER : value;
  }

  private badCount(count: number, start: number): number {
    if (count === NO_LINE_YET) {
      this.position = start;
      this.needed = 0;
      return INCOMPLETE;
    }
    if (count === LINE_TOO_LONG) return this.fail(start, "Protocol error: too big mbulk count string");
    return this.fail(start, "Protocol error: invalid multibulk length");
  }

  private fail(at: number, text: string): number {
    this.left = 0;
    this.searched = 0;
    this.position = at;
    this.errorText = text;
    return ERROR;
  }

  /** An inline command. Not hot: people and health checks send it. */
  private line(bytes: Viewed, start: number, end: number): number {
    let lf = start + this.searched;
    while (lf < end && bytes[lf] !== LF) lf++;
    // The end of the line is no part of it.
    const stop = lf > start && bytes[lf - 1] === CR ? lf - 1 : lf;
    if (stop - start > this.limits.lineBytesMax) return this.fail(start, "Protocol error: too big inline request");
    if (lf === end) {
      this.searched = end - start;
      this.position = start;
      this.needed = 0;
      return INCOMPLETE;
    }
    this.searched = 0;
    const args = this.shared;
    args.bytes = bytes;
    args.count = 0;
    this.position = lf + 1;
    if (!splitLine(args, bytes, start, stop)) return this.fail(start, "Protocol error: unbalanced quotes in request");
    return DONE;
  }
}

/** Are these the digits of a number from -2^63 on? Redis takes such a count, as all below 0, for a command without arguments. */
function veryNegative(bytes: Viewed, first: number, end: number): boolean {
  const digits = bytes.latin1Slice(first, Math.min(end, first + INT64_DIGITS_MAX + 1));
  return /^[1-9]\d{0,18}$/.test(digits) && BigInt(digits) <= 2n ** 63n;
}
