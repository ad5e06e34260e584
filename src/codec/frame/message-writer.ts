/**
 * codec/frame/message-writer.ts: messages to bytes, one behind the other, in one growing buffer that is reused.
 * Each method writes one whole message and returns nothing; shipped batches and lists of chosen dots are written in steps
 * (begin, add..., end), with no other message between.
 * Must never: know a connection, or keep what it was given: keys and records are copied once, from where they lie.
 * Invariants: at <= buf.length; buf[.. at) are whole messages except between begin and end; the budget of every message is 0 until
 * setBudget is called for it, because only who sends it knows what is left.
 * A writer of one large message borrows what stands at the message's end, a record or a payload: that is not copied, and lies in `tail`.
 */
import type { Dot } from "../../core/clock/dot.js";
import { assert } from "../../lib/assert.js";
import { copyPlain } from "../../lib/copy.js";
import { type Viewed, viewedOf } from "../../lib/view.js";
import { writeU32 } from "../record/record.js";
import {
  BUDGET_AT,
  DOT_BYTES,
  FLAG_CHOSEN,
  FLAG_HAS_STATE,
  FLAG_MORE,
  MESSAGE_ACK,
  MESSAGE_CHOSEN,
  MESSAGE_HEADER_BYTES,
  MESSAGE_HEARTBEAT,
  MESSAGE_NACK,
  MESSAGE_PREPARE,
  MESSAGE_PROMISE,
  MESSAGE_READ,
  MESSAGE_READ_REPLY,
  MESSAGE_SHIP,
  MESSAGE_SHIP_ACK,
  MESSAGE_SHIP_FROM,
  writeDot,
  writeU53,
} from "./layout.js";

/** Up to here a loop over a name's characters is cheaper than a native call. */
const KEY_LOOP_MAX = 48;
const EMPTY: Buffer = Buffer.alloc(0);
const BUDGET_MS_MAX = 4_294_967_295;
const AFTER_DOT: number = MESSAGE_HEADER_BYTES + DOT_BYTES;
/** A message without its key, record or payload; CHOSEN without its items, and one item without its key. */
export const READ_BYTES: number = MESSAGE_HEADER_BYTES + DOT_BYTES;
export const READ_REPLY_BYTES: number = MESSAGE_HEADER_BYTES + 8 + DOT_BYTES + 8;
export const PREPARE_BYTES: number = AFTER_DOT + DOT_BYTES;
export const PROMISE_BYTES: number = AFTER_DOT + DOT_BYTES + 8;
export const NACK_BYTES: number = AFTER_DOT + DOT_BYTES;
export const RECORD_BYTES: number = MESSAGE_HEADER_BYTES;
export const ACK_BYTES: number = AFTER_DOT;
export const CHOSEN_BYTES: number = MESSAGE_HEADER_BYTES + 4;
export const CHOSEN_ITEM_BYTES: number = DOT_BYTES + 5;
export const SHIP_BYTES: number = MESSAGE_HEADER_BYTES + 20;
export const HEARTBEAT_BYTES: number = MESSAGE_HEADER_BYTES + 24;

/** Set how much time is left for the message at bytes[at]: milliseconds, rounded up; 0 = it has no deadline. */
export function setBudget(bytes: Uint8Array, at: number, ms: number): void {
  writeU32(bytes, at + BUDGET_AT, Math.min(BUDGET_MS_MAX, Math.ceil(ms)));
}

export interface Heartbeat {
  /** The sender's own steady clock, modulo 2^32. */
  readonly sentMs: number;
  /** The last sentMs that it had from the peer, and how long ago that came: so the peer knows the time of a round trip. */
  readonly echoMs: number;
  readonly heldMs: number;
  /** What heldMs leaves out. */
  readonly heldUs: number;
  /** How late the sender's loop is. */
  readonly lagMs: number;
  /** Its clock. */
  readonly wallMs: number;
  /** How far its log is synced. */
  readonly syncedLsn: number;
}

export class MessageWriter {
  buf: Viewed;
  at = 0;
  /** Messages written since it was last set to 0. */
  count = 0;
  /** Where the message under way begins, and how many items it has; -1 = none is under way. */
  private start = -1;
  private items = 0;
  /** Borrowed: the end of the message; its beginning is buf[.. at - tail.length). */
  tail: Buffer = EMPTY;
  /** Of a writer that borrows: how long its one message is at most; 0: it does not. */
  private readonly largeBytes: number;

  /** @param largeBytes above 0: for one message of at most so many bytes, whose record or payload nobody changes from now on. */
  constructor(bytes = 65536, largeBytes = 0) {
    this.buf = viewedOf(bytes);
    this.largeBytes = largeBytes;
  }

  /** Begin a new buffer, when the one so far is somebody else's. */
  renew(bytes: number): void {
    this.buf = viewedOf(bytes);
    this.at = 0;
  }

  // HOT: once per replica and read.
  /**
   * @param have of the state that the asker holds, all zero = none: with the very same, the answer leaves the state out.
   * @param name of the key as registers have it: the database as one character, then the key's bytes as latin1.
   */
  read(id: number, partition: number, epoch: number, have: Dot, name: string): void {
    const bytes = READ_BYTES + name.length - 1;
    const start = this.head(MESSAGE_READ, name.charCodeAt(0) << 4, id, partition, epoch, bytes);
    writeDot(this.buf, start + MESSAGE_HEADER_BYTES, have);
    this.key(start + READ_BYTES, name);
  }

  /** Asks for a promise to the ballot. @param have, @param name as of read(). */
  prepare(id: number, partition: number, epoch: number, ballot: Dot, have: Dot, name: string): void {
    const bytes = PREPARE_BYTES + name.length - 1;
    const start = this.head(MESSAGE_PREPARE, name.charCodeAt(0) << 4, id, partition, epoch, bytes);
    writeDot(this.buf, start + MESSAGE_HEADER_BYTES, ballot);
    writeDot(this.buf, start + AFTER_DOT, have);
    this.key(start + PREPARE_BYTES, name);
  }

  // HOT: once per replica and write. Guard: bench/micro/frame.ts
  /** ACCEPT or LEARN: a record's bytes, as they lie in the log. Its dot is in them. */
  record(type: number, id: number, partition: number, epoch: number, record: Buffer, at: number, bytes: number): void {
    const start = this.head(type, 0, id, partition, epoch, MESSAGE_HEADER_BYTES + bytes, bytes);
    this.fill(start + MESSAGE_HEADER_BYTES, record, at, bytes);
  }

  // HOT: once per replica and read.
  /**
   * @param boot of the asker, as it was in the frame of its READ. @param accepted the dot of the accepted state, all zero = absent.
   * @param record bytes of the state; none, when `bytes` is 0.
   */
  readReply(
    id: number,
    partition: number,
    epoch: number,
    boot: number,
    accepted: Dot,
    chosen: boolean,
    floor: number,
    record: Buffer,
    at: number,
    bytes: number,
  ): void {
    const low = (chosen ? FLAG_CHOSEN : 0) | (bytes > 0 ? FLAG_HAS_STATE : 0);
    const start = this.head(MESSAGE_READ_REPLY, low, id, partition, epoch, READ_REPLY_BYTES + bytes, bytes);
    writeU53(this.buf, start + MESSAGE_HEADER_BYTES, boot);
    writeDot(this.buf, start + READ_REPLY_BYTES - 20, accepted);
    writeU53(this.buf, start + READ_REPLY_BYTES - 8, floor);
    this.fill(start + READ_REPLY_BYTES, record, at, bytes);
  }

  /** @param ballot that is promised. The others as of readReply(). */
  promise(
    id: number,
    partition: number,
    epoch: number,
    ballot: Dot,
    accepted: Dot,
    floor: number,
    record: Buffer,
    at: number,
    bytes: number,
  ): void {
    const low = bytes > 0 ? FLAG_HAS_STATE : 0;
    const start = this.head(MESSAGE_PROMISE, low, id, partition, epoch, PROMISE_BYTES + bytes, bytes);
    writeDot(this.buf, start + MESSAGE_HEADER_BYTES, ballot);
    writeDot(this.buf, start + AFTER_DOT, accepted);
    writeU53(this.buf, start + PROMISE_BYTES - 8, floor);
    this.fill(start + PROMISE_BYTES, record, at, bytes);
  }

  // HOT: once per replica and write.
  /** ACK of a ballot: its state is accepted, durably. */
  ack(id: number, partition: number, epoch: number, ballot: Dot): void {
    const start = this.head(MESSAGE_ACK, 0, id, partition, epoch, AFTER_DOT);
    writeDot(this.buf, start + MESSAGE_HEADER_BYTES, ballot);
  }

  /**
   * @param reason NACK_*. @param ballot of what was refused; all zero for a READ. @param bound that a next ballot must pass; all zero
   * where no ballot is the reason. The payload goes with NACK_EPOCH.
   */
  nack(
    reason: number,
    id: number,
    partition: number,
    epoch: number,
    ballot: Dot,
    bound: Dot,
    payload: Buffer,
    at: number,
    bytes: number,
  ): void {
    const start = this.head(MESSAGE_NACK, reason, id, partition, epoch, NACK_BYTES + bytes, bytes);
    writeDot(this.buf, start + MESSAGE_HEADER_BYTES, ballot);
    writeDot(this.buf, start + AFTER_DOT, bound);
    this.fill(start + NACK_BYTES, payload, at, bytes);
  }

  /** FORWARD, FORWARD_REPLY, QUERY, QUERY_REPLY: bytes that mean nothing here. @param low the type's flags. @param head copied in front. */
  opaque(
    type: number,
    low: number,
    id: number,
    partition: number,
    epoch: number,
    payload: Buffer,
    at: number,
    bytes: number,
    head: Buffer = EMPTY,
  ): void {
    const from = MESSAGE_HEADER_BYTES + head.length;
    const start = this.head(type, low, id, partition, epoch, from + bytes, bytes);
    copyPlain(head, 0, this.buf, start + MESSAGE_HEADER_BYTES, head.length);
    this.fill(start + from, payload, at, bytes);
  }

  /** What was not told in a heartbeat of the first version goes in fields of the header that it has no other use for: 0 there is unknown. */
  heartbeat({ sentMs, echoMs, heldMs, heldUs, lagMs, wallMs, syncedLsn }: Heartbeat): void {
    const high = Math.floor(syncedLsn / 2 ** 32);
    const at = this.head(MESSAGE_HEARTBEAT, 0, syncedLsn >>> 0, heldUs, high, HEARTBEAT_BYTES) + MESSAGE_HEADER_BYTES;
    writeU32(this.buf, at, sentMs);
    writeU32(this.buf, at + 4, echoMs);
    writeU32(this.buf, at + 8, heldMs);
    writeU32(this.buf, at + 12, lagMs);
    writeU53(this.buf, at + 16, wallMs);
  }

  /** Asks for the records of the log from an LSN on, at most so many bytes at a time. */
  shipFrom(id: number, fromLsn: number, bytesMax: number): void {
    const at = this.head(MESSAGE_SHIP_FROM, 0, id, 0, 0, MESSAGE_HEADER_BYTES + 12) + MESSAGE_HEADER_BYTES;
    writeU53(this.buf, at, fromLsn);
    writeU32(this.buf, at + 8, bytesMax);
  }

  /** Everything shipped up to the LSN is durable here. */
  shipAck(id: number, lsn: number): void {
    const at = this.head(MESSAGE_SHIP_ACK, 0, id, 0, 0, MESSAGE_HEADER_BYTES + 8);
    writeU53(this.buf, at + MESSAGE_HEADER_BYTES, lsn);
  }

  /** A batch of the log: records that lie between two LSNs (those that concern nobody there are left out). */
  shipBegin(id: number, firstLsn: number, lastLsn: number, more: boolean): void {
    this.start = this.head(MESSAGE_SHIP, more ? FLAG_MORE : 0, id, 0, 0, SHIP_BYTES);
    writeU53(this.buf, this.start + MESSAGE_HEADER_BYTES, firstLsn);
    writeU53(this.buf, this.start + MESSAGE_HEADER_BYTES + 8, lastLsn);
    this.items = 0;
  }

  /** @param chosen it is known to be chosen: to be learned, where others are only accepted. @param last of its batch. */
  shipAdd(chosen: boolean, record: Buffer, at: number, bytes: number, last = false): void {
    assert(this.start >= 0 && this.tail.length === 0, "no batch has been begun, or it has its last record");
    const borrowed = last && this.largeBytes > 0;
    this.reserve(borrowed ? 1 : 1 + bytes);
    this.buf[this.at] = chosen ? 1 : 0;
    if (borrowed) this.tail = record.subarray(at, at + bytes);
    else copyPlain(record, at, this.buf, this.at + 1, bytes);
    this.at += 1 + bytes;
    this.items++;
  }

  shipEnd(): void {
    this.end(MESSAGE_HEADER_BYTES + 16);
  }

  /** Dots that are known to be chosen. At least one is added. */
  chosenBegin(epoch: number): void {
    this.start = this.head(MESSAGE_CHOSEN, 0, 0, 0, epoch, CHOSEN_BYTES);
    this.items = 0;
  }

  /** @param name as of read(). */
  chosenAdd(dot: Dot, name: string): void {
    assert(this.start >= 0, "no list has been begun");
    const bytes = name.length - 1;
    this.reserve(CHOSEN_ITEM_BYTES + bytes);
    writeDot(this.buf, this.at, dot);
    writeU32(this.buf, this.at + DOT_BYTES, bytes);
    this.buf[this.at + DOT_BYTES + 4] = name.charCodeAt(0);
    this.key(this.at + CHOSEN_ITEM_BYTES, name);
    this.at += CHOSEN_ITEM_BYTES + bytes;
    this.items++;
  }

  chosenEnd(): void {
    assert(this.items > 0, "an empty list of chosen dots");
    this.end(MESSAGE_HEADER_BYTES);
  }

  private end(countAt: number): void {
    assert(this.start >= 0, "nothing has been begun");
    writeU32(this.buf, this.start + countAt, this.items);
    writeU32(this.buf, this.start, this.at - this.start);
    this.start = -1;
  }

  /** Make room, write the header, move on. @param filled bytes at its end that fill() brings. @returns where the message begins. */
  private head(
    type: number,
    flagsAndDb: number,
    id: number,
    partition: number,
    epoch: number,
    bytes: number,
    filled = 0,
  ): number {
    assert(this.start < 0, "a message within a message", type);
    this.reserve(this.largeBytes > 0 ? bytes - filled : bytes);
    const { buf, at } = this;
    writeU32(buf, at, bytes);
    buf[at + 4] = type;
    buf[at + 5] = flagsAndDb;
    buf[at + 6] = partition;
    buf[at + 7] = partition >>> 8;
    writeU32(buf, at + 8, id);
    writeU32(buf, at + 12, epoch);
    writeU32(buf, at + BUDGET_AT, 0);
    this.at = at + bytes;
    this.count++;
    return at;
  }

  /** The key's bytes: all of the name but its first character. */
  private key(to: number, name: string): void {
    const { buf } = this;
    if (name.length > KEY_LOOP_MAX) buf.latin1Write(name.slice(1), to);
    else for (let i = 1; i < name.length; i++) buf[to + i - 1] = name.charCodeAt(i);
  }

  private fill(to: number, from: Buffer, at: number, bytes: number): void {
    if (this.largeBytes > 0) this.tail = from.subarray(at, at + bytes);
    else copyPlain(from, at, this.buf, to, bytes);
  }

  /** Doubles, so appending is amortised O(1) per byte. */
  private reserve(bytes: number): void {
    if (this.at + bytes <= this.buf.length) return;
    let size = this.largeBytes > 0 ? Math.max(this.at + bytes, this.largeBytes) : this.buf.length * 2;
    while (size < this.at + bytes) size *= 2;
    const bigger = viewedOf(size);
    this.buf.copy(bigger, 0, 0, this.at);
    this.buf = bigger;
  }
}
