/**
 * storage/replay.ts: puts records that a snapshot or the log holds back into the table.
 * They may come in any overlap (a snapshot is fuzzy): of two states of a key the higher dot wins, so the order does not matter
 * and a record may come twice.
 * The replica of a cluster keeps tombstones: storage/registers.ts has a way of its own.
 * Invariant: nothing is logged, gated or counted here; the hybrid clock ends above every dot seen.
 */
import {
  compareDots,
  expireAtOf,
  FLAG_TOMBSTONE,
  hlcOf,
  isStateType,
  keyLength,
  keyOffset,
  TYPE_FLUSH,
} from "../codec/record/record.js";
import type { Hlc } from "../core/clock/hlc.js";
import { copyBytes } from "../lib/copy.js";
import { RecordTypeError } from "../lib/errors.js";
import type { Viewed } from "../lib/view.js";
import { DATABASES, type Table } from "./table.js";
import { walk } from "./walk.js";

/**
 * @param body borrowed: one body that checkBody found well-formed. @param lsn its position, 0 from a snapshot.
 * @param clock usage bits for a record that is new.
 */
export function replay(
  table: Table,
  hlc: Hlc,
  body: Viewed,
  at: number,
  length: number,
  lsn: number,
  clock: number,
): void {
  hlc.witness(hlcOf(body, at));
  const db = body[at + 4] >>> 4;
  const type = body[at + 4] & 15;
  if (!isStateType(type)) {
    if (type !== TYPE_FLUSH) throw new RecordTypeError(type, lsn);
    replayFlush(table, keyLength(body, at) > 0 ? -1 : db, hlcOf(body, at));
    return;
  }
  const ref = table.find(db, body, at + keyOffset(body, at), keyLength(body, at));
  if (ref !== 0 && compareDots(table.body, table.bodyAt, body, at) >= 0) return;
  if (body[at + 5] & FLAG_TOMBSTONE) {
    if (ref !== 0) table.remove(db, ref, 0);
    return;
  }
  table.replace(db, ref, length, lsn, clock);
  copyBytes(body, at, table.body, table.bodyAt, length);
  table.noteBody(db, expireAtOf(body, at));
}

/** Remove what is older than the flush; a snapshot may hold keys that were set after it. O(keys). */
function replayFlush(table: Table, db: number, hlc: number): void {
  for (let i = 0; i < DATABASES; i++) {
    if (db >= 0 && i !== db) continue;
    const older: number[] = [];
    walk(table, i, 0, Number.POSITIVE_INFINITY, (ref) => {
      table.locate(ref);
      if (hlcOf(table.body, table.bodyAt) < hlc) older.push(ref);
    });
    for (const ref of older) {
      table.locate(ref);
      const keyAt = table.bodyAt + keyOffset(table.body, table.bodyAt);
      table.find(i, table.body, keyAt, keyLength(table.body, table.bodyAt));
      table.remove(i, ref, 0);
    }
  }
}
