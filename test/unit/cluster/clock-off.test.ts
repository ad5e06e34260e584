/**
 * test/unit/cluster/clock-off.test.ts: how far a node believes its clock to be off, by what it sees of the others'.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { clockOffMs } from "../../../src/cluster/clock-watch.js";

function off(...clocks: readonly (readonly [offsetMs: number, roundTripMs: number])[]): number {
  return clockOffMs(clocks.map(([clockOffsetMs, roundTripMs]) => ({ clockOffsetMs, roundTripMs })));
}

test("the median of all clocks, one's own among them", () => {
  assert.is(off(), 0);
  assert.is(off([800, 0], [900, 0]), 800);
  assert.is(off([-800, 0], [-900, 0]), 800);
  assert.is(off([5, 0], [9000, 0]), 5, "one that is far off alone");
  assert.is(off([9000, 0]), 0, "of two nobody knows which one is wrong");
});

test("a round trip that took long tells little: what it may explain is no offset", () => {
  assert.is(off([1500, 3000], [1400, 2900]), 0);
  assert.is(off([-1500, 3000], [-1400, 2900]), 0);
  assert.is(off([1500, 1000], [1400, 200]), 1000);
});

test.run();
