/**
 * cluster/send-queue.ts: what waits to be sent on one connection to a peer. Messages are written straight into the buffer that the
 * socket gets; everything that has collected when the connection is free becomes one frame.
 *
 *   [room for header and boot][message][message]...   short messages: a frame, once the header is filled in
 *   [message] [message] ...                           those over PART_THRESHOLD_BYTES: each by itself, sent in parts
 *
 * Invariants: both lanes are bounded in messages and bytes; a claim that does not fit is refused before anything is written;
 * one message is written per claim, before the next claim. A message whose deadline has passed is dropped when its frame is made,
 * and each one that leaves carries what is left of its time. Order among short messages is kept; a large one may be overtaken.
 * What a large one carries is borrowed, so the same record that waits for several peers is there once. In return for the copy into
 * parts nobody waits for large messages.
 */
import { sealFrame, writePart } from "../codec/frame/frame-seal.js";
import {
  BOOT_BYTES,
  COUNT_MAX,
  FRAME_HEADER_BYTES,
  FRAME_MESSAGES,
  MESSAGE_ACCEPT,
  MESSAGE_LEARN,
  MESSAGE_PROMISE,
  MESSAGE_READ_REPLY,
  PART_HEADER_BYTES,
  PAYLOAD_BYTES_MAX,
  writeU53,
} from "../codec/frame/layout.js";
import { MessageWriter, setBudget } from "../codec/frame/message-writer.js";
import { readU32 } from "../codec/record/record.js";
import { assert } from "../lib/assert.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import { DECLINED_BYTES, writeDeclined } from "./register-wire.js";

export interface SendLimits {
  /** Short messages that wait. */
  readonly messagesMax: number;
  /** Their bytes; below the most that a frame holds. */
  readonly bytesMax: number;
  /** Bytes of large messages that wait; a single one may have more. They are borrowed: of whoever holds the value too. */
  readonly largeBytesMax: number;
  /** The largest message there is. */
  readonly messageBytesMax: number;
}

export const PART_THRESHOLD_BYTES: number = 1024 * 1024;
const PART_BYTES: number = 256 * 1024;
/** It grows by what waits: most links of an idle cluster carry heartbeats. */
const START_BYTES = 4096;
/** Of a large message, without what it borrows. */
const LARGE_HEAD_BYTES = 512;
/** Where a message says what it is, of which partition, and what it answers. */
const TYPE_AT = 4;
const PARTITION_AT = 6;
const ID_AT = 8;
/** A buffer that grew beyond it is given back after its frame. */
const KEPT_BYTES_MAX: number = 1024 * 1024;
const MESSAGES_AT: number = FRAME_HEADER_BYTES + BOOT_BYTES;
const EMPTY: Viewed = viewed(Buffer.alloc(0));

interface Large {
  readonly writer: MessageWriter;
  readonly bytes: number;
  readonly deadlineMs: number;
  offset: number;
}

export class SendQueue {
  /** After next(): the bytes to be written are out[0 .. end). */
  out: Viewed = EMPTY;
  end = 0;
  /** Messages whose time had passed before they could be sent; and those of them that carried a state that the peer now lacks. */
  expired = 0;
  expiredStates = 0;
  private readonly limits: SendLimits;
  private readonly short: MessageWriter = new MessageWriter(START_BYTES);
  private readonly starts: Int32Array;
  private readonly deadlines: Float64Array;
  /** Short messages that wait. */
  private claims = 0;
  private readonly large: Large[] = [];
  private largeBytes = 0;
  private partOut: Viewed = EMPTY;
  private readonly whole: Viewed[] = [];
  /** What `out` is. */
  private source: "whole" | "short" | "part" = "short";

  constructor(limits: SendLimits) {
    assert(limits.messagesMax > 0 && limits.messagesMax <= COUNT_MAX, "messagesMax out of range", limits.messagesMax);
    assert(limits.bytesMax <= PAYLOAD_BYTES_MAX - PART_THRESHOLD_BYTES, "bytesMax out of range", limits.bytesMax);
    this.limits = limits;
    this.starts = new Int32Array(limits.messagesMax);
    this.deadlines = new Float64Array(limits.messagesMax);
    this.short.at = MESSAGES_AT;
  }

  /** Messages that wait. */
  get messages(): number {
    return this.claims + this.large.length;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.short.at - MESSAGES_AT + this.largeBytes;
  }

  /** Large messages that wait, or are under way. */
  get largeWaiting(): number {
    return this.large.length;
  }

  get empty(): boolean {
    return this.claims === 0 && this.large.length === 0 && this.whole.length === 0;
  }

  // HOT: once per message. No allocation for short ones.
  /**
   * Room for one message, to be written at once with the writer returned.
   * @param bytes an upper bound of its length. @param deadlineMs steady clock; Infinity = none.
   * @returns undefined when there is no room: nothing was done.
   */
  claim(bytes: number, deadlineMs: number): MessageWriter | undefined {
    this.checkWritten();
    if (bytes > PART_THRESHOLD_BYTES) return this.claimLarge(bytes, deadlineMs);
    const { short, limits } = this;
    if (this.claims >= limits.messagesMax || short.at - MESSAGES_AT + bytes > limits.bytesMax) return undefined;
    this.starts[this.claims] = short.at;
    this.deadlines[this.claims++] = deadlineMs;
    return short;
  }

  private claimLarge(bytes: number, deadlineMs: number): MessageWriter | undefined {
    const { messageBytesMax, largeBytesMax, messagesMax } = this.limits;
    const full = this.large.length > 0 && (this.largeBytes + bytes > largeBytesMax || this.large.length >= messagesMax);
    if (full || bytes > messageBytesMax) return undefined;
    const writer = new MessageWriter(LARGE_HEAD_BYTES, bytes);
    this.large.push({ writer, bytes, deadlineMs, offset: 0 });
    this.largeBytes += bytes;
    return writer;
  }

  private checkWritten(): void {
    assert(this.short.count === this.claims, "a claim without its message", this.claims);
    assert(this.short.at <= PAYLOAD_BYTES_MAX, "a message longer than was claimed", this.short.at);
    const last = this.large.at(-1);
    assert(last === undefined || last.writer.count === 1, "a claim without its message");
  }

  /** A frame that is ready: a step of the handshake, a farewell. It goes ahead of all messages. */
  addFrame(frame: Buffer): void {
    this.whole.push(viewed(frame));
  }

  /** Make the next frame, in `out`. @returns false: nothing waits. After a frame of messages a part has its turn. */
  next(nowMs: number, version: number, boot: number): boolean {
    const frame = this.whole[0];
    if (frame !== undefined) {
      this.source = "whole";
      this.out = frame;
      this.end = frame.length;
      return true;
    }
    this.checkWritten();
    const partFirst = this.source === "short";
    return (
      (partFirst && this.part(nowMs, version)) || this.messagesFrame(nowMs, version, boot) || this.part(nowMs, version)
    );
  }

  /** out[0 .. end) was handed over. @param kept the socket keeps the buffer. */
  sent(kept: boolean): void {
    if (this.source === "whole") this.whole.shift();
    else if (this.source === "part") {
      if (kept || this.large.length === 0) this.partOut = EMPTY;
    } else this.restart(kept);
    this.out = EMPTY;
    this.end = 0;
  }

  private restart(kept: boolean): void {
    const { short } = this;
    if (kept || short.buf.length > KEPT_BYTES_MAX) short.renew(START_BYTES);
    short.at = MESSAGES_AT;
    short.count = 0;
    this.claims = 0;
  }

  private messagesFrame(nowMs: number, version: number, boot: number): boolean {
    if (this.claims === 0) return false;
    this.dropExpired(nowMs);
    const { short } = this;
    if (this.claims === 0) return false;
    writeU53(short.buf, FRAME_HEADER_BYTES, boot);
    sealFrame(short.buf, 0, short.at, version, FRAME_MESSAGES, this.claims);
    this.source = "short";
    this.out = short.buf;
    this.end = short.at;
    return true;
  }

  /** Close the gaps that messages leave whose time has passed, and tell the others what is left of theirs. */
  private dropExpired(nowMs: number): void {
    const { short, starts, deadlines, claims } = this;
    let to = MESSAGES_AT;
    let kept = 0;
    for (let i = 0; i < claims; i++) {
      const from = starts[i];
      const end = i + 1 < claims ? starts[i + 1] : short.at;
      const leftMs = deadlines[i] - nowMs;
      if (leftMs <= 0) {
        this.lapsed(short.buf[from + TYPE_AT]);
        continue;
      }
      if (from !== to) short.buf.copyWithin(to, from, end);
      if (leftMs !== Number.POSITIVE_INFINITY) setBudget(short.buf, to, leftMs);
      to += end - from;
      kept++;
    }
    short.at = to;
    short.count = kept;
    this.claims = kept;
  }

  private lapsed(type: number): void {
    this.expired++;
    if (type === MESSAGE_ACCEPT || type === MESSAGE_LEARN) this.expiredStates++;
  }

  /** A large answer was announced (cluster/exchange.ts), so somebody waits for it. Without room for a word he waits as long as for any. */
  private takeBack(lapsed: Buffer): void {
    const type = lapsed[TYPE_AT];
    if (type !== MESSAGE_READ_REPLY && type !== MESSAGE_PROMISE) return;
    const writer = this.claim(DECLINED_BYTES, Number.POSITIVE_INFINITY);
    if (writer !== undefined) writeDeclined(writer, "busy", readU32(lapsed, ID_AT), lapsed.readUInt16LE(PARTITION_AT));
  }

  private part(nowMs: number, version: number): boolean {
    let first = this.large[0];
    // One that has begun is sent to its end: the other side waits for it.
    while (first !== undefined && first.offset === 0 && first.deadlineMs <= nowMs) {
      this.forget(first);
      this.lapsed(first.writer.buf[TYPE_AT]);
      this.takeBack(first.writer.buf);
      first = this.large[0];
    }
    if (first === undefined) return false;
    const { writer } = first;
    const leftMs = first.deadlineMs - nowMs;
    if (first.offset === 0 && leftMs !== Number.POSITIVE_INFINITY) setBudget(writer.buf, 0, leftMs);
    const length = Math.min(PART_BYTES, writer.at - first.offset);
    const room = FRAME_HEADER_BYTES + PART_HEADER_BYTES + PART_BYTES;
    if (this.partOut.length === 0) this.partOut = viewedOf(room);
    const { buf, at, tail } = writer;
    this.end = writePart(this.partOut, 0, version, buf.subarray(0, at - tail.length), first.offset, length, tail);
    this.out = this.partOut;
    this.source = "part";
    first.offset += length;
    if (first.offset === writer.at) this.forget(first);
    return true;
  }

  private forget(first: Large): void {
    this.large.shift();
    this.largeBytes -= first.bytes;
  }
}
