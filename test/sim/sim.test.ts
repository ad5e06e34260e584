// timeout: 240s
/**
 * test/sim/sim.test.ts: the simulator itself: a few seeds pass, the same one has the same history twice, bugs that are put in are found,
 * and seeds that failed once pass. Fresh seeds are for `npm run test:sim`; all bugs for `npm run sim -- --plants`.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { planOf } from "./plan.js";
import { PLANTS } from "./plants.js";
import { keptSeeds, run, shrink } from "./runs.js";

const OPS = 1000;
/** Each found by the first seed or two. */
const QUICK = ["forget-promise", "ack-before-sync", "w-minus-1", "maybe-is-no"];
const SEEDS_MAX = 12;

test("a few seeds pass, and their faults happen", () => {
  const sum: Record<string, number> = {};
  for (let seed = 100; seed < 106; seed++) {
    const { violation, counts } = run(planOf(seed, OPS));
    assert.is(violation, undefined, `npm run sim -- --seed ${seed} --ops ${OPS}`);
    for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
  }
  assert.ok((sum["operations"] as number) >= 6 * OPS);
  assert.ok((sum["yes"] as number) > 3 * OPS, "most are answered");
  for (const name of ["crashes", "maybe", "power cuts of all", "writes before power cuts", "black box: yes"])
    assert.ok((sum[name] ?? 0) > 0, name);
});

test("one seed has one history, and another one another", () => {
  const once = run(planOf(7, OPS));
  const again = run(planOf(7, OPS));
  assert.is(again.hash, once.hash);
  assert.equal(again.counts, once.counts);
  assert.is.not(run(planOf(8, OPS)).hash, once.hash);
});

test("seeds draw different plans, the same seed the same one", () => {
  const plans = Array.from({ length: 40 }, (_, seed) => planOf(seed, OPS));
  assert.equal([...new Set(plans.map(({ nodes }) => nodes))].sort(), [3, 4, 5]);
  for (const { n, r, w, nodes } of plans) assert.ok(r + w > n && n <= nodes && r <= n && w <= n);
  assert.ok(plans.some(({ n, nodes }) => n < nodes));
  const kinds = new Set(plans.flatMap(({ faults }) => Object.keys(faults)));
  assert.is(kinds.size, 19);
  assert.equal(planOf(3, OPS), plans[3]);
});

for (const name of QUICK) {
  test(`a bug is found: ${name}`, () => {
    const plant = PLANTS.find((candidate) => candidate.name === name);
    assert.ok(plant);
    let seed = 0;
    let violation: string | undefined;
    while (seed < SEEDS_MAX && violation === undefined) violation = run(planOf(++seed, OPS), plant).violation;
    assert.is.not(violation, undefined);
    assert.is(run(planOf(seed, OPS)).violation, undefined);
  });
}

test("a failing seed is made smaller, and still fails", () => {
  const plant = PLANTS.find(({ name }) => name === "accept-below-promise");
  assert.ok(plant);
  const failing = [1, 2, 3, 4, 5]
    .map((seed) => planOf(seed, 300))
    .find((plan) => run(plan, plant).violation !== undefined);
  assert.ok(failing);
  const { plan, about } = shrink(failing, plant);
  assert.ok(plan.ops < 300 && Object.keys(plan.faults).length <= Object.keys(failing.faults).length);
  // It can be kept: all that it depends on is in the plan.
  assert.is(run(JSON.parse(JSON.stringify(plan)) as typeof plan, plant).violation, about);
});

test("seeds that failed once pass", () => {
  for (const { plan, about } of keptSeeds())
    assert.is(run(plan).violation, undefined, `seed ${plan.seed}, which once said: ${about}`);
});

test.run();
