/**
 * storage/register-replay.ts: how the table of a replica takes records, fresh ones and those that a snapshot or the log holds. Unlike that of
 * a node alone (storage/replay.ts) it keeps tombstones: what was deleted has a ballot and a vector, which later rounds are judged by.
 *
 * Invariants: of two states of a key the higher dot stays, whatever order they come in (a snapshot is fuzzy); a record stays the bytes it is,
 * with epoch and vector; `keys` counts values, `tombstones` the others. Nothing is logged here.
 */
import {
  compareDots,
  EXPIRE_BYTES,
  expireAtOf,
  FLAG_EPOCH,
  FLAG_EXPIRES,
  FLAG_LONG_KEY,
  FLAG_TOMBSTONE,
  FLAG_VECTOR,
  HEADER_BYTES,
  hlcOf,
  isStateType,
  keyLength,
  keyOffset,
  readU32,
  TYPE_CEILING,
  VECTOR_ENTRY_BYTES,
} from "../codec/record/record.js";
import { copyBytes } from "../lib/copy.js";
import { RecordTypeError } from "../lib/errors.js";
import type { Viewed } from "../lib/view.js";
import { setChosen } from "./chosen-mark.js";
import { CUT_NODE } from "./state-record.js";
import type { Table } from "./table.js";

const HLC_HIGH_MASK = 0x1fffff;
const TWO_32 = 4_294_967_296;

/**
 * Put a record into the table as it is, in place of what find() just found.
 * @param ref what find() returned. @param own `body` is the record, and a buffer of its own that nobody writes to: a large one is not copied.
 * @returns the record's reference; no mark is on it.
 */
export function hold(
  table: Table,
  ref: number,
  body: Viewed,
  at: number,
  length: number,
  lsn: number,
  clock: number,
  own = false,
): number {
  const db = body[at + 4] >>> 4;
  const dead = (body[at + 5] & FLAG_TOMBSTONE) !== 0;
  if (ref !== 0 && table.body[table.bodyAt + 5] & FLAG_TOMBSTONE) table.countTombstone(db, -1);
  const held = table.replace(db, ref, length, lsn, clock, own ? body : undefined);
  if (table.body !== body) copyBytes(body, at, table.body, table.bodyAt, length);
  table.noteBody(db, expireAtOf(body, at));
  setChosen(table.arena, held, false);
  if (dead) table.countTombstone(db, 1);
  return held;
}

/**
 * A record of a snapshot or of the log. @param body borrowed: one that checkBody found well-formed. @param lsn its position, 0 from a snapshot.
 * @param clock usage bits for a record that is new. @returns the highest hlc in it.
 */
export function replayRegister(
  table: Table,
  body: Viewed,
  at: number,
  length: number,
  lsn: number,
  clock: number,
): number {
  const type = body[at + 4] & 15;
  if (type === TYPE_CEILING && lsn > 0) return hlcOf(body, at);
  if (!isStateType(type)) throw new RecordTypeError(type, lsn);
  const ref = table.find(body[at + 4] >>> 4, body, at + keyOffset(body, at), keyLength(body, at));
  if (ref === 0 || compareDots(table.body, table.bodyAt, body, at) < 0) hold(table, ref, body, at, length, lsn, clock);
  return highestHlc(body, at);
}

/** The highest hlc that a record tells of: of its dot, of its vector, its cut. */
export function highestHlc(body: Uint8Array, at: number): number {
  const own = hlcOf(body, at);
  return body[at + 5] & FLAG_VECTOR ? Math.max(own, highestInVector(body, at, CUT_NODE)) : own;
}

/**
 * The hlc of the last change in the record's vector; 0: none that is known. A round that changes nothing gives a record another dot
 * but leaves this as it is: WATCH and ETag compare it.
 */
export function versionOf(body: Uint8Array, at: number): number {
  return body[at + 5] & FLAG_VECTOR ? highestInVector(body, at, CUT_NODE - 1) : hlcOf(body, at);
}

function highestInVector(body: Uint8Array, from: number, nodeMax: number): number {
  const flags = body[from + 5];
  let at = from + HEADER_BYTES + (flags & FLAG_EPOCH ? 4 : 0) + (flags & FLAG_LONG_KEY ? 4 : 0);
  if (flags & FLAG_EXPIRES) at += EXPIRE_BYTES;
  const count = body[at] | (body[at + 1] << 8);
  let highest = 0;
  at += 2;
  for (let i = 0; i < count; i++, at += VECTOR_ENTRY_BYTES) {
    const high = readU32(body, at + 4);
    const hlc = (high & HLC_HIGH_MASK) * TWO_32 + readU32(body, at);
    if (high >>> 21 <= nodeMax && hlc > highest) highest = hlc;
  }
  return highest;
}
