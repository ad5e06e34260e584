/**
 * test/unit/lib/forward-time.test.ts: time never steps back and never stands still, whatever the wall clock does, and comes back to it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ForwardTime } from "../../../src/lib/forward-time.js";
import { Random } from "../../../src/lib/random.js";

const HOUR = 3_600_000;

/** Both clocks are the test's. */
class Clocks {
  private steadyMs = 0;
  private readonly time = new ForwardTime(() => this.steadyMs);

  at(wallMs: number, steadyMs: number): number {
    this.steadyMs = steadyMs;
    return this.time.at(wallMs);
  }
}

test("the wall clock as long as it goes forward, by whatever pace", () => {
  const time = new Clocks();
  for (const [wall, steady] of [
    [1000, 0],
    [1001, 500],
    [5000, 501],
    [5000, 502],
    [HOUR, 503],
  ] as const)
    assert.is(time.at(wall, steady), wall);
});

test("set back by an hour: a minute takes a minute, and the hour is given back within three days", () => {
  const time = new Clocks();
  const start = 100 * HOUR;
  assert.is(time.at(start, 0), start);
  let steady = 0;
  let last = start;
  const behind = (): number => start - HOUR + steady;
  const step = (ms: number): void => {
    steady += ms;
    const now = time.at(behind(), steady);
    assert.ok(now >= last);
    last = now;
  };
  for (let i = 0; i < 600; i++) step(100);
  // A tenth of a second is not seen, and a 64th is given back.
  assert.ok(last > start + 58_900 && last <= start + 60_000, `${last - start} ms in a minute`);
  while (last > behind() && steady < 1000 * HOUR) step(60_000);
  assert.ok(steady > 60 * HOUR && steady < 72 * HOUR, `${steady / HOUR} h`);
  step(100);
  assert.is(last, behind());
});

test("never back, by any clock: whole milliseconds, and not more than a step ahead of both clocks", () => {
  const random = new Random(5);
  const time = new Clocks();
  let wall = 10 * HOUR;
  let steady = 0;
  let last = 0;
  for (let i = 0; i < 20_000; i++) {
    const passed = random.below(100) / 10;
    steady += passed;
    wall += passed + (random.below(20) === 0 ? random.below(2000) - 1000 : 0);
    const now = time.at(Math.floor(wall), steady);
    assert.ok(now >= last && Number.isInteger(now));
    assert.ok(now >= Math.floor(wall));
    assert.ok(now <= Math.max(wall, last + passed + 1));
    last = now;
  }
});

test.run();
