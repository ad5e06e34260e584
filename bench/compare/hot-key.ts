/**
 * bench/compare/hot-key.ts: a thousand INCRs in flight at once, from clients of all three nodes, all of one key; and as many, each
 * of a key of its own. Changes of one key are made one after the other, so the hot one lives on many sharing a round.
 * The counter must be what was acknowledged: an INCR lost or done twice fails the scenario.
 */
import type { LoopResult } from "../lib/closed-loop.js";
import { HOT_KEY } from "../lib/closed-loop-requests.js";
import { drive } from "../lib/drive.js";
import { kvorumTrio, spread } from "../lib/kvorum-trio.js";
import { askOnce } from "../lib/resp-client.js";
import type { RunningServer } from "../lib/servers.js";
import { spreadOf } from "../lib/statistics.js";
import { atLeast, type Context, plainRow, type Row, type Scenario } from "./scenario.js";

const IN_FLIGHT = 1000;
const SHARE_BAR = 0.5;
const WARM_MS = 1000;

async function measure(context: Context): Promise<Row[]> {
  const { nodes, pids } = await kvorumTrio(context);
  const targets = spread(nodes, IN_FLIGHT);
  const plan = { targets, pids, keys: 1, valueBytes: 0, warmMs: WARM_MS, measureMs: context.quick ? 1000 : 5000 };
  const hot: LoopResult[] = [];
  const own: LoopResult[] = [];
  let acknowledged = 0;
  for (let run = 0; run < context.runs; run++) {
    for (const operation of run % 2 === 0 ? (["incr", "incr own"] as const) : (["incr own", "incr"] as const)) {
      const result = await drive({ ...plan, operation, seed: run + 1 });
      (operation === "incr" ? hot : own).push(result);
      context.say(`${operation}: ${Math.round(result.perSecond)}/s, p99 ${result.p99Ms} ms`);
      if (operation !== "incr") continue;
      acknowledged += result.acknowledged;
      await counts(nodes, acknowledged);
    }
  }
  const rate = (results: readonly LoopResult[]): number[] => results.map(({ perSecond }) => perSecond);
  const share = hot.map(({ perSecond }, run) => perSecond / (own[run] as LoopResult).perSecond);
  return [
    plainRow("INCR of one key over INCR of distinct keys", "times", spreadOf(share), atLeast(SHARE_BAR)),
    plainRow("INCR of one key", "/s", spreadOf(rate(hot))),
    plainRow("INCR of one key, p99", "ms", spreadOf(hot.map(({ p99Ms }) => p99Ms))),
    plainRow("INCR of distinct keys", "/s", spreadOf(rate(own))),
    plainRow("INCR of distinct keys, p99", "ms", spreadOf(own.map(({ p99Ms }) => p99Ms))),
    plainRow("INCRs acknowledged and in the sum", "operations", spreadOf([acknowledged])),
  ];
}

/** Every node must say the same. */
async function counts(nodes: readonly RunningServer[], acknowledged: number): Promise<void> {
  for (const { port, spec } of nodes) {
    const found = Number(await askOnce(port, "GET", HOT_KEY));
    if (found !== acknowledged)
      throw new Error(`${spec.label}: the sum is ${found}, acknowledged were ${acknowledged}`);
  }
}

export const hotKey: Scenario = {
  name: "hot-key",
  about: `three nodes, ${IN_FLIGHT} INCRs in flight over their clients, all of one key, or each of its own`,
  run: measure,
};
