/**
 * cluster/register-wire.ts: what the registers of a key say to each other (core/register/messages.ts) as messages of codec/frame, and back.
 *
 *   request         message      answer     message
 *   read            READ         state      READ_REPLY
 *   prepare         PREPARE      promise    PROMISE
 *   accept          ACCEPT       ack        ACK
 *   learn           LEARN        nack       NACK, reason ballot
 *   chosen          CHOSEN, in lists        refused    NACK, reason epoch
 *   ask, purge      none yet     learned, purgeable    none
 *
 * An answer does not carry the key: the asker knows it by the request id, and keeps what it asked until then. Ids begin anew with the
 * process and a late answer may come to the next one, so an answer also names what it answers: the ballot, or the asker's boot.
 *
 * It must never: throw for what a peer sends, or keep what it was lent: a record is copied out of the payload once, unless it came in parts, and its
 * value lives in that copy. Invariants: what was written is read back equal; a ballot that no node can have issued is never handed on.
 */
import {
  FLAG_CHOSEN,
  FLAG_HAS_STATE,
  MESSAGE_ACCEPT,
  MESSAGE_ACK,
  MESSAGE_CHOSEN,
  MESSAGE_LEARN,
  MESSAGE_NACK,
  MESSAGE_PREPARE,
  MESSAGE_PROMISE,
  MESSAGE_READ,
  MESSAGE_READ_REPLY,
  NACK_AHEAD,
  NACK_BALLOT,
  NACK_BUSY,
  NACK_EPOCH,
  NACK_LATE,
  NACK_NOT_REPLICA,
} from "../codec/frame/layout.js";
import type { MessageReader } from "../codec/frame/message-reader.js";
import {
  ACK_BYTES,
  type MessageWriter,
  NACK_BYTES,
  PREPARE_BYTES,
  PROMISE_BYTES,
  READ_BYTES,
  READ_REPLY_BYTES,
  RECORD_BYTES,
} from "../codec/frame/message-writer.js";
import {
  EXPIRE_BYTES,
  expireAtOf,
  FLAG_TOMBSTONE,
  HEADER_BYTES,
  isStateType,
  keyLength,
  keyOffset,
  VECTOR_ENTRY_BYTES,
} from "../codec/record/record.js";
import { type Dot, NO_DOT, sameDot } from "../core/clock/dot.js";
import type { AcceptRequest, LearnRequest, PrepareRequest, ReadRequest, Reply } from "../core/register/messages.js";
import type { RegisterState } from "../core/register/state.js";
import { assert } from "../lib/assert.js";
import {
  decodeState,
  encodeState,
  nameOf,
  nameOfRecord,
  type RecordState,
  type Value,
} from "../storage/state-record.js";

/** The requests that are a message each. Notices of chosen states go in lists (cluster/chosen-list.ts). */
export type WireRequest = ReadRequest | PrepareRequest | AcceptRequest<Value> | LearnRequest<Value>;

/**
 * What an asker keeps of a request until its answer comes, by request id. The request itself is one; whoever does not want to keep the
 * state of an ACCEPT keeps less.
 */
export type Asked =
  | (Pick<ReadRequest, "type" | "key" | "boot" | "id"> & Having)
  | ({ readonly type: "prepare" | "accept"; readonly key: string; readonly ballot: Dot } & Having);

/** Of a state that the asker holds, and that the answer leaves out. */
interface Having {
  readonly have?: Dot | undefined;
}

/** Why a peer did nothing, where that says nothing about ballots: not to be counted as an answer. */
export type Declined = "not replica" | "busy" | "late" | "ahead";

/** Vectors give the last node index another meaning (storage/state-record.ts), so no member has it. */
const NODE_MAX = 2046;
const EMPTY: Buffer = Buffer.alloc(0);

/**
 * The same request, its state with its record. To be called once for a request that goes to several replicas, or each of them costs
 * an encoding.
 */
export function withRecord<T extends AcceptRequest<Value> | LearnRequest<Value>>(request: T): T {
  const { key, ballot, state } = request;
  if (hasRecord(state, ballot)) return request;
  const { value, expireAt, vv, cut } = state;
  const encoded: RecordState = { value, expireAt, vv, cut, ballot, record: encodeState(key, ballot, state) };
  return { ...request, state: encoded };
}

function hasRecord(state: RegisterState<Value>, ballot: Dot): state is RecordState {
  return "record" in state && sameDot((state as RecordState).ballot, ballot);
}

/** An upper bound of its record's bytes. */
function stateBytes(name: string, ballot: Dot, state: RegisterState<Value> | undefined): number {
  if (state === undefined) return 0;
  if (hasRecord(state, ballot)) return state.record.length;
  const vector = 2 + (state.vv.dots.length + 1) * VECTOR_ENTRY_BYTES;
  // With an epoch and the length of a long key.
  return HEADER_BYTES + 4 + 4 + EXPIRE_BYTES + vector + name.length - 1 + (state.value?.bytes.length ?? 0);
}

// HOT: once per request to a peer, as the functions below. Guard: bench/micro/register-wire.ts
/** @returns an upper bound of the message's bytes: what to claim. */
export function requestBytes(request: WireRequest): number {
  switch (request.type) {
    case "read":
      return READ_BYTES + request.key.length - 1;
    case "prepare":
      return PREPARE_BYTES + request.key.length - 1;
    case "accept":
    case "learn":
      return RECORD_BYTES + stateBytes(request.key, request.ballot, request.state);
  }
}

/** @param id under which the answer will come; of a LEARN it is 0: none is wanted. @param partition of the key. */
export function writeRequest(writer: MessageWriter, id: number, partition: number, request: WireRequest): void {
  const { key, epoch } = request;
  switch (request.type) {
    case "read":
      writer.read(id, partition, epoch, request.have ?? NO_DOT, key);
      break;
    case "prepare":
      writer.prepare(id, partition, epoch, request.ballot, request.have ?? NO_DOT, key);
      break;
    case "accept":
    case "learn": {
      assert(request.type === "accept" || id === 0, "nobody answers a LEARN", id);
      const record = encodeState(key, request.ballot, request.state);
      const type = request.type === "accept" ? MESSAGE_ACCEPT : MESSAGE_LEARN;
      writer.record(type, id, partition, epoch, record, 0, record.length);
      break;
    }
  }
}

/**
 * The request in the message that the reader has just handed out.
 * @returns undefined: it is none of those in WireRequest, or no node made it: a ballot or state that cannot be.
 */
export function readRequest(reader: MessageReader): WireRequest | undefined {
  const { type, epoch } = reader;
  if (type === MESSAGE_READ || type === MESSAGE_PREPARE) {
    const have = secondOf(reader);
    if (have !== undefined && !isBallot(have)) return undefined;
    const key = nameOf(reader.db, reader.bytes, reader.at, reader.length);
    if (type === MESSAGE_READ) return { type: "read", key, epoch, boot: reader.boot, id: reader.id, have };
    const ballot = firstOf(reader);
    return isBallot(ballot) ? { type: "prepare", key, epoch, ballot, have } : undefined;
  }
  if (type !== MESSAGE_ACCEPT && type !== MESSAGE_LEARN) return undefined;
  const state = readRecord(reader);
  if (state === undefined) return undefined;
  const key = nameOfRecord(state.record, 0);
  const { ballot } = state;
  return type === MESSAGE_ACCEPT
    ? { type: "accept", key, epoch, ballot, state }
    : { type: "learn", key, epoch, ballot, state };
}

/** Each item of a CHOSEN message, in its order; none, when the message is of another type. */
export function readChosen(reader: MessageReader, each: (name: string, ballot: Dot, epoch: number) => void): void {
  if (reader.type !== MESSAGE_CHOSEN) return;
  const { epoch } = reader;
  while (reader.nextChosen()) {
    const ballot = firstOf(reader);
    if (isBallot(ballot)) each(nameOf(reader.db, reader.bytes, reader.at, reader.length), ballot, epoch);
  }
}

/** @returns an upper bound of the message's bytes; 0: this answer is not sent. */
export function replyBytes(reply: Reply<Value>): number {
  switch (reply.type) {
    case "state":
      return READ_REPLY_BYTES + stateBytes(reply.key, reply.ballot ?? NO_DOT, reply.state);
    case "promise":
      return PROMISE_BYTES + stateBytes(reply.key, reply.accepted ?? NO_DOT, reply.state);
    case "ack":
      return ACK_BYTES;
    case "nack":
    case "refused":
      return NACK_BYTES;
    case "learned":
    case "purgeable":
      return 0;
  }
}

/** @param id of the message that asked. */
export function writeReply(writer: MessageWriter, id: number, partition: number, reply: Reply<Value>): void {
  switch (reply.type) {
    case "state": {
      const { boot, chosen, floor } = reply;
      const accepted = reply.ballot ?? NO_DOT;
      const record = recordOf(reply.key, accepted, reply.state);
      writer.readReply(id, partition, 0, boot, accepted, chosen, floor, record, 0, record.length);
      break;
    }
    case "promise": {
      const accepted = reply.accepted ?? NO_DOT;
      const record = recordOf(reply.key, accepted, reply.state);
      writer.promise(id, partition, 0, reply.ballot, accepted, reply.floor, record, 0, record.length);
      break;
    }
    case "ack":
      writer.ack(id, partition, 0, reply.ballot);
      break;
    case "nack":
      writer.nack(NACK_BALLOT, id, partition, 0, reply.ballot, reply.bound, EMPTY, 0, 0);
      break;
    case "refused":
      writer.nack(NACK_EPOCH, id, partition, reply.epoch, reply.ballot ?? NO_DOT, NO_DOT, EMPTY, 0, 0);
      break;
    case "learned":
    case "purgeable":
      assert(false, "an answer that no message is for", reply.type);
  }
}

/** Nothing was done for the request: for want of room, or since its hlc is too far ahead. */
export const DECLINED_BYTES: number = NACK_BYTES;
export function writeDeclined(writer: MessageWriter, why: "busy" | "ahead", id: number, partition: number): void {
  writer.nack(why === "busy" ? NACK_BUSY : NACK_AHEAD, id, partition, 0, NO_DOT, NO_DOT, EMPTY, 0, 0);
}

function recordOf(name: string, ballot: Dot, state: RegisterState<Value> | undefined): Buffer {
  return state === undefined ? EMPTY : encodeState(name, ballot, state);
}

/**
 * The answer in the message that the reader has just handed out.
 * @param asked under its request id. @returns undefined: it is no answer to that, or none that a node made, or declinedOf() tells why
 * the peer did nothing.
 */
export function readReply(reader: MessageReader, asked: Asked): Reply<Value> | undefined {
  switch (reader.type) {
    case MESSAGE_READ_REPLY:
      return readStateReply(reader, asked);
    case MESSAGE_PROMISE:
      return readPromise(reader, asked);
    case MESSAGE_ACK:
      if (asked.type !== "accept" || !namesBallot(reader, asked.ballot)) return undefined;
      return { type: "ack", key: asked.key, ballot: asked.ballot };
    case MESSAGE_NACK:
      return readNack(reader, asked);
    default:
      return undefined;
  }
}

/** A large state is named first, and follows under the same id: the asker does not have it, and the answer leaves it out. */
export function isAnnounced(reply: Reply<Value>, asked: Asked): boolean {
  if (asked.type === "accept" || (reply.type !== "state" && reply.type !== "promise") || reply.state !== undefined)
    return false;
  const ballot = reply.type === "state" ? reply.ballot : reply.accepted;
  return ballot !== undefined && (asked.have === undefined || !sameDot(asked.have, ballot));
}

/** Of a NACK that is no statement about ballots or epochs: why the peer did nothing. undefined: it is something else. */
export function declinedOf(reader: MessageReader): Declined | undefined {
  if (reader.type !== MESSAGE_NACK) return undefined;
  if (reader.flags === NACK_NOT_REPLICA) return "not replica";
  if (reader.flags === NACK_BUSY) return "busy";
  if (reader.flags === NACK_AHEAD) return "ahead";
  return reader.flags === NACK_LATE ? "late" : undefined;
}

function readStateReply(reader: MessageReader, asked: Asked): Reply<Value> | undefined {
  if (asked.type !== "read" || reader.askerBoot !== asked.boot) return undefined;
  const { key, boot, id } = asked;
  const { floor } = reader;
  const ballot = secondOf(reader);
  const chosen = (reader.flags & FLAG_CHOSEN) !== 0;
  if (ballot === undefined) {
    const absent = !chosen && !hasState(reader);
    return absent ? { type: "state", key, boot, id, ballot, state: undefined, chosen, floor } : undefined;
  }
  const state = hasState(reader) ? readRecord(reader) : undefined;
  if (!fits(reader, key, ballot, state)) return undefined;
  return { type: "state", key, boot, id, ballot, state, chosen, floor };
}

function readPromise(reader: MessageReader, asked: Asked): Reply<Value> | undefined {
  if (asked.type !== "prepare" || !namesBallot(reader, asked.ballot)) return undefined;
  const { key, ballot } = asked;
  const { floor } = reader;
  const accepted = secondOf(reader);
  if (accepted === undefined) {
    return hasState(reader) ? undefined : { type: "promise", key, ballot, accepted, state: undefined, floor };
  }
  const state = hasState(reader) ? readRecord(reader) : undefined;
  return fits(reader, key, accepted, state) ? { type: "promise", key, ballot, accepted, state, floor } : undefined;
}

function readNack(reader: MessageReader, asked: Asked): Reply<Value> | undefined {
  const ballot = asked.type === "read" ? undefined : asked.ballot;
  if (!namesBallot(reader, ballot ?? NO_DOT)) return undefined;
  if (reader.flags === NACK_EPOCH) {
    const id = asked.type === "read" ? asked.id : 0;
    return { type: "refused", key: asked.key, request: asked.type, ballot, id, epoch: reader.epoch };
  }
  if (reader.flags !== NACK_BALLOT || asked.type === "read") return undefined;
  const bound = { epoch: reader.secondEpoch, hlc: reader.secondHlc, node: reader.secondNode };
  return { type: "nack", key: asked.key, ballot: asked.ballot, phase: asked.type, bound };
}

function hasState(reader: MessageReader): boolean {
  return (reader.flags & FLAG_HAS_STATE) !== 0;
}

/** Is what was read of an accepted state whole, and about the key that was asked for? @param state undefined: left out, or bad. */
function fits(reader: MessageReader, key: string, ballot: Dot, state: RecordState | undefined): boolean {
  if (!isBallot(ballot)) return false;
  if (state === undefined) return !hasState(reader);
  return sameDot(state.ballot, ballot) && isNameOf(state.record, key);
}

/** Compared byte by byte, since a string would have to be made. */
function isNameOf(record: Buffer, name: string): boolean {
  const bytes = keyLength(record, 0);
  if (bytes !== name.length - 1 || record[4] >>> 4 !== name.charCodeAt(0)) return false;
  const before = keyOffset(record, 0) - 1;
  for (let i = 1; i <= bytes; i++) if (record[before + i] !== name.charCodeAt(i)) return false;
  return true;
}

/** The state in the record that the reader points at, in memory of its own. undefined: no node made it. */
export function readRecord(reader: MessageReader): RecordState | undefined {
  const { bytes, at } = reader;
  // Flushes and ceilings are records of the log; and what this version cannot read after a restart, it must not keep.
  if (!isStateType(bytes[at + 4] & 15)) return undefined;
  if ((bytes[at + 5] & FLAG_TOMBSTONE) !== 0 && expireAtOf(bytes, at) !== 0) return undefined;
  const state = decodeState(reader.keep());
  return state !== undefined && isBallot(state.ballot) ? state : undefined;
}

function isBallot({ hlc, node }: Dot): boolean {
  return hlc > 0 && node <= NODE_MAX;
}

function firstOf(reader: MessageReader): Dot {
  return { epoch: reader.dotEpoch, hlc: reader.dotHlc, node: reader.dotNode };
}

/** undefined: all zero. */
function secondOf(reader: MessageReader): Dot | undefined {
  const { secondEpoch: epoch, secondHlc: hlc, secondNode: node } = reader;
  return hlc === 0 && node === 0 && epoch === 0 ? undefined : { epoch, hlc, node };
}

function namesBallot(reader: MessageReader, { epoch, hlc, node }: Dot): boolean {
  return reader.dotHlc === hlc && reader.dotNode === node && reader.dotEpoch === epoch;
}
