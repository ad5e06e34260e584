/**
 * test/unit/storage/registers.test.ts: a replica's storage: what is accepted is held, byte for byte, tombstones too; readers of the
 * keyspace see keys only.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { DiskError } from "../../../src/lib/errors.js";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import type { Engine } from "../../../src/storage/engine.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { accept, dot, everything, heldValue, name, open } from "../../lib/registers.js";
import { SimDisk } from "../../lib/sim-disk.js";

test("what was accepted is held: value, deadline, vector and cut, and its position while it is not durable", () => {
  const scheduler = new FakeScheduler();
  const { registers } = open(new MemoryDisk(scheduler), scheduler);
  assert.is(registers.held(name("k")), undefined);
  const vv = VersionVector.of([dot(3, 0), dot(9, 2, 1)]);
  const lsn = accept(registers, "k", dot(11, 1, 2), "one", { vv, cut: 7, expireAt: 12345 });
  const held = registers.held(name("k"));
  assert.ok(held);
  assert.equal(held.ballot, dot(11, 1, 2));
  assert.equal(held.state.vv.dots, vv.dots);
  assert.is(held.state.cut, 7);
  assert.is(held.state.expireAt, 12345);
  assert.is(held.state.value?.bytes.toString(), "one");
  assert.is(held.chosen, false);
  assert.is(held.lsn, lsn);
  assert.is(registers.appendedLsn, lsn);
  assert.ok(registers.durableLsn < lsn);
  scheduler.advance(5);
  assert.is(registers.durableLsn, lsn);
  assert.is(registers.held(name("k"))?.lsn, 0);
  // A name is a database and a key.
  assert.is(registers.held(name("k", 1)), undefined);
});

test("a held state stays as it is, whatever is accepted later: small ones, large ones, of the same size and not", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const { registers } = engine;
  const kept: [string, () => string | undefined][] = [];
  let hlc = 1;
  for (const bytes of [1, 1, 40, 40, 200, 70_000, 70_000, 70_001, 3, 3]) {
    const value = String.fromCharCode(64 + hlc).repeat(bytes);
    accept(registers, "k", dot(hlc++), value);
    const held = registers.held(name("k"));
    kept.push([value, () => held?.state.value?.bytes.toString()]);
    // Not decoded at once: what it decodes is its own.
    const later = registers.held(name("k"));
    kept.push([value, () => later?.state.value?.bytes.toString()]);
  }
  for (const [value, read] of kept) assert.is(read(), value);
});

test("the chosen mark belongs to one ballot: a later state loses it, the cleaner keeps it", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const { registers } = engine;
  accept(registers, "k", dot(1), "a");
  registers.mark(name("k"), dot(1, 1));
  assert.is(registers.held(name("k"))?.chosen, false, "another ballot");
  registers.mark(name("k"), dot(1));
  assert.is(registers.held(name("k"))?.chosen, true);
  // In the same place: the record has the same size.
  accept(registers, "k", dot(2), "b");
  assert.is(registers.held(name("k"))?.chosen, false, "overwritten in place");
  accept(registers, "k", dot(3), "c", {}, true);
  assert.is(registers.held(name("k"))?.chosen, true, "learned");
  accept(registers, "k", dot(4), "longer than before");
  assert.is(registers.held(name("k"))?.chosen, false, "moved");
  registers.mark(name("nobody"), dot(4));
  accept(registers, "big", dot(1), Buffer.alloc(70_000, 1));
  registers.mark(name("big"), dot(1));
  assert.is(registers.held(name("big"))?.chosen, true, "in a buffer of its own");
  accept(registers, "big", dot(2), Buffer.alloc(70_000, 2));
  assert.is(registers.held(name("big"))?.chosen, false);
  registers.mark(name("k"), dot(4));
  registers.mark(name("big"), dot(2));
  // Garbage, so that the segment they lie in is emptied.
  for (let i = 0; i < 9000; i++) accept(registers, `other:${i % 3}`, dot(10 + i), Buffer.alloc(900 + (i % 7) * 8, 65));
  const before = engine.store.table.arena.usedBytes;
  for (let i = 0; i < 200; i++) scheduler.advance(200);
  assert.ok(engine.store.table.arena.usedBytes < before / 2, "nothing was cleaned");
  assert.is(registers.held(name("k"))?.chosen, true, "cleaned");
  assert.is(registers.held(name("big"))?.chosen, true, "cleaned");
  assert.is(heldValue(registers, "k"), "longer than before");
});

function keysSeen(engine: Engine, db = 0): string[] {
  const found: string[] = [];
  for (let cursor = 0, first = true; first || cursor !== 0; first = false) {
    cursor = engine.store.scan(db, cursor, 10, (s) => {
      found.push(s.bytes.latin1Slice(s.keyAt, s.keyAt + s.keyBytes));
    });
  }
  return found.sort();
}

test("tombstones stay, and no reader of the keyspace sees them", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const { registers, store } = engine;
  for (let i = 0; i < 40; i++) accept(registers, `k${i}`, dot(100 + i), "v");
  for (let i = 0; i < 39; i++) accept(registers, `k${i}`, dot(200 + i, 1), undefined);
  accept(registers, "never", dot(300), undefined, { vv: VersionVector.EMPTY, cut: 5 });
  assert.is(registers.tombstones, 40);
  assert.is(registers.keys(0), 1);
  assert.is(store.size(0), 1);
  assert.equal(keysSeen(engine), ["k39"]);
  const state = new KeyState();
  const find = (key: string): boolean => store.find(0, viewed(Buffer.from(key)), 0, key.length, state, true);
  assert.is(find("k3"), false);
  assert.is(state.present, false);
  assert.is(state.version, 203, "of the removal");
  assert.is(find("never"), false);
  assert.is(state.version, 0);
  assert.is(find("nobody"), false);
  assert.is(state.version, 0);
  assert.is(find("k39"), true);
  assert.is(state.version, 139);
  for (let i = 0; i < 20; i++) {
    assert.ok(store.randomKey(0, state), "one of forty-one is a key");
    assert.is(state.bytes.latin1Slice(state.keyAt, state.keyAt + state.keyBytes), "k39");
  }
  let inSlots = 0;
  for (let slot = 0; slot < 16384; slot++) inSlots += store.keysInSlot(slot, 100, () => {});
  assert.is(inSlots, 1);
  assert.is(store.memoryUsage(0, viewed(Buffer.from("k3")), 0, 2), 0);
  assert.is(store.idleSeconds(0, viewed(Buffer.from("k3")), 0, 2), -1);
  // A value over a tombstone is a key again.
  accept(registers, "k3", dot(400, 2), "back");
  assert.is(registers.tombstones, 39);
  assert.is(registers.keys(0), 2);
  assert.equal(keysSeen(engine), ["k3", "k39"]);
  accept(registers, "k3", dot(401), undefined);
  accept(registers, "k39", dot(401), undefined);
  assert.is(store.randomKey(0, state), false);
  assert.is(store.size(0), 0);
});

test("an answer about a key, there or not, depends on its record", () => {
  const scheduler = new FakeScheduler();
  const { registers, store } = open(new MemoryDisk(scheduler), scheduler);
  const state = new KeyState();
  const gateOf = (key: string): number => {
    store.gate = 0;
    store.find(0, viewed(Buffer.from(key)), 0, key.length, state, false);
    return store.gate;
  };
  const there = accept(registers, "k", dot(1), "v");
  const dead = accept(registers, "d", dot(1), undefined);
  const expired = accept(registers, "e", dot(1), "v", { expireAt: 1 });
  assert.equal([gateOf("k"), gateOf("d"), gateOf("e"), gateOf("no")], [there, dead, expired, 0]);
  scheduler.advance(5);
  assert.equal([gateOf("k"), gateOf("d"), gateOf("e")], [0, 0, 0]);
});

test("an expired key is absent and stays: neither readers nor time take it away", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const { registers, store } = engine;
  for (let i = 0; i < 20; i++) accept(registers, `k${i}`, dot(1), "v", { expireAt: scheduler.nowMs() + 1000 });
  scheduler.advance(10_000);
  store.setTime(scheduler.nowMs());
  const logged = registers.appendedLsn;
  const state = new KeyState();
  assert.is(store.find(0, viewed(Buffer.from("k1")), 0, 2, state, true), false);
  assert.equal(keysSeen(engine), []);
  assert.is(store.randomKey(0, state), false);
  scheduler.advance(10_000);
  assert.is(registers.appendedLsn, logged);
  assert.is(registers.keys(0), 20);
  assert.is(heldValue(registers, "k1"), "v");
});

test("nobody but rounds writes: the keyspace refuses, and so does eviction", () => {
  const scheduler = new FakeScheduler();
  const { store } = open(new MemoryDisk(scheduler), scheduler);
  const key = viewed(Buffer.from("k"));
  assert.throws(() => store.put(0, key, 0, 1, key, 0, 1, 0, false), /by rounds/);
  assert.throws(() => store.remove(0, key, 0, 1), /by rounds/);
  assert.throws(() => store.flush(-1), /by rounds/);
  store.setPolicy("noeviction");
  assert.throws(() => store.setPolicy("allkeys-lru"), /nothing is evicted/);
  assert.is(store.size(0), 0);
});

test("room on the disk is asked for first: without it, and where no log could be begun, nothing is changed", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler, { register: true });
  const { registers } = engine;
  assert.ok(registers.hasRoom);
  accept(registers, "k", dot(1), "v");
  scheduler.advance(5);
  disk.freeBytesLeft = 0;
  let hlc = 2;
  while (registers.hasRoom && hlc < 1000) {
    accept(registers, "k", dot(hlc++), Buffer.alloc(4000, 65));
    scheduler.advance(5);
  }
  assert.not.ok(registers.hasRoom);
  assert.is(registers.durableLsn, registers.appendedLsn, "seen too late");
  const second = new FakeScheduler();
  const full = disk.afterPowerLoss(second, 1);
  full.freeBytesLeft = 0;
  const again = openEngine(full, second, { register: true });
  assert.not.ok(again.registers.hasRoom);
  assert.equal(again.registers.held(name("k"))?.ballot, dot(hlc - 1));
  assert.throws(
    () => accept(again.registers, "k", dot(5000), "later"),
    (error: Error) => error instanceof DiskError,
  );
  assert.equal(again.registers.held(name("k"))?.ballot, dot(hlc - 1), "held, and not logged");
  full.freeBytesLeft = 1e9;
  second.advance(5000);
  assert.ok(again.registers.hasRoom);
  accept(again.registers, "k", dot(5000), "later");
  second.advance(5);
  assert.is(again.registers.durableLsn, again.registers.appendedLsn);
});

test("an older ballot is never accepted over a newer one", () => {
  const scheduler = new FakeScheduler();
  const { registers } = open(new MemoryDisk(scheduler), scheduler);
  accept(registers, "k", dot(5, 1, 1), "v");
  const logged = registers.appendedLsn;
  for (const ballot of [dot(5, 1, 1), dot(5, 0, 1), dot(4, 2, 1), dot(9, 9, 0)])
    assert.throws(() => accept(registers, "k", ballot, "older"), /only rises/);
  assert.is(registers.appendedLsn, logged);
  assert.is(heldValue(registers, "k"), "v");
});

test("pages have everything, in SCAN's order, at the same places on every replica", () => {
  const scheduler = new FakeScheduler();
  const one = open(new MemoryDisk(scheduler), scheduler).registers;
  const other = open(new MemoryDisk(scheduler), scheduler).registers;
  for (let i = 0; i < 300; i++)
    accept(one, `k${i}`, dot(i + 1, 1), i % 3 === 0 ? undefined : "v", i % 3 === 0 ? {} : { expireAt: i % 2 });
  for (let i = 300; i-- > 0; ) accept(other, `k${i}`, dot(i + 1, 1), "other");
  one.mark(name("k7"), dot(8, 1));
  const found = everything(one);
  assert.is(found.length, 300);
  assert.equal(
    everything(other).map(({ position, key }) => [position, key.toString()]),
    found.map(({ position, key }) => [position, key.toString()]),
  );
  for (let i = 1; i < found.length; i++) assert.ok(found[i].position >= found[i - 1].position);
  const k7 = found.find(({ key }) => key.toString() === "k7");
  assert.equal(
    { ...k7, key: undefined, position: undefined, lsn: undefined },
    {
      ballot: dot(8, 1),
      live: true,
      expireAt: 1,
      type: 0,
      chosen: true,
      version: 8,
      key: undefined,
      position: undefined,
      lsn: undefined,
    },
  );
  assert.ok((k7?.lsn ?? 0) > 0);
  assert.is(found.filter(({ live }) => !live).length, 100);
});

test("no more is taken than makes a batch that can be read, however much comes while another is on its way to the disk", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const { registers, wal } = openEngine(disk, scheduler, { register: true });
  disk.latencyMs = () => 1e6;
  accept(registers, "first", dot(1), "v");
  scheduler.endTurn();
  // The same bytes again and again, and not even a state's: nobody looks at them before they are written, it is their number that counts.
  const large = viewed(Buffer.alloc(256 << 20));
  let taken = 0;
  for (; registers.hasRoom && taken < 20; taken++) wal?.append(large, 0, large.length, true);
  assert.ok(taken > 4 && taken < 7, `${taken} were taken`);
  const bytes = wal?.openBytes() ?? 0;
  assert.ok(bytes > taken * large.length && bytes + (513 << 20) < 2 ** 31, `${bytes} bytes wait`);
  assert.not.ok(wal?.lacksRoom(), "the disk has room: what is kept for peers stays");
});

test.run();
