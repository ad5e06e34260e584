/**
 * bench/compare/durable.ts: appendfsync always on both sides, many clients: SET throughput on the disk as it is and on one whose
 * every sync takes 2 ms longer, and how long a reader waits beside such writers.
 */
import { load } from "../lib/loader.js";
import { openLoopGets } from "../lib/open-loop.js";
import { slowSync } from "../lib/preload.js";
import { type Load, type LoadResult, runLoad, startLoad } from "../lib/redis-benchmark.js";
import type { RunningServer } from "../lib/servers.js";
import { type Spread, spreadOf } from "../lib/statistics.js";
import { atLeast, atMost, type Context, type Row, ratioRow, type Scenario } from "./scenario.js";

const DURABLE_SPECS = [
  { kind: "kvorum", label: "kvorum, always", args: ["--appendfsync", "always"] },
  { kind: "redis", label: "Redis, always", args: ["--appendonly", "yes", "--appendfsync", "always"] },
] as const;
export const SLOW_MS = 2;

const KEYS = 100_000;
const VALUE_BYTES = 64;
const CLIENTS = 50;
const BESIDE_REQUESTS = 1_000_000_000;

type Pair = readonly [kvorum: RunningServer, redis: RunningServer];

/** The two servers, filled. */
export async function durablePair(context: Context, env: Readonly<Record<string, string>>): Promise<Pair> {
  const servers: RunningServer[] = [];
  for (const spec of DURABLE_SPECS) {
    const server = await context.start({ ...spec, env });
    await load(server.port, { count: KEYS, keys: KEYS, valueBytesLeast: VALUE_BYTES, valueBytesMost: VALUE_BYTES });
    servers.push(server);
  }
  return servers as unknown as Pair;
}

function sets(pipeline: number, requests: number): Load {
  return { test: "set", clients: CLIENTS, pipeline, requests, keys: KEYS, valueBytes: VALUE_BYTES };
}

/** Both in turn, each first in every other run. */
async function alternate<T>(
  pair: Pair,
  runs: number,
  measure: (server: RunningServer) => Promise<T>,
): Promise<[T[], T[]]> {
  const results: [T[], T[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    for (let i = 0; i < 2; i++) {
      const which = (i + run) % 2;
      (results[which] as T[]).push(await measure(pair[which] as RunningServer));
    }
  }
  return results;
}

async function writers(context: Context, pair: Pair, name: string, slow: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const pipeline of [1, 16]) {
    const requests = (context.quick ? 5_000 : slow ? 60_000 : 150_000) * (pipeline === 1 ? 1 : 6);
    await alternate(pair, 1, (server) => runLoad(server, sets(pipeline, Math.ceil(requests / 4)), 0));
    const [kvorum, redis] = await alternate(pair, context.runs, async (server) => {
      const result = await runLoad(server, sets(pipeline, requests), 0);
      context.say(
        `${name} P${pipeline} ${server.spec.label}: ${Math.round(result.perSecond)}/s, p99 ${result.p99Ms} ms`,
      );
      return result;
    });
    const column = (results: readonly LoadResult[], field: keyof LoadResult): Spread =>
      spreadOf(results.map((result) => result[field]));
    const row = (what: string, unit: string, field: keyof LoadResult, bar?: ReturnType<typeof atLeast>): Row =>
      ratioRow(
        `${name}, P${pipeline} SET ${what}`,
        unit,
        column(kvorum, field),
        { spread: column(redis, field), as: "always" },
        bar,
      );
    rows.push(
      row("throughput", "/s", "perSecond", atLeast(slow || pipeline > 1 ? 1.5 : 1)),
      row("p99", "ms", "p99Ms"),
      row("CPU", "us", "cpuMicros"),
    );
  }
  return rows;
}

async function readersBeside(context: Context, pair: Pair, name: string, judged: boolean): Promise<Row[]> {
  const plan = { perSecond: 400, seconds: context.quick ? 2 : 10, connections: 8, keys: KEYS };
  const [kvorum, redis] = await alternate(pair, context.runs, async (server) => {
    const beside = startLoad(server, sets(1, BESIDE_REQUESTS));
    try {
      const found = await openLoopGets(server.port, plan);
      const { p50Ms, p99Ms, lateP99Ms } = found;
      const texts = [p50Ms, p99Ms, lateP99Ms].map((ms) => ms.toFixed(2));
      context.say(
        `${name} GET beside ${server.spec.label}: p50 ${texts[0]} p99 ${texts[1]} ms (sent late ${texts[2]})`,
      );
      return found;
    } finally {
      await beside.stop();
    }
  });
  const row = (what: "p50Ms" | "p99Ms", bar?: ReturnType<typeof atMost>): Row =>
    ratioRow(
      `${name}, GET ${what.slice(0, 3)} beside 50 writers`,
      "ms",
      spreadOf(kvorum.map((found) => found[what])),
      { spread: spreadOf(redis.map((found) => found[what])), as: "always" },
      bar,
    );
  return [row("p99Ms", judged ? atMost(1 / 3) : undefined), row("p50Ms")];
}

export const durable: Scenario = {
  name: "durable",
  about: `appendfsync always, ${CLIENTS} connections, the disk as it is and with every sync ${SLOW_MS} ms slower`,
  async run(context) {
    const rows: Row[] = [];
    for (const slow of [false, true]) {
      const name = slow ? `+${SLOW_MS} ms` : "as it is";
      const pair = await durablePair(context, slow ? slowSync(SLOW_MS) : {});
      rows.push(...(await writers(context, pair, name, slow)));
      rows.push(...(await readersBeside(context, pair, name, slow)));
      for (const server of pair) await server.stop();
    }
    return rows;
  },
};
