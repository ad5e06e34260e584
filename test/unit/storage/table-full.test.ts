/**
 * test/unit/storage/table-full.test.ts: the memory table reaches what it can address (32 GiB; here less): more is refused in good time, deletions
 * make room again, a store that evicts never comes there, one that has nothing to evict is not
 * refused early, and a replica says that it takes nothing.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../../src/lib/random.js";
import { viewed } from "../../../src/lib/view.js";
import { Cleaner } from "../../../src/storage/cleaner.js";
import type { Engine } from "../../../src/storage/engine.js";
import { NoLog } from "../../../src/storage/engine-log.js";
import { ServedStorage } from "../../../src/storage/served.js";
import { Store } from "../../../src/storage/store.js";
import { Table } from "../../../src/storage/table.js";
import { isCrowded, isExhausted, isFull } from "../../../src/storage/table-room.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { accept, dot } from "../../lib/registers.js";
import { SimDisk } from "../../lib/sim-disk.js";

const VALUE = viewed(Buffer.alloc(16_000, 7));
const WRITES_MAX = 100_000;
const STEP = 50;

function put(store: Store, i: number): void {
  const key = viewed(Buffer.from(`key ${i}`));
  store.put(0, key, 0, key.length, VALUE, 0, VALUE.length, 0, false);
}

function remove(store: Store, i: number): void {
  const key = viewed(Buffer.from(`key ${i}`));
  store.remove(0, key, 0, key.length);
}

function small(register: boolean): { engine: Engine; scheduler: FakeScheduler } {
  const scheduler = new FakeScheduler();
  return { engine: openEngine(new SimDisk(scheduler), scheduler, { extentsMax: 2, register }), scheduler };
}

test("a full table refuses what needs memory, whatever maxmemory says; deletions make room", () => {
  const { engine, scheduler } = small(false);
  const { store } = engine;
  const storage = new ServedStorage(engine, 0, () => scheduler.monotonicMs());
  let written = 0;
  while (storage.makeRoom() && written < WRITES_MAX) {
    put(store, written++);
    if (written % STEP === 0) scheduler.advance(5);
  }
  assert.ok(storage.full, `${written}`);
  assert.ok(written * VALUE.length > 25 << 20, `${written}: much too early`);
  assert.is(store.eviction.maxBytes, 0);
  // What one command may bring still finds its place, and the cleaner what room there is.
  for (let i = 0; i < 150; i++) put(store, written + i);
  scheduler.advance(200);
  for (let i = 0; i < written / 2; i++) remove(store, i);
  scheduler.advance(2000);
  assert.not.ok(storage.full);
  assert.ok(storage.makeRoom());
});

/** A log that keeps nothing. */
class Forgetful extends NoLog {
  override outOfSpace(): boolean {
    return false;
  }
  override append(): number {
    return 0;
  }
}

test("a store that evicts stays below, though maxmemory is above", () => {
  const store = new Store(new Table(4, 1, 2, undefined, 16), new Forgetful(), new Random(1));
  const cleaner = new Cleaner(store.table);
  store.setPolicy("allkeys-lru");
  store.eviction.maxBytes = 2 ** 40;
  for (let i = 0; i < 32_000; i++) {
    assert.ok(store.eviction.makeRoom());
    put(store, i);
    if (i % STEP === 0) cleaner.run(() => false);
    assert.not.ok(isFull(store.table.arena), `after ${i}`);
  }
  assert.ok(store.stats.evicted > 0);
  assert.ok(isCrowded(store.table.arena) || store.table.arena.liveBytes > 340 << 20);
});

test("a store that may evict nothing it holds takes writes to a crowded table, as long as it is below maxmemory", () => {
  const store = new Store(new Table(4, 1, 2, undefined, 8), new Forgetful(), new Random(1));
  store.setPolicy("volatile-lru");
  store.eviction.maxBytes = 2 ** 40;
  let written = 0;
  while (!isCrowded(store.table.arena) && written < WRITES_MAX) put(store, written++);
  assert.ok(isCrowded(store.table.arena));
  assert.not.ok(isFull(store.table.arena));
  assert.ok(store.eviction.makeRoom());
  store.eviction.maxBytes = store.usedBytes();
  assert.ok(store.eviction.makeRoom());
  store.eviction.maxBytes--;
  assert.not.ok(store.eviction.makeRoom());
  assert.is(store.stats.evicted, 0);
});

test("a replica with a full table takes deletions, and nothing once it is exhausted", () => {
  const { engine, scheduler } = small(true);
  const { registers } = engine;
  const { arena } = engine.store.table;
  let hlc = 1;
  const fill = (until: () => boolean): void => {
    for (; !until() && hlc < WRITES_MAX; hlc++) {
      accept(registers, `key ${hlc}`, dot(hlc), VALUE);
      if (hlc % STEP === 0) scheduler.advance(5);
    }
  };
  fill(() => isFull(arena));
  assert.ok(registers.hasRoom);
  fill(() => !registers.hasRoom);
  assert.ok(isExhausted(arena), `${hlc}`);
  assert.not.ok(engine.store.log.outOfSpace?.());
});

test.run();
