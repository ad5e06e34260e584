/**
 * test/unit/cluster/timers.test.ts: many timers of few lengths against a plain list of all of them: each fires once, not early, and in its
 * order, while the queues grow and shrink.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Timers } from "../../../src/cluster/timers.js";
import { Random } from "../../../src/lib/random.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

const TICK_MS = 2;

test("each fires once, at its time or up to a tick after it, in order of its length", () => {
  const scheduler = new FakeScheduler();
  const random = new Random(5);
  const lengths = [20, 400, 2000];
  const expected = new Map<number, number>();
  const fired: number[] = [];
  let latestMs = 0;
  const timers = new Timers<number>(scheduler, (item) => {
    const dueMs = expected.get(item) as number;
    assert.ok(scheduler.monotonicMs() >= dueMs, "not early");
    latestMs = Math.max(latestMs, scheduler.monotonicMs() - dueMs);
    expected.delete(item);
    fired.push(item);
  });
  let next = 1;
  for (let step = 0; step < 3000; step++) {
    // Bursts and silence, so that queues grow to thousands and are empty again.
    const burst = step % 1000 < 300 ? random.below(12) : 0;
    for (let i = 0; i < burst; i++) {
      const which = random.below(lengths.length);
      expected.set(next * 4 + which, scheduler.monotonicMs() + (lengths[which] as number));
      timers.set(lengths[which] as number, next * 4 + which);
      next++;
    }
    scheduler.advance(2);
  }
  scheduler.advance(2100);
  assert.ok(next > 3000);
  assert.is(expected.size, 0);
  assert.is(fired.length, next - 1);
  // The clock here moves a little each time it is looked at.
  assert.ok(latestMs <= TICK_MS + 1, `late by ${latestMs}`);
  for (let which = 0; which < lengths.length; which++) {
    const own = fired.filter((item) => item % 4 === which);
    assert.equal(
      own,
      own.toSorted((a, b) => a - b),
    );
  }
});

test("nothing fires after a stop, nor is anything set", () => {
  const scheduler = new FakeScheduler();
  let fired = 0;
  const timers = new Timers<string>(scheduler, () => fired++);
  timers.set(10, "a");
  timers.stop();
  timers.set(10, "b");
  scheduler.advance(100);
  assert.is(fired, 0);
});

test("what is set by one that fires is not forgotten", () => {
  const scheduler = new FakeScheduler();
  const fired: number[] = [];
  const timers = new Timers<number>(scheduler, (item) => {
    fired.push(item);
    if (item < 5) timers.set(10, item + 1);
  });
  timers.set(10, 1);
  for (let i = 0; i < 20; i++) scheduler.advance(10);
  assert.equal(fired, [1, 2, 3, 4, 5]);
});

test.run();
