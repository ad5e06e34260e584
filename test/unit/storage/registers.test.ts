/**
 * test/unit/storage/registers.test.ts: a replica's storage: what is accepted is held, byte for byte, tombstones too, now and after a restart;
 * readers of the keyspace see keys only; a node alone and a member do not open each other's directory.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Dot } from "../../../src/core/clock/dot.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import type { RegisterState } from "../../../src/core/register/state.js";
import { ConfigurationError, DiskError, RecordTypeError } from "../../../src/lib/errors.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import type { Engine, EngineOptions } from "../../../src/storage/engine.js";
import { inspectSnapshot, snapshotNames } from "../../../src/storage/inspect.js";
import type { PageEntry, Registers } from "../../../src/storage/registers.js";
import { encodeState, keyOf, nameOf, type Value } from "../../../src/storage/state-record.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

function open(disk: MemoryDisk, scheduler: FakeScheduler, more: Partial<EngineOptions> = {}): Engine {
  return openEngine(disk, scheduler, { register: true, partitions: 4, ...more });
}

const name = (key: string, db = 0): string => nameOf(db, Buffer.from(key), 0, Buffer.byteLength(key));
const dot = (hlc: number, node = 0, epoch = 0): Dot => ({ epoch, hlc, node });

function stateOf(ballot: Dot, value: string | Buffer | undefined, more: Partial<RegisterState<Value>> = {}) {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return {
    value: bytes === undefined ? undefined : { type: 0, raw: false, bytes },
    expireAt: 0,
    vv: VersionVector.of([ballot]),
    cut: 0,
    ...more,
  };
}

function accept(
  registers: Registers,
  key: string,
  ballot: Dot,
  value: string | Buffer | undefined,
  more: Partial<RegisterState<Value>> = {},
  chosen = false,
): number {
  return registers.accept(encodeState(name(key), ballot, stateOf(ballot, value, more)), chosen);
}

function heldValue(registers: Registers, key: string): string | undefined {
  return registers.held(name(key))?.state.value?.bytes.toString();
}

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
  const find = (key: string): boolean => store.find(0, Buffer.from(key), 0, key.length, state, true);
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
  assert.is(store.memoryUsage(0, Buffer.from("k3"), 0, 2), 0);
  assert.is(store.idleSeconds(0, Buffer.from("k3"), 0, 2), -1);
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
    store.find(0, Buffer.from(key), 0, key.length, state, false);
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
  assert.is(store.find(0, Buffer.from("k1"), 0, 2, state, true), false);
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
  const key = Buffer.from("k");
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

function everything(registers: Registers): PageEntry[] {
  const found: PageEntry[] = [];
  for (let db = 0; db < 16; db++) {
    for (let cursor = 0, first = true; first || cursor !== 0; first = false) {
      const { entries, next } = registers.page(db, cursor, 7);
      if (next !== 0) assert.ok(entries.length >= 7);
      for (const entry of entries) {
        assert.ok(entry.position >= cursor && (next === 0 || entry.position < next), "outside of its page");
        found.push(entry);
      }
      cursor = next;
    }
  }
  return found;
}

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

/** All that must survive. */
function contents(registers: Registers): string {
  const lines = everything(registers).map(({ key, ballot, live, expireAt }) => {
    const held = registers.held(name(key.toString()));
    assert.ok(held);
    const { value, vv, cut } = held.state;
    return JSON.stringify([key.toString(), ballot, live, expireAt, vv.dots, cut, value?.bytes.toString("base64")]);
  });
  return lines.sort().join("\n");
}

test("after a restart everything is there as it was, from the log, from a snapshot and from both; marks are gone", () => {
  for (const way of ["log", "snapshot", "both"] as const) {
    const scheduler = new FakeScheduler();
    const disk = new MemoryDisk(scheduler);
    const engine = open(disk, scheduler);
    const { registers } = engine;
    const change = (from: number): void => {
      for (let i = 0; i < 60; i++) {
        const ballot = dot(from + i, i % 3, i % 2);
        const vv = VersionVector.of([dot(from, 0), dot(from + i, 5)]);
        accept(
          registers,
          `k${i}`,
          ballot,
          i % 4 === 0 ? undefined : `v${from}`.repeat(i),
          i % 5 === 0 ? {} : { vv, cut: i },
        );
        registers.mark(name(`k${i}`), ballot);
      }
      scheduler.advance(5);
    };
    change(100);
    if (way !== "log") engine.snapshot((error) => assert.is(error, undefined));
    if (way === "both") change(200);
    scheduler.advance(100);
    const before = contents(registers);
    const tombstones = registers.tombstones;
    assert.is(tombstones, 15);
    engine.stop(() => {});
    const again = open(disk, scheduler).registers;
    assert.is(contents(again), before, way);
    assert.is(again.tombstones, tombstones);
    assert.is(again.keys(0), 45);
    assert.ok(everything(again).every(({ chosen, lsn }) => !chosen && lsn === 0));
  }
});

test("a snapshot has the tombstones, of a database in which there is nothing else too", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = open(disk, scheduler);
  engine.registers.accept(encodeState(name("gone", 3), dot(90), stateOf(dot(90), undefined)), false);
  engine.snapshot((error) => assert.is(error, undefined));
  scheduler.advance(100);
  const [snapshot] = snapshotNames(disk);
  const found = [...inspectSnapshot(disk, snapshot, true)].flatMap((piece) =>
    piece.kind === "record" ? [[piece.record.kind, piece.record.db, piece.record.key.toString()]] : [],
  );
  assert.equal(found, [["tombstone", 3, "gone"]]);
});

test("the recovered ceiling is at or above every ceiling and every dot, also when only a snapshot has them", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const first = open(disk, scheduler);
  assert.is(first.registers.recoveredCeiling, 0, "a new directory");
  const high = first.store.hlc.value() + 1e9;
  first.registers.logCeiling(high);
  first.registers.logCeiling(high - 5);
  scheduler.advance(5);
  first.stop(() => {});
  const second = open(disk, scheduler);
  assert.is(second.registers.recoveredCeiling, high);
  assert.ok(second.store.hlc.value() >= high, "the clock goes on above it");
  accept(second.registers, "k", dot(high + 10, 3), "v", { vv: VersionVector.of([dot(high + 20, 1)]) });
  scheduler.advance(5);
  const third = open(disk, scheduler);
  assert.is(third.registers.recoveredCeiling, high + 20, "a dot of another epoch may be above the record's own");
  const higher = high + 1e9;
  third.registers.logCeiling(higher);
  // Two snapshots, and enough log for the segment with the ceiling to go.
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 40; j++) accept(third.registers, `k${j}`, dot(high + 100 + i), Buffer.alloc(4000, 65));
    scheduler.advance(5);
    third.snapshot((error) => assert.is(error, undefined));
    scheduler.advance(200);
  }
  assert.not.ok(disk.list().includes("wal-0000000000000001.log"), "the old log is still there");
  third.stop(() => {});
  assert.ok(open(disk, scheduler).registers.recoveredCeiling >= higher);
});

test("a record of a kind that is not known is refused, not skipped", () => {
  const control = Buffer.from([16, 0, 0, 0, 13, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  for (const register of [true, false]) {
    const scheduler = new FakeScheduler();
    const disk = new MemoryDisk(scheduler);
    const engine = openEngine(disk, scheduler, { register });
    engine.wal?.append(control, 0, control.length);
    scheduler.advance(5);
    assert.throws(
      () => openEngine(disk, scheduler, { register }),
      (error: Error) =>
        error instanceof RecordTypeError && error.exitCode === 65 && /type 13 at LSN 2/.test(error.message),
    );
  }
});

test("a node alone and a member of a cluster do not open each other's directory, in which there is something", () => {
  const refused = (pattern: RegExp) => (error: Error) =>
    error instanceof ConfigurationError && error.exitCode === 64 && pattern.test(error.message);
  const put = (engine: Engine): void => engine.store.put(0, Buffer.from("k"), 0, 1, Buffer.from("v"), 0, 1, 0, false);
  const scheduler = new FakeScheduler();
  const alone = new MemoryDisk(scheduler);
  const engine = openEngine(alone, scheduler);
  put(engine);
  scheduler.advance(5);
  assert.throws(() => openEngine(alone, scheduler, { register: true }), refused(/alone/));
  engine.snapshot(() => {});
  scheduler.advance(100);
  assert.throws(() => openEngine(alone, scheduler, { register: true }), refused(/alone/));
  assert.is(openEngine(alone, scheduler).store.size(0), 1, "nothing has changed");

  const member = new MemoryDisk(scheduler);
  openEngine(member, scheduler, { register: true });
  assert.throws(() => openEngine(member, scheduler), refused(/member/));
  const other = (): { node: string; hashSecret: [number, number] } => ({ node: "1".repeat(40), hashSecret: [9, 9] });
  const moved = openEngine(member, scheduler, { register: true, newNode: other });
  assert.equal(moved.meta.hashSecret, [9, 9], "it was empty");
  moved.registers.logCeiling(77);
  scheduler.advance(5);
  assert.throws(() => openEngine(member, scheduler, { register: true }), refused(/another cluster/));
  assert.is(openEngine(member, scheduler, { register: true, newNode: other }).registers.recoveredCeiling, 77);
});

test("a directory that was started alone and holds nothing becomes a member's", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = openEngine(disk, scheduler);
  engine.snapshot(() => {});
  scheduler.advance(100);
  engine.stop(() => {});
  const secret = { node: "1".repeat(40), hashSecret: [9, 9] as [number, number] };
  const member = openEngine(disk, scheduler, { register: true, newNode: () => secret });
  assert.equal(member.meta.hashSecret, [9, 9]);
  assert.is(member.meta.node, engine.meta.node, "its identity stays");
  accept(member.registers, "k", dot(1), "v");
  scheduler.advance(5);
  member.stop(() => {});
  const again = openEngine(disk, scheduler, { register: true, newNode: () => secret });
  assert.is(heldValue(again.registers, "k"), "v");
  assert.equal(keyOf(name("k")), Buffer.from("k"));
});

test("large records: in the log and in a snapshot from where they lie, each in a block by itself", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = open(disk, scheduler, { segmentBytes: 16 << 20 });
  const { registers } = engine;
  const large = (letter: string): Buffer => Buffer.alloc(2_500_000 + letter.charCodeAt(0), letter);
  const expected = new Map<string, Buffer>();
  const put = (key: string, hlc: number, value: Buffer): void => {
    accept(registers, key, dot(hlc), value);
    expected.set(key, value);
  };
  put("small", 10, Buffer.from("s"));
  put("a", 11, large("a"));
  put("b", 12, large("b"));
  put("behind", 13, Buffer.from("t"));
  scheduler.advance(50);
  assert.is(registers.durableLsn, registers.appendedLsn);
  engine.snapshot((error) => assert.is(error, undefined));
  // Replaced while it is being written.
  put("a", 20, large("c"));
  scheduler.advance(100);
  const [snapshot] = snapshotNames(disk);
  const blocks = [...inspectSnapshot(disk, snapshot, true)].flatMap((piece) =>
    piece.kind === "block" ? [[piece.records, piece.bytes > 2_500_000]] : [],
  );
  assert.equal(blocks.sort(), [
    [1, true],
    [1, true],
    [2, false],
  ]);
  for (const way of [disk.clone(new FakeScheduler()), disk]) {
    const again = open(way, new FakeScheduler());
    for (const [key, value] of expected)
      assert.ok(again.registers.held(name(key))?.state.value?.bytes.equals(value), key);
  }
});

test.run();
