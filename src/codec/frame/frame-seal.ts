/**
 * codec/frame/frame-seal.ts: the header in front of a payload that lies there already, and messages too large for one frame cut
 * into parts and put together again.
 * Invariants: what is sealed is a frame that FrameReader takes; parts of one message come in order and without gaps, one message
 * at a time in each direction; other frames may come between them, so a large value holds nobody up.
 * Memory of an assembler grows with what has come (lib/growth.ts), never by the length alone that a part declares.
 */
import { assert } from "../../lib/assert.js";
import { crc32 } from "../../lib/crc.js";
import { grownTo } from "../../lib/growth.js";
import { readU32, writeU32 } from "../record/record.js";
import {
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_PART,
  MESSAGE_HEADER_BYTES,
  PART_HEADER_BYTES,
  PAYLOAD_BYTES_MAX,
} from "./layout.js";

const EMPTY: Buffer = Buffer.alloc(0);

// HOT: once per frame. Guard: bench/micro/frame.ts
/** Write the header at bytes[at] of a frame whose payload is bytes[at + FRAME_HEADER_BYTES .. end). */
export function sealFrame(bytes: Buffer, at: number, end: number, version: number, type: number, count: number): void {
  const from = at + FRAME_HEADER_BYTES;
  assert(end >= from && end - from <= PAYLOAD_BYTES_MAX, "frame of a wrong length", end - from);
  writeU32(bytes, at, FRAME_MAGIC);
  bytes[at + 4] = version;
  bytes[at + 5] = type;
  bytes[at + 6] = count;
  bytes[at + 7] = count >>> 8;
  writeU32(bytes, at + 8, end - from);
  writeU32(bytes, at + 12, crc32(bytes.subarray(from, end)));
  writeU32(bytes, at + 16, crc32(bytes.subarray(at, at + 16)));
}

/**
 * Write a frame with a piece of a message at out[at]; room for the piece and both headers must be there.
 * @param message the encoded message, @param tail its end, when that lies elsewhere. @param offset where the piece begins.
 * @returns the end of the frame.
 */
export function writePart(
  out: Buffer,
  at: number,
  version: number,
  message: Buffer,
  offset: number,
  bytes: number,
  tail: Buffer = EMPTY,
): number {
  const from = at + FRAME_HEADER_BYTES;
  const end = from + PART_HEADER_BYTES + bytes;
  const total = message.length + tail.length;
  assert(bytes > 0 && offset + bytes <= total && end <= out.length, "part out of range", offset, bytes);
  writeU32(out, from, total);
  writeU32(out, from + 4, offset);
  const to = from + PART_HEADER_BYTES;
  const here = Math.max(0, Math.min(bytes, message.length - offset));
  if (here > 0) message.copy(out, to, offset, offset + here);
  const tailAt = offset + here - message.length;
  if (here < bytes) tail.copy(out, to + here, tailAt, tailAt + bytes - here);
  sealFrame(out, at, end, version, FRAME_PART, 0);
  return end;
}

export const PART_MORE = 0;
export const PART_DONE = 1;
export const PART_ERROR = 2;

export class PartAssembler {
  errorText = "";
  private message: Buffer = EMPTY;
  private readonly messageBytesMax: number;
  private total = 0;
  private have = 0;

  /** @param messageBytesMax largest message put together. */
  constructor(messageBytesMax: number) {
    this.messageBytesMax = messageBytesMax;
  }

  /** True while a message has begun and its end has not come. */
  get midway(): boolean {
    return this.have < this.total;
  }

  /** Take the payload of a PART frame, bytes[from .. to). */
  add(bytes: Buffer, from: number, to: number): number {
    const length = to - from - PART_HEADER_BYTES;
    if (length <= 0) return this.fail("an empty part");
    const total = readU32(bytes, from);
    const offset = readU32(bytes, from + 4);
    if (!this.midway) {
      if (total < MESSAGE_HEADER_BYTES || total > this.messageBytesMax) {
        return this.fail(`a message of ${total} bytes in parts, at most ${this.messageBytesMax} are taken`);
      }
      this.total = total;
      this.have = 0;
      this.message = EMPTY;
    }
    if (total !== this.total || offset !== this.have || length > total - offset) {
      return this.fail("a part that does not follow the one before it");
    }
    const have = offset + length;
    if (have > this.message.length) {
      const bigger = Buffer.allocUnsafeSlow(grownTo(have, total));
      this.message.copy(bigger, 0, 0, offset);
      this.message = bigger;
    }
    bytes.copy(this.message, offset, from + PART_HEADER_BYTES, to);
    this.have = have;
    if (have < total) return PART_MORE;
    assert(this.message.length === total, "a message longer than it said", total);
    return PART_DONE;
  }

  /** The message after PART_DONE: the taker's own, forgotten here. */
  take(): Buffer {
    const { message } = this;
    this.message = EMPTY;
    return message;
  }

  private fail(text: string): number {
    this.errorText = text;
    this.message = EMPTY;
    this.total = 0;
    this.have = 0;
    return PART_ERROR;
  }
}
