/**
 * test/unit/storage/snapshot-steps.test.ts: what a snapshot copies, or holds, at a time is bounded by bytes and not by records: values of a few
 * hundred KiB are copied a few at a time.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import type { Store } from "../../../src/storage/store.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine, snapshotTaken } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

/** More than three times what may be held at once. */
const VALUES = 60;
const VALUE_BYTES: number = 500 * 1024;
const KIB = 1024;

class MeasuredDisk extends SimDisk {
  longest = 0;
  override writeAsync(...args: Parameters<SimDisk["writeAsync"]>): void {
    this.longest = Math.max(this.longest, args[3]);
    super.writeAsync(...args);
  }
}

for (const small of [0, 2000])
  test(`values of 500 KiB, and ${small} small ones: a few at a time, and all of it is there`, () => {
    const scheduler = new FakeScheduler();
    const disk = new MeasuredDisk(scheduler);
    const engine = openEngine(disk, scheduler, { segmentBytes: 64 << 20 });
    const put = (name: string, bytes: number): void => {
      const key = viewed(Buffer.from(name));
      engine.store.put(0, key, 0, key.length, viewed(Buffer.alloc(bytes, name)), 0, bytes, 0, false);
    };
    for (let i = 0; i < small; i++) put(`s${i}`, 20);
    for (let i = 0; i < VALUES; i++) {
      put(`k${i}`, VALUE_BYTES);
      scheduler.advance(5);
    }
    disk.longest = 0;
    snapshotTaken(engine, scheduler);
    assert.ok(disk.longest < (small === 0 ? 5 : 17) * VALUE_BYTES, `${Math.round(disk.longest / KIB)} KiB at once`);
    engine.stop(() => {});
    scheduler.advance(10);
    const later = new FakeScheduler();
    const again = openEngine(disk.afterKill(later), later);
    assert.is(again.store.size(0), VALUES + small);
    for (let i = 0; i < VALUES; i++) {
      const key = viewed(Buffer.from(`k${i}`));
      const state = new KeyState();
      assert.ok(again.store.find(0, key, 0, key.length, state, true));
      assert.is(state.valueBytes, VALUE_BYTES);
    }
  });

const SHORT = viewed(Buffer.alloc(400));
const DEADLINE = 2_000_000_000_000;

for (const [how, emptied] of [
  ["FLUSHALL", (store: Store) => store.flush(-1)],
  ["FLUSHDB", (store: Store) => store.flush(3)],
  ["the sweep", (store: Store) => store.setTime(DEADLINE)],
  [
    "DEL",
    (store: Store) => {
      for (let i = 0; i < 3000; i++) store.remove(3, viewed(Buffer.from(`k${i}`)), 0, `k${i}`.length);
    },
  ],
] as const)
  test(`a database that ${how} empties while the snapshot is in the midst of it: the snapshot ends`, () => {
    const scheduler = new FakeScheduler();
    const engine = openEngine(new SimDisk(scheduler), scheduler, { partitions: 16 });
    const { store } = engine;
    const put = (db: number, name: string): void => {
      const key = viewed(Buffer.from(name));
      store.put(db, key, 0, key.length, SHORT, 0, SHORT.length, how === "the sweep" && db === 3 ? DEADLINE : 0, false);
    };
    for (let i = 0; i < 3000; i++) put(3, `k${i}`);
    put(5, "behind it");
    scheduler.advance(100);
    let ended = "no";
    engine.snapshot((error) => {
      ended = error === undefined ? "well" : `${error}: ${error.cause}`;
    });
    const { snapshotter } = engine;
    for (let turns = 0; turns < 50 && snapshotter.records === 0; turns++) scheduler.endTurn();
    assert.ok(snapshotter.records > 0 && snapshotter.records < 3000, `${snapshotter.records} records`);
    emptied(store);
    for (let i = 0; i < 20; i++) scheduler.advance(100);
    assert.is(store.size(3), 0);
    assert.is(ended, "well");
    assert.is(scheduler.endTurn(), 0, "nothing goes round and round");
  });

test.run();
