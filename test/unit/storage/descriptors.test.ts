/**
 * test/unit/storage/descriptors.test.ts: a process out of descriptors when the log goes on in the next segment: the batch waits until there are some,
 * and nothing is taken for a failure of the disk. Nor where a log could not be begun at once.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import type { Engine } from "../../../src/storage/engine.js";
import { ServedStorage } from "../../../src/storage/served.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const KEY = viewed(Buffer.from("key"));

/** At most so many handles. */
class FewHandles extends SimDisk {
  handlesMax: number = Number.POSITIVE_INFINITY;
  refused = 0;
  override open(...args: Parameters<SimDisk["open"]>): number {
    this.take();
    return super.open(...args);
  }
  override syncDirectory(): void {
    this.take();
    super.syncDirectory();
  }
  private take(): void {
    if (this.openHandles < this.handlesMax) return;
    this.refused++;
    throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
  }
}

for (const mode of ["always", "everysec"] as const)
  for (const more of [0, 1])
    test(`${mode}, with ${more} descriptors left at the end of a segment`, () => {
      const scheduler = new FakeScheduler();
      const disk = new FewHandles(scheduler);
      const engine = openEngine(disk, scheduler, { mode });
      const wal = engine.wal as Wal;
      const value = viewed(Buffer.alloc(10_000, "v"));
      let count = 0;
      const put = (): void => {
        const key = viewed(Buffer.from(`k${count++}`));
        engine.store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
        scheduler.advance(1);
      };
      put();
      scheduler.advance(2000);
      disk.handlesMax = disk.openHandles + more;
      const segments = wal.segments.all.length;
      const handles = disk.openHandles;
      for (let i = 0; i < 20 && disk.refused === 0; i++) put();
      assert.ok(disk.refused > 0);
      assert.is(wal.segments.all.length, segments);
      scheduler.advance(1000);
      assert.is(wal.failure, undefined);
      assert.ok(wal.durableLsn < wal.appendedLsn, "it waits");
      assert.is(disk.openHandles, handles, "none is lost");
      // Two are enough: the old segment's are given back before the directory's is needed.
      disk.handlesMax = handles + 2;
      scheduler.advance(1000);
      assert.is(wal.durableLsn, wal.appendedLsn);
      assert.is(wal.segments.all.length, segments + 1);
      disk.handlesMax = Number.POSITIVE_INFINITY;
      put();
      scheduler.advance(2000);
      const again = openEngine(disk.afterPowerLoss(new FakeScheduler(), 1), new FakeScheduler());
      assert.is(again.store.size(0), count);
    });

test("who is refused a write since no segment can be laid out hears of descriptors, not of room", () => {
  const scheduler = new FakeScheduler();
  const disk = new FewHandles(scheduler);
  const open = disk.open.bind(disk);
  disk.open = (name, options) => {
    disk.handlesMax = name === "wal-next.tmp" ? most : Number.POSITIVE_INFINITY;
    return open(name, options);
  };
  let most = Number.POSITIVE_INFINITY;
  const engine = openEngine(disk, scheduler);
  const storage = new ServedStorage(engine, 0, () => scheduler.monotonicMs());
  const value = viewed(Buffer.alloc(10_000, "v"));
  scheduler.advance(2000);
  most = disk.openHandles;
  for (let i = 0; i < 500 && storage.refusal === undefined; i++) {
    const key = viewed(Buffer.from(`k${i}`));
    engine.store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
    scheduler.advance(1);
  }
  assert.is(storage.refusal, "too many open files");
  most = Number.POSITIVE_INFINITY;
  scheduler.advance(2000);
  assert.is(storage.refusal, undefined);
});

test("who is held back until the log has come further is called when the segment that it waits for cannot be laid out", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler);
  const wal = engine.wal as Wal;
  scheduler.advance(2000);
  const segments = new Set<number>();
  const open = disk.open.bind(disk);
  disk.open = (name, options) => {
    const file = open(name, options);
    if (name === "wal-next.tmp") segments.add(file);
    return file;
  };
  // A quota of which statfs tells nothing.
  const write = disk.writeAsync.bind(disk);
  disk.writeAsync = (file, from, at, length, position, done) => {
    if (!segments.has(file)) return write(file, from, at, length, position, done);
    scheduler.after(0, () => done(Object.assign(new Error("quota"), { code: "EDQUOT" })));
  };
  const large = viewed(Buffer.alloc(3_000_000));
  engine.store.put(0, KEY, 0, KEY.length, large, 0, large.length, 0, false);
  let called = 0;
  wal.onDurable = () => {
    if (wal.waitsForRoom) called++;
  };
  scheduler.advance(1000);
  assert.ok(called > 0 && called < 20, String(called));
});

/** The header of a segment finds no room. */
class NoRoomForLogs extends FewHandles {
  full = false;
  private readonly durable = new Set<number>();
  override open(...args: Parameters<SimDisk["open"]>): number {
    const file = super.open(...args);
    if (args[1].durable && args[0].endsWith(".tmp")) this.durable.add(file);
    return file;
  }
  override write(...args: Parameters<SimDisk["write"]>): void {
    if (this.full && this.durable.has(args[0])) throw Object.assign(new Error("no room"), { code: "ENOSPC" });
    super.write(...args);
  }
}

/** A directory with a key, opened again on a disk that is full. */
function onFullDisk(): { scheduler: FakeScheduler; disk: NoRoomForLogs; engine: Engine } {
  const scheduler = new FakeScheduler();
  const disk = new NoRoomForLogs(scheduler);
  const before = openEngine(disk, scheduler);
  before.store.put(0, KEY, 0, KEY.length, KEY, 0, KEY.length, 0, false);
  before.stop(() => {});
  scheduler.advance(10);
  disk.full = true;
  const engine = openEngine(disk, scheduler);
  assert.ok(engine.store.readOnly);
  return { scheduler, disk, engine };
}

function writes({ scheduler, engine }: { scheduler: FakeScheduler; engine: Engine }): void {
  const wal = engine.wal as Wal;
  scheduler.advance(2000);
  assert.is(wal.failure, undefined);
  assert.not.ok(engine.store.readOnly);
  engine.store.put(0, KEY, 0, KEY.length, KEY, 0, KEY.length, 0, false);
  scheduler.advance(10);
  assert.is(wal.durableLsn, wal.appendedLsn);
}

test("a log that cannot be begun for want of room keeps no descriptor from one try to the next", () => {
  const setup = onFullDisk();
  const { scheduler, disk } = setup;
  const handles = disk.openHandles;
  scheduler.advance(50_000);
  assert.is(disk.openHandles, handles);
  disk.full = false;
  writes(setup);
});

for (const more of [0, 1, 2])
  test(`a log that cannot be begun for want of room, and then ${more} descriptors are left: it is begun when there are more`, () => {
    const setup = onFullDisk();
    const { scheduler, disk, engine } = setup;
    const handles = disk.openHandles;
    disk.full = false;
    disk.handlesMax = handles + more;
    scheduler.advance(5000);
    assert.ok(disk.refused > 0);
    assert.is((engine.wal as Wal).failure, undefined);
    assert.ok(engine.store.readOnly);
    assert.is(disk.openHandles, handles);
    disk.handlesMax = handles + 3;
    writes(setup);
  });

test.run();
