/**
 * commands/dump.ts: DUMP and RESTORE: a value as Redis's snapshot format has it, so that keys can be carried between kvorum
 * and Redis in both directions.
 *
 *   type (1 byte, 0 = string) | string | format version (2 bytes, lowest first) | CRC-64 of all before (8 bytes)
 *
 *   string:  00LLLLLL | 01LLLLLL L | 10000000 LLLL | 10000001 LLLLLLLL   length (highest byte first), then the bytes
 *            11000000 b | 11000001 bb | 11000010 bbbb                    a signed integer, lowest byte first
 *            11000011 length-compressed length-plain bytes               LZF
 *
 * Invariant: what is written has version 10, which Redis 7.0 and all after it accept; versions up to 12 are read.
 */
import { writeCrc64 } from "../lib/crc64.js";
import { lzfCompress, lzfDecompress } from "../lib/lzf.js";
import { viewed } from "../lib/view.js";
import type { Context } from "./context.js";
import { storable } from "./deadline.js";
import { type Integer, integerArg, isWord, parseSmall } from "./numbers.js";
import { writeNoKey, wrongType } from "./set.js";
import { SYNTAX } from "./texts.js";

const TYPE_STRING = 0;
const VERSION_WRITTEN = 10;
const VERSION_READ_MAX = 12;
const FOOTER_BYTES = 10;
/** Room for the type, a length and the footer. */
const AROUND_BYTES = 1 + 9 + 9 + FOOTER_BYTES;

const ENCODED = 0xc0;
const ENCODED_INT8 = 0xc0;
const ENCODED_INT16 = 0xc1;
const ENCODED_INT32 = 0xc2;
const ENCODED_LZF = 0xc3;
const LENGTH_32 = 0x80;
const LENGTH_64 = 0x81;
/** Longer strings are compressed, if that makes them at least 4 bytes shorter. */
const PLAIN_BYTES_MAX = 20;
/** Two bytes give at most 8 bytes, three at most 264. */
const LZF_GAIN_MAX = 88;
const INTEGER_TEXT_BYTES_MAX = 11;

export function dump(c: Context): void {
  if (writeNoKey(c) || wrongType(c)) return;
  const { bytes, valueAt, valueBytes } = c.key;
  const out = c.scratch(valueBytes + AROUND_BYTES);
  out[0] = TYPE_STRING;
  let at = writeString(out, 1, bytes, valueAt, valueBytes);
  out[at++] = VERSION_WRITTEN;
  out[at++] = 0;
  writeCrc64(out, 0, at, out, at);
  c.reply.bulk(out, 0, at + 8);
}

/** @returns where the output goes on. */
function writeString(out: Buffer, at: number, bytes: Buffer, from: number, length: number): number {
  const value = length <= INTEGER_TEXT_BYTES_MAX ? parseSmall(bytes, from, length) : Number.NaN;
  if (value >= -0x80 && value <= 0x7f) {
    out[at] = ENCODED_INT8;
    return out.writeInt8(value, at + 1);
  }
  if (value >= -0x8000 && value <= 0x7fff) {
    out[at] = ENCODED_INT16;
    return out.writeInt16LE(value, at + 1);
  }
  if (value >= -0x80000000 && value <= 0x7fffffff) {
    out[at] = ENCODED_INT32;
    return out.writeInt32LE(value, at + 1);
  }
  if (length > PLAIN_BYTES_MAX) {
    // Aside, because the lengths come first and how many bytes they take is known only afterwards.
    const packed = Buffer.allocUnsafe(length - 4);
    const size = lzfCompress(bytes, from, length, packed, 0, packed.length);
    if (size > 0) {
      out[at] = ENCODED_LZF;
      at = writeLength(out, writeLength(out, at + 1, size), length);
      packed.copy(out, at, 0, size);
      return at + size;
    }
  }
  at = writeLength(out, at, length);
  bytes.copy(out, at, from, from + length);
  return at + length;
}

function writeLength(out: Buffer, at: number, length: number): number {
  if (length < 1 << 6) {
    out[at] = length;
    return at + 1;
  }
  if (length < 1 << 14) return out.writeUInt16BE(0x4000 | length, at);
  out[at] = LENGTH_32;
  return out.writeUInt32BE(length, at + 1);
}

export function restore(c: Context): void {
  const { args, key } = c;
  const options = parseOptions(c);
  if (options === undefined) return;
  if (key.present && !options.replace) {
    c.reply.error("BUSYKEY Target key name already exists.");
    return;
  }
  const ttl = integerArg(c, 2);
  if (ttl === undefined) return;
  if (ttl < 0) {
    c.reply.error("ERR Invalid TTL value, must be >= 0");
    return;
  }
  const payload = args.view(3);
  if (!payloadIsWhole(payload)) {
    c.reply.error("ERR DUMP payload version or checksum are wrong");
    return;
  }
  const value = readString(payload, payload.length - FOOTER_BYTES, c.host.maxValueBytes);
  if (value === undefined) {
    const other = payload[0] !== TYPE_STRING ? " (only strings are stored)" : "";
    c.reply.error(`ERR Bad data format${other}`);
    return;
  }
  const deadline = deadlineFrom(c, ttl, options.absolute);
  if (deadline !== 0 && c.hasPassed(deadline)) c.remove();
  else {
    c.put(viewed(value), 0, value.length, deadline);
    c.newIdleSeconds = options.idleSeconds;
    c.newFrequency = options.frequency;
  }
  c.reply.ok();
}

function deadlineFrom(c: Context, ttl: Integer, absolute: boolean): number {
  return ttl === 0 ? 0 : storable(absolute ? ttl : typeof ttl === "number" ? ttl + c.now : ttl);
}

interface RestoreOptions {
  replace: boolean;
  absolute: boolean;
  idleSeconds: number;
  frequency: number;
}

const FREQUENCY_MAX = 255;

/** @returns undefined after having written an error. */
function parseOptions(c: Context): RestoreOptions | undefined {
  const args = c.args;
  const options: RestoreOptions = { replace: false, absolute: false, idleSeconds: -1, frequency: -1 };
  for (let i = 4; i < args.count; i++) {
    const more = i + 1 < args.count;
    if (isWord(args, i, "replace")) options.replace = true;
    else if (isWord(args, i, "absttl")) options.absolute = true;
    else if (more && options.frequency < 0 && isWord(args, i, "idletime")) {
      const seconds = integerArg(c, ++i);
      if (seconds === undefined) return undefined;
      if (seconds < 0) {
        c.reply.error("ERR Invalid IDLETIME value, must be >= 0");
        return undefined;
      }
      options.idleSeconds = Number(seconds);
    } else if (more && options.idleSeconds < 0 && isWord(args, i, "freq")) {
      const frequency = integerArg(c, ++i);
      if (frequency === undefined) return undefined;
      if (frequency < 0 || frequency > FREQUENCY_MAX) {
        c.reply.error("ERR Invalid FREQ value, must be >= 0 and <= 255");
        return undefined;
      }
      options.frequency = Number(frequency);
    } else {
      c.reply.error(SYNTAX);
      return undefined;
    }
  }
  return options;
}

const crc: Buffer = Buffer.alloc(8);

function payloadIsWhole(payload: Buffer): boolean {
  if (payload.length < FOOTER_BYTES) return false;
  if (payload.readUInt16LE(payload.length - FOOTER_BYTES) > VERSION_READ_MAX) return false;
  writeCrc64(payload, 0, payload.length - 8, crc, 0);
  return crc.compare(payload, payload.length - 8) === 0;
}

/** Reads the lengths of a payload, one after the other. */
class LengthReader {
  at = 1;
  private readonly payload: Buffer;
  private readonly end: number;

  constructor(payload: Buffer, end: number) {
    this.payload = payload;
    this.end = end;
  }

  has(bytes: number): boolean {
    return bytes <= this.end - this.at;
  }

  /** A length, or -1 when there is none that makes sense. */
  next(): number {
    if (!this.has(1)) return -1;
    const { payload } = this;
    const first = payload[this.at++];
    if (first < 0x40) return first;
    if (first < LENGTH_32) return this.has(1) ? ((first & 0x3f) << 8) | payload[this.at++] : -1;
    const bytes = first === LENGTH_32 ? 4 : first === LENGTH_64 ? 8 : 0;
    if (bytes === 0 || !this.has(bytes)) return -1;
    this.at += bytes;
    if (bytes === 4) return payload.readUInt32BE(this.at - 4);
    const high = payload.readUInt32BE(this.at - 8);
    return high > 0x1fffff ? -1 : high * 2 ** 32 + payload.readUInt32BE(this.at - 4);
  }
}

/** The string of payload[0 .. end), borrowed where it lies there in plain; undefined when malformed or no string. */
function readString(payload: Buffer, end: number, max: number): Buffer | undefined {
  if (end < 2 || payload[0] !== TYPE_STRING) return undefined;
  const first = payload[1];
  if (first === ENCODED_INT8) return end >= 3 ? Buffer.from(String(payload.readInt8(2))) : undefined;
  if (first === ENCODED_INT16) return end >= 4 ? Buffer.from(String(payload.readInt16LE(2))) : undefined;
  if (first === ENCODED_INT32) return end >= 6 ? Buffer.from(String(payload.readInt32LE(2))) : undefined;
  const reader = new LengthReader(payload, end);
  if (first >= ENCODED && first !== ENCODED_LZF) return undefined;
  if (first !== ENCODED_LZF) {
    const length = reader.next();
    return length >= 0 && length <= max && reader.has(length)
      ? payload.subarray(reader.at, reader.at + length)
      : undefined;
  }
  reader.at = 2;
  const packed = reader.next();
  const length = reader.next();
  // The room is asked for by a number that a client sent: no more of it than so many bytes can give.
  if (packed < 0 || length < 0 || length > Math.min(max, packed * LZF_GAIN_MAX) || !reader.has(packed))
    return undefined;
  const value = Buffer.allocUnsafe(length);
  return lzfDecompress(payload, reader.at, packed, value, length) ? value : undefined;
}
