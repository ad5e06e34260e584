/**
 * bench/compare/lone.ts: one client that waits for each durable SET before it sends the next: where group commit gains nothing
 * and every hop between threads shows.
 * On the slow disk no kvorum reply may come sooner than the disk takes; if one does, the bench says so instead of praising it.
 */
import { slowSync } from "../lib/preload.js";
import { type Load, type LoadResult, runLoad } from "../lib/redis-benchmark.js";
import { spreadOf } from "../lib/statistics.js";
import { durablePair, SLOW_MS } from "./durable.js";
import { atMost, type Bar, type Context, type Row, ratioRow, type Scenario } from "./scenario.js";

const WARM_REQUESTS = 500;

async function measure(context: Context, slow: boolean): Promise<Row[]> {
  const pair = await durablePair(context, slow ? slowSync(SLOW_MS) : {});
  const requests = (context.quick ? 1000 : 10_000) / (slow ? 4 : 1);
  const plan: Load = { test: "set", clients: 1, pipeline: 1, requests, keys: 100_000, valueBytes: 64 };
  const results: [LoadResult[], LoadResult[]] = [[], []];
  for (const server of pair) await runLoad(server, { ...plan, requests: WARM_REQUESTS }, 0);
  for (let run = 0; run < context.runs; run++) {
    for (let i = 0; i < 2; i++) {
      const which = (i + run) % 2;
      const server = pair[which] as (typeof pair)[0];
      const result = await runLoad(server, plan, 0);
      (results[which] as LoadResult[]).push(result);
      context.say(`${slow ? "slow" : "as it is"} ${server.spec.label}: mean ${result.meanMs}, p50 ${result.p50Ms} ms`);
      if (slow && result.p50Ms < SLOW_MS) throw new Error(`${server.spec.label} answers before the disk did`);
    }
  }
  for (const server of pair) await server.stop();
  const name = slow ? `+${SLOW_MS} ms` : "as it is";
  const row = (what: string, field: "meanMs" | "p50Ms" | "p99Ms", bar?: Bar): Row =>
    ratioRow(
      `${name}, ${what}`,
      "ms",
      spreadOf(results[0].map((result) => result[field])),
      { spread: spreadOf(results[1].map((result) => result[field])), as: "always" },
      bar,
    );
  return [row("mean", "meanMs", atMost(1.3)), row("p50", "p50Ms", atMost(1.3)), row("p99", "p99Ms")];
}

export const lone: Scenario = {
  name: "lone",
  about: "latency of one client, one SET at a time, appendfsync always",
  async run(context) {
    return [...(await measure(context, false)), ...(await measure(context, true))];
  },
};
