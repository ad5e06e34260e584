/**
 * test/unit/storage/failed-log.test.ts: after a failure of the log the engine lets go of its directory: once the stop is quiet nothing of it
 * writes, renames or removes there any more, and whoever opens the directory next loses nothing by it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DiskError } from "../../../src/lib/errors.js";
import { viewed } from "../../../src/lib/view.js";
import type { Done } from "../../../src/ports/disk.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import { Engine } from "../../../src/storage/engine.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { engineOptions, openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const VALUE_BYTES = 60_000;
/** All but the first of them fill a segment as far as that is possible. */
const BURST = 18;
const WRITE_MS = 3;

/** Without time. */
function turns(scheduler: FakeScheduler): void {
  for (let i = 0; i < 50; i++) scheduler.endTurn();
}

function put(engine: Engine, name: string, valueBytes = 10): void {
  const key = viewed(Buffer.from(name));
  const value = viewed(Buffer.alloc(valueBytes, name));
  engine.store.put(0, key, 0, key.length, value, 0, valueBytes, 0, false);
}

function valueIn(engine: Engine, name: string): string | undefined {
  const state = new KeyState();
  const key = viewed(Buffer.from(name));
  if (!engine.store.find(0, key, 0, key.length, state, true)) return undefined;
  return state.bytes.latin1Slice(state.valueAt, state.valueAt + state.valueBytes);
}

interface End {
  /** Undefined: not told yet. */
  error?: Error | null;
  quiet: boolean;
}

function stop(engine: Engine): End {
  const end: End = { quiet: false };
  engine.stop(
    (error) => {
      end.error = error ?? null;
    },
    () => {
      end.quiet = true;
    },
  );
  return end;
}

/** Syncs off the loop are done when the test says so. */
class HeldSyncs extends SimDisk {
  holding = false;
  readonly held: Done[] = [];
  override syncAsync(...[file, done]: Parameters<SimDisk["syncAsync"]>): void {
    if (this.holding) this.held.push(done);
    else super.syncAsync(file, done);
  }
}

test("a log that failed, and its next segment too: the node that opens the directory next loses nothing", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const options = { segmentBytes: 1 << 20 };
  stop(openEngine(disk, scheduler, options)); // the segments of a directory that is not new are larger
  const first = openEngine(disk, scheduler, options);
  disk.failWrites = true;
  put(first, "refused");
  turns(scheduler);
  assert.ok((first.wal as Wal).failure !== undefined);
  const end = stop(first);
  turns(scheduler);
  assert.instance(end.error, Error);
  disk.failWrites = false;

  // In no time: a second after the failure is a second after this.
  const second = openEngine(disk, scheduler, options);
  const wal = second.wal as Wal;
  put(second, "key:0", VALUE_BYTES);
  turns(scheduler);
  const segments = wal.segments.all.length;
  disk.latencyMs = () => WRITE_MS;
  scheduler.advance(1000);
  let count = 1;
  for (; count < BURST; count++) put(second, `key:${count}`, VALUE_BYTES);
  scheduler.advance(2000);
  assert.is(wal.durableLsn, wal.appendedLsn);
  assert.is(wal.segments.all.length, segments + 1, "over a rotation");
  for (let seed = 0; seed < 4; seed++) {
    const later = new FakeScheduler();
    const again = openEngine(disk.afterPowerLoss(later, seed), later, options);
    assert.is(valueIn(again, "refused"), undefined);
    for (let i = 0; i < count; i++) {
      const expected = Buffer.alloc(VALUE_BYTES, `key:${i}`).latin1Slice();
      assert.ok(valueIn(again, `key:${i}`) === expected, `key:${i} with seed ${seed}`);
    }
  }
});

/** Its file system becomes read-only. */
class ReadOnlyDisk extends SimDisk {
  readOnly = false;
  override write(...args: Parameters<SimDisk["write"]>): void {
    this.check();
    super.write(...args);
  }
  override writeAsync(...args: Parameters<SimDisk["writeAsync"]>): void {
    const [file, from, at, length, position, done] = args;
    super.writeAsync(file, from, at, length, position, (error) => done(this.readOnly ? this.refusal() : error));
  }
  override remove(name: string): void {
    this.check();
    super.remove(name);
  }
  private check(): void {
    if (this.readOnly) throw this.refusal();
  }
  private refusal(): Error {
    return Object.assign(new Error("EROFS: read-only file system"), { code: "EROFS" });
  }
}

test("the file system becomes read-only while a segment is laid out: the log fails at the next write, not the program", () => {
  const scheduler = new FakeScheduler();
  const disk = new ReadOnlyDisk(scheduler);
  const engine = openEngine(disk, scheduler);
  const wal = engine.wal as Wal;
  disk.readOnly = true;
  scheduler.advance(3000);
  assert.is(wal.failure, undefined, "no record depends on that segment");
  put(engine, "key");
  scheduler.advance(10);
  assert.is(wal.failure?.exitCode, 74);
});

test("a segment that is too small for a batch cannot be removed: the batch waits until it can", () => {
  const scheduler = new FakeScheduler();
  const disk = new ReadOnlyDisk(scheduler);
  const engine = openEngine(disk, scheduler);
  const wal = engine.wal as Wal;
  scheduler.advance(100);
  disk.readOnly = true;
  for (let i = 0; i < 5; i++) {
    put(engine, `key:${i}`, 200_000);
    scheduler.advance(1000);
  }
  assert.is(wal.failure, undefined);
  assert.ok(wal.durableLsn < wal.appendedLsn);
  disk.readOnly = false;
  scheduler.advance(3000);
  assert.is(wal.durableLsn, wal.appendedLsn);
  const again = openEngine(disk.afterPowerLoss(new FakeScheduler(), 1), new FakeScheduler());
  for (let i = 0; i < 5; i++) assert.is(valueIn(again, `key:${i}`)?.length, 200_000);
});

test("batches are still under way when the log fails: the stop waits for them, and then closes", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler, { largeRecordBytes: 4096, segmentBytes: 1 << 20 });
  const wal = engine.wal as Wal;
  scheduler.advance(10);
  disk.latencyMs = () => 50;
  wal.append(viewed(Buffer.alloc(100_000, 1)), 0, 100_000, true); // in pieces
  scheduler.advance(60);
  const syncs = disk.syncs;
  assert.ok(wal.busy());
  wal.fail(new DiskError("log write failed", "for a test"));
  const end = stop(engine);
  scheduler.advance(1);
  assert.is(end.error, undefined, "something is under way");
  assert.ok(disk.openHandles > 0);
  scheduler.advance(100);
  assert.instance(end.error, Error);
  assert.ok(end.quiet);
  assert.is(disk.openHandles, 0);
  assert.ok(disk.syncs <= syncs + 1, "of a batch in pieces no further piece is written");
  scheduler.advance(5000);
  assert.ok(disk.syncs <= syncs + 1);
});

test("a disk that hangs: the stop ends all the same, and is quiet only when the disk comes back", () => {
  const scheduler = new FakeScheduler();
  const disk = new HeldSyncs(scheduler);
  const engine = openEngine(disk, scheduler, { mode: "everysec" });
  scheduler.advance(10);
  disk.holding = true;
  put(engine, "key");
  scheduler.advance(1500);
  assert.is(disk.held.length, 1);
  disk.failWrites = true;
  put(engine, "refused");
  scheduler.advance(10);
  assert.ok((engine.wal as Wal).failure !== undefined);
  const end = stop(engine);
  scheduler.advance(1000);
  assert.is(end.error, undefined, "it may come back");
  scheduler.advance(10_000);
  assert.instance(end.error, Error);
  assert.not.ok(end.quiet);
  assert.ok(disk.openHandles > 0, "a number that is under way is not given to another file");
  for (const done of disk.held) done(null);
  scheduler.advance(1000);
  assert.ok(end.quiet);
  assert.is(disk.openHandles, 0);
});

test("a log that cannot be begun: what was prepared for it ends with the stop", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  // The mark: the header was written before the segment got its name.
  disk.write = (...args) => {
    if (disk.list().some((name) => /^wal-\d/.test(name))) throw Object.assign(new Error("EIO"), { code: "EIO" });
    SimDisk.prototype.write.apply(disk, args);
  };
  const engine = new Engine(disk, scheduler, engineOptions());
  let failure: Error | undefined;
  engine.load(1e9, (error) => {
    failure = error;
  });
  assert.match(String(failure), /cannot write the log/);
  const end = stop(engine);
  scheduler.advance(100);
  assert.instance(end.error, Error);
  assert.ok(end.quiet);
  assert.is(disk.openHandles, 0);
  let opened = 0;
  disk.open = () => {
    opened++;
    throw new Error("opened");
  };
  scheduler.advance(5000);
  assert.is(opened, 0, "nothing is made there any more");
});

test.run();
