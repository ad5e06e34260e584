import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compareDots, type Dot, maxDot, NO_DOT, nextDot, sameDot } from "../../../../src/core/clock/dot.js";

const dots: fc.Arbitrary<Dot> = fc.record({
  epoch: fc.integer({ min: 0, max: 2 }),
  hlc: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 2 ** 40, max: 2 ** 53 - 2 })),
  node: fc.integer({ min: 0, max: 2 }),
});

test("dots are totally ordered: epoch, then hlc, then node", () => {
  fc.assert(
    fc.property(dots, dots, dots, (a, b, c) => {
      assert.is(Math.sign(compareDots(a, b)), -Math.sign(compareDots(b, a)) + 0);
      assert.is(compareDots(a, b) === 0, sameDot(a, b));
      if (compareDots(a, b) <= 0 && compareDots(b, c) <= 0) assert.ok(compareDots(a, c) <= 0);
      assert.ok(compareDots(maxDot(a, b), a) >= 0 && compareDots(maxDot(a, b), b) >= 0);
    }),
  );
  assert.ok(compareDots({ epoch: 1, hlc: 0, node: 0 }, { epoch: 0, hlc: 9, node: 9 }) > 0);
  assert.ok(compareDots({ epoch: 0, hlc: 2, node: 0 }, { epoch: 0, hlc: 1, node: 9 }) > 0);
  assert.ok(compareDots({ epoch: 0, hlc: 1, node: 2 }, { epoch: 0, hlc: 1, node: 1 }) > 0);
});

test("the next dot is above, of the same node, with none of that node between", () => {
  fc.assert(
    fc.property(dots, dots, (a, b) => {
      const next = nextDot(a);
      assert.ok(compareDots(next, a) > 0);
      assert.is(next.node, a.node);
      if (b.node === a.node && compareDots(b, a) > 0) assert.ok(compareDots(b, next) >= 0);
    }),
  );
});

test("every dot that is issued lies above none", () => {
  assert.ok(compareDots(NO_DOT, { epoch: 0, hlc: 1, node: 0 }) < 0);
});

test("an exhausted clock stops instead of repeating a dot", () => {
  assert.throws(() => nextDot({ epoch: 0, hlc: Number.MAX_SAFE_INTEGER, node: 0 }), /exhausted/);
});

test.run();
