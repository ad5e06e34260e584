/**
 * test/sim/sim.ts: the simulator from the command line.
 *
 *   npm run sim -- --seed N [--ops N]        one seed, told in full; a failing one is made smaller and kept in test/sim/seeds
 *   npm run sim -- --minutes M               fresh seeds for so long
 *   npm run sim -- --operations N            fresh seeds until so many operations were checked
 *   npm run sim -- --from N                  seeds from N on, with either of the two
 *   npm run sim -- --kept                    the seeds that failed once
 *   npm run sim -- --plants [--plant NAME,NAME] each bug put in on purpose: is it found, and how soon (processor seconds)
 *
 * Ends with 1 when something failed, or a bug was not found.
 */
import { parseArgs } from "node:util";
import { planOf } from "./plan.js";
import { PLANTS } from "./plants.js";
import { findPlant, keep, keptSeeds, OPS, run, shrink, Totals } from "./runs.js";

const PLANT_SECONDS_MAX = 60;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    ops: { type: "string", default: String(OPS) },
    minutes: { type: "string" },
    operations: { type: "string" },
    from: { type: "string" },
    kept: { type: "boolean", default: false },
    plants: { type: "boolean", default: false },
    plant: { type: "string" },
  },
});
const ops = Number(values.ops);

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
  const from = values.from === undefined ? Math.floor(Date.now() / 1000) % 1_000_000_000 : Number(values.from);
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
  if (values.seed !== undefined) return oneSeed(Number(values.seed));
  const minutes = values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes);
  const operations = values.operations === undefined ? Number.POSITIVE_INFINITY : Number(values.operations);
  return manySeeds(values.minutes === undefined && values.operations === undefined ? 1 : minutes, operations);
}

process.exitCode = main() ? 0 : 1;
