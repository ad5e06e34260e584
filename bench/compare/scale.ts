/**
 * bench/compare/scale.ts: what many keys cost: CPU per command at 10 million keys against the same server's at 100,000.
 */
import { load } from "../lib/loader.js";
import { cpuTime } from "../lib/process-facts.js";
import { type Load, rest, runLoad, type Test } from "../lib/redis-benchmark.js";
import type { RunningServer } from "../lib/servers.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Row, type Scenario } from "./scenario.js";

const FEW_KEYS = 100_000;
const VALUES = { valueBytesLeast: 64, valueBytesMost: 64 } as const;
const ARGS: readonly string[] = ["--appendfsync", "no"];

/**
 * One run, and what the server does on its account until it rests again: snapshots and cleaning are part of what a SET costs, and no
 * part of what the GETs behind it cost. @returns CPU per command, us.
 */
async function settledCpu(server: RunningServer, load: Load): Promise<number> {
  const startMs = cpuTime(server.pid).ownMs;
  await runLoad(server, load, 0);
  const { beforeMs } = await rest(server);
  return ((beforeMs - startMs) * 1000) / load.requests;
}

/** CPU per command at the present number of keys, one figure for each run. A run has as many SETs as there are keys, so that it brings its snapshots. */
async function cpuAt(context: Context, server: RunningServer, keys: number): Promise<Record<Test, number[]>> {
  const found: Record<Test, number[]> = { set: [], get: [] };
  const plan: Load = { test: "get", clients: 50, pipeline: 64, requests: 500_000, keys, valueBytes: 64 };
  const requests = context.quick ? 500_000 : 2_500_000;
  for (const test of ["set", "get"] as const) await runLoad(server, { ...plan, test }, 0);
  await rest(server);
  for (let run = 0; run < context.runs; run++) {
    for (const test of ["set", "get"] as const) {
      const load = { ...plan, test, requests: test === "set" ? Math.max(requests, keys) : requests };
      const cpuMicros = await settledCpu(server, load);
      found[test].push(cpuMicros);
      context.say(`${test} at ${keys} keys: ${cpuMicros.toFixed(2)} us`);
    }
  }
  return found;
}

async function cpuRows(context: Context, many: number): Promise<Row[]> {
  const server = await context.start({ kind: "kvorum", label: "kvorum", args: ARGS });
  await load(server.port, { count: FEW_KEYS, keys: FEW_KEYS, ...VALUES });
  const few = await cpuAt(context, server, FEW_KEYS);
  await load(server.port, { count: many, keys: many, ...VALUES });
  const lots = await cpuAt(context, server, many);
  await server.stop();
  return (["set", "get"] as const).map((test) => {
    const [less, more] = [spreadOf(few[test]), spreadOf(lots[test])];
    const measured = more.median / less.median;
    const what = `P64 ${test.toUpperCase()} CPU at ${many} keys over that at ${FEW_KEYS}`;
    context.say(`${what}: ${more.median.toFixed(2)} / ${less.median.toFixed(2)} us`);
    return plainRow(what, "times", spreadOf([measured]), atMost(1.5));
  });
}

export const scale: Scenario = {
  name: "scale",
  about: "10 million keys of 16 bytes with values of 64: CPU per command",
  run: (context) => cpuRows(context, context.quick ? 1_000_000 : 10_000_000),
};
