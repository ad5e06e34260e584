/**
 * server/slot-keys.ts: the keys of a slot, as one member has them: QUESTION_SLOT and its answer.
 *   question  u16 slot, u32 most keys (0: the number only)
 *   answer    u32 number, then for each key that is told: u32 bytes, the key
 * Invariant: an answer has at most ANSWER_BYTES_MAX bytes; keys that do not fit are left out of it, and of the number.
 */
import type { Keyspace } from "../ports/keyspace.js";
import { SLOTS } from "./slot-map.js";

const QUESTION_BYTES = 6;
const ANSWER_BYTES_MAX: number = 4 << 20;

export function writeSlotQuestion(slot: number, keysMax: number): Buffer {
  const bytes = Buffer.alloc(QUESTION_BYTES);
  bytes.writeUInt16LE(slot, 0);
  bytes.writeUInt32LE(Math.min(keysMax, 0xffffffff), 2);
  return bytes;
}

/** @returns undefined: the question is malformed. O(keys of the partition). */
export function answerSlot(space: Keyspace, question: Buffer): Buffer | undefined {
  if (question.length !== QUESTION_BYTES) return undefined;
  const slot = question.readUInt16LE(0);
  const keysMax = question.readUInt32LE(2);
  if (slot >= SLOTS) return undefined;
  const number = Buffer.alloc(4);
  if (keysMax === 0) {
    number.writeUInt32LE(space.keysInSlot(slot, Number.POSITIVE_INFINITY, () => {}));
    return number;
  }
  const pieces: Buffer[] = [number];
  let told = 0;
  let bytes = 0;
  space.keysInSlot(slot, keysMax, (state) => {
    bytes += 4 + state.keyBytes;
    if (bytes > ANSWER_BYTES_MAX) return;
    const piece = Buffer.alloc(4 + state.keyBytes);
    piece.writeUInt32LE(state.keyBytes);
    state.bytes.copy(piece, 4, state.keyAt, state.keyAt + state.keyBytes);
    pieces.push(piece);
    told++;
  });
  number.writeUInt32LE(told);
  return Buffer.concat(pieces);
}

export interface SlotAnswer {
  readonly count: number;
  readonly keys: readonly Buffer[];
}

/** @returns undefined: it is malformed. */
export function readSlotAnswer(bytes: Buffer): SlotAnswer | undefined {
  if (bytes.length < 4) return undefined;
  const keys: Buffer[] = [];
  let at = 4;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) return undefined;
    keys.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return { count: bytes.readUInt32LE(0), keys };
}
