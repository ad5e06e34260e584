/**
 * bench/compare.ts: kvorum and redis-server under the same load on the same machine, scenario by scenario: a table, a JSON
 * file and a picture. `npm run bench:compare -- --help` says how.
 * Invariants: servers run on 127.0.0.1 with directories of their own and end with the bench; kvorum is built from src/ into
 * a directory of the bench, so that nobody's dist/ changes under it; a scenario that fails does not end the others.
 */
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { toolOptions } from "../test/lib/tool-options.js";
import { coldStart } from "./compare/cold-start.js";
import { cpu } from "./compare/cpu.js";
import { disk } from "./compare/disk.js";
import { durable } from "./compare/durable.js";
import { hotKey } from "./compare/hot-key.js";
import { lone } from "./compare/lone.js";
import { many } from "./compare/many.js";
import { memory } from "./compare/memory.js";
import { quorum } from "./compare/quorum.js";
import { restart } from "./compare/restart.js";
import { scale } from "./compare/scale.js";
import { type Context, met, type Scenario } from "./compare/scenario.js";
import { trips } from "./compare/trips.js";
import { turns } from "./compare/turns.js";
import { machineFacts } from "./lib/machine.js";
import { type Report, type Section, table, writeReport } from "./lib/report.js";
import { cleanUp, findRedisBenchmark, findRedisServer, RunningServer } from "./lib/servers.js";

const ROOT: string = fileURLToPath(new URL("..", import.meta.url));
const ALONE: readonly Scenario[] = [cpu, durable, lone, memory, restart, coldStart, scale, turns, many, disk];
const OF_CLUSTER: readonly Scenario[] = [quorum, hotKey, trips];
const SCENARIOS: readonly Scenario[] = [...ALONE, ...OF_CLUSTER];

const HELP = `Usage: npm run bench:compare -- [options]
  --quick            small loads, one run: shows that it works, proves nothing
  --cluster          only those of three nodes: ${OF_CLUSTER.map(({ name }) => name).join(", ")}
  --only NAME,NAME   only these scenarios: ${SCENARIOS.map(({ name }) => name).join(", ")}
  --runs N           runs of each measurement (default 3; 1 with --quick)
  --out DIR          where compare.json, compare.md and compare.svg go (default bench-results)
  --entry FILE       measure this built command line instead of building src/
`;

const NO_REDIS = `redis-server or redis-benchmark is not installed, so there is nothing to compare with.
  Debian, Ubuntu:  apt-get install redis-server redis-tools
  macOS:           brew install redis
`;

interface Options {
  readonly quick: boolean;
  readonly only: readonly string[];
  readonly runs: number;
  readonly out: string;
  readonly entry: string | undefined;
}

function options(): Options {
  const { values, refuse, whole } = toolOptions(HELP, {
    options: {
      quick: { type: "boolean", default: false },
      cluster: { type: "boolean", default: false },
      only: { type: "string" },
      runs: { type: "string" },
      out: { type: "string", default: "bench-results" },
      entry: { type: "string" },
    },
  });
  const only = values.only?.split(",") ?? (values.cluster ? OF_CLUSTER : SCENARIOS).map(({ name }) => name);
  const unknown = only.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0) refuse(`no scenario ${unknown.join(", ")}`);
  const runs = whole("--runs", values.runs) ?? (values.quick ? 1 : 3);
  if (runs < 1 || runs > 100) refuse("--runs: 1 to 100");
  const entry = values.entry === undefined ? undefined : resolve(values.entry);
  return { quick: values.quick, only, runs, out: resolve(values.out), entry };
}

/** Build src/ beside the results. @returns the command line. */
function build(): string {
  const directory = join(ROOT, "bench-results", "build");
  const tsup = join(ROOT, "node_modules", ".bin", "tsup");
  const made = spawnSync(tsup, ["--silent", "--out-dir", directory], { cwd: ROOT, stdio: "inherit" });
  if (made.status !== 0) throw new Error("the build failed");
  return join(directory, "cli.js");
}

async function runScenario(scenario: Scenario, given: Options, entry: string): Promise<Section> {
  const servers: RunningServer[] = [];
  const context: Context = {
    quick: given.quick,
    runs: given.runs,
    entry,
    say: (text) => void process.stderr.write(`  ${scenario.name}: ${text}\n`),
    start: async (spec) => {
      const server = await RunningServer.start({ ...spec, entry });
      servers.push(server);
      return server;
    },
  };
  const { name, about } = scenario;
  const began = performance.now();
  const seconds = (): number => Math.round((performance.now() - began) / 1000);
  try {
    return { name, about, rows: await scenario.run(context), seconds: seconds() };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { name, about, rows: [], seconds: seconds(), failure };
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function main(): Promise<number> {
  const given = options();
  if (findRedisServer() === undefined || findRedisBenchmark() === undefined) {
    process.stderr.write(NO_REDIS);
    return 69;
  }
  const entry = given.entry ?? build();
  const machine = machineFacts(ROOT);
  const sections: Section[] = [];
  const command = `npm run bench:compare -- ${process.argv.slice(2).join(" ")}`.replace(/ -- $/, "");
  const report: Report = { machine, command, quick: given.quick, runs: given.runs, sections };
  for (const scenario of SCENARIOS.filter(({ name }) => given.only.includes(name))) {
    const section = await runScenario(scenario, given, entry);
    sections.push(section);
    process.stdout.write(`\n${section.name}: ${section.about} (${section.seconds} s)\n`);
    if (section.failure !== undefined) process.stdout.write(`FAILED: ${section.failure}\n`);
    else process.stdout.write(`${table(section.rows)}\n`);
    writeReport(report, given.out); // after each, so that an interrupted run leaves what it has
  }
  const judged = sections.flatMap(({ rows }) => rows).filter((row) => met(row) !== undefined);
  const missed = judged.filter((row) => met(row) === false).length;
  const failed = sections.filter(({ failure }) => failure !== undefined).length;
  process.stdout.write(`\n${judged.length - missed} of ${judged.length} bars met, ${failed} scenarios failed\n`);
  if (given.quick) process.stdout.write("--quick: these figures prove nothing\n");
  process.stdout.write(`${writeReport(report, given.out).join("\n")}\n`);
  return failed === 0 ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(130);
  });
}
process.once("exit", cleanUp);
process.exitCode = await main();
