/**
 * test/unit/storage/absences.test.ts: the store tells of every key that goes, and of no other; what waits no longer is not kept.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Viewed, viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import type { Absence } from "../../../src/ports/absences.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";

const KEY = viewed(Buffer.from("k"));
const NONE = viewed(Buffer.alloc(0));

function opened() {
  const scheduler = new FakeScheduler();
  const { store } = openEngine(new MemoryDisk(scheduler), scheduler);
  const put = (key: Viewed, expireAt = 0): void => store.put(0, key, 0, key.length, NONE, 0, 0, expireAt, false);
  const waiting = (): Absence => {
    const absence = { db: 0, key: KEY, gone: false };
    store.absences.add(absence);
    return absence;
  };
  return { scheduler, store, put, waiting };
}

test("removed, expired, swept, flushed: the key has gone", () => {
  const ways: ((o: ReturnType<typeof opened>) => void)[] = [
    ({ store }) => store.remove(0, KEY, 0, 1),
    ({ store }) => store.flush(0),
    ({ store }) => store.flush(-1),
    // By the sweep, which nobody asked.
    ({ scheduler }) => scheduler.advance(5000),
  ];
  for (const way of ways) {
    const all = opened();
    const absence = all.waiting();
    all.put(KEY, all.scheduler.nowMs() + 1000);
    assert.is(absence.gone, false);
    way(all);
    assert.is(absence.gone, true);
  }
});

test("other keys, other databases, and a flush while it is absent are nothing to it", () => {
  const { store, put, waiting } = opened();
  const absence = waiting();
  const other = viewed(Buffer.from("kk"));
  put(other);
  store.remove(0, other, 0, 2);
  store.remove(0, KEY, 0, 1);
  store.put(1, KEY, 0, 1, NONE, 0, 0, 0, false);
  store.remove(1, KEY, 0, 1);
  store.put(1, KEY, 0, 1, NONE, 0, 0, 0, false);
  store.flush(-1);
  put(KEY);
  store.flush(1);
  assert.is(absence.gone, false);
});

test("two who wait for one key are told apart, and dropping is counted", () => {
  const { store, put, waiting } = opened();
  const [first, second] = [waiting(), waiting()];
  assert.is(store.absences.size, 2);
  store.absences.drop(first);
  store.absences.drop(first);
  assert.is(store.absences.size, 1);
  put(KEY);
  store.remove(0, KEY, 0, 1);
  assert.equal([first.gone, second.gone], [false, true]);
  store.absences.drop(second);
  assert.is(store.absences.size, 0);
});

test.run();
