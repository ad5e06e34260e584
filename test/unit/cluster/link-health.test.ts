/**
 * test/unit/cluster/link-health.test.ts: how silence is judged, with and without lag of our own; how attempts are spaced.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Backoff } from "../../../src/cluster/backoff.js";
import { LinkHealth } from "../../../src/cluster/link-health.js";

/** Ticks at these times, the next due 300 ms after each; "heard" at the times in `heard`. */
function judge(ticks: readonly number[], heard: readonly number[]): string[] {
  const health = new LinkHealth(1200, 3000, 0, 300);
  return ticks.map((at, i) => {
    for (const time of heard) if (time <= at && time > (ticks[i - 1] ?? -1)) health.heard(time);
    return health.tick(at, at + 300);
  });
}

const every = (ms: number, count: number): number[] => Array.from({ length: count }, (_, i) => (i + 1) * ms);

test("silence is suspect after 1200 ms and down after 3000", () => {
  const states = judge(every(300, 11), []);
  assert.equal(states, [...Array(3).fill("up"), ...Array(6).fill("suspect"), "down", "down"]);
  assert.equal(judge(every(300, 6), [100, 1300]), Array(6).fill("up"));
});

test("time that our own loop stood still is not the peer's silence", () => {
  assert.equal(judge([300, 10_300, 10_600, 10_900, 11_200], []), ["up", "up", "up", "suspect", "suspect"]);
  const slow = new LinkHealth(1200, 3000, 0, 300);
  let now = 0;
  const states: string[] = [];
  // Each tick is 500 ms late: a peer that is gone is found out all the same, later.
  for (let i = 0; i < 12; i++) {
    now += 800;
    states.push(slow.tick(now, now + 300));
    assert.is(slow.lagMs, 500);
  }
  assert.equal(states, [...Array(3).fill("up"), ...Array(6).fill("suspect"), ...Array(3).fill("down")]);
});

test("hearing something late does not count twice, and lateness of a few milliseconds is no lag", () => {
  const health = new LinkHealth(1200, 3000, 0, 300);
  assert.is(health.tick(2300, 2600), "up", "2000 ms late");
  health.heard(0);
  assert.is(health.tick(2600, 2900), "up");
  health.heard(2700);
  assert.is(health.tick(2919, 3219), "up");
  assert.is(health.lagMs, 0);
  assert.is(health.tick(3900, 4200), "up");
  assert.is(health.tick(4800, 5100), "up", "what was forgiven before 2700 is not forgiven again, but these lags are");
});

test("what is read after a standstill may have lain there all the time, before the tick that was due and after it", () => {
  const health = new LinkHealth(1200, 3000, 0, 300);
  assert.is(health.unreadMs(310), 0, "a timer that is a little late is no standstill");
  assert.is(health.unreadMs(2500), 2200 + 300);
  health.tick(2500, 2800);
  assert.is(health.unreadMs(2500), 2200 + 300);
  assert.is(health.unreadMs(2700), 2200 + 300, "there may be more of it");
  health.tick(2800, 3100);
  assert.is(health.unreadMs(2800), 0);
});

test("attempts: the range doubles to its cap, the draw takes any part of it, reset begins anew", () => {
  const most = new Backoff(50, 5000, () => 0.999999);
  const waits = Array.from({ length: 10 }, () => Math.ceil(most.next()));
  assert.equal(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  most.reset();
  assert.is(Math.ceil(most.next()), 50);
  assert.is(new Backoff(50, 5000, () => 0).next(), 0);
});

test.run();
