/**
 * test/unit/storage/relaxed-sync.test.ts: under everysec and no, what was written is synced in time, also beside large batches that never rest.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { SimDisk } from "../../lib/sim-disk.js";

const LARGE_BYTES = 64 * 1024;
const PIECE_MS = 5;

/** A log in a segment with room for many large records, which are written one after the other from now on; amid them a small record. */
function busyLog(mode: "everysec" | "no"): { wal: Wal; scheduler: FakeScheduler; smallLsn: number; disk: SimDisk } {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const options = { mode, segmentBytes: 64 << 20, member: true, largeBytes: LARGE_BYTES };
  const wal = new Wal(disk, scheduler, options, { nextLsn: 1, lastCrc: 0, bytes: 0, segments: [] });
  assert.ok(wal.start());
  disk.latencyMs = () => PIECE_MS;
  const large = Buffer.alloc(LARGE_BYTES + 1, 2);
  const small = Buffer.alloc(20, 1);
  let smallLsn = 0;
  wal.onDurable = () => {
    if (smallLsn === 0 && wal.segments.roomBytes > 40 << 20) smallLsn = wal.append(small, 0, small.length);
    else if (wal.openBytes() < LARGE_BYTES) wal.append(large, 0, large.length, true);
  };
  wal.append(large, 0, large.length, true);
  for (let ms = 0; ms < 20_000 && (smallLsn === 0 || wal.durableLsn < smallLsn); ms++) scheduler.advance(1);
  assert.ok(smallLsn > 0 && wal.durableLsn >= smallLsn && wal.syncedLsn < smallLsn);
  return { wal, scheduler, smallLsn, disk };
}

test("everysec: what is small is synced within a second or so, however many large ones follow each other", () => {
  const { wal, scheduler, smallLsn } = busyLog("everysec");
  const segments = wal.segments.all.length;
  scheduler.advance(1100);
  assert.ok(wal.syncedLsn >= smallLsn, `up to ${wal.syncedLsn}, wanted ${smallLsn}, written ${wal.durableLsn}`);
  assert.is(wal.segments.all.length, segments, "the end of a segment syncs anyway");
  // And it goes on so.
  const lsn = wal.durableLsn;
  scheduler.advance(1100);
  assert.ok(wal.syncedLsn >= lsn);
});

test("no: a sync that is asked for comes beside large batches too", () => {
  const { wal, scheduler, smallLsn } = busyLog("no");
  let synced = -1;
  wal.syncNow(() => {
    synced = wal.syncedLsn;
  });
  scheduler.advance(2 * PIECE_MS);
  assert.ok(synced >= smallLsn, `up to ${synced}`);
});

test.run();
