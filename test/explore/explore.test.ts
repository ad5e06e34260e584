// timeout: 180s
/**
 * test/explore/explore.test.ts: small configurations to exhaustion, a sample of the planted bugs, and the explorer's own parts: a search
 * that finds nothing is worth nothing if it could not find anything. All planted bugs: npm run explore -- --plants.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import { CONFIGS, configNamed } from "./configs.js";
import { isLinearizable, type Planned, type Seen } from "./history.js";
import { PLANTS, runOf, runOfPlant } from "./plants.js";
import { breadthFirst, depthFirst } from "./search.js";
import { copyOf, Fingerprint, fingerprintOf } from "./snapshot.js";
import { traceText } from "./trace.js";
import { World } from "./world.js";

const BOUNDS = { statesMax: 100_000, secondsMax: 60 };

for (const config of CONFIGS.filter(({ by }) => by === "test")) {
  test(`${config.name}: ${config.about}`, () => {
    const run = runOf(config);
    const found = depthFirst(run, BOUNDS);
    assert.is(
      found.end,
      "exhausted",
      found.violation === undefined ? "" : `${found.violation}\n${traceText(run, found.trace ?? [])}`,
    );
    console.log(`${config.name}: ${found.states} states, ${found.steps} steps, ${Math.round(found.ms)} ms`);
  });
}

for (const plant of PLANTS.filter(({ quick }) => quick)) {
  test(`planted and found: ${plant.about}`, () => {
    assert.is(breadthFirst(runOfPlant(plant), BOUNDS).end, "violation");
  });
}

test("both searches see the same states", () => {
  const run = runOf(configNamed("two-reads"));
  const [depth, breadth] = [depthFirst(run, BOUNDS), breadthFirst(run, BOUNDS)];
  assert.equal([depth.states, depth.end], [breadth.states, breadth.end]);
});

test("a search that ends at a bound says so", () => {
  const run = runOf(CONFIGS[0]);
  assert.is(depthFirst(run, { statesMax: 10, secondsMax: 60 }).end, "states");
  assert.is(breadthFirst(run, { statesMax: 1e9, secondsMax: 0 }).end, "time");
});

test("a trace can be read, and every step of a run leaves the worlds before it as they were", () => {
  const plant = PLANTS.find(({ name }) => name === "w-minus-1");
  if (plant === undefined) throw new Error("no such plant");
  const run = runOfPlant(plant);
  const { trace = [] } = breadthFirst(run, BOUNDS);
  const text = traceText(run, trace);
  assert.match(text, /client sends a \(append\) to 0/);
  assert.match(text, /PROMISE/);
  assert.is(text.split("\n").length, trace.length);
  let world = new World(runOf(CONFIGS[0]));
  for (let i = 0; i < 12; i++) {
    const before = world.fingerprint();
    const worlds = world.actions().map((action) => world.after(action));
    assert.equal(world.fingerprint(), before);
    world = worlds.find((other) => other !== undefined) ?? world;
  }
});

test("copies share what is constant and nothing else", () => {
  class Part {
    list = [1, { constant: true }];
    map: Map<string, Part> = new Map();
  }
  const original = new Part();
  original.map.set("self", original);
  const copy = copyOf(original);
  assert.is(copy.map.get("self"), copy);
  assert.is(copy.list[1], original.list[1]);
  copy.list.push(2);
  assert.is(original.list.length, 2);
  assert.is(copyOf(VersionVector.EMPTY), VersionVector.EMPTY);
});

test("fingerprints tell values apart, and freeze what is taken for constant", () => {
  const print = (value: unknown): string => {
    const whole = new Fingerprint();
    whole.value(value);
    return `${whole.one} ${whole.two}`;
  };
  const values = [
    undefined,
    null,
    true,
    false,
    0,
    1,
    2 ** 32,
    2 ** 33,
    "",
    "a",
    "ab",
    [],
    [1],
    [[1]],
    { a: 1 },
    { a: 2 },
    new Map([["a", 1]]),
  ];
  assert.is(new Set(values.map(print)).size, values.length);
  assert.is(print({ a: [1, "x"] }), print({ a: [1, "x"] }));
  const constant = { a: 1 };
  fingerprintOf(constant);
  assert.ok(Object.isFrozen(constant));
});

test("histories are judged: real time, answers, and what may or may not have happened", () => {
  const plan: Planned[] = [
    { kind: "append", at: 0 },
    { kind: "append", at: 1 },
    { kind: "get", at: 1 },
  ];
  const done = (answer: string | boolean | undefined, after = 0): Seen => ({ status: "done", answer, after });
  const other = (status: Seen["status"]): Seen => ({ status, answer: undefined, after: 0 });
  assert.ok(isLinearizable(plan, [done("a"), done("ab"), done("ab")]));
  assert.ok(isLinearizable(plan, [done("ba"), done("b"), done("b")]));
  assert.not(isLinearizable(plan, [done("a"), done("b"), done("b")]));
  assert.not(isLinearizable(plan, [done("a"), done("ab", 1), done(undefined, 1)]));
  assert.ok(isLinearizable(plan, [other("lost"), other("sent"), done("a")]));
  assert.ok(isLinearizable(plan, [other("lost"), other("new"), done(undefined)]));
  assert.not(isLinearizable(plan, [other("refused"), other("new"), done("a")]));
  const expiring: Planned[] = [
    { kind: "once", at: 0 },
    { kind: "get", at: 1 },
    { kind: "get", at: 1 },
  ];
  assert.ok(isLinearizable(expiring, [done(true), done("a", 1), done(undefined, 3)]));
  assert.not(isLinearizable(expiring, [done(true), done(undefined, 1), done("a", 3)]));
});

test.run();
