/**
 * test/unit/storage/full-disk.test.ts: a disk without room: at the start the node serves what is there and takes writes once it can; at
 * the end what waits for room is given up, and the directory opens again.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DiskError } from "../../../src/lib/errors.js";
import { viewed } from "../../../src/lib/view.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import type { Engine } from "../../../src/storage/engine.js";
import { ServedStorage } from "../../../src/storage/served.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const ROOM = 100 << 20;

interface Setup {
  scheduler: FakeScheduler;
  disk: SimDisk;
}

function put(engine: Engine, name: string, valueBytes = 10, expireAt = 0): void {
  const key = viewed(Buffer.from(name));
  const value = viewed(Buffer.alloc(valueBytes, name));
  engine.store.put(0, key, 0, key.length, value, 0, valueBytes, expireAt, false);
}

function has(engine: Engine, name: string): boolean {
  engine.store.gate = 0;
  const key = viewed(Buffer.from(name));
  return engine.store.find(0, key, 0, key.length, new KeyState(), true);
}

function served(engine: Engine, scheduler: FakeScheduler): ServedStorage {
  return new ServedStorage(engine, 0, () => scheduler.monotonicMs());
}

/** A directory with two keys, one of which expires in a second, left behind by a clean stop or not. */
function directory(clean: boolean): Setup {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler);
  put(engine, "stays");
  put(engine, "goes", 10, scheduler.nowMs() + 1000);
  scheduler.advance(10);
  if (!clean) {
    const later = new FakeScheduler();
    return { scheduler: later, disk: disk.afterPowerLoss(later, 1) };
  }
  engine.stop(() => {});
  return { scheduler, disk };
}

for (const clean of [true, false]) {
  test(`no room at the start, after a ${clean ? "clean stop" : "crash"}: reads, no writes, and writes once there is room`, () => {
    const { scheduler, disk } = directory(clean);
    disk.freeBytesLeft = 0;
    const engine = openEngine(disk, scheduler);
    const wal = engine.wal as Wal;
    const storage = served(engine, scheduler);
    let writable = 0;
    engine.onWritable = () => writable++;
    assert.is(storage.refusal, "No space left on device");
    assert.is(storage.roomFor(10), false);
    assert.ok(has(engine, "stays") && has(engine, "goes"));
    assert.is(engine.store.gate, 0);
    // Time goes on: what has expired is absent, though nothing can be logged, and nobody waits for it.
    scheduler.advance(5000);
    assert.not.ok(has(engine, "goes"));
    assert.is(engine.store.gate, 0);
    assert.ok(engine.store.randomKey(0, new KeyState()));
    assert.is(wal.openBytes(), 0);
    assert.is(wal.failure, undefined);
    assert.is(disk.list().filter((name) => name.endsWith(".tmp")).length, 0, "nothing is left lying about");
    disk.freeBytesLeft = ROOM;
    scheduler.advance(2000);
    assert.is(writable, 1);
    assert.is(storage.refusal, undefined);
    put(engine, "new");
    scheduler.advance(10);
    assert.is(wal.durableLsn, wal.appendedLsn);
    const again = openEngine(disk.afterPowerLoss(new FakeScheduler(), 1), new FakeScheduler());
    assert.ok(has(again, "stays") && has(again, "new"));
  });
}

test("stopped while it never had room: nothing is written, and the directory is as it was", () => {
  const { scheduler, disk } = directory(true);
  for (let i = 0; i < 3; i++) {
    disk.freeBytesLeft = 0;
    const engine = openEngine(disk, scheduler);
    let end: unknown = "nothing";
    engine.stop((error) => {
      end = error;
    });
    assert.is(end, undefined);
    scheduler.advance(5000);
  }
  disk.freeBytesLeft = ROOM;
  const engine = openEngine(disk, scheduler);
  assert.ok(has(engine, "stays"));
  assert.not.ok(engine.store.readOnly);
});

test("no room for a new directory: that is the disk's fault, and says so", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  disk.freeBytesLeft = 0;
  assert.throws(
    () => openEngine(disk, scheduler),
    (error: Error) => error instanceof DiskError,
  );
});

test("little room at the start: the first segment is smaller", () => {
  const { scheduler, disk } = directory(true);
  disk.freeBytesLeft = 80 * 1024;
  const engine = openEngine(disk, scheduler, { segmentBytes: 1 << 20 });
  assert.not.ok(engine.store.readOnly);
});

/** An engine with more in its open batch than the disk has room for. */
function stuck(): Setup & { engine: Engine } {
  const { scheduler, disk } = directory(true);
  const engine = openEngine(disk, scheduler);
  put(engine, "acknowledged");
  scheduler.advance(50);
  disk.freeBytesLeft = 10_000;
  for (let i = 0; i < 20; i++) put(engine, `part:${i}`, 30_000);
  scheduler.advance(5000);
  const wal = engine.wal as Wal;
  assert.ok(wal.waitsForRoom);
  assert.ok(wal.durableLsn < wal.appendedLsn);
  return { scheduler, disk, engine };
}

test("no room for writes: what has expired is absent, and no reader waits for a record of that", () => {
  const { scheduler, disk } = directory(true);
  const engine = openEngine(disk, scheduler);
  const wal = engine.wal as Wal;
  const storage = served(engine, scheduler);
  for (let i = 0; i < 3; i++) put(engine, `soon:${i}`, 10, scheduler.nowMs() + 1000);
  scheduler.advance(50);
  disk.freeBytesLeft = 10_000;
  for (let i = 0; storage.refusal === undefined; i++) {
    put(engine, `fill:${i}`, 10_000);
    scheduler.advance(50);
  }
  const { appendedLsn } = wal;
  scheduler.advance(60_000);
  for (let i = 0; i < 3; i++) assert.not.ok(has(engine, `soon:${i}`));
  assert.not.ok(has(engine, "none"));
  assert.is(engine.store.gate, 0);
  assert.is(wal.appendedLsn, appendedLsn, "the sweep and the reads took nothing of the room that is left");
  disk.freeBytesLeft = ROOM;
  scheduler.advance(5000);
  assert.is(storage.refusal, undefined);
  assert.is(engine.store.expiring(0), 0, "with room again they are swept");
  assert.is(wal.durableLsn, wal.appendedLsn);
});

test("while a batch waits for room a count does not, nor does a key that is not in it", () => {
  const { engine } = stuck();
  engine.store.gate = 0;
  assert.is(engine.store.size(0), 23);
  assert.is(engine.store.gate, 0);
  assert.ok(has(engine, "acknowledged"));
  assert.is(engine.store.gate, 0);
  assert.ok(has(engine, "part:1"));
  assert.ok(engine.store.gate > 0, "what is in it does");
});

test("a stop while a batch waits for room ends: it failed, nothing of it is there, the directory opens", () => {
  const { scheduler, disk, engine } = stuck();
  let failures = 0;
  (engine.wal as Wal).onFailed = () => failures++;
  let end: Error | undefined;
  engine.stop((error) => {
    end = error;
  });
  scheduler.advance(100);
  assert.ok(end);
  assert.is(failures, 1, "those who wait hear of it");
  // Whether the power goes now or not.
  for (const left of [disk, disk.afterPowerLoss(new FakeScheduler(), 1), disk.afterPowerLoss(new FakeScheduler(), 2)]) {
    left.freeBytesLeft = ROOM;
    const again = openEngine(left, new FakeScheduler());
    assert.ok(has(again, "acknowledged"));
    for (let i = 0; i < 20; i++) assert.not.ok(has(again, `part:${i}`));
  }
});

test("a stop while a batch waits for room, and room comes: it is written", () => {
  const { scheduler, disk, engine } = stuck();
  disk.freeBytesLeft = ROOM;
  let end: unknown = "nothing";
  engine.stop((error) => {
    end = error;
  });
  scheduler.advance(10);
  assert.is(end, undefined);
  const again = openEngine(disk, scheduler);
  for (let i = 0; i < 20; i++) assert.ok(has(again, `part:${i}`));
});

test("a snapshot does not wait for ever for a log that waits for room, and gives its own room back", () => {
  const { scheduler, disk, engine } = stuck();
  disk.freeBytesLeft = 700_000; // enough for the snapshot, and after it not for the log
  let result: unknown = "nothing";
  engine.snapshot((error) => {
    result = error;
  });
  scheduler.advance(100);
  assert.instance(result, Error);
  assert.not.ok(disk.exists("snapshot.tmp"));
});

test.run();
