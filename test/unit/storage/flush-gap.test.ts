/** test/unit/storage/flush-gap.test.ts: when the next flush of a cluster's node rests, and when nobody is made to wait. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { paceOf } from "../../../src/storage/flush-gap.js";
import { NEXT_TURN } from "../../../src/storage/flush-pace.js";

test("of a member: a moment, once, when several records gathered meanwhile", () => {
  const pace = paceOf(true);
  assert.is(pace.waitMs(50, 10), 0);
  pace.begin(50, 4, 1.5, 10);
  assert.ok(pace.active);
  assert.is(pace.waitMs(50, 10.25), 0.75);
  assert.is(pace.waitMs(0, 10.5), 0.5);
  assert.is(pace.waitMs(50, 11), 0);
  assert.not.ok(pace.active);
  assert.is(pace.waitMs(50, 10.5), 0, "it does not come back");
});

test("of a member, after a sync on the loop: one record is enough, if several had waited", () => {
  const pace = paceOf(true);
  pace.begin(4, 1, 0.1, 10, true);
  assert.is(pace.waitMs(50, 10.25), 0.75);
  pace.begin(3, 50, 0.1, 20, true);
  assert.not.ok(pace.active);
  pace.begin(50, 0, 0.1, 30, true);
  assert.not.ok(pace.active);
});

test("of a member: not for a client that waits for its answers, and not on a slow disk", () => {
  const pace = paceOf(true);
  pace.begin(50, 3, 1.5, 10);
  assert.not.ok(pace.active);
  pace.begin(50, 50, 4.5, 10);
  assert.not.ok(pace.active);
  assert.is(pace.waitMs(50, 10), 0);
});

test("alone: until as many wait as before, or for a moment", () => {
  const pace = paceOf();
  pace.begin(8, 0, 0.25, 10);
  assert.is(pace.waitMs(7, 10.1), NEXT_TURN);
  assert.is(pace.waitMs(8, 10.1), 0);
  pace.begin(8, 0, 0.25, 10);
  assert.is(pace.waitMs(7, 10.6), 0);
  pace.begin(7, 0, 0.25, 10);
  assert.not.ok(pace.active);
  pace.begin(8, 0, 0.7, 10);
  assert.not.ok(pace.active, "a slow disk");
});

test.run();
