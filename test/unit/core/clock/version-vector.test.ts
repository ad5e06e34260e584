import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Dot } from "../../../../src/core/clock/dot.js";
import { VersionVector } from "../../../../src/core/clock/version-vector.js";

const dots: fc.Arbitrary<Dot> = fc
  .tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 4 }))
  .map(([epoch, hlc, node]) => ({ epoch, hlc, node }));
const vectors: fc.Arbitrary<VersionVector> = fc.array(dots, { maxLength: 8 }).map(vectorOf);

function vectorOf(list: readonly Dot[]): VersionVector {
  return list.reduce((vector, dot) => vector.with(dot), VersionVector.EMPTY);
}

test("merging is commutative, associative and idempotent, and descends from both", () => {
  fc.assert(
    fc.property(vectors, vectors, vectors, (a, b, c) => {
      assert.equal(a.merge(b).dots, b.merge(a).dots);
      assert.equal(a.merge(b).merge(c).dots, a.merge(b.merge(c)).dots);
      assert.equal(a.merge(a).dots, a.dots);
      assert.ok(a.merge(b).descends(a) && a.merge(b).descends(b));
      assert.is(a.descends(b) && b.descends(a), JSON.stringify(a.dots) === JSON.stringify(b.dots));
    }),
  );
});

test("a vector has one dot a node, in order, and it is the last", () => {
  fc.assert(
    fc.property(fc.array(dots), (list) => {
      const vector = vectorOf(list);
      const nodes = vector.dots.map(({ node }) => node);
      assert.equal(
        nodes,
        [...new Set(list.map(({ node }) => node))].sort((a, b) => a - b),
      );
      for (const dot of list) assert.ok(vector.covers(dot));
      for (const node of nodes) {
        const last = vector.get(node) as Dot;
        assert.ok(list.some((dot) => dot.node === node && dot.hlc === last.hlc && dot.epoch === last.epoch));
      }
    }),
  );
});

test("changing a vector leaves the one it came from as it was", () => {
  const before = vectorOf([{ epoch: 0, hlc: 1, node: 1 }]);
  const after = before.with({ epoch: 0, hlc: 2, node: 1 }).with({ epoch: 0, hlc: 1, node: 0 });
  assert.is(before.get(1)?.hlc, 1);
  assert.is(before.get(0), undefined);
  assert.is(after.get(1)?.hlc, 2);
  assert.not.ok(before.descends(after));
});

test("an earlier dot changes nothing", () => {
  const vector = vectorOf([{ epoch: 0, hlc: 2, node: 1 }]);
  assert.is(vector.with({ epoch: 0, hlc: 1, node: 1 }), vector);
});

test.run();
