/**
 * codec/frame/frame-reader.ts: a stream of bytes cut into frames. One reader per connection; it takes up where it stopped.
 * A frame that lies whole in the bytes given is not copied. Of one that does not, what has come is kept here, in a buffer
 * that grows with what has come and never by a length that was only declared.
 * It must never: throw for what a peer sends, or hand out a frame whose crc is wrong.
 * Invariants: after ERROR nothing more is read; a frame handed out is borrowed until the next call; cutting the bytes up
 * differently never changes what they mean.
 */
import { crc32 } from "../../lib/crc.js";
import { readU32 } from "../record/record.js";
import {
  FRAME_BYE,
  FRAME_HANDSHAKE,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_MESSAGES,
  VERSION_HANDSHAKE,
} from "./layout.js";

export const FRAME_MORE = 0;
export const FRAME_WHOLE = 1;
export const FRAME_ERROR = 2;

const KEPT_BYTES_LEAST = 4096;
/** A buffer that grew beyond it is given back once its frame was used. The parts of large messages stay below. */
const KEPT_BYTES_MAX: number = 320 * 1024;
const EMPTY: Buffer = Buffer.alloc(0);

export class FrameReader {
  /** The version agreed on; VERSION_HANDSHAKE until then, when only handshake frames are taken. */
  version: number = VERSION_HANDSHAKE;
  /** Largest payload taken now. */
  payloadBytesMax: number;

  // The frame after FRAME_WHOLE.
  type = 0;
  count = 0;
  bytes: Buffer = EMPTY;
  /** The payload is bytes[from .. to). */
  from = 0;
  to = 0;

  /** First byte of what was given that is not used up. */
  position = 0;
  /** After FRAME_ERROR: what is wrong with the stream. */
  errorText = "";

  /** Beginning of a frame that has not come whole. */
  private kept: Buffer = EMPTY;
  private keptBytes = 0;

  constructor(payloadBytesMax: number) {
    this.payloadBytesMax = payloadBytesMax;
  }

  /** Bytes this reader holds memory for. */
  get heldBytes(): number {
    return this.kept.length;
  }

  // HOT: once per frame. No allocation but the two views for the crcs. Guard: bench/micro/frame.ts
  /** Read one frame from bytes[from .. end); begin again at `position` for the next. */
  next(bytes: Buffer, from: number, end: number): number {
    this.position = from;
    if (this.errorText !== "") return FRAME_ERROR;
    if (this.keptBytes > 0) return this.rest(bytes, from, end);
    if (this.kept.length > KEPT_BYTES_MAX) this.kept = EMPTY;
    if (end - from >= FRAME_HEADER_BYTES) {
      const total = this.header(bytes, from);
      if (total < 0) return FRAME_ERROR;
      if (end - from >= total) {
        this.position = from + total;
        return this.whole(bytes, from, total);
      }
    }
    this.keep(bytes, from, end, end - from);
    return this.begun();
  }

  /** Too few bytes for a header have come. One who speaks something else is told so at once, and not waited for. */
  private begun(): number {
    for (let i = 0; i < this.keptBytes && i < 4; i++) {
      if (this.kept[i] === ((FRAME_MAGIC >>> (8 * i)) & 255)) continue;
      this.fail("no frame begins here");
      return FRAME_ERROR;
    }
    return FRAME_MORE;
  }

  /** Go on with a frame that began in an earlier call. */
  private rest(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (this.keptBytes < FRAME_HEADER_BYTES) {
      at = Math.min(end, from + FRAME_HEADER_BYTES - this.keptBytes);
      this.keep(bytes, from, at, FRAME_HEADER_BYTES);
      if (this.keptBytes < FRAME_HEADER_BYTES) return this.begun();
    }
    const total = this.header(this.kept, 0);
    if (total < 0) return FRAME_ERROR;
    const until = Math.min(end, at + total - this.keptBytes);
    this.keep(bytes, at, until, total);
    if (this.keptBytes < total) return FRAME_MORE;
    this.position = until;
    this.keptBytes = 0;
    return this.whole(this.kept, 0, total);
  }

  /** Append to what is kept. @param needed the frame's length as far as it is known: the buffer never becomes larger. */
  private keep(bytes: Buffer, from: number, to: number, needed: number): void {
    const have = this.keptBytes + to - from;
    if (have > this.kept.length) {
      // At most twice what is there: a length alone makes nobody hold memory.
      const size = Math.max(KEPT_BYTES_LEAST, have, Math.min(needed, have * 2));
      const bigger = Buffer.allocUnsafeSlow(size);
      this.kept.copy(bigger, 0, 0, this.keptBytes);
      this.kept = bigger;
    }
    bytes.copy(this.kept, this.keptBytes, from, to);
    this.keptBytes = have;
    this.position = to;
  }

  /** Check the header at `at`. @returns bytes of the whole frame, or -1. */
  private header(bytes: Buffer, at: number): number {
    if (readU32(bytes, at) !== FRAME_MAGIC) return this.fail("no frame begins here");
    if (readU32(bytes, at + 16) !== crc32(bytes.subarray(at, at + 16))) return this.fail("a frame's header is damaged");
    const version = bytes[at + 4];
    const type = bytes[at + 5];
    if (type === 0 || type > FRAME_BYE) return this.fail(`frame type ${type} is unknown`);
    const expected = type === FRAME_HANDSHAKE ? VERSION_HANDSHAKE : this.version;
    if (version !== expected) return this.fail(`a frame of type ${type} has version ${version}, expected ${expected}`);
    if (version === VERSION_HANDSHAKE && type !== FRAME_HANDSHAKE) return this.fail("a frame before the handshake");
    const count = bytes[at + 6] | (bytes[at + 7] << 8);
    if ((type === FRAME_MESSAGES) === (count === 0)) return this.fail(`a frame of type ${type} has ${count} messages`);
    const payloadBytes = readU32(bytes, at + 8);
    if (payloadBytes > this.payloadBytesMax) {
      return this.fail(`a frame has ${payloadBytes} bytes, more than ${this.payloadBytesMax}`);
    }
    return FRAME_HEADER_BYTES + payloadBytes;
  }

  private whole(bytes: Buffer, at: number, total: number): number {
    this.from = at + FRAME_HEADER_BYTES;
    this.to = at + total;
    if (crc32(bytes.subarray(this.from, this.to)) !== readU32(bytes, at + 12)) {
      this.fail("a frame's payload is damaged");
      return FRAME_ERROR;
    }
    this.bytes = bytes;
    this.type = bytes[at + 5];
    this.count = bytes[at + 6] | (bytes[at + 7] << 8);
    return FRAME_WHOLE;
  }

  private fail(text: string): number {
    this.errorText = text;
    this.kept = EMPTY;
    this.keptBytes = 0;
    return -1;
  }
}
