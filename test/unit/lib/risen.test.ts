/** test/unit/lib/risen.test.ts: a counter's rise is remembered for a while from when it was first seen. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Risen } from "../../../src/lib/risen.js";

test("a rise is remembered from when it was seen, and each one anew", () => {
  const risen = new Risen(100);
  assert.not(risen.lately(0, 0));
  assert.ok(risen.lately(1, 1000));
  assert.ok(risen.lately(1, 1099));
  assert.not(risen.lately(1, 1100));
  assert.ok(risen.lately(2, 1200));
  assert.ok(risen.lately(3, 1299));
  assert.ok(risen.lately(3, 1398));
  assert.not(risen.lately(3, 1399));
});

test.run();
