/**
 * test/unit/storage/generations.test.ts: which snapshots are kept and how much of the log, so that there are two ways back; and snapshots that fail
 * as soon as they start.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import type { FileHandle } from "../../../src/ports/disk.js";
import type { Engine } from "../../../src/storage/engine.js";
import { SNAPSHOT_TEMP_NAME } from "../../../src/storage/snapshot-format.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

class RefusingDisk extends SimDisk {
  refuses = "";
  override open(name: string, options: { create?: boolean; durable?: boolean; readonly?: boolean }): FileHandle {
    if (name === this.refuses) throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
    return super.open(name, options);
  }
}

function start(): { disk: RefusingDisk; scheduler: FakeScheduler; engine: Engine } {
  const scheduler = new FakeScheduler();
  const disk = new RefusingDisk(scheduler);
  return { disk, scheduler, engine: openEngine(disk, scheduler) };
}

function put(engine: Engine, name: string, valueBytes = 10): void {
  const key = viewed(Buffer.from(name));
  engine.store.put(0, key, 0, key.length, viewed(Buffer.alloc(valueBytes, name)), 0, valueBytes, 0, false);
}

/** What the snapshot ended with. */
function save(engine: Engine, scheduler: FakeScheduler): string {
  const said: string[] = [];
  assert.ok(engine.snapshot((error) => said.push(error?.message ?? "well")));
  assert.equal(said, [], "later, not within the call");
  scheduler.advance(100);
  assert.is(said.length, 1);
  return said[0];
}

test("a snapshot whose file cannot be made says so when the turn ends, and the next one works", () => {
  const { disk, scheduler, engine } = start();
  put(engine, "k");
  scheduler.advance(10);
  disk.refuses = SNAPSHOT_TEMP_NAME;
  assert.match(save(engine, scheduler), "EMFILE");
  assert.not.ok(engine.lastSaveOk);
  assert.not.ok(engine.snapshotter.running);
  disk.refuses = "";
  assert.is(save(engine, scheduler), "well");
  assert.ok(engine.lastSaveOk);
});

const snapshots = (disk: SimDisk): string[] =>
  disk
    .list()
    .filter((name) => name.startsWith("snap-"))
    .sort();

/** What docs/OPERATIONS.md says of a damaged snapshot: the start is refused, the file is moved away, and nothing is lost. */
function startWithoutNewest(disk: SimDisk): Engine {
  const scheduler = new FakeScheduler();
  const newest = snapshots(disk).at(-1) as string;
  const copy = disk.fork(scheduler, newest);
  const file = copy.open(newest, {});
  copy.write(file, Buffer.from([255]), 0, 1, copy.size(file) - 40);
  copy.close(file);
  assert.throws(() => openEngine(copy, scheduler), new RegExp(newest));
  copy.remove(newest);
  return openEngine(copy, scheduler);
}

/** So many keys that several segments of the log are behind them. */
function fill(engine: Engine, scheduler: FakeScheduler, from: number): void {
  for (let i = from; i < from + 100; i++) {
    put(engine, `k${i}`, 2000);
    scheduler.advance(1);
  }
  scheduler.advance(20);
}

test("a single snapshot is not the only way back: the log before it stays until the second is being written", () => {
  const { disk, scheduler, engine } = start();
  fill(engine, scheduler, 0);
  assert.is(save(engine, scheduler), "well");
  fill(engine, scheduler, 100);
  scheduler.advance(500);
  assert.is(startWithoutNewest(disk).store.size(0), 200);
  const before = engine.diskBytes();
  engine.snapshot(() => {});
  assert.ok(engine.diskBytes() < before, "there is one way only meanwhile: no more room is taken than before");
  scheduler.advance(100);
  assert.is(snapshots(disk).length, 2);
  assert.is(startWithoutNewest(disk).store.size(0), 200);
});

test("a snapshot with nothing new in it replaces none: there are two ways back still, and it counts as one", () => {
  const { disk, scheduler, engine } = start();
  for (const from of [0, 100]) {
    fill(engine, scheduler, from);
    assert.is(save(engine, scheduler), "well");
  }
  const two = snapshots(disk);
  assert.is(two.length, 2);
  const lastSaveMs = engine.lastSaveMs;
  scheduler.advance(5000);
  assert.is(save(engine, scheduler), "well");
  assert.ok(engine.lastSaveMs >= lastSaveMs + 5000);
  assert.equal([engine.store.stats.dirty, engine.wal?.sinceSnapshotBytes], [0, 0]);
  assert.equal(snapshots(disk), two);
  assert.is(startWithoutNewest(disk).store.size(0), 200);
  fill(engine, scheduler, 200);
  assert.is(save(engine, scheduler), "well");
  assert.equal([snapshots(disk).length, snapshots(disk)[0]], [2, two[1]]);
});

test("a newest snapshot that is gone is made again", () => {
  const { disk, scheduler, engine } = start();
  fill(engine, scheduler, 0);
  assert.is(save(engine, scheduler), "well");
  const [name] = snapshots(disk);
  disk.remove(name);
  assert.is(save(engine, scheduler), "well");
  assert.equal(snapshots(disk), [name]);
});

test("on a full disk the log before a single snapshot goes", () => {
  const { disk, scheduler, engine } = start();
  fill(engine, scheduler, 0);
  assert.is(save(engine, scheduler), "well");
  const before = engine.diskBytes();
  disk.freeBytesLeft = 0;
  for (let i = 0; i < 200 && engine.store.log.outOfSpace?.() !== true; i++) {
    put(engine, "more", 500);
    scheduler.advance(1);
  }
  scheduler.advance(500);
  assert.ok(engine.diskBytes() < before);
});

test("where the next segment cannot be made for want of descriptors, and there is room, the log before a single snapshot stays", () => {
  const { disk, scheduler, engine } = start();
  fill(engine, scheduler, 0);
  assert.is(save(engine, scheduler), "well");
  const names = (): string[] => disk.list().filter((name) => name.startsWith("wal-") && !name.endsWith(".tmp"));
  disk.refuses = "wal-next.tmp";
  for (let i = 0; i < 300 && engine.store.log.outOfSpace?.() !== true; i++) {
    put(engine, "more", 500);
    scheduler.advance(1);
  }
  assert.ok(engine.store.log.outOfSpace?.());
  const before = names();
  assert.ok(before.length > 1);
  scheduler.advance(3000);
  assert.equal(
    before.filter((name) => !disk.exists(name)),
    [],
  );
  disk.refuses = "";
  scheduler.advance(3000);
  assert.not.ok(engine.store.log.outOfSpace?.());
  assert.is(startWithoutNewest(disk).store.size(0), 101);
});

for (const hangs of [false, true])
  test(`a stop while files are being deleted: no other one is begun with, and the one under way is waited for${hangs ? ", for a while" : ""}`, () => {
    const { disk, scheduler, engine } = start();
    fill(engine, scheduler, 0);
    assert.is(save(engine, scheduler), "well");
    fill(engine, scheduler, 100);
    const held: (() => void)[] = [];
    const removeAsync = disk.removeAsync.bind(disk);
    disk.removeAsync = (name, done) => void held.push(() => removeAsync(name, done));
    const before = disk.list().filter((name) => name.endsWith(".log"));
    assert.is(save(engine, scheduler), "well");
    assert.is(held.length, 1);
    const heard: string[] = [];
    engine.stop(
      (error) => heard.push(error?.message ?? "stopped"),
      () => heard.push("quiet"),
    );
    scheduler.advance(1000);
    assert.equal(heard, [], "who opens the directory next, once it has stopped, finds it free");
    if (hangs) {
      scheduler.advance(5000);
      assert.equal(heard, ["stopped"], "but not for ever");
    }
    held[0]();
    scheduler.advance(10);
    assert.equal(heard.sort(), ["quiet", "stopped"]);
    assert.is(held.length, 1);
    // The others are for the next life.
    const left = before.filter((name) => disk.exists(name));
    assert.ok(left.length > 1 && left.length === before.length - 1);
    const again = openEngine(disk, new FakeScheduler());
    assert.is(again.store.size(0), 200);
  });

test("log that a stop left behind goes at the next start", () => {
  const { disk, scheduler, engine } = start();
  const fill = (): void => {
    for (let i = 0; i < 40; i++) {
      put(engine, `key ${i}`, 20_000);
      scheduler.advance(5);
    }
  };
  const logs = (of: SimDisk): number => of.list().filter((name) => /^wal-\d+\.log$/.test(name)).length;
  for (let i = 0; i < 2; i++) {
    fill();
    assert.is(save(engine, scheduler), "well");
  }
  fill();
  // The snapshot of a stop: what it makes needless is given up when the engine ends in the same turn.
  let ended = false;
  engine.snapshot(() => engine.stop(() => (ended = true)));
  scheduler.advance(100);
  assert.ok(ended);
  const left = logs(disk);
  const again = new FakeScheduler();
  const copy = disk.fork(again, "");
  openEngine(copy, again);
  again.advance(100);
  assert.ok(logs(copy) < left, `${logs(copy)} of ${left}`);
});

test.run();
