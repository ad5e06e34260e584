/**
 * codec/frame/layout.ts: the bytes that peers send each other: numbers, offsets, limits. Drawn in full in docs/PROTOCOL.md.
 * Little endian, no alignment assumed.
 *
 *   frame                                    message, in the payload of a MESSAGES frame behind its u64 boot
 *    0  u32 magic "KVFR"                      0  u32 bytes        the whole message, this field included
 *    4  u8  version                           4  u8  type         MESSAGE_*
 *    5  u8  type         FRAME_*              5  u8  flags | db   low nibble by type, high nibble the database 0..15
 *    6  u16 count        messages in it       6  u16 partition
 *    8  u32 payloadBytes                      8  u32 request id   0 = no answer is wanted
 *   12  u32 crc of the payload               12  u32 epoch        of the partition's placement
 *   16  u32 crc of bytes 0..15               16  u32 budgetMs     time left when it was sent, rounded up; 0 = no deadline
 *   20  payload                              20  body, by type
 *
 * Why the header has a crc of its own: a damaged length would else be waited for. Why a budget and not a time: clocks of
 * peers need not agree. Why the boot stands once a frame: one process sends all of a frame.
 * Invariants: a frame has at most FRAME_BYTES_MAX bytes and COUNT_MAX messages; HANDSHAKE frames have version 0 and the same
 * layout in all versions for ever; every other frame has the version that both agreed on.
 */
import type { Dot } from "../../core/clock/dot.js";
import { readU32, writeU32 } from "../record/record.js";

export const FRAME_MAGIC = 0x5246564b; // "KVFR"
export const FRAME_HEADER_BYTES = 20;
const FRAME_BYTES_MAX: number = 32 * 1024 * 1024;
export const PAYLOAD_BYTES_MAX: number = FRAME_BYTES_MAX - FRAME_HEADER_BYTES;
export const COUNT_MAX = 65535;
export const BOOT_BYTES = 8;

/** Versions of messages that this code speaks: the newest, and one before it once there is one. */
export const VERSION_MIN = 1;
export const VERSION_MAX = 1;
/** The version byte of handshake frames. */
export const VERSION_HANDSHAKE = 0;

export const FRAME_HANDSHAKE = 1;
export const FRAME_MESSAGES = 2;
/** A piece of one message that is too large for a frame: u32 bytes of the message, u32 offset of the piece, the piece. */
export const FRAME_PART = 3;
/** The sender sends no more messages on this connection. u8: 0 = of its own accord, 1 = in answer to the peer's. */
export const FRAME_BYE = 4;
export const PART_HEADER_BYTES = 8;

export const MESSAGE_HEADER_BYTES = 20;
export const BUDGET_AT = 16;
export const DOT_BYTES = 12;

export const MESSAGE_READ = 1;
export const MESSAGE_READ_REPLY = 2;
export const MESSAGE_PREPARE = 3;
export const MESSAGE_PROMISE = 4;
export const MESSAGE_NACK = 5;
export const MESSAGE_ACCEPT = 6;
export const MESSAGE_ACK = 7;
export const MESSAGE_LEARN = 8;
export const MESSAGE_CHOSEN = 9;
export const MESSAGE_FORWARD = 10;
export const MESSAGE_FORWARD_REPLY = 11;
export const MESSAGE_HEARTBEAT = 12;
export const MESSAGE_SHIP_FROM = 13;
export const MESSAGE_SHIP = 14;
export const MESSAGE_SHIP_ACK = 15;
export const MESSAGE_QUERY = 16;
export const MESSAGE_QUERY_REPLY = 17;

/** READ_REPLY: the state's dot is known to be chosen. */
export const FLAG_CHOSEN = 1;
/** READ_REPLY, PROMISE: the record of the state follows. */
export const FLAG_HAS_STATE = 2;
/** SHIP, QUERY_REPLY: more follows under the same request id. */
export const FLAG_MORE = 1;
/** QUERY_REPLY: the payload says why it failed. */
export const FLAG_FAILED = 2;

/** NACK, in its flags: why. */
export const NACK_BALLOT = 0;
/** Another epoch holds here; the payload is the newer configuration. */
export const NACK_EPOCH = 1;
export const NACK_NOT_REPLICA = 2;
/** Too much waits already; nothing was done. */
export const NACK_BUSY = 3;
/** The budget was used up before anything was done. */
export const NACK_LATE = 4;
/** It carries an hlc further ahead than this node takes over; nothing was done. */
export const NACK_AHEAD = 5;

/** FORWARD_REPLY, in its flags: what became of the operation. */
export const FORWARD_DONE = 0;
export const FORWARD_NOT_APPLIED = 1;
export const FORWARD_UNCERTAIN = 2;
/** Done as soon as the asker's own replica holds the dot named, durably. Another reply follows. */
export const FORWARD_NEARLY = 3;

export const PARTITION_MAX = 16383;

const TWO_32 = 4_294_967_296;
const HLC_HIGH_MASK = 0x1fffff;

/** @param value a whole number below 2^53. */
export function writeU53(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value >>> 0);
  writeU32(bytes, at + 4, Math.floor(value / TWO_32));
}

/** @returns the number, or -1 when the eight bytes hold one of 2^53 or more. */
export function readU53(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at + 4);
  return high > HLC_HIGH_MASK ? -1 : high * TWO_32 + readU32(bytes, at);
}

/** A dot as a record's vector has it: u32 hlc low, u32 hlc high (21 bits) | node << 21, u32 epoch. */
export function writeDot(bytes: Uint8Array, at: number, { epoch, hlc, node }: Dot): void {
  writeU32(bytes, at, hlc >>> 0);
  writeU32(bytes, at + 4, Math.floor(hlc / TWO_32) | (node << 21));
  writeU32(bytes, at + 8, epoch);
}

export function dotHlc(bytes: Uint8Array, at: number): number {
  return (readU32(bytes, at + 4) & HLC_HIGH_MASK) * TWO_32 + readU32(bytes, at);
}

export function dotNode(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4) >>> 21;
}

export function dotEpoch(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 8);
}
