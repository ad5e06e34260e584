/**
 * bench/compare/trips.ts: what an operation costs in trips to other nodes and in syncs, by the counters of INFO: one client, one operation
 * at a time, keys that its node is the first for.
 *
 *   GET on which the replicas agree         1 trip, no sync
 *   SET by the node that wrote the key last 1 trip, 1 sync
 *   SET of a key that it did not write      2 trips, 1 sync
 *
 * A trip is a message to each replica that is asked: of a GET those that R needs beside the node itself, of a write all others. A sync is
 * one of each node's log.
 */
import { keySlot } from "../../src/core/ring/slot.js";
import { viewed } from "../../src/lib/view.js";
import { countersOf, figuresOf, kvorumTrio, routed } from "../lib/kvorum-trio.js";
import { sleep } from "../lib/process-facts.js";
import { RespClient } from "../lib/resp-client.js";
import type { RunningServer } from "../lib/servers.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Row, type Scenario } from "./scenario.js";

const COUNTERS = [
  "kvorum_sent_read",
  "kvorum_sent_prepare",
  "kvorum_sent_accept",
  "kvorum_sent_learn",
  "kvorum_log_flushes",
] as const;
/** The last replica's answer is not waited for by the client; its messages and syncs are to be counted with their own round. */
const SETTLE_MS = 300;
/** Beside the operations: a ceiling may be renewed by itself, an answer may be late once. */
const SLACK = 0.02;

interface Cost {
  readonly trips: number;
  readonly syncs: number;
}

/** Names of keys in the node's slots. */
async function ownKeys(nodes: readonly RunningServer[], count: number): Promise<string[]> {
  const [target] = await routed(nodes, nodes.length);
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    const name = viewed(Buffer.from(`trip:${i}`));
    const slot = keySlot(name, 0, name.length);
    if (target?.slots?.some(([from, to]) => slot >= from && slot <= to)) keys.push(name.toString());
  }
  return keys;
}

async function measure(context: Context): Promise<Row[]> {
  const { nodes } = await kvorumTrio(context);
  const [first] = nodes as [RunningServer];
  const figures = await figuresOf(first, "cluster");
  const [n, r] = [figures["kvorum_cluster_n"], figures["kvorum_cluster_r"]] as [number, number];
  const operations = context.quick ? 200 : 1000;
  const keys = await ownKeys(nodes, operations);
  const client = await RespClient.connect(first.port);
  const cost = async (act: (key: string) => Promise<unknown>): Promise<Cost> => {
    await sleep(SETTLE_MS);
    const before = await countersOf(nodes, COUNTERS);
    for (const key of keys) await act(key);
    await sleep(SETTLE_MS);
    const after = await countersOf(nodes, COUNTERS);
    const each = (name: (typeof COUNTERS)[number]): number => {
      return ((after[name] as number) - (before[name] as number)) / operations;
    };
    const writes = each("kvorum_sent_prepare") + each("kvorum_sent_accept") + each("kvorum_sent_learn");
    return {
      trips: each("kvorum_sent_read") / (r - 1) + writes / (n - 1),
      syncs: each("kvorum_log_flushes") / nodes.length,
    };
  };
  const rows: Row[] = [];
  const add = (what: string, { trips, syncs }: Cost, tripsMost: number, syncsMost: number): void => {
    context.say(`${what}: ${trips.toFixed(3)} trips, ${syncs.toFixed(3)} syncs`);
    rows.push(plainRow(what, "trips", spreadOf([trips]), atMost(tripsMost + SLACK)));
    rows.push(plainRow(what, "syncs of each log", spreadOf([syncs]), atMost(syncsMost + SLACK)));
  };
  const set = (key: string): Promise<unknown> => client.ask("SET", key, "value");
  // The first write after a start also waits for a ceiling.
  for (let i = 0; i < 10; i++) await client.ask("SET", "warm", i);
  add("SET of a key not written before", await cost(set), 2, 1);
  add("SET by the last writer", await cost(set), 1, 1);
  add("GET on which replicas agree", await cost((key) => client.ask("GET", key)), 1, 0);
  client.close();
  return rows;
}

export const trips: Scenario = {
  name: "trips",
  about: "three nodes, one operation at a time: messages and syncs that it costs, by the counters of INFO",
  run: measure,
};
