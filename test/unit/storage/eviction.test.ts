/**
 * test/unit/storage/eviction.test.ts: memory above maxmemory goes in upkeep, though nobody writes: in slices, down to the limit, and only
 * where the policy has something that may go.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import type { Engine } from "../../../src/storage/engine.js";
import type { EvictionPolicy } from "../../../src/storage/eviction.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const KEYS = 2000;
const VALUE = viewed(Buffer.alloc(100));

function filled(expireAt = 0): { engine: Engine; scheduler: FakeScheduler } {
  const scheduler = new FakeScheduler();
  const engine = openEngine(new SimDisk(scheduler), scheduler);
  for (let i = 0; i < KEYS; i++) {
    const key = viewed(Buffer.from(`key ${i}`));
    engine.store.put(i % 3, key, 0, key.length, VALUE, 0, VALUE.length, expireAt, false);
  }
  scheduler.advance(1000);
  return { engine, scheduler };
}

function keysOf({ store }: Engine): number {
  return store.table.keys.reduce((sum, keys) => sum + keys, 0);
}

/** Half of what is there is one too many. */
function limit({ store }: Engine, policy: EvictionPolicy): number {
  store.setPolicy(policy);
  store.eviction.maxBytes = Math.floor(store.usedBytes() / 2);
  return store.eviction.maxBytes;
}

test("a limit that was lowered is reached though nobody writes, and no further", () => {
  for (const policy of ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl", "volatile-random"] as const) {
    const { engine, scheduler } = filled(policy.startsWith("volatile-") ? 2 ** 45 : 0);
    const { store } = engine;
    const maxBytes = limit(engine, policy);
    store.gate = 7;
    scheduler.advance(1000);
    assert.ok(store.usedBytes() <= maxBytes, `${policy}: ${store.usedBytes()} of ${maxBytes}`);
    assert.ok(store.usedBytes() > maxBytes * 0.95, `${policy}: ${store.usedBytes()} of ${maxBytes}`);
    assert.is(store.stats.evicted, KEYS - keysOf(engine));
    assert.is(store.gate, 7, "what a command depends on");
    const left = keysOf(engine);
    scheduler.advance(1000);
    assert.is(keysOf(engine), left);
  }
});

test("in slices: it stops when told, says that there is more, and goes on", () => {
  const { engine } = filled();
  const { eviction } = engine.store;
  limit(engine, "allkeys-lru");
  let left = 10;
  assert.is(
    eviction.run(() => --left <= 0),
    true,
  );
  assert.is(KEYS - keysOf(engine), 10);
  assert.is(
    eviction.run(() => false),
    false,
  );
  assert.is(eviction.makeRoom(), true);
});

test("a command removes few of what is above a lowered limit, and all that commands have added since", () => {
  const { engine } = filled();
  const { store } = engine;
  const { eviction } = store;
  limit(engine, "allkeys-lru");
  assert.ok(eviction.makeRoom());
  assert.is(KEYS - keysOf(engine), 64);
  const used = store.usedBytes();
  const long = viewed(Buffer.alloc(20_000));
  for (let i = 0; i < 3; i++) {
    const key = viewed(Buffer.from(`long ${i}`));
    store.put(0, key, 0, key.length, long, 0, long.length, 0, false);
    assert.ok(eviction.makeRoom());
    assert.ok(store.usedBytes() <= used, `${store.usedBytes()} of ${used}`);
  }
  for (let i = 0; i < KEYS; i++) assert.ok(eviction.makeRoom());
  assert.ok(store.usedBytes() <= eviction.maxBytes);
});

test("nothing goes without a limit, with noeviction, without deadlines under volatile-*, or while the disk takes no record", () => {
  const { engine, scheduler } = filled();
  const { store } = engine;
  limit(engine, "noeviction");
  scheduler.advance(1000);
  for (const policy of ["volatile-lru", "volatile-random", "volatile-ttl"] as const) {
    store.setPolicy(policy);
    scheduler.advance(1000);
    // Upkeep does not go round and round over it.
    assert.is(
      store.eviction.run(() => true),
      false,
    );
  }
  store.setPolicy("allkeys-lru");
  store.readOnly = true;
  scheduler.advance(1000);
  assert.is(keysOf(engine), KEYS);
  store.readOnly = false;
  store.eviction.maxBytes = 0;
  scheduler.advance(1000);
  assert.is(keysOf(engine), KEYS);
  store.eviction.maxBytes = 1;
  scheduler.advance(1000);
  assert.is(keysOf(engine), 0);
});

test("a write of a key that is there is a use of it, whatever its size; not with CLIENT NO-TOUCH", () => {
  const scheduler = new FakeScheduler();
  const { store } = openEngine(new SimDisk(scheduler), scheduler);
  const key = viewed(Buffer.from("key"));
  const put = (bytes: number): void => {
    store.gate = 0;
    store.put(0, key, 0, key.length, VALUE, 0, bytes, 0, false);
  };
  const idle = (): number => store.idleSeconds(0, key, 0, key.length);
  put(50);
  for (const bytes of [50, 90, 50, 90]) {
    scheduler.advance(600_000);
    assert.ok(idle() >= 600);
    put(bytes);
    assert.is(idle(), 0);
  }
  store.touching = false;
  for (const bytes of [90, 50]) {
    scheduler.advance(600_000);
    put(bytes);
  }
  assert.ok(idle() >= 1200);
  store.touching = true;
  store.setPolicy("allkeys-lfu");
  store.remove(0, key, 0, key.length);
  put(50);
  const fresh = store.frequency(0, key, 0, key.length);
  for (let i = 0; i < 1000; i++) put(50);
  const used = store.frequency(0, key, 0, key.length);
  assert.ok(used > fresh, `${used} after 1000 writes`);
  put(90);
  assert.ok(store.frequency(0, key, 0, key.length) >= used, "the counter is carried over");
});

for (const partitions of [1, 256])
  test(`volatile-*: a few keys with a deadline among many without, in ${partitions} partitions: they go, all of them, and nothing else`, () => {
    for (const policy of ["volatile-lru", "volatile-lfu", "volatile-ttl", "volatile-random"] as const) {
      const scheduler = new FakeScheduler();
      const engine = openEngine(new SimDisk(scheduler), scheduler, { partitions, segmentBytes: 16 << 20 });
      const { store } = engine;
      const put = (name: string, expireAt: number): void => {
        const key = viewed(Buffer.from(name));
        store.put(2, key, 0, key.length, VALUE, 0, 40, expireAt, false);
      };
      for (let i = 0; i < 20_000; i++) put(`stays ${i}`, i < 500 ? 2 ** 41 : 0);
      for (let i = 0; i < 500; i++) put(`stays ${i}`, 0);
      for (let i = 0; i < 30; i++) put(`goes ${i}`, 2 ** 41);
      store.setPolicy(policy);
      for (let left = 30; left > 0; left--) {
        assert.is(store.expiring(2), left);
        store.eviction.maxBytes = store.usedBytes() - 1;
        assert.ok(store.eviction.makeRoom(), `${policy}, ${left} left`);
      }
      assert.is(store.expiring(2), 0);
      assert.is(store.size(2), 20_000);
      store.eviction.maxBytes = store.usedBytes() - 1;
      assert.not.ok(store.eviction.makeRoom());
    }
  });

test("a candidate drawn under another policy is no candidate under volatile-*", () => {
  const { engine } = filled();
  const { store } = engine;
  limit(engine, "allkeys-lru");
  assert.ok(store.eviction.makeRoom());
  const left = keysOf(engine);
  const key = viewed(Buffer.from("with a deadline"));
  store.put(0, key, 0, key.length, VALUE, 0, 40, 2 ** 41, false);
  store.setPolicy("volatile-ttl");
  store.eviction.maxBytes = store.usedBytes() - 1;
  assert.ok(store.eviction.makeRoom());
  assert.is(store.expiring(0), 0);
  assert.is(keysOf(engine), left);
});

test("a hash tag's keys lie in one partition: they are drawn as others are, for eviction and by RANDOMKEY", () => {
  const scheduler = new FakeScheduler();
  const { store } = openEngine(new SimDisk(scheduler), scheduler, { partitions: 1024, segmentBytes: 16 << 20 });
  const put = (name: string): void => {
    const key = viewed(Buffer.from(name));
    store.put(0, key, 0, key.length, VALUE, 0, 40, 0, false);
  };
  for (let i = 0; i < 20_000; i++) put(`{tag}cold ${i}`);
  for (let i = 0; i < 1000; i++) put(`hot ${i}`);
  const state = new KeyState();
  const isHot = (): boolean => state.bytes[state.keyAt] === "h".charCodeAt(0);
  let hot = 0;
  for (let i = 0; i < 2000; i++) {
    assert.ok(store.randomKey(0, state));
    if (isHot()) hot++;
  }
  // A share of 1 in 21: 95, give or take 10.
  assert.ok(hot > 45 && hot < 145, `${hot} of 2000`);
  scheduler.advance(3_600_000);
  for (let i = 0; i < 1000; i++) {
    const key = viewed(Buffer.from(`hot ${i}`));
    assert.ok(store.find(0, key, 0, key.length, state, true));
  }
  store.setPolicy("allkeys-lru");
  for (let i = 0; i < 1000; i++) {
    store.eviction.maxBytes = store.usedBytes() - 1;
    assert.ok(store.eviction.makeRoom());
  }
  hot = 0;
  store.scan(0, 0, 1e9, (found) => {
    if (found.bytes[found.keyAt] === "h".charCodeAt(0)) hot++;
  });
  assert.ok(hot > 990, `${hot} of 1000 hot keys are left`);
  // Emptied and filled anew, elsewhere: no sum of before is believed for long.
  store.flush(0);
  assert.not.ok(store.randomKey(0, state));
  put("only");
  assert.ok(store.randomKey(0, state));
});

test.run();
