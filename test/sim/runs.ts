/**
 * test/sim/runs.ts: runs of seeds: one, many, with a bug put in; and making a failing one smaller.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FAULT_KINDS, type Plan, planOf } from "./plan.js";
import type { Plant } from "./plants.js";
import { type Report, Simulation } from "./simulation.js";
import { WHOLE_MAKERS } from "./whole-node.js";

/** Operations of a seed, unless said otherwise. */
export const OPS = 20_000;
/** With a bug put in, many short histories find more than a few long ones. */
const PLANT_OPS = 2000;
const SHRINK_RUNS_MAX = 60;

/** What is kept of a run that failed once: all of its plan, since a seed draws another one when plans change. */
export interface Kept {
  readonly plan: Plan;
  /** What was wrong. */
  readonly about: string;
}

const SEEDS_DIRECTORY: string = join(import.meta.dirname, "seeds");

export function run(plan: Plan, plant?: Plant): Report {
  return new Simulation(plan, WHOLE_MAKERS, plant).run();
}

/** Seconds of processor that this process has used. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export class Totals {
  readonly counts: Record<string, number> = {};
  seeds = 0;
  private readonly began: number = cpuSeconds();

  add({ counts }: Report): void {
    this.seeds++;
    for (const [name, more] of Object.entries(counts)) this.counts[name] = (this.counts[name] ?? 0) + more;
  }

  get operations(): number {
    return this.counts["operations"] ?? 0;
  }

  get text(): string {
    const seconds = cpuSeconds() - this.began;
    const lines = [`${this.seeds} seeds, ${this.operations} operations checked, ${seconds.toFixed(1)} s of processor`];
    lines.push(`${Math.round(this.operations / seconds)} operations a second`);
    lines.push(`${Math.round((this.counts["simulated ms"] ?? 0) / 1000 / seconds)} times real time`);
    for (const name of Object.keys(this.counts).sort()) lines.push(`  ${name}: ${this.counts[name]}`);
    return lines.join("\n");
  }
}

export interface Found {
  /** undefined: not within the time. */
  readonly violation: string | undefined;
  readonly seeds: number;
  /** Of processor. */
  readonly seconds: number;
}

/** Look for a bug that was put in, for so many seconds of processor. */
export function findPlant(plant: Plant, secondsMax: number): Found {
  const began = cpuSeconds();
  for (let seed = 1; ; seed++) {
    const plan = { ...planOf(seed, PLANT_OPS), ...plant.plan };
    const { violation } = run(plan, plant);
    const seconds = cpuSeconds() - began;
    // What is wrong without the bug too says nothing about it.
    const found = violation !== undefined && run(plan).violation === undefined;
    if (found || seconds >= secondsMax) return { violation: found ? violation : undefined, seeds: seed, seconds };
  }
}

/** Fewer operations, kinds of faults, clients and keys, as long as it still fails. */
export function shrink(failing: Plan, plant?: Plant): Kept {
  const { violation: first } = run(failing, plant);
  if (first === undefined) throw new Error(`seed ${failing.seed} does not fail`);
  let best: Kept = { plan: failing, about: first };
  let runs = 0;
  const tried = (less: Partial<Plan>): boolean => {
    if (runs++ >= SHRINK_RUNS_MAX) return false;
    const plan = { ...best.plan, ...less };
    const { violation } = run(plan, plant);
    if (violation !== undefined) best = { plan, about: violation };
    return violation !== undefined;
  };
  const halve = (name: "ops" | "clientsPerNode" | "keys" | "pipeline"): void => {
    while (best.plan[name] > 1 && tried({ [name]: best.plan[name] >> 1 }));
  };
  halve("ops");
  for (const kind of FAULT_KINDS) {
    if (best.plan.faults[kind] === undefined) continue;
    const { [kind]: _, ...faults } = best.plan.faults;
    tried({ faults });
  }
  for (const name of ["clientsPerNode", "keys", "pipeline", "ops"] as const) halve(name);
  while (best.plan.ops > 10 && tried({ ops: best.plan.ops - Math.ceil(best.plan.ops / 8) }));
  return best;
}

export function keptSeeds(): Kept[] {
  if (!existsSync(SEEDS_DIRECTORY)) return [];
  const names = readdirSync(SEEDS_DIRECTORY).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => JSON.parse(readFileSync(join(SEEDS_DIRECTORY, name), "utf8")) as Kept);
}

/** @returns the file's name. */
export function keep(kept: Kept): string {
  const name = `${kept.plan.seed}.json`;
  const about = kept.about.split("\n")[0];
  mkdirSync(SEEDS_DIRECTORY, { recursive: true });
  writeFileSync(join(SEEDS_DIRECTORY, name), `${JSON.stringify({ ...kept, about }, null, 2)}\n`);
  return name;
}
