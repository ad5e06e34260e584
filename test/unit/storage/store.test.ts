/**
 * test/unit/storage/store.test.ts: the store against a Map, through growth, deletion, expiry, cleaning, flushing, snapshots and restarts.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../../src/lib/random.js";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import type { Engine } from "../../../src/storage/engine.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";

function open(disk: MemoryDisk, scheduler: FakeScheduler): Engine {
  return openEngine(disk, scheduler, {
    mode: "no",
    partitions: 4,
    segmentBytes: 1 << 20,
    seed: 7,
    snapshotLogBytes: () => 1 << 20,
  });
}

interface Entry {
  value: string;
  expireAt: number;
}

class Model {
  dbs: Map<string, Entry>[] = Array.from({ length: 16 }, () => new Map());
}

function check(engine: Engine, model: Model, now: number): void {
  const state = new KeyState();
  for (let db = 0; db < 16; db++) {
    const seen = new Map<string, string>();
    let cursor = 0;
    do {
      cursor = engine.store.scan(db, cursor, 7, (found) => {
        const key = found.bytes.latin1Slice(found.keyAt, found.keyAt + found.keyBytes);
        seen.set(key, found.bytes.latin1Slice(found.valueAt, found.valueAt + found.valueBytes));
      });
      assert.ok(cursor < 2 ** 53);
    } while (cursor !== 0);
    const expected = [...model.dbs[db]].filter(([, entry]) => entry.expireAt === 0 || entry.expireAt > now);
    assert.is(seen.size, expected.length, `keys of db ${db}`);
    for (const [key, entry] of expected) {
      assert.is(seen.get(key), entry.value);
      const bytes = viewed(Buffer.from(key, "latin1"));
      assert.ok(engine.store.find(db, bytes, 0, bytes.length, state, true));
      assert.is(state.expireAt, entry.expireAt);
      assert.is(state.bytes.latin1Slice(state.valueAt, state.valueAt + state.valueBytes), entry.value);
    }
  }
}

function randomRun(seed: number, steps: number, keys: number, valueMax: number, tag: boolean): void {
  const random = new Random(seed);
  let scheduler = new FakeScheduler();
  let disk = new MemoryDisk(scheduler);
  let engine = open(disk, scheduler);
  const model = new Model();
  const state = new KeyState();
  for (let i = 0; i < steps; i++) {
    const db = random.below(8) === 0 ? random.below(16) : 0;
    const key = `${tag ? "{t}" : ""}k${random.below(keys)}`;
    const bytes = viewed(Buffer.from(key));
    const store = engine.store;
    store.gate = 0;
    store.setTime(scheduler.nowMs());
    const kind = random.below(100);
    if (kind < 60) {
      const value = "v".repeat(random.below(random.below(50) === 0 ? valueMax * 20 : valueMax)) + i;
      const expireAt = random.below(6) === 0 ? scheduler.nowMs() + 1 + random.below(5000) : 0;
      if (random.below(2) === 0) store.find(db, bytes, 0, bytes.length, state, true);
      const buffer = viewed(Buffer.from(value));
      store.put(db, bytes, 0, bytes.length, buffer, 0, buffer.length, expireAt, false);
      model.dbs[db].set(key, { value, expireAt });
    } else if (kind < 85) {
      const entry = model.dbs[db].get(key);
      const there = entry !== undefined && (entry.expireAt === 0 || entry.expireAt > scheduler.nowMs());
      assert.is(store.remove(db, bytes, 0, bytes.length), there);
      model.dbs[db].delete(key);
    } else if (kind < 92) {
      // A value taken from the table itself, as EXPIRE and RENAME do.
      if (store.find(db, bytes, 0, bytes.length, state, false)) {
        const expireAt = state.expireAt === 0 ? scheduler.nowMs() + 100 + random.below(3000) : 0;
        const value = state.bytes.latin1Slice(state.valueAt, state.valueAt + state.valueBytes);
        store.put(db, bytes, 0, bytes.length, state.bytes, state.valueAt, state.valueBytes, expireAt, false);
        model.dbs[db].set(key, { value, expireAt });
      }
    } else if (kind < 98) scheduler.advance(random.below(200));
    else if (kind === 98 && random.below(20) === 0) {
      const which = random.below(3) === 0 ? -1 : db;
      store.flush(which);
      for (let d = 0; d < 16; d++) if (which < 0 || d === which) model.dbs[d].clear();
    } else if (kind === 99 && random.below(10) === 0) {
      let saved: boolean | undefined;
      if (random.below(2) === 0) engine.snapshot((error) => (saved = error === undefined));
      if (random.below(2) === 0) {
        scheduler.advance(random.below(30));
        (engine.wal as Wal).syncNow(() => {});
      } else {
        scheduler.advance(500);
        if (saved === false) assert.unreachable("snapshot failed");
      }
      if (random.below(2) === 0) {
        let stopped = false;
        engine.stop(() => (stopped = true));
        scheduler.advance(100);
        assert.ok(stopped);
      } else {
        const wal = engine.wal as Wal;
        while (wal.durableLsn < wal.appendedLsn) scheduler.advance(1); // what is durable stays; then the process is gone
        const wallMs = scheduler.wallMs;
        scheduler = new FakeScheduler();
        scheduler.wallMs = wallMs;
        disk = disk.clone(scheduler);
      }
      engine = open(disk, scheduler);
    }
    engine.store.setTime(scheduler.nowMs());
    if (i % 997 === 0) check(engine, model, scheduler.nowMs());
  }
  scheduler.advance(60_000);
  engine.store.setTime(scheduler.nowMs());
  check(engine, model, scheduler.nowMs());
}

test("random changes, few keys", () => randomRun(1, 20_000, 50, 100, false));
test("random changes, many keys in one partition", () => randomRun(2, 60_000, 20_000, 40, true));
test("random changes, large values", () => randomRun(3, 6_000, 300, 8000, false));
for (let seed = 10; seed < 16; seed++)
  test(`random changes, seed ${seed}`, () => randomRun(seed, 15_000, 3000, 300, seed % 2 === 0));

test("keys fetched ahead: what is found is the same, whatever changes in between", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const { store } = engine;
  const random = new Random(11);
  const state = new KeyState();
  const model = new Map<string, string>();
  const keys = { count: 0, at: new Int32Array(16), length: new Int32Array(16) };
  const bytes = viewed(Buffer.alloc(16 * 8));
  let seen = 0;
  for (let round = 0; round < 6000; round++) {
    // The same buffer each time, as a socket's: what was known of it must be forgotten.
    let at = 0;
    keys.count = 1 + random.below(16);
    for (let i = 0; i < keys.count; i++) {
      const length = bytes.write(`k${random.below(30_000)}`, at);
      keys.at[i] = at;
      keys.length[i] = length;
      at += length;
    }
    store.fetchAhead(random.below(9) === 0 ? 3 : 0, bytes, keys);
    for (let i = 0; i < keys.count; i++) {
      if (random.below(10) === 0) continue; // a command that looks nothing up
      const from = keys.at[i];
      const key = bytes.latin1Slice(from, from + keys.length[i]);
      store.gate = 0;
      assert.is(store.find(0, bytes, from, keys.length[i], state, true), model.has(key));
      if (state.present)
        assert.is(state.bytes.latin1Slice(state.valueAt, state.valueAt + state.valueBytes), model.get(key));
      if (random.below(5) === 0) {
        assert.is(store.remove(0, bytes, from, keys.length[i]), model.delete(key));
      } else {
        const value = viewed(Buffer.from("v".repeat(random.below(60)) + round));
        store.put(0, bytes, from, keys.length[i], value, 0, value.length, 0, false);
        model.set(key, value.latin1Slice());
      }
      seen = Math.max(seen, store.table.ahead.next);
    }
    store.forgetAhead();
    if (round % 50 === 0) scheduler.advance(1);
  }
  assert.ok(model.size > 10_000 && seen > 0, "too few keys for anything to be fetched ahead");
});

test("deletes leave nothing behind, memory comes back", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const store = engine.store;
  const value = viewed(Buffer.alloc(200, 120));
  for (let i = 0; i < 150_000; i++) {
    const key = viewed(Buffer.from(`key:${i}`));
    store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
    if (i % 1000 === 0) scheduler.advance(1);
  }
  const full = store.table.arena.extents;
  for (let i = 0; i < 150_000; i++) {
    const key = viewed(Buffer.from(`key:${i}`));
    assert.ok(store.remove(0, key, 0, key.length));
    if (i % 1000 === 0) scheduler.advance(1);
  }
  for (let i = 0; i < 300; i++) scheduler.advance(100);
  assert.is(store.size(0), 0);
  assert.is(store.table.arena.liveBytes, 0);
  assert.ok(full >= 3 && store.table.arena.extents <= 2, `${full} -> ${store.table.arena.extents} extents`);
});

test("changing sizes: garbage is bounded", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const store = engine.store;
  const random = new Random(5);
  const value = viewed(Buffer.alloc(512, 120));
  for (let i = 0; i < 300_000; i++) {
    const key = viewed(Buffer.from(`key:${random.below(50_000)}`));
    store.put(0, key, 0, key.length, value, 0, 16 + random.below(496), 0, false);
    if (i % 100 === 0) {
      engine.nudge();
      scheduler.endTurn();
    }
  }
  const arena = store.table.arena;
  assert.ok(
    arena.usedBytes < arena.liveBytes * 1.3 + (8 << 20),
    `${arena.usedBytes} used for ${arena.liveBytes} alive`,
  );
});

test.run();
