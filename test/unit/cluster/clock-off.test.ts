/**
 * test/unit/cluster/clock-off.test.ts: how far a node believes its clock to be off, by what it sees of the others'.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { medianAheadMs, PeerClocks, type SeenClock } from "../../../src/cluster/peer-clocks.js";
import type { Scheduler } from "../../../src/ports/scheduler.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

type Clock = readonly [offsetMs: number, roundTripMs: number];

const seen = (clocks: readonly Clock[]): SeenClock[] =>
  clocks.map(([clockOffsetMs, roundTripMs]) => ({ clockOffsetMs, roundTripMs }));

function off(...clocks: readonly Clock[]): number {
  return medianAheadMs(seen(clocks));
}

test("the median of all clocks, one's own among them", () => {
  assert.is(off(), 0);
  assert.is(off([800, 0], [900, 0]), 800);
  assert.is(off([-800, 0], [-900, 0]), -800);
  assert.is(off([5, 0], [9000, 0]), 5, "one that is far off alone");
  assert.is(off([9000, 0]), 0, "of two nobody knows which one is wrong");
});

test("a round trip that took long tells little: what it may explain is no offset", () => {
  assert.is(off([1500, 3000], [1400, 2900]), 0);
  assert.is(Math.abs(off([-1500, 3000], [-1400, 2900])), 0);
  assert.is(off([1500, 1000], [1400, 200]), 1000);
});

test("nothing counts before a majority was seen; then time is the median's, with some play on either side", () => {
  let clocks: readonly Clock[] = [];
  const own = new PeerClocks(3, new FakeScheduler(), () => seen(clocks));
  own.look();
  assert.equal([own.compared, own.correctionMs], [false, 0]);
  const steps: [clocks: readonly Clock[], correctionMs: number][] = [
    [[[-3_600_000, 0]], 0], // of two nobody knows
    [
      [
        [-3_600_000, 2],
        [-3_600_010, 2],
      ],
      -3_599_999,
    ],
    [
      [
        [-3_600_030, 2],
        [-3_600_040, 2],
      ],
      -3_599_999,
    ],
    [
      [
        [-3_600_060, 2],
        [-3_600_070, 2],
      ],
      -3_600_059,
    ],
    [[], -3_600_059], // alone it keeps what it knew
    [
      [
        [-400, 0],
        [-420, 0],
      ],
      -400,
    ],
    [
      [
        [-240, 0],
        [-250, 0],
      ],
      0,
    ],
    [
      [
        [-400, 0],
        [-420, 0],
      ],
      0,
    ],
    [
      [
        [700, 0],
        [800, 0],
      ],
      700,
    ],
  ];
  for (const [now, correctionMs] of steps) {
    clocks = now;
    own.look();
    assert.equal([own.compared, own.correctionMs], [true, correctionMs], JSON.stringify(now));
  }
  const five = new PeerClocks(5, new FakeScheduler(), () => seen([[0, 0]]));
  five.look();
  assert.not.ok(five.compared, "two of five");
});

test("a wall clock that jumps between two looks does not take time with it", () => {
  let jumpedMs = 0;
  const scheduler = new FakeScheduler();
  const jumping = { ...ports(scheduler), nowMs: () => scheduler.nowMs() + jumpedMs };
  // Peers are right, whatever this node's clock does: their offset is what ours has jumped.
  const clocks = new PeerClocks(3, jumping, () =>
    seen([
      [-jumpedMs, 0],
      [-jumpedMs, 0],
    ]),
  );
  for (const ms of [0, 3_600_000, -3_600_000, 0, 400, 90_000, 0]) {
    jumpedMs = ms;
    for (let step = 0; step < 4; step++) {
      assert.ok(Math.abs(clocks.nowMs() - scheduler.nowMs()) <= 500, `${clocks.nowMs() - scheduler.nowMs()} at ${ms}`);
      scheduler.advance(100);
      if (step === 2) clocks.look();
    }
  }
});

function ports(scheduler: FakeScheduler): Scheduler {
  return {
    nowMs: () => scheduler.nowMs(),
    monotonicMs: () => scheduler.monotonicMs(),
    after: (ms, run) => scheduler.after(ms, run),
    endOfTurn: (run) => scheduler.endOfTurn(run),
  };
}

test.run();
