/**
 * codec/resp/reply-writer.ts: replies to bytes, in RESP2 and RESP3, into one growing buffer that is reused.
 * Must never: touch a socket, build a string on a hot path, or know a command.
 * Invariants: at <= buf.length; no reply is longer than bytesMax; every method writes whole replies or a header that the caller completes; `proto` may
 * change between replies (HELLO), never within one. Types that RESP2 lacks fall back as Redis does: a map is a flat
 * array, a set an array, a double a bulk string, a null a null bulk, a verbatim string a bulk string, a push an array.
 * Source: RESP3 specification (redis/redis-specifications), Redis 7.2 networking.c for the RESP2 forms.
 */
import { copyBytes, copyPlain } from "../../lib/copy.js";
import { type Viewed, viewedOf } from "../../lib/view.js";

const CR = 13;
const LF = 10;
const ZERO = 48;
/** Room that any header, integer or double needs, CRLF included. */
const SCALAR_BYTES_MAX = 40;
const SPARE_BYTES = 1024;
const START_BYTES = 65536;
/** More is not gathered: a buffer has an end (4 GiB), and copying so much stops everybody. */
export const REPLY_BYTES_MAX: number = 1024 ** 3;

const OK: Buffer = Buffer.from("+OK\r\n");
const QUEUED: Buffer = Buffer.from("+QUEUED\r\n");
const PONG: Buffer = Buffer.from("+PONG\r\n");
const NULL_BULK: Buffer = Buffer.from("$-1\r\n");
const NULL_ARRAY: Buffer = Buffer.from("*-1\r\n");
const NULL_RESP3: Buffer = Buffer.from("_\r\n");

export class ReplyWriter {
  buf: Viewed;
  at = 0;
  /** Protocol of the client being answered: 2 or 3. */
  proto = 2;
  /** Errors written since the counter was last reset by the caller (for statistics and EXEC). */
  errors = 0;
  /** First word of the last error, for errorstats. */
  lastErrorCode = "";

  /** Longer ones are given up. */
  bytesMax: number = REPLY_BYTES_MAX;
  /** A reply was given up. Reset by the caller. */
  tooLong = false;
  /** Told of it; may set `at` to where what must stay ends. */
  onTooLong: () => void = () => {};

  constructor(bytes: number = START_BYTES) {
    this.buf = viewedOf(bytes);
  }

  /** Make room for `bytes` more. Doubles, so appending is amortised O(1) per byte. */
  reserve(bytes: number): void {
    if (this.at + bytes > this.buf.length) this.grow(bytes);
  }

  private grow(bytes: number): void {
    if (this.tooLong || this.at + bytes > this.bytesMax) {
      this.giveUp();
      if (this.at + bytes <= this.buf.length) return;
    }
    // With some room for what follows a large value, or that would be copied once more.
    const size = Math.max(Math.min(this.buf.length * 2, this.bytesMax), this.at + bytes + SPARE_BYTES);
    const bigger = viewedOf(size);
    this.buf.copy(bigger, 0, 0, this.at);
    this.buf = bigger;
  }

  /**
   * The reply is too long for anybody: what was written of it is dropped. The command runs on, since what it does must not stop halfway;
   * what it writes further is worth nothing, and values are not copied any more.
   */
  giveUp(): void {
    this.tooLong = true;
    this.at = 0;
    this.onTooLong();
  }

  /** What was written, in the writer's own buffer, which is the caller's from now on: the writer has a small one again. */
  give(): Buffer {
    const given = this.buf.subarray(0, this.at);
    this.buf = viewedOf(START_BYTES);
    this.at = 0;
    return given;
  }

  /** Append prebuilt bytes. */
  raw(bytes: Buffer): void {
    this.reserve(bytes.length);
    copyPlain(bytes, 0, this.buf, this.at, bytes.length);
    this.at += bytes.length;
  }

  ok(): void {
    this.raw(OK);
  }

  queued(): void {
    this.raw(QUEUED);
  }

  pong(): void {
    this.raw(PONG);
  }

  /** The null of a missing string. */
  nullBulk(): void {
    this.raw(this.proto === 3 ? NULL_RESP3 : NULL_BULK);
  }

  /** The null of a missing array (an aborted EXEC). */
  nullArray(): void {
    this.raw(this.proto === 3 ? NULL_RESP3 : NULL_ARRAY);
  }

  /** A simple string; `text` must hold no CR or LF. */
  simple(text: string): void {
    this.line(43, text);
  }

  /**
   * An error. CR and LF become spaces, and go at its end, as in Redis, so that a client's bytes cannot forge a second reply.
   * @param text latin1; the first word is the code ("ERR ..." as clients match it).
   */
  error(text: string): void {
    this.errors++;
    const space = text.indexOf(" ");
    this.lastErrorCode = space < 0 ? text : text.slice(0, space);
    this.line(45, /[\r\n]/.test(text) ? trimmedEnd(text).replace(/[\r\n]/g, " ") : text);
  }

  private line(lead: number, text: string): void {
    this.reserve(text.length + 3);
    const buf = this.buf;
    buf[this.at++] = lead;
    this.at += buf.latin1Write(text, this.at);
    this.crlf();
  }

  /** An integer reply; `value` must be a safe integer. */
  int(value: number): void {
    this.header(58, value);
  }

  /** An integer reply of up to 64 bits. */
  bigint(value: bigint): void {
    this.line(58, value.toString());
  }

  /** `#t` or `#f` in RESP3, :1 or :0 in RESP2. */
  bool(value: boolean): void {
    if (this.proto === 3) this.line(35, value ? "t" : "f");
    else this.int(value ? 1 : 0);
  }

  /** A double: `,` in RESP3, a bulk string in RESP2. `text` is the number as Redis prints it. */
  double(text: string): void {
    if (this.proto === 3) this.line(44, text);
    else this.bulkText(text);
  }

  /** An integer of any size: `(` in RESP3, a bulk string in RESP2. */
  bigNumber(digits: string): void {
    if (this.proto === 3) this.line(40, digits);
    else this.bulkText(digits);
  }

  // HOT: once per GET. No allocation. Guard: bench/micro/resp.ts
  /** A bulk string of bytes[at .. at + length). Copies. */
  bulk(bytes: Viewed, at: number, length: number): void {
    this.header(36, length);
    this.reserve(length + 2);
    // After a reply that was given up there may be thousands of values more.
    if (this.tooLong) return;
    copyBytes(bytes, at, this.buf, this.at, length);
    this.at += length;
    this.crlf();
  }

  /** A bulk string from text: one byte per character (latin1). */
  bulkText(text: string): void {
    this.header(36, text.length);
    this.reserve(text.length + 2);
    this.at += this.buf.latin1Write(text, this.at);
    this.crlf();
  }

  /** A verbatim string of format txt in RESP3 (INFO, CLIENT LIST), a bulk string in RESP2. */
  verbatim(text: string): void {
    this.verbatimOf([text]);
  }

  /** The same of pieces, which together may be longer than any text. */
  verbatimOf(pieces: readonly string[]): void {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const format = this.proto === 3 ? "txt:" : "";
    this.header(format === "" ? 36 : 61, length + format.length);
    this.reserve(length + format.length + 2);
    if (this.tooLong) return;
    this.at += this.buf.latin1Write(format, this.at);
    for (const piece of pieces) this.at += this.buf.latin1Write(piece, this.at);
    this.crlf();
  }

  /** Header of an array of `count` replies, which the caller writes next. */
  array(count: number): void {
    this.header(42, count);
  }

  /** Header of a map of `pairs` keys and values: 2 * pairs replies follow. */
  map(pairs: number): void {
    if (this.proto === 3) this.header(37, pairs);
    else this.header(42, pairs * 2);
  }

  /** Header of a set of `count` replies. */
  set(count: number): void {
    this.header(this.proto === 3 ? 126 : 42, count);
  }

  /** Header of an attribute, in RESP3 only: 2 * pairs replies follow, then the reply that it belongs to. */
  attribute(pairs: number): void {
    this.header(124, pairs);
  }

  /** Header of a push message of `count` replies. */
  push(count: number): void {
    this.header(this.proto === 3 ? 62 : 42, count);
  }

  private header(lead: number, value: number): void {
    this.reserve(SCALAR_BYTES_MAX);
    const buf = this.buf;
    let at = this.at;
    buf[at++] = lead;
    if (value >= 0 && value < 10) buf[at++] = ZERO + value;
    else if (value >= 0 && value < 1_000_000_000) {
      let digits = 1;
      for (let bound = 10; value >= bound; bound *= 10) digits++;
      let rest = value | 0;
      for (let i = at + digits - 1; i >= at; i--) {
        const tenth = (rest / 10) | 0;
        buf[i] = ZERO + rest - tenth * 10;
        rest = tenth;
      }
      at += digits;
    } else at += buf.latin1Write(String(value), at);
    buf[at++] = CR;
    buf[at++] = LF;
    this.at = at;
  }

  private crlf(): void {
    this.reserve(2);
    this.buf[this.at++] = CR;
    this.buf[this.at++] = LF;
  }
}

/** Without line ends behind. By hand: a pattern that is tied to the end takes the square of a run of them. */
function trimmedEnd(text: string): string {
  let end = text.length;
  while (end > 0 && (text.charCodeAt(end - 1) === 10 || text.charCodeAt(end - 1) === 13)) end--;
  return text.slice(0, end);
}
