/**
 * test/explore/explore.ts: the explorer from the command line: `npm run explore -- --help` says how.
 * Ends with 1 when the code as it is breaks, or a planted bug is not found.
 */
import { toolOptions } from "../lib/tool-options.js";
import type { Config } from "./config.js";
import { CONFIGS, configNamed } from "./configs.js";
import { PLANTS, plantNamed, runOf, runOfPlant } from "./plants.js";
import { type Bounds, breadthFirst, depthFirst, type Found } from "./search.js";
import { traceText } from "./trace.js";
import { randomWalks } from "./walks.js";

const USAGE = `Usage: npm run explore -- [options]
                              the configurations of the test suite
  --list                      names of configurations and planted bugs
  --config NAME,NAME|all      depth first (all: but the large ones): exhausts it, or ends at --states N or --seconds N
  --config NAME --plant BUG   the shortest way to a violation, printed step by step
  --shortest                  breadth first also without a bug
  --plants [--plant BUG,BUG]  planted bugs: is each found, after how many states, how long is the shortest trace
  --states N, --seconds N     the most of each search (100000000, 600)
`;

const { values, refuse, whole } = toolOptions(USAGE, {
  options: {
    config: { type: "string" },
    plant: { type: "string" },
    plants: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    shortest: { type: "boolean", default: false },
    states: { type: "string", default: "100000000" },
    seconds: { type: "string", default: "600" },
  },
});
const bounds: Bounds = {
  statesMax: whole("--states", values.states) ?? 0,
  secondsMax: whole("--seconds", values.seconds) ?? 0,
};

/** Names that are given, looked up. */
function named<T>(find: (name: string) => T, text: string): T[] {
  try {
    return text.split(",").map(find);
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function figures({ states, steps, depth, ms, end }: Found): string {
  const megabytes = Math.round(process.memoryUsage().rss / 1e6);
  const rate = Math.round(states / ms);
  return `${end}: ${states} states, ${steps} steps, depth ${depth}, ${(ms / 1000).toFixed(1)} s, ${rate}k states/s, ${megabytes} MB`;
}

function explore(config: Config): boolean {
  const run = runOf(config, values.plant === undefined ? undefined : named(plantNamed, values.plant)[0]);
  const found = run.planted || values.shortest ? breadthFirst(run, bounds) : depthFirst(run, bounds);
  console.log(`${config.name}: ${figures(found)}`);
  if (found.trace !== undefined) console.log(`${traceText(run, found.trace)}\n  => ${found.violation}`);
  return (found.end === "violation") === run.planted;
}

function plants(): boolean {
  let missed = 0;
  const wanted = values.plant === undefined ? PLANTS : named(plantNamed, values.plant);
  for (const plant of wanted) {
    const run = runOfPlant(plant);
    let found = breadthFirst(run, bounds);
    // Too many states before it is reached in order of length: any way to it will do.
    const shortest = found.end === "violation";
    if (!shortest && found.end !== "exhausted")
      found = randomWalks(run, { ...bounds, statesMax: Number.MAX_SAFE_INTEGER });
    const hit = found.end === "violation";
    if (!hit) missed++;
    const steps = hit
      ? `${found.trace?.length} steps${shortest ? "" : " (at random, shortened)"}`
      : `NOT FOUND (${found.end})`;
    const seconds = (found.ms / 1000).toFixed(1);
    console.log(
      `${plant.name.padEnd(24)} ${plant.config.padEnd(16)} ${String(found.states).padStart(8)} states ${seconds.padStart(6)} s  ${steps}: ${found.violation ?? ""}`,
    );
  }
  console.log(`${wanted.length - missed} of ${wanted.length} planted bugs found`);
  return missed === 0;
}

function configurations(): readonly Config[] {
  if (values.config === "all") return CONFIGS.filter(({ by }) => by !== "hand");
  if (values.config !== undefined) return named(configNamed, values.config);
  if (values.plant !== undefined) return named(plantNamed, values.plant).map(({ config }) => configNamed(config));
  return CONFIGS.filter(({ by }) => by === "test");
}

if (values.list) {
  for (const { name, about } of CONFIGS) console.log(`${name.padEnd(16)} ${about}`);
  for (const { name, about } of PLANTS) console.log(`--plant ${name.padEnd(24)} ${about}`);
} else if (values.plants) process.exitCode = plants() ? 0 : 1;
else process.exitCode = configurations().map(explore).every(Boolean) ? 0 : 1;
