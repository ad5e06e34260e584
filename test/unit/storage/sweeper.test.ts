/**
 * test/unit/storage/sweeper.test.ts: the sweeper stopped at every point of its rounds while keys come, go, and get other deadlines: what is
 * due goes in the end, nothing else does.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../../src/lib/random.js";
import { viewed } from "../../../src/lib/view.js";
import { Sweeper } from "../../../src/storage/sweeper.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

test("rounds in pieces, with changes between", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = new Random(seed);
    const scheduler = new FakeScheduler();
    const { store } = openEngine(new SimDisk(scheduler), scheduler, { partitions: 1 << (seed % 3) });
    const sweeper = new Sweeper(store);
    // Hash tags: some partitions have none of the keys, one has most of them.
    const model = new Map<string, number>();
    let now = scheduler.nowMs();
    store.setTime(now);
    let removed = 0;
    const step = (looks: number): boolean => {
      let left = looks;
      const before = store.table.keys[0];
      const more = sweeper.run(() => --left <= 0);
      removed += before - store.table.keys[0];
      return more;
    };
    for (let i = 0; i < 400; i++) {
      for (let n = random.below(random.below(20) === 0 ? 1500 : 20); n > 0; n--) {
        const name = random.below(4) === 0 ? `k${random.below(3000)}` : `{t}${random.below(3000)}`;
        const key = viewed(Buffer.from(name));
        if (random.below(5) === 0) {
          store.remove(0, key, 0, key.length);
          model.delete(name);
        } else {
          // Few soon: a bound that was lost is not found again by accident.
          const soon = random.below(seed % 2 === 0 ? 2 : 40) === 0;
          const expireAt = random.below(3) === 0 ? 0 : now + 1 + random.below(500) + (soon ? 0 : 1_000_000);
          store.put(0, key, 0, key.length, key, 0, 1, expireAt, false);
          model.set(name, expireAt);
        }
      }
      step(1 + random.below(6));
      if (random.below(3) === 0) {
        now += random.below(60);
        store.setTime(now);
      }
      if (random.below(150) === 0) {
        store.flush(0);
        model.clear();
      }
      assert.ok(store.table.keys[0] >= [...model.values()].filter((at) => at === 0 || at > now).length, `seed ${seed}`);
    }
    assert.ok(removed > (seed % 2 === 0 ? 500 : 20), `seed ${seed}: ${removed} removed`);
    // What is due soon, then everything.
    for (const pass of [0, 600, 2_000_000]) {
      now += pass;
      store.setTime(now);
      // The second time for what fell due behind a round that was under way.
      for (let round = 0; round < 2; round++) for (let i = 0; i < 10_000 && step(1 + random.below(5)); i++);
      const alive = [...model.values()].filter((at) => at === 0 || at > now).length;
      assert.is(store.table.keys[0], alive, `seed ${seed}, after ${pass} ms`);
    }
  }
});

test("a deadline set behind a round that is under way is not lost", () => {
  for (let i = 0; i < 20; i++) {
    const scheduler = new FakeScheduler();
    const { store } = openEngine(new SimDisk(scheduler), scheduler, { partitions: 1 });
    const sweeper = new Sweeper(store);
    const now = scheduler.nowMs();
    const put = (name: string, expireAt: number): void => {
      const key = viewed(Buffer.from(name));
      store.put(0, key, 0, key.length, key, 0, 1, expireAt, false);
    };
    store.setTime(now);
    for (let n = 0; n < 1000; n++) put(`far${n}`, now + 1_000_000);
    put("due", now + 1);
    store.setTime(now + 2);
    let looks = 0;
    assert.ok(
      sweeper.run(() => ++looks === 3),
      "the round is over already",
    );
    // One alone: another, in a block to come, would keep the bound low. In some of the runs it lies behind.
    put(`soon${i}`, now + 10);
    while (sweeper.run(() => false));
    store.setTime(now + 11);
    while (sweeper.run(() => false));
    assert.is(store.table.keys[0], 1000, `run ${i}`);
  }
});

test.run();
