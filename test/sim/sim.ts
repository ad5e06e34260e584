/**
 * test/sim/sim.ts: the simulator from the command line.
 */
import { parseArgs } from "node:util";
import { planOf } from "./plan.js";
import { PLANTS } from "./plants.js";
import { Simulation } from "./simulation.js";
import { WHOLE_MAKERS } from "./whole-node.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    ops: { type: "string", default: "5000" },
    seeds: { type: "string", default: "20" },
    minutes: { type: "string" },
    plants: { type: "boolean", default: false },
    plant: { type: "string" },
  },
});
const ops = Number(values.ops);
const total: Record<string, number> = {};
if (values.plants) {
  for (const plant of PLANTS) {
    if (values.plant !== undefined && values.plant !== plant.name) continue;
    const began = performance.now();
    let found: string | undefined;
    let seed = 1;
    for (; found === undefined && performance.now() - began < 60_000; seed++) {
      found = new Simulation(planOf(seed, ops), WHOLE_MAKERS, plant).run().violation;
    }
    console.log(`${plant.name}: ${found === undefined ? "NOT FOUND" : "found"} ${((performance.now() - began) / 1000).toFixed(1)} s, ${seed - 1} seeds: ${found?.split("\n")[0].slice(0, 150)}`);
  }
  process.exit(0);
}
const began = performance.now();
const from = Number(values.seed ?? 1);
const count = values.seed === undefined ? Number(values.seeds) : 1;
for (let seed = from; seed < from + count; seed++) {
  const plan = planOf(seed, ops);
  const { violation, hash, counts } = new Simulation(plan, WHOLE_MAKERS).run();
  for (const [name, n] of Object.entries(counts)) total[name] = (total[name] ?? 0) + n;
  if (values.seed !== undefined) console.log(plan);
  console.log(seed, hash, counts["operations"], counts["yes"], counts["no"], counts["maybe"], counts["simulated ms"], violation ?? "");
}
const cpu = process.cpuUsage();
const s = (cpu.user + cpu.system) / 1e6;
void began;
console.log(total, s, "s", (total["operations"] ?? 0) / s, "ops/s");
