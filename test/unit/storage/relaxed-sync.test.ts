/**
 * test/unit/storage/relaxed-sync.test.ts: under everysec and no, what was written is synced in time, also beside large batches that never rest.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import type { Engine } from "../../../src/storage/engine.js";
import { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const LARGE_BYTES = 64 * 1024;
const PIECE_MS = 5;

/** A log in a segment with room for many large records, which are written one after the other from now on; amid them a small record. */
function busyLog(mode: "everysec" | "no"): { wal: Wal; scheduler: FakeScheduler; smallLsn: number; disk: SimDisk } {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const options = { mode, segmentBytes: 64 << 20, member: true, largeBytes: LARGE_BYTES };
  const wal = new Wal(disk, scheduler, options, { nextLsn: 1, lastCrc: 0, bytes: 0, lastBytes: 0, segments: [] });
  assert.ok(wal.start());
  disk.latencyMs = () => PIECE_MS;
  const large = viewed(Buffer.alloc(LARGE_BYTES + 1, 2));
  const small = viewed(Buffer.alloc(20, 1));
  let smallLsn = 0;
  wal.onDurable = () => {
    if (smallLsn === 0 && wal.segments.roomBytes > 40 << 20) smallLsn = wal.append(small, 0, small.length);
    else if (wal.openBytes() < LARGE_BYTES) wal.append(large, 0, large.length, true);
  };
  wal.append(large, 0, large.length, true);
  for (let ms = 0; ms < 20_000 && (smallLsn === 0 || wal.durableLsn < smallLsn); ms++) scheduler.advance(1);
  assert.ok(smallLsn > 0 && wal.durableLsn >= smallLsn && wal.syncedLsn < smallLsn);
  return { wal, scheduler, smallLsn, disk };
}

test("everysec: what is small is synced within a second or so, however many large ones follow each other", () => {
  const { wal, scheduler, smallLsn } = busyLog("everysec");
  const segments = wal.segments.all.length;
  scheduler.advance(1100);
  assert.ok(wal.syncedLsn >= smallLsn, `up to ${wal.syncedLsn}, wanted ${smallLsn}, written ${wal.durableLsn}`);
  assert.is(wal.segments.all.length, segments, "the end of a segment syncs anyway");
  // And it goes on so.
  const lsn = wal.durableLsn;
  scheduler.advance(1100);
  assert.ok(wal.syncedLsn >= lsn);
});

test("no: a sync that is asked for comes beside large batches too", () => {
  const { wal, scheduler, smallLsn } = busyLog("no");
  let synced = -1;
  wal.syncNow(() => {
    synced = wal.syncedLsn;
  });
  scheduler.advance(2 * PIECE_MS);
  assert.ok(synced >= smallLsn, `up to ${synced}`);
});

/** One sync off the loop fails, and the next ones do not: the system tells of a failed write once. */
class ToldOnce extends SimDisk {
  failNext = false;
  underWayMs = 5;
  private readonly clock: FakeScheduler;
  constructor(clock: FakeScheduler) {
    super(clock);
    this.clock = clock;
  }
  override syncAsync(...[file, done]: Parameters<SimDisk["syncAsync"]>): void {
    if (!this.failNext) return super.syncAsync(file, done);
    this.failNext = false;
    this.clock.after(this.underWayMs, () => done(new Error("EIO")));
  }
}

function failing(mode: "everysec" | "no"): { engine: Engine; scheduler: FakeScheduler; disk: ToldOnce; put(): number } {
  const scheduler = new FakeScheduler();
  const disk = new ToldOnce(scheduler);
  const engine = openEngine(disk, scheduler, { mode });
  const put = (): number => {
    const key = viewed(Buffer.from("key"));
    engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
    scheduler.advance(1);
    return (engine.wal as Wal).appendedLsn;
  };
  put();
  disk.failNext = true;
  return { engine, scheduler, disk, put };
}

for (const mode of ["everysec", "no"] as const)
  test(`${mode}: after a failed sync no other one is believed, by WAITAOF, a snapshot, or the log`, () => {
    const { engine, scheduler, disk, put } = failing(mode);
    const wal = engine.wal as Wal;
    let told = 0;
    const first = wal.appendedLsn;
    engine.sync(() => told++);
    put();
    engine.sync(() => told++);
    let snapshot = "under way";
    engine.snapshot((error) => {
      snapshot = error === undefined ? "well" : error.message;
    });
    scheduler.advance(3000);
    assert.ok(wal.failure !== undefined);
    assert.ok(wal.syncedLsn < first, `synced up to ${wal.syncedLsn}`);
    assert.is(told, 0);
    assert.match(snapshot, "snapshot failed");
    assert.not.ok(disk.list().some((name) => name.endsWith(".kvs")));
    const syncs = disk.syncs;
    wal.setMode("always");
    engine.sync(() => told++);
    scheduler.advance(3000);
    assert.is(disk.syncs, syncs, "no sync is ever tried again");
    assert.is(told, 0);
  });

test("always is promised while a sync is under way: by another handle, which is told of a failure by itself", () => {
  const { engine, scheduler, disk } = failing("everysec");
  const wal = engine.wal as Wal;
  const synced: number[] = [];
  disk.sync = (file) => void synced.push(file);
  engine.sync(() => {});
  wal.setMode("always");
  assert.equal(synced, [wal.segments.durable]);
  assert.is.not(wal.segments.durable, wal.segments.plain);
  scheduler.advance(10);
  assert.ok(wal.failure !== undefined);
});

/** Syncs off the loop take until the test says so. */
class Stalled extends SimDisk {
  stalled: (() => void)[] | undefined;
  override syncAsync(...[file, done]: Parameters<SimDisk["syncAsync"]>): void {
    if (this.stalled === undefined) super.syncAsync(file, done);
    else this.stalled.push(() => super.syncAsync(file, done));
  }
}

/** @returns how many timers are pending. */
function timersOf(scheduler: FakeScheduler): number {
  return (scheduler as unknown as { timers: unknown[] }).timers.length;
}

for (const mode of ["everysec", "no"] as const)
  test(`${mode}: many ask for a sync while one stalls: nothing runs for each of them, and all hear when the next one ends`, () => {
    const scheduler = new FakeScheduler();
    const disk = new Stalled(scheduler);
    const engine = openEngine(disk, scheduler, { mode });
    const wal = engine.wal as Wal;
    const key = viewed(Buffer.from("key"));
    const put = (): void => {
      engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
      scheduler.advance(1);
    };
    put();
    scheduler.advance(1500);
    const stalled: (() => void)[] = [];
    disk.stalled = stalled;
    let told = 0;
    put();
    engine.sync(() => told++);
    scheduler.advance(5000);
    assert.is(stalled.length, 1);
    const timers = timersOf(scheduler);
    for (let i = 0; i < 1000; i++) {
      if (i % 100 === 0) put();
      engine.sync(() => told++);
    }
    scheduler.advance(5);
    assert.is(told, 0);
    assert.is(stalled.length, 1, "one at a time");
    assert.ok(timersOf(scheduler) <= timers + 1, `${timersOf(scheduler)} timers`);
    stalled.pop()?.();
    scheduler.advance(1);
    assert.is(told, 1, "the others came after it was begun");
    assert.is(stalled.length, 1);
    disk.stalled = undefined;
    stalled.pop()?.();
    scheduler.advance(1);
    assert.is(told, 1001);
    assert.is(wal.syncedLsn, wal.appendedLsn);
  });

test("who does not wait any more is not told, and forgotten", () => {
  const scheduler = new FakeScheduler();
  const disk = new Stalled(scheduler);
  const engine = openEngine(disk, scheduler, { mode: "no" });
  const stalled: (() => void)[] = [];
  disk.stalled = stalled;
  const key = viewed(Buffer.from("key"));
  engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
  let told = 0;
  const cancel = engine.sync(() => told++);
  engine.sync(() => {
    told += 10;
  });
  // Before it is written, and while it is synced.
  cancel();
  scheduler.advance(10);
  engine.sync(() => told++)();
  for (const sync of stalled) sync();
  scheduler.advance(10);
  assert.is(told, 10);
});

test("always: what is asked for before it is written is told when it is, and not after a failure", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler);
  const key = viewed(Buffer.from("key"));
  const put = (): void => void engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
  let told = 0;
  put();
  engine.sync(() => told++);
  assert.is(told, 0);
  scheduler.advance(5);
  assert.is(told, 1);
  disk.failWrites = true;
  put();
  engine.sync(() => told++);
  const timers = timersOf(scheduler);
  scheduler.advance(50);
  assert.is(told, 1);
  assert.ok(timersOf(scheduler) < timers, "nothing looks for it any more");
});

/** Counts syncs off the loop. */
class Counting extends SimDisk {
  begun = 0;
  override syncAsync(...args: Parameters<SimDisk["syncAsync"]>): void {
    this.begun++;
    super.syncAsync(...args);
  }
}

test("always: what was synced by its own write starts no sync, also when more is asked for before anybody looked", () => {
  const scheduler = new FakeScheduler();
  const disk = new Counting(scheduler);
  const engine = openEngine(disk, scheduler);
  const wal = engine.wal as Wal;
  wal.audience = { waiters: 2, onlyWriters: false }; // off the loop
  const key = viewed(Buffer.from("key"));
  const put = (): void => void engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
  scheduler.advance(100);
  disk.begun = 0;
  let told = 0;
  put();
  engine.sync(() => told++);
  scheduler.advance(0);
  assert.equal([wal.syncedLsn, told], [wal.appendedLsn, 0]);
  put();
  engine.sync(() => told++);
  scheduler.advance(2);
  assert.equal([disk.begun, told], [0, 2]);
});

test("no: who asks while a sync stalls, and is synced by its own write meanwhile, does not wait for it", () => {
  const scheduler = new FakeScheduler();
  const disk = new Stalled(scheduler);
  const engine = openEngine(disk, scheduler, { mode: "no" });
  const wal = engine.wal as Wal;
  const key = viewed(Buffer.from("key"));
  const put = (): void => void engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
  scheduler.advance(100);
  const stalled: (() => void)[] = [];
  disk.stalled = stalled;
  put();
  scheduler.advance(2);
  engine.sync(() => {});
  assert.is(stalled.length, 1);
  wal.setMode("always");
  let told = 0;
  put();
  engine.sync(() => told++);
  scheduler.advance(3);
  assert.equal([stalled.length, told], [1, 1]);
});

for (const mode of ["everysec", "no"] as const)
  test(`${mode}: a log that is closed with much to be written begins no sync on the descriptor it closes`, () => {
    const scheduler = new FakeScheduler();
    const disk = new Counting(scheduler);
    const engine = openEngine(disk, scheduler, { mode, segmentBytes: 16 << 20 });
    const wal = engine.wal as Wal;
    const key = viewed(Buffer.from("key"));
    const value = viewed(Buffer.alloc(60_000, "v"));
    scheduler.advance(10);
    disk.begun = 0;
    for (let i = 0; i < 80; i++) engine.store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
    assert.ok(wal.openBytes() > 4 << 20);
    let ended: unknown = "not";
    let told = 0;
    engine.sync(() => told++);
    engine.stop((error) => {
      ended = error;
    });
    scheduler.advance(3000);
    assert.equal([ended, wal.failure, disk.begun, told], [undefined, undefined, 0, 1]);
  });

test.run();
