/**
 * test/unit/storage/flush-replay.test.ts: FLUSHALL and FLUSHDB in the log: at a start the keys go at once and their memory block by block; what a
 * snapshot that was under way holds of later keys stays.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { Engine } from "../../../src/storage/engine.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { engineOptions, openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const KEYS = 20_000;
const OPTIONS = { partitions: 4, segmentBytes: 4 << 20 };

function put({ store }: Engine, db: number, name: string, valueBytes = 200): void {
  const key = viewed(Buffer.from(name));
  store.put(db, key, 0, key.length, viewed(Buffer.alloc(valueBytes, name)), 0, valueBytes, 0, false);
}

function filled(): { engine: Engine; disk: SimDisk; scheduler: FakeScheduler } {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler, OPTIONS);
  for (let i = 0; i < KEYS; i++) {
    put(engine, 0, `k${i}`);
    if (i % 1000 === 0) scheduler.advance(1);
  }
  put(engine, 1, "other");
  scheduler.advance(10);
  return { engine, disk, scheduler };
}

/** The node after a power cut; and how many keys its start removed one by one. */
function restarted(disk: SimDisk): { engine: Engine; removed: number } {
  const scheduler = new FakeScheduler();
  const engine = new Engine(disk.afterPowerLoss(scheduler, 1), scheduler, engineOptions(OPTIONS));
  const { table } = engine.store;
  const remove = table.remove.bind(table);
  let removed = 0;
  table.remove = (...args) => {
    removed++;
    remove(...args);
  };
  let ended = false;
  engine.load(1e9, (error) => {
    assert.is(error, undefined);
    ended = true;
  });
  for (let i = 0; i < 100 && !ended; i++) scheduler.endTurn();
  assert.ok(ended);
  return { engine, removed };
}

for (const db of [0, -1])
  test(`${db < 0 ? "FLUSHALL" : "FLUSHDB"}: no key is gone through, nothing of them is left, and what came later is there`, () => {
    const { engine, disk, scheduler } = filled();
    engine.store.flush(db);
    put(engine, 0, "later");
    scheduler.advance(10);
    const { engine: again, removed } = restarted(disk);
    assert.is(removed, 0);
    assert.equal([again.store.size(0), again.store.size(1)], [1, db < 0 ? 0 : 1]);
    assert.not.ok(again.store.detached.pending);
    assert.ok(again.store.table.arena.liveBytes < 1000, `${again.store.table.arena.liveBytes} bytes`);
  });

test("a snapshot that was under way holds keys that were set after the flush: they stay, the others go", () => {
  const { engine, disk, scheduler } = filled();
  let ended = false;
  engine.snapshot((error) => {
    assert.is(error, undefined);
    ended = true;
  });
  // It has read some of database 0, and none of database 1.
  for (let i = 0; i < 50 && engine.snapshotter.records === 0; i++) scheduler.endTurn();
  assert.ok(engine.snapshotter.records > 0 && engine.snapshotter.records < KEYS);
  engine.store.flush(-1);
  put(engine, 0, "later");
  put(engine, 1, "later too");
  for (let i = 0; i < 100 && !ended; i++) scheduler.advance(10);
  assert.ok(ended);
  const { engine: again, removed } = restarted(disk);
  assert.ok(removed > 0);
  assert.equal([again.store.size(0), again.store.size(1)], [1, 1]);
});

test("flushes from before the snapshot are passed over: no key is looked at for them, and the clock is beyond them", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler, OPTIONS);
  for (let i = 0; i < 100; i++) {
    put(engine, 0, "earlier");
    engine.store.flush(i % 2 === 0 ? -1 : 0);
  }
  for (let i = 0; i < 2000; i++) put(engine, 0, `k${i}`);
  scheduler.advance(10);
  let ended = false;
  engine.snapshot((error) => {
    assert.is(error, undefined);
    ended = true;
  });
  scheduler.advance(100);
  assert.ok(ended);
  put(engine, 0, "k5", 100);
  const [hlc, size] = [engine.store.hlc.value(), engine.store.size(0)];
  scheduler.advance(10);
  const later = new FakeScheduler();
  const again = new Engine(disk.afterPowerLoss(later, 1), later, engineOptions(OPTIONS));
  const { table } = again.store;
  const locate = table.locate.bind(table);
  let located = 0;
  table.locate = (ref) => {
    located++;
    locate(ref);
  };
  again.load(1e9, (error) => assert.is(error, undefined));
  while (again.wal === undefined) later.endTurn();
  assert.is(again.store.size(0), size);
  assert.ok(located < 4 * size, `${located} looks at ${size} keys`);
  assert.ok(again.store.hlc.value() >= hlc);
});

test.run();
