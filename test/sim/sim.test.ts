/**
 * test/sim/sim.test.ts: the simulator itself: a few seeds pass, the same one has the same history twice, bugs that are put in are found,
 * and seeds that failed once pass. Fresh seeds are for `npm run test:sim`; all bugs for `npm run sim -- --plants`.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { planOf } from "./plan.js";
import { PLANTS } from "./plants.js";
import { keptSeeds, run, shrink } from "./runs.js";

const OPS = 1500;
/** Each found by the first seed or two. */
const QUICK = ["forget-promise", "ack-before-sync", "w-minus-1", "maybe-is-no"];
const SEEDS_MAX = 12;

test("a few seeds pass, and their faults happen", () => {
  const sum: Record<string, number> = {};
  for (let seed = 100; seed < 106; seed++) {
    const { violation, counts } = run(seed, OPS);
    assert.is(violation, undefined, `npm run sim -- --seed ${seed} --ops ${OPS}`);
    for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
  }
  assert.ok((sum["operations"] as number) >= 6 * OPS);
  assert.ok((sum["yes"] as number) > 3 * OPS, "most are answered");
  for (const name of ["crashes", "maybe", "power cuts of all", "writes before power cuts", "black box: yes"])
    assert.ok((sum[name] ?? 0) > 0, name);
});

test("one seed has one history, and another one another", () => {
  const once = run(7, OPS);
  const again = run(7, OPS);
  assert.is(again.hash, once.hash);
  assert.equal(again.counts, once.counts);
  assert.is.not(run(8, OPS).hash, once.hash);
});

test("seeds draw different plans, and a change leaves the rest of the plan as it is", () => {
  const plans = Array.from({ length: 40 }, (_, seed) => planOf(seed, OPS));
  assert.equal([...new Set(plans.map(({ nodes }) => nodes))].sort(), [3, 4, 5]);
  for (const { n, r, w, nodes } of plans) assert.ok(r + w > n && n <= nodes && r <= n && w <= n);
  assert.ok(plans.some(({ n, nodes }) => n < nodes));
  const kinds = new Set(plans.flatMap(({ faults }) => Object.keys(faults)));
  assert.is(kinds.size, 19);
  const { faults, ...rest } = planOf(3, OPS, { without: ["crash"], keys: 1 });
  const { faults: all, ...before } = planOf(3, OPS);
  assert.equal(rest, { ...before, keys: 1 });
  assert.is("crash" in faults, false);
  assert.ok(Object.keys(all).length >= Object.keys(faults).length);
});

for (const name of QUICK) {
  test(`a bug is found: ${name}`, () => {
    const plant = PLANTS.find((candidate) => candidate.name === name);
    assert.ok(plant);
    let seed = 1;
    while (seed < SEEDS_MAX && run(seed, OPS, {}, plant).violation === undefined) seed++;
    const { violation } = run(seed, OPS, {}, plant);
    assert.is.not(violation, undefined);
    assert.is(run(seed, OPS).violation, undefined);
  });
}

test("a failing seed is made smaller, and still fails", () => {
  const plant = PLANTS.find(({ name }) => name === "accept-below-promise");
  assert.ok(plant);
  const seed = [1, 2, 3, 4, 5].find((candidate) => run(candidate, 300, {}, plant).violation !== undefined);
  assert.ok(seed);
  const { ops, changes } = shrink(seed, 300, {}, plant);
  assert.ok(ops < 300);
  assert.is.not(run(seed, ops, changes, plant).violation, undefined);
});

test("seeds that failed once pass", () => {
  for (const { seed, ops, changes, about } of keptSeeds())
    assert.is(run(seed, ops, changes).violation, undefined, `seed ${seed}, which once said: ${about}`);
});

test.run();
