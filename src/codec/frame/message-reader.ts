/**
 * codec/frame/message-reader.ts: the messages of one payload, one after the other, as numbers and offsets in one reused object.
 * Everything is checked before it is handed out: lengths against what is there, flags and reasons against those known, numbers against their
 * ranges, records by checkBody. A payload that breaks a rule comes from a broken or strange peer: the connection is closed.
 * It must never: throw for what a peer sends, or allocate by a length; it copies what is to be kept, and only then.
 * Invariants: after MESSAGE the fields of the type are set and the bytes lie inside the payload, borrowed as it is; after
 * MESSAGE_ERROR nothing more is read; MESSAGES_END comes only when the payload ends where its last message does, and the frame's
 * count was right.
 */
import { copyPlain } from "../../lib/copy.js";
import { checkBody, readU32 } from "../record/record.js";
import * as layout from "./layout.js";
import {
  ACK_BYTES,
  CHOSEN_BYTES,
  CHOSEN_ITEM_BYTES,
  HEARTBEAT_BYTES,
  NACK_BYTES,
  PREPARE_BYTES,
  PROMISE_BYTES,
  READ_BYTES,
  READ_REPLY_BYTES,
  SHIP_BYTES,
} from "./message-writer.js";

export const MESSAGES_END = 0;
export const MESSAGE = 1;
export const MESSAGE_ERROR = 2;

const HEADER = layout.MESSAGE_HEADER_BYTES;
const AFTER_DOT: number = HEADER + layout.DOT_BYTES;
const EMPTY: Buffer = Buffer.alloc(0);

/** By type: the least bytes of a message, and the bits of its low nibble that are known. Type 0 is none. */
const LEAST: readonly number[] = [
  0,
  READ_BYTES,
  READ_REPLY_BYTES,
  PREPARE_BYTES,
  PROMISE_BYTES,
  NACK_BYTES,
  HEADER,
  ACK_BYTES,
  HEADER,
  CHOSEN_BYTES,
  HEADER,
  HEADER,
  HEARTBEAT_BYTES,
  HEADER + 12,
  SHIP_BYTES,
  HEADER + 8,
  HEADER,
  HEADER,
];
const LOW_KNOWN: readonly number[] = [0, 0, 3, 0, 2, 7, 0, 0, 0, 0, 15, 3, 0, 0, 1, 0, 15, 3];
/** Types whose high nibble is a database; elsewhere it is 0. */
const HAS_DB: readonly number[] = [layout.MESSAGE_READ, layout.MESSAGE_PREPARE];

export class MessageReader {
  // Of every message.
  type = 0;
  /** Low nibble of the flags: FLAG_*, NACK_*, FORWARD_*, or the kind of a QUERY or FORWARD. */
  flags = 0;
  db = 0;
  partition = 0;
  /** 0 = no answer is wanted. */
  id = 0;
  epoch = 0;
  /** Milliseconds left when it was sent; 0 = no deadline. */
  budgetMs = 0;

  /** What stands at the end of the message: key, record, payload; the items of CHOSEN and SHIP. bytes[at .. at + length). */
  bytes: Buffer = EMPTY;
  at = 0;
  length = 0;

  /** PREPARE, PROMISE, ACK: the ballot; NACK: that which was refused; and the current item of CHOSEN. */
  dotEpoch = 0;
  dotHlc = 0;
  dotNode = 0;
  /** READ, PREPARE: of the state that the asker has; READ_REPLY, PROMISE: of the accepted one; all zero = none. NACK: the bound. */
  secondEpoch = 0;
  secondHlc = 0;
  secondNode = 0;
  /** READ_REPLY, PROMISE. */
  floor = 0;
  /** READ_REPLY: the boot of who asked, as it asked. */
  askerBoot = 0;
  /** SHIP_FROM, SHIP, SHIP_ACK: first position; of SHIP also the last. */
  lsn = 0;
  lastLsn = 0;
  /** SHIP_FROM: most bytes wanted at a time. */
  bytesMax = 0;
  /** CHOSEN, SHIP: items. */
  items = 0;
  /** SHIP, the current item: known to be chosen. */
  chosen = false;
  // HEARTBEAT.
  sentMs = 0;
  echoMs = 0;
  heldMs = 0;
  lagMs = 0;
  wallMs = 0;
  syncedLsn = 0;

  /** The message came in parts, and `bytes` is nobody else's: what is large in it may be kept, if nobody writes to it. */
  owned = false;
  /** The sender's boot: once for all messages of a frame. */
  boot = 0;
  errorText = "";

  private nextAt = 0;
  private end = 0;
  private left = 0;
  private itemAt = 0;

  /** Begin with the payload of a MESSAGES frame, bytes[from .. to). @returns false: it is malformed. */
  open(bytes: Buffer, from: number, to: number, count: number): boolean {
    this.bytes = bytes;
    this.owned = false;
    this.errorText = "";
    this.nextAt = from + layout.BOOT_BYTES;
    this.end = to;
    this.left = count;
    this.boot = to - from < layout.BOOT_BYTES ? -1 : layout.readU53(bytes, from);
    if (this.boot < 0) this.errorText = "a payload without a boot, or with one out of range";
    return this.boot >= 0;
  }

  /** Begin with one message that came in parts. @param bytes may be kept by whoever takes the message. @param boot of its sender. */
  openMessage(bytes: Buffer, boot: number): void {
    this.bytes = bytes;
    this.owned = true;
    this.boot = boot;
    this.errorText = "";
    this.nextAt = 0;
    this.end = bytes.length;
    this.left = 1;
  }

  /** What the reader points at, in memory that stays as it is: copied, unless it is most of what came. @param from, @param bytes within it. */
  keep(from: number = this.at, bytes: number = this.length): Buffer {
    if (this.owned && bytes * 2 > this.bytes.length) return this.bytes.subarray(from, from + bytes);
    const own = Buffer.allocUnsafe(bytes);
    copyPlain(this.bytes, from, own, 0, bytes);
    return own;
  }

  // HOT: once per message. No allocation, closure, throw or string. Guard: bench/micro/frame.ts
  /** @returns MESSAGE, MESSAGES_END or MESSAGE_ERROR. */
  next(): number {
    if (this.errorText !== "") return MESSAGE_ERROR;
    const { bytes, nextAt: start, end } = this;
    if (this.left === 0) return start === end ? MESSAGES_END : this.fail("bytes behind the last message");
    if (end - start < HEADER) return this.fail("a message is cut off");
    const total = readU32(bytes, start);
    const type = bytes[start + 4];
    if (type === 0 || type >= LEAST.length) return this.fail("a message of unknown type");
    if (total < LEAST[type] || total > end - start) return this.fail("a message of a wrong length");
    const flags = bytes[start + 5];
    if ((flags & 15 & ~LOW_KNOWN[type]) !== 0) return this.fail("a flag that is not known");
    if (flags > 15 && !HAS_DB.includes(type)) return this.fail("a database where none belongs");
    this.partition = bytes[start + 6] | (bytes[start + 7] << 8);
    if (this.partition > layout.PARTITION_MAX) return this.fail("a partition out of range");
    this.type = type;
    this.flags = flags & 15;
    this.db = flags >>> 4;
    this.id = readU32(bytes, start + 8);
    this.epoch = readU32(bytes, start + 12);
    this.budgetMs = readU32(bytes, start + layout.BUDGET_AT);
    this.nextAt = start + total;
    this.left--;
    return this.body(type, start, total);
  }

  private body(type: number, start: number, total: number): number {
    switch (type) {
      case layout.MESSAGE_ACCEPT:
      case layout.MESSAGE_LEARN:
        this.rest(start, HEADER, total);
        return this.checkRecord();
      case layout.MESSAGE_READ:
        this.second(start + HEADER);
        this.rest(start, READ_BYTES, total);
        return MESSAGE;
      case layout.MESSAGE_READ_REPLY:
        return this.readReply(start, total);
      case layout.MESSAGE_PREPARE:
        this.dot(start + HEADER);
        this.second(start + AFTER_DOT);
        this.rest(start, PREPARE_BYTES, total);
        return MESSAGE;
      case layout.MESSAGE_PROMISE:
        this.dot(start + HEADER);
        this.second(start + AFTER_DOT);
        return this.state(start, PROMISE_BYTES, total);
      case layout.MESSAGE_NACK:
        return this.nack(start, total);
      case layout.MESSAGE_ACK:
        this.dot(start + HEADER);
        this.rest(start, ACK_BYTES, total);
        return this.length === 0 ? MESSAGE : this.fail("an ACK that is too long");
      case layout.MESSAGE_CHOSEN:
        return this.chosenList(start, total);
      case layout.MESSAGE_HEARTBEAT:
        return this.heartbeat(start, total);
      case layout.MESSAGE_SHIP_FROM:
      case layout.MESSAGE_SHIP_ACK:
        return this.shipPosition(type, start, total);
      case layout.MESSAGE_SHIP:
        return this.ship(start, total);
      case layout.MESSAGE_FORWARD_REPLY:
        if (this.flags > layout.FORWARD_NEARLY) return this.fail("an outcome that is not known");
        break;
      default:
        // FORWARD, QUERY and its reply: what follows the header is theirs alone.
        break;
    }
    this.rest(start, HEADER, total);
    return MESSAGE;
  }

  private rest(start: number, header: number, total: number): void {
    this.at = start + header;
    this.length = total - header;
  }

  private checkRecord(): number {
    const whole = checkBody(this.bytes, this.at, this.at + this.length) === this.length;
    return whole ? MESSAGE : this.fail("a malformed record");
  }

  private dot(at: number): void {
    this.dotEpoch = layout.dotEpoch(this.bytes, at);
    this.dotHlc = layout.dotHlc(this.bytes, at);
    this.dotNode = layout.dotNode(this.bytes, at);
  }

  private second(at: number): void {
    this.secondEpoch = layout.dotEpoch(this.bytes, at);
    this.secondHlc = layout.dotHlc(this.bytes, at);
    this.secondNode = layout.dotNode(this.bytes, at);
  }

  private nack(start: number, total: number): number {
    this.dot(start + HEADER);
    this.second(start + AFTER_DOT);
    this.rest(start, NACK_BYTES, total);
    if (this.flags > layout.NACK_AHEAD) return this.fail("a reason that is not known");
    if (this.flags !== layout.NACK_EPOCH && this.length > 0) return this.fail("a NACK that is too long");
    return MESSAGE;
  }

  private readReply(start: number, total: number): number {
    this.askerBoot = layout.readU53(this.bytes, start + HEADER);
    if (this.askerBoot < 0) return this.fail("a boot out of range");
    this.second(start + HEADER + 8);
    return this.state(start, READ_REPLY_BYTES, total);
  }

  /** Floor and state, which all that carry a state end with. @param header the message's bytes without the state. */
  private state(start: number, header: number, total: number): number {
    this.floor = layout.readU53(this.bytes, start + header - 8);
    if (this.floor < 0) return this.fail("a floor out of range");
    this.rest(start, header, total);
    if ((this.flags & layout.FLAG_HAS_STATE) !== 0) return this.checkRecord();
    return this.length === 0 ? MESSAGE : this.fail("a state where none was said to be");
  }

  private heartbeat(start: number, total: number): number {
    if (total !== HEARTBEAT_BYTES) return this.fail("a heartbeat of a wrong length");
    const { bytes } = this;
    const at = start + HEADER;
    this.sentMs = readU32(bytes, at);
    this.echoMs = readU32(bytes, at + 4);
    this.heldMs = readU32(bytes, at + 8);
    this.lagMs = readU32(bytes, at + 12);
    this.wallMs = layout.readU53(bytes, at + 16);
    this.syncedLsn = layout.readU53(bytes, start + 8);
    this.rest(start, total, total);
    if (this.wallMs < 0) return this.fail("a time out of range");
    return this.syncedLsn >= 0 ? MESSAGE : this.fail("an LSN out of range");
  }

  private shipPosition(type: number, start: number, total: number): number {
    if (total !== LEAST[type]) return this.fail("a position of a wrong length");
    this.lsn = layout.readU53(this.bytes, start + HEADER);
    if (this.lsn < 0) return this.fail("a position out of range");
    if (type === layout.MESSAGE_SHIP_FROM) this.bytesMax = readU32(this.bytes, start + HEADER + 8);
    this.rest(start, total, total);
    return MESSAGE;
  }

  /** All items are looked at before the first is handed out: a batch is taken whole or not at all. */
  private ship(start: number, total: number): number {
    const { bytes } = this;
    this.lsn = layout.readU53(bytes, start + HEADER);
    this.lastLsn = layout.readU53(bytes, start + HEADER + 8);
    if (this.lsn < 0 || this.lastLsn < this.lsn) return this.fail("a position out of range");
    this.items = readU32(bytes, start + HEADER + 16);
    const end = start + total;
    let at = start + SHIP_BYTES;
    for (let i = 0; i < this.items; i++) {
      if (at >= end || bytes[at] > 1) return this.fail("a malformed batch");
      const length = checkBody(bytes, at + 1, end);
      if (length < 0) return this.fail("a malformed record");
      at += 1 + length;
    }
    if (at !== end) return this.fail("a malformed batch");
    this.rest(start, SHIP_BYTES, total);
    this.itemAt = this.at;
    return MESSAGE;
  }

  private chosenList(start: number, total: number): number {
    const { bytes } = this;
    this.items = readU32(bytes, start + HEADER);
    if (this.items === 0) return this.fail("an empty list of chosen dots");
    const end = start + total;
    let at = start + CHOSEN_BYTES;
    for (let i = 0; i < this.items; i++) {
      if (end - at < CHOSEN_ITEM_BYTES || bytes[at + layout.DOT_BYTES + 4] > 15) return this.fail("a malformed list");
      at += CHOSEN_ITEM_BYTES;
      const keyBytes = readU32(bytes, at - 5);
      if (keyBytes > end - at) return this.fail("a malformed list");
      at += keyBytes;
    }
    if (at !== end) return this.fail("a malformed list");
    this.rest(start, CHOSEN_BYTES, total);
    this.itemAt = this.at;
    return MESSAGE;
  }

  /** The next item of SHIP: sets `chosen`, and the record as bytes[at .. at + length). False: there are no more. */
  nextRecord(): boolean {
    if (this.items === 0) return false;
    this.items--;
    this.chosen = this.bytes[this.itemAt] === 1;
    this.at = this.itemAt + 1;
    this.length = readU32(this.bytes, this.at);
    this.itemAt = this.at + this.length;
    return true;
  }

  /** The next item of CHOSEN: sets the dot, `db`, and the key as bytes[at .. at + length). False: there are no more. */
  nextChosen(): boolean {
    if (this.items === 0) return false;
    this.items--;
    this.dot(this.itemAt);
    this.length = readU32(this.bytes, this.itemAt + layout.DOT_BYTES);
    this.db = this.bytes[this.itemAt + layout.DOT_BYTES + 4];
    this.at = this.itemAt + CHOSEN_ITEM_BYTES;
    this.itemAt = this.at + this.length;
    return true;
  }

  private fail(text: string): number {
    this.errorText = text;
    return MESSAGE_ERROR;
  }
}
