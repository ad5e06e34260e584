/**
 * test/sim/sim.ts: the simulator from the command line: `npm run sim -- --help` says how.
 * Ends with 1 when something failed, or a bug was not found.
 */
import { toolOptions } from "../lib/tool-options.js";
import { planOf } from "./plan.js";
import { PLANTS } from "./plants.js";
import { findPlant, keep, keptSeeds, OPS, run, shrink, Totals } from "./runs.js";

const PLANT_SECONDS_MAX = 60;

const USAGE = `Usage: npm run sim -- [options]
                              fresh seeds for a minute
  --seed N                    one seed, told in full; a failing one is made smaller and kept in test/sim/seeds
  --minutes M                 fresh seeds for so long
  --operations N              fresh seeds until so many operations were checked; with --minutes, whichever comes first
  --from N                    seeds from N on; otherwise from a number that the clock gives
  --ops N                     operations of each seed (${OPS})
  --kept                      the seeds that failed once
  --plants                    each bug put in on purpose: is it found, and how soon (processor seconds)
  --plant NAME,NAME           with --plants: only these
`;

const { values, refuse, whole } = toolOptions(USAGE, {
  options: {
    seed: { type: "string" },
    ops: { type: "string" },
    minutes: { type: "string" },
    operations: { type: "string" },
    from: { type: "string" },
    kept: { type: "boolean", default: false },
    plants: { type: "boolean", default: false },
    plant: { type: "string" },
  },
});
const ops = whole("--ops", values.ops) ?? OPS;

function failed(seed: number, violation: string): void {
  console.log(`npm run sim -- --seed ${seed}${ops === OPS ? "" : ` --ops ${ops}`}\n${violation}`);
  const kept = shrink(planOf(seed, ops));
  const { ops: count, faults, keys, nodes, clientsPerNode } = kept.plan;
  const what = `${count} operations, ${keys} keys, ${nodes} nodes with ${clientsPerNode} clients each`;
  console.log(`smaller: ${what}, faults: ${Object.keys(faults).join(", ")}: ${kept.about}`);
  console.log(`kept as test/sim/seeds/${keep(kept)}`);
}

function oneSeed(seed: number): boolean {
  const totals = new Totals();
  const report = run(planOf(seed, ops));
  totals.add(report);
  console.log(`seed ${seed}: trace hash ${report.hash}`);
  console.log(totals.text);
  if (report.violation !== undefined) failed(seed, report.violation);
  return report.violation === undefined;
}

function manySeeds(minutes: number, operations: number): boolean {
  const from = whole("--from", values.from) ?? Math.floor(Date.now() / 1000) % 1_000_000_000;
  const bounds = [
    ...(minutes < Number.POSITIVE_INFINITY ? [`${minutes} min`] : []),
    ...(operations < Number.POSITIVE_INFINITY ? [`${operations} operations`] : []),
  ];
  console.log(`seeds from ${from} on, ${ops} operations each, for ${bounds.join(" or ")}`);
  const until = Date.now() + minutes * 60_000;
  const totals = new Totals();
  let failures = 0;
  for (let seed = from; Date.now() < until && totals.operations < operations; seed++) {
    const report = run(planOf(seed, ops));
    totals.add(report);
    if (report.violation === undefined) continue;
    failures++;
    failed(seed, report.violation);
  }
  console.log(`seeds from ${from} on: ${failures} failed`);
  console.log(totals.text);
  return failures === 0;
}

function allKept(): boolean {
  let ok = true;
  for (const { plan } of keptSeeds()) {
    const { violation } = run(plan);
    console.log(`seed ${plan.seed}: ${violation ?? "passes"}`);
    ok &&= violation === undefined;
  }
  return ok;
}

function plants(): boolean {
  let missed = 0;
  const wanted = values.plant?.split(",");
  const unknown = wanted?.filter((name) => !PLANTS.some((plant) => plant.name === name)) ?? [];
  if (unknown.length > 0)
    refuse(`no bug ${unknown.join(", ")}; there are ${PLANTS.map(({ name }) => name).join(", ")}`);
  const looked = PLANTS.filter(({ name }) => wanted === undefined || wanted.includes(name));
  for (const plant of looked) {
    const { violation, seeds, seconds } = findPlant(plant, PLANT_SECONDS_MAX);
    const how = violation === undefined ? "NOT FOUND" : (violation.split("\n")[0] as string).slice(0, 100);
    console.log(
      `${plant.name.padEnd(26)} ${seconds.toFixed(1).padStart(5)} s ${String(seeds).padStart(4)} seeds  ${how}`,
    );
    if (violation === undefined) missed++;
  }
  console.log(`${looked.length} bugs, ${missed} not found within ${PLANT_SECONDS_MAX} s`);
  return missed === 0;
}

function main(): boolean {
  if (values.plants) return plants();
  if (values.kept) return allKept();
  const seed = whole("--seed", values.seed);
  if (seed !== undefined) return oneSeed(seed);
  // A part of a minute will do.
  const minutes = Number(values.minutes ?? Number.POSITIVE_INFINITY);
  if (!(minutes > 0)) refuse(`--minutes takes a number, not "${values.minutes}"`);
  const operations = whole("--operations", values.operations) ?? Number.POSITIVE_INFINITY;
  return manySeeds(values.minutes === undefined && values.operations === undefined ? 1 : minutes, operations);
}

process.exitCode = main() ? 0 : 1;
