/**
 * test/unit/storage/uncertain-batches.test.ts: which batches at the end of a log are of unknown durability, and that a log with many of them, as appendfsync
 * everysec and no leave it, is read in about the time of any other.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../../src/lib/random.js";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import type { SyncMode } from "../../../src/storage/log.js";
import { Wal } from "../../../src/storage/wal.js";
import { lastLsnOf, SECTOR_BYTES } from "../../../src/storage/wal-format.js";
import { WalReader } from "../../../src/storage/wal-reader.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { recordBytes } from "../../lib/record-bytes.js";
import { writeLog } from "../../lib/written-log.js";

test("from the first batch of the last segment that no header calls durable", () => {
  let some = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const mode = (["always", "everysec", "no"] as const)[seed % 3] as SyncMode;
    const { disk, batches, segments } = writeLog(new Random(seed), mode, 30 + seed, seed % 2 === 0);
    const durable = Math.max(...batches.map(({ header }) => header.durableLsn));
    const last = batches.filter(({ segment }) => segment === segments.at(-1));
    const first = last.find(({ header }) => lastLsnOf(header) > durable);
    const reader = new WalReader(disk, 1, () => {});
    while (reader.step());
    assert.is(reader.uncertainFrom, first?.at ?? reader.end, `seed ${seed}`);
    if (mode !== "always" && last.indexOf(first as (typeof last)[0]) > 0) some++;
  }
  assert.ok(some > 3, `${some} logs with batches of both kinds in the last segment`);
});

const BATCHES = 60_000;
const NO_FLAGS = { tombstone: false, raw: false, long: false, epoch: 0, expireAt: 0, vector: undefined };
const PLAIN = { type: 0, db: 0, hlc: 1, node: 0, ...NO_FLAGS };

function longLog(mode: SyncMode): MemoryDisk {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const bytes = (BATCHES + 1000) * SECTOR_BYTES;
  const end = { nextLsn: 1, lastCrc: 0, bytes: 0, lastBytes: 0, segments: [] };
  const wal = new Wal(disk, scheduler, { mode, segmentBytes: bytes }, end);
  wal.start();
  const value = Buffer.alloc(10);
  const body = viewed(recordBytes({ ...PLAIN, key: value, value }));
  for (let i = 0; i < BATCHES; i++) {
    wal.append(body, 0, body.length);
    scheduler.endTurn();
  }
  scheduler.advance(1);
  assert.is(wal.durableLsn, wal.appendedLsn);
  return disk;
}

function millisecondsToRead(disk: MemoryDisk): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 2; i++) {
    const started = performance.now();
    const reader = new WalReader(disk, 1, () => {});
    while (reader.step());
    best = Math.min(best, performance.now() - started);
  }
  return best;
}

test("many of them: as quick as none", () => {
  const synced = millisecondsToRead(longLog("always"));
  const unsynced = millisecondsToRead(longLog("no"));
  assert.ok(unsynced < 3 * synced + 100, `${unsynced} ms, and ${synced} ms for one that was synced`);
});

test.run();
