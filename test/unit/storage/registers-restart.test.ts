/**
 * test/unit/storage/registers-restart.test.ts: a replica's storage from one start to the next: records, tombstones and ceilings come back from the log, from a
 * snapshot and from both; a node alone and a member do not open each other's directory.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { ConfigurationError, RecordTypeError } from "../../../src/lib/errors.js";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import type { Engine } from "../../../src/storage/engine.js";
import { inspectSnapshot, snapshotNames } from "../../../src/storage/inspect.js";
import type { Registers } from "../../../src/storage/registers.js";
import { encodeState, keyOf } from "../../../src/storage/state-record.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { accept, dot, everything, heldValue, name, open, stateOf } from "../../lib/registers.js";

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
  const control = viewed(Buffer.from([16, 0, 0, 0, 13, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]));
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
  const put = (engine: Engine): void =>
    engine.store.put(0, viewed(Buffer.from("k")), 0, 1, viewed(Buffer.from("v")), 0, 1, 0, false);
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
