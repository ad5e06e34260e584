/**
 * test/unit/storage/loading.test.ts: an engine whose recovery is under way and which is asked all the same: there is no log yet, so nothing that
 * reads may want to write. And one whose clients are paused.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import { Engine } from "../../../src/storage/engine.js";
import { ServedStorage } from "../../../src/storage/served.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { engineOptions, openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const KEYS = 3000;

function put(engine: Engine, name: string, expireAt: number): void {
  const key = viewed(Buffer.from(name));
  engine.store.put(0, key, 0, key.length, key, 0, key.length, expireAt, false);
}

function has(engine: Engine, name: string): boolean {
  engine.store.gate = 0;
  const key = viewed(Buffer.from(name));
  return engine.store.find(0, key, 0, key.length, new KeyState(), true);
}

/** A directory with KEYS keys that have expired and as many that stay, half loaded. */
function halfLoaded(): { engine: Engine; scheduler: FakeScheduler; load: () => void } {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const before = openEngine(disk, scheduler);
  for (let i = 0; i < KEYS; i++) {
    put(before, `goes${i}`, scheduler.nowMs() + 1000);
    put(before, `stays${i}`, 0);
    if (i % 50 === 0) scheduler.advance(1);
  }
  scheduler.advance(10);
  before.stop(() => {});
  scheduler.stall(5000);
  const engine = new Engine(disk, scheduler, engineOptions());
  let over = false;
  engine.load(0, (error) => {
    assert.is(error, undefined);
    over = true;
  });
  while (!over && engine.store.size(0) < KEYS / 10) scheduler.endTurn();
  assert.not.ok(over, "a part is loaded, not all");
  const load = (): void => {
    while (!over) scheduler.endTurn();
  };
  return { engine, scheduler, load };
}

test("while it loads a key past its deadline is absent, and stays for the time being", () => {
  const { engine, scheduler, load } = halfLoaded();
  const size = engine.store.size(0);
  assert.ok(has(engine, "stays0"));
  assert.not.ok(has(engine, "goes0"));
  assert.is(engine.store.gate, 0);
  for (let i = 0; i < 50; i++) engine.store.randomKey(0, new KeyState());
  assert.is(engine.store.size(0), size);
  load();
  assert.not.ok(has(engine, "goes0"));
  scheduler.advance(3000);
  assert.is(engine.store.size(0), KEYS);
  engine.stop(() => {});
});

test("while it loads nothing is evicted, and nothing is refused for want of memory", () => {
  for (const policy of ["noeviction", "allkeys-lru", "volatile-random"] as const) {
    const { engine, scheduler, load } = halfLoaded();
    const storage = new ServedStorage(engine, 0, () => scheduler.monotonicMs());
    engine.store.eviction.policy = policy;
    engine.store.eviction.maxBytes = 1;
    assert.ok(storage.makeRoom());
    assert.is(engine.store.stats.evicted, 0);
    load();
    assert.is(storage.makeRoom(), policy !== "noeviction");
    engine.stop(() => {});
  }
});

test("while clients are paused nothing is removed either, neither by who reads nor by upkeep", () => {
  const scheduler = new FakeScheduler();
  const engine = openEngine(new SimDisk(scheduler), scheduler);
  const storage = new ServedStorage(engine, 0, () => scheduler.monotonicMs());
  storage.ready();
  put(engine, "stays", 0);
  put(engine, "goes", scheduler.nowMs() + 1000);
  storage.setPaused(true);
  engine.store.eviction.policy = "allkeys-lru";
  engine.store.eviction.maxBytes = 1;
  scheduler.advance(3000);
  assert.not.ok(has(engine, "goes"));
  assert.ok(has(engine, "stays"));
  assert.ok(storage.makeRoom());
  assert.is(engine.store.size(0), 2);
  storage.setPaused(false);
  engine.store.eviction.maxBytes = 0;
  scheduler.advance(1000);
  assert.is(engine.store.size(0), 1);
  engine.stop(() => {});
});

test.run();
