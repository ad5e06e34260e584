/**
 * test/unit/storage/upkeep.test.ts: options that steer the engine: how uses of keys are counted, how often upkeep runs, when a
 * snapshot follows another.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import { Engine } from "../../../src/storage/engine.js";
import { ServedStorage } from "../../../src/storage/served.js";
import { OPEN_BYTES_MAX } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { engineOptions, openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const KEY = viewed(Buffer.from("k"));
const MINUTE = 60_000;

function make(): { engine: Engine; scheduler: FakeScheduler; disk: SimDisk } {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  return { engine: openEngine(disk, scheduler), scheduler, disk };
}

function put({ store }: Engine, expireAt = 0): void {
  store.put(0, KEY, 0, 1, KEY, 0, 1, expireAt, false);
}

function get({ store }: Engine): void {
  store.gate = 0;
  store.find(0, KEY, 0, 1, new KeyState(), true);
}

test("lfu-log-factor and lfu-decay-time", () => {
  const { engine, scheduler } = make();
  engine.store.setPolicy("allkeys-lfu");
  engine.store.usage.logFactor = 0; // every use counts
  put(engine);
  for (let i = 0; i < 100; i++) get(engine);
  assert.is(engine.store.frequency(0, KEY, 0, 1), 105);
  engine.store.usage.decayMinutes = 2;
  scheduler.advance(20 * MINUTE);
  assert.is(engine.store.frequency(0, KEY, 0, 1), 95);
  engine.store.usage.decayMinutes = 0;
  assert.is(engine.store.frequency(0, KEY, 0, 1), 105);
});

test("reads of a client that touches nothing are no uses", () => {
  const { engine, scheduler } = make();
  put(engine);
  scheduler.advance(100_000);
  engine.store.touching = false;
  get(engine);
  assert.is(engine.store.idleSeconds(0, KEY, 0, 1), 100);
  assert.is(engine.store.stats.hits, 1);
  engine.store.touching = true;
  get(engine);
  assert.is(engine.store.idleSeconds(0, KEY, 0, 1), 0);
});

test("hz: upkeep as often as that", () => {
  const { engine, scheduler } = make();
  engine.upkeepMs = 5;
  scheduler.advance(200);
  put(engine, scheduler.nowMs() + 10);
  scheduler.advance(20);
  assert.is(engine.store.table.keys[0], 0);
});

test("wal-batch-bytes-max: writers are held back above it", () => {
  const { engine, scheduler } = make();
  const storage = new ServedStorage(engine, 0, () => scheduler.monotonicMs());
  storage.congestedBytes = 64 * 1024;
  for (let i = 0; i < 1500; i++) put(engine);
  assert.is(storage.congested, false);
  for (let i = 0; i < 4500; i++) put(engine);
  assert.is(storage.congested, true);
  scheduler.advance(10);
  assert.is(storage.congested, false);
});

test("a snapshot asked for while one is running follows it", () => {
  const { engine, scheduler, disk } = make();
  put(engine);
  scheduler.advance(5);
  const names: string[] = [];
  assert.ok(engine.snapshot(() => names.push("first")));
  assert.not.ok(engine.snapshot(() => {}));
  engine.snapshotNext();
  put(engine);
  scheduler.advance(1000);
  assert.equal(names, ["first"]);
  assert.is(disk.list().filter((name) => name.endsWith(".kvs")).length, 2);
});

test("a flush while the records of the one before are being freed", () => {
  for (const blocksFirst of [1, 2, 3, 5, 8]) {
    const { engine, scheduler } = make();
    const { store } = engine;
    const { arena, heap } = store.table;
    let left = blocksFirst;
    for (const db of [0, 1, 2]) {
      for (let i = 0; i < 2000; i++) {
        const key = viewed(Buffer.from(`${db} ${i}`));
        store.put(db, key, 0, key.length, KEY, 0, 1, 0, false);
      }
      store.flush(db);
      // As much as a slice may have time for, which may end between any two blocks.
      store.detached.free(() => --left <= 0);
      left = 1;
    }
    put(engine);
    for (let i = 0; i < 100; i++) scheduler.endTurn();
    scheduler.advance(1000);
    assert.is(store.detached.pending, false);
    assert.is(store.table.arena, arena);
    assert.is(arena.liveBytes, arena.sizeOf(store.table.find(0, KEY, 0, 1)));
    store.flush(-1);
    assert.is(
      store.detached.free(() => false),
      false,
    );
    assert.is(arena.liveBytes, 0);
    assert.is(heap.bytes, 0);
  }
});

test("stopped while it loads: recovery's file is closed, nothing is written, and it is said that loading is over", () => {
  for (const withSnapshot of [false, true]) {
    const { engine, scheduler, disk } = make();
    let reading = 0;
    for (let i = 0; i < 300; i++) {
      const key = viewed(Buffer.from(`k${i}`));
      engine.store.put(0, key, 0, key.length, viewed(Buffer.alloc(2000)), 0, 2000, 0, false);
      if (i % 3 === 0) scheduler.advance(1);
    }
    if (withSnapshot) engine.snapshot(() => {});
    scheduler.advance(2000);
    engine.stop(() => {});
    scheduler.advance(100);
    assert.is(disk.openHandles, 0);
    for (let turns = 1; turns < 5; turns++) {
      const before = disk.list().filter((name) => !name.endsWith(".tmp"));
      const again = new Engine(disk, scheduler, engineOptions());
      const said: (Error | undefined)[] = [];
      // A batch or a block a turn.
      again.load(0, (error) => said.push(error));
      for (let i = 1; i < turns; i++) scheduler.endTurn();
      reading += disk.openHandles;
      let stopped = 0;
      again.stop(() => stopped++);
      scheduler.advance(1000);
      assert.equal([stopped, said, again.wal, disk.openHandles], [1, [undefined], undefined, 0]);
      assert.equal(disk.list(), before);
    }
    assert.ok(reading > 2, `it was reading ${reading} times`);
  }
});

test("a batch takes what leaves it below its most, with what waits in it already", () => {
  const scheduler = new FakeScheduler();
  const engine = openEngine(new SimDisk(scheduler), scheduler);
  const storage = new ServedStorage(engine, 0, () => scheduler.monotonicMs());
  assert.ok(storage.batchTakes(OPEN_BYTES_MAX));
  assert.not.ok(storage.batchTakes(OPEN_BYTES_MAX + 1));
  const key = viewed(Buffer.alloc(1000, "key"));
  engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
  assert.ok(storage.batchTakes(OPEN_BYTES_MAX - 5000));
  assert.not.ok(storage.batchTakes(OPEN_BYTES_MAX - 1000));
});

test.run();
