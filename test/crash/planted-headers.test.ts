/**
 * test/crash/planted-headers.test.ts: a value that holds what looks like the header of a batch, in the middle of a write that ends there: a torn
 * end all the same, wherever it is cut, and again after a crash while it was being dropped. And a real header behind damage is still believed.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeBody, HEADER_BYTES } from "../../src/codec/record/record.js";
import { CorruptionError } from "../../src/lib/errors.js";
import { type Viewed, viewed } from "../../src/lib/view.js";
import { Cleaner } from "../../src/storage/cleaner.js";
import type { WalEnd } from "../../src/storage/log.js";
import { Recovery } from "../../src/storage/recovery.js";
import { Wal } from "../../src/storage/wal.js";
import { BATCH_HEADER_BYTES, SECTOR_BYTES, STAMP_AT, writeBatchHeader } from "../../src/storage/wal-format.js";
import { WalReader } from "../../src/storage/wal-reader.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { openEngine } from "../lib/open-engine.js";
import { PowerLoss, SimDisk } from "../lib/sim-disk.js";

const VALUE_BYTES = 30 * SECTOR_BYTES;
const KEY: Viewed = viewed(Buffer.from("k"));
const NOTHING_YET: WalEnd = { nextLsn: 1, lastCrc: 0, bytes: 0, lastBytes: 0, segments: [] };

/** A record that begins its batch, with a header at the start of each sector but the first that says: all before LSN 1000 is durable. */
function planted(): Buffer {
  const header = Buffer.alloc(BATCH_HEADER_BYTES);
  writeBatchHeader(
    header,
    { bytes: SECTOR_BYTES, count: 1, firstLsn: 1000, contentEnd: 100, stamp: 0x8181 },
    999,
    5,
    0,
    7,
  );
  const value = viewed(Buffer.alloc(VALUE_BYTES, 2));
  const valueAt = BATCH_HEADER_BYTES + HEADER_BYTES + KEY.length;
  for (let at = STAMP_AT; at - valueAt + header.length < VALUE_BYTES; at += STAMP_AT) header.copy(value, at - valueAt);
  const record = viewed(Buffer.alloc(HEADER_BYTES + KEY.length + VALUE_BYTES));
  encodeBody(record, 0, 0, 0, 1, 1, 0, KEY, 0, KEY.length, value, 0, VALUE_BYTES);
  return record;
}

/** A log whose last batch, with that record, is being written, in pieces or at once. */
function writing(own: boolean): { disk: SimDisk; scheduler: FakeScheduler; wal: Wal } {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  openEngine(disk, scheduler).stop(() => {});
  const { store } = openEngine(new SimDisk(scheduler), scheduler);
  const recovery = new Recovery(disk, store, new Cleaner(store.table), undefined);
  while (recovery.step());
  const options = { mode: "always" as const, segmentBytes: 64 * 1024, member: own, largeBytes: 4 * SECTOR_BYTES };
  const wal = new Wal(disk, scheduler, options, recovery.finish());
  assert.ok(wal.start());
  disk.latencyMs = () => 5;
  const record = viewed(planted());
  wal.audience = { waiters: 5, onlyWriters: false };
  wal.append(record, 0, record.length, own);
  scheduler.endTurn();
  return { disk, scheduler, wal };
}

/** How the log ends. @throws CorruptionError */
function tornBytes(disk: SimDisk): number {
  const reader = new WalReader(disk, 1, () => {});
  while (reader.step());
  return reader.tornFrom < 0 ? 0 : reader.tornTo - reader.tornFrom;
}

test("in pieces: torn, whatever the value holds", () => {
  const { disk, scheduler, wal } = writing(true);
  const durable = wal.durableLsn;
  let seen = 0;
  for (; wal.durableLsn === durable; scheduler.advance(5)) {
    const after = disk.afterKill(new FakeScheduler());
    // The first piece has no header in it that could be read.
    if (tornBytes(after) > 8 * SECTOR_BYTES) seen++;
  }
  assert.ok(seen > 2, `${seen} cuts: too few to mean something`);
  assert.is(tornBytes(disk.afterKill(new FakeScheduler())), 0);
});

test("at once: torn, whatever the value holds", () => {
  for (let cut = SECTOR_BYTES; cut < VALUE_BYTES; cut += SECTOR_BYTES) {
    const { disk } = writing(false);
    assert.is(tornBytes(disk.afterPowerLoss(new FakeScheduler(), 1, cut)), cut);
  }
});

test("dropped for good, also when the power goes once more meanwhile", () => {
  for (const own of [true, false]) {
    for (let crashAt = 1; ; crashAt++) {
      const { disk, scheduler } = writing(own);
      if (own) scheduler.advance(12);
      const first = disk.afterPowerLoss(new FakeScheduler(), 1, 20 * SECTOR_BYTES);
      assert.ok(tornBytes(first) > 5 * SECTOR_BYTES);
      first.crashAt = crashAt;
      try {
        openEngine(first, new FakeScheduler());
      } catch (error) {
        if (!(error instanceof PowerLoss) && !first.crashed) throw error;
      }
      for (const cut of [0, 1, SECTOR_BYTES, 3 * SECTOR_BYTES])
        openEngine(first.afterPowerLoss(new FakeScheduler(), 1, cut), new FakeScheduler());
      if (!first.crashed) break;
    }
  }
});

test("a real header behind damage is believed", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const options = { mode: "always" as const, segmentBytes: 64 * 1024 };
  const wal = new Wal(disk, scheduler, options, NOTHING_YET);
  assert.ok(wal.start());
  const record = viewed(planted());
  const at = wal.segments.position;
  for (let i = 0; i < 2; i++) {
    wal.append(record, 0, record.length);
    scheduler.advance(10);
  }
  const file = disk.open(wal.segments.all[0].name, {});
  disk.write(file, Buffer.alloc(SECTOR_BYTES), 0, SECTOR_BYTES, at + 3 * SECTOR_BYTES);
  assert.throws(
    () => tornBytes(disk),
    (error: Error) => error instanceof CorruptionError && /durable/.test(error.message),
  );
});

test.run();
