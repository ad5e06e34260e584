/**
 * bench/compare/quorum.ts: three nodes of kvorum, every write durable on two of them and every read asked of two, against what Redis
 * offers for as much: a primary with two replicas, all appendfsync always, each SET followed by WAIT 1. GETs against a single Redis.
 *
 * One closed loop drives all of them (lib/closed-loop.ts): 50 connections with one operation in flight each. kvorum's are plain clients,
 * spread over its nodes, any key at any node; further rows have each key at the node that is first for it, as clients that
 * know of clusters do it, and all connections at one node.
 * Not the same promise: Redis's WAIT says that a replica has got the write, not that it is on its disk, and its reads ask nobody.
 */

import type { LoopResult, LoopTarget } from "../lib/closed-loop.js";
import type { Operation } from "../lib/closed-loop-requests.js";
import { drive } from "../lib/drive.js";
import { kvorumTrio, routed, spread } from "../lib/kvorum-trio.js";
import { load } from "../lib/loader.js";
import { idleShare } from "../lib/redis-benchmark.js";
import { ALWAYS, redisTrio } from "../lib/redis-trio.js";
import { type Spread, spreadOf } from "../lib/statistics.js";
import {
  atLeast,
  type Bar,
  type Context,
  plainRow,
  type Rival,
  type Row,
  ratioRow,
  type Scenario,
} from "./scenario.js";

const KEYS = 100_000;
const VALUE_BYTES = 64;
const CONNECTIONS = 50;
const WARM_MS = 1000;
const SET_BAR = 1;
const GET_BAR = 0.4;

/** Who is driven, with what. */
interface Subject {
  readonly name: string;
  readonly operation: Operation;
  readonly targets: readonly LoopTarget[];
  readonly pids: readonly number[];
  readonly results: LoopResult[];
}

type Subjects = Readonly<Record<"plain" | "straight" | "one" | "redis", Subject[]>>;

async function subjects(context: Context): Promise<Subjects> {
  const trio = await redisTrio(context);
  const lone = await context.start({ kind: "redis", label: "Redis alone", args: [...ALWAYS] });
  const { nodes, pids } = await kvorumTrio(context);
  const [first] = nodes as [(typeof nodes)[0]];
  for (const { port } of [trio.primary, lone, first]) {
    await load(port, { count: KEYS, keys: KEYS, valueBytesLeast: VALUE_BYTES, valueBytesMost: VALUE_BYTES });
  }
  // What came of the filling must be over: it is nobody's part of a run.
  for (const server of [trio.primary, ...trio.replicas, lone, ...nodes]) await idleShare(server);
  const make = (name: string, operation: Operation, targets: readonly LoopTarget[], own = pids): Subject => {
    return { name, operation, targets, pids: own, results: [] };
  };
  const kvorum = (how: string, targets: readonly LoopTarget[]): Subject[] =>
    (["set", "get", "mix"] as const).map((operation) => make(`kvorum, ${how}`, operation, targets));
  const at = (port: number): LoopTarget[] => [{ port, connections: CONNECTIONS }];
  return {
    plain: kvorum("any node", spread(nodes, CONNECTIONS)),
    straight: kvorum("first node", await routed(nodes, CONNECTIONS)),
    one: kvorum("one node", at(first.port)),
    redis: [
      make("Redis, 2 replicas", "set wait", at(trio.primary.port), trio.pids),
      make("Redis", "get", at(lone.port), [lone.pid]),
    ],
  };
}

async function measure(context: Context, all: readonly Subject[]): Promise<void> {
  const measureMs = context.quick ? 1000 : 5000;
  for (let run = -1; run < context.runs; run++) {
    for (let i = 0; i < all.length; i++) {
      // Another one begins each time. The first round only warms up: Node compiles what runs often, for some seconds.
      const { name, operation, targets, pids, results } = all[(i + Math.max(0, run)) % all.length] as Subject;
      const plan = { targets, operation, pids, keys: KEYS, valueBytes: VALUE_BYTES, warmMs: WARM_MS, seed: run + 2 };
      const result = await drive({ ...plan, measureMs: run < 0 ? measureMs - WARM_MS / 2 : measureMs });
      if (run < 0) continue;
      results.push(result);
      const { perSecond, p50Ms, p99Ms, serverMicros, driverMicros } = result;
      const cpu = `${serverMicros.toFixed(1)} us of the servers, ${driverMicros.toFixed(1)} of the loop`;
      context.say(`${name}, ${operation}: ${Math.round(perSecond)}/s, p50 ${p50Ms} p99 ${p99Ms} ms, ${cpu}`);
    }
  }
}

const FIELDS: readonly (readonly [what: string, unit: string, field: keyof LoopResult])[] = [
  ["rate", "/s", "perSecond"],
  ["p50", "ms", "p50Ms"],
  ["p99", "ms", "p99Ms"],
  ["CPU of all servers", "us", "serverMicros"],
  ["CPU of the loop", "us", "driverMicros"],
];

function column({ results }: Subject, field: keyof LoopResult): Spread {
  return spreadOf(results.map((result) => result[field]));
}

/** All figures of two that did the same. */
function beside(what: string, kvorum: Subject, redis: Subject, bar: Bar): Row[] {
  return FIELDS.map(([figure, unit, field]) => {
    const rival: Rival = { spread: column(redis, field), as: redis.name };
    return ratioRow(`${what} ${figure}`, unit, column(kvorum, field), rival, field === "perSecond" ? bar : undefined);
  });
}

function rowsOf({ plain, straight, one, redis }: Subjects): Row[] {
  const [sets, gets, mixed] = plain as [Subject, Subject, Subject];
  const [waited, lone] = redis as [Subject, Subject];
  const rows = [...beside("SET", sets, waited, atLeast(SET_BAR)), ...beside("GET", gets, lone, atLeast(GET_BAR))];
  const further: readonly (readonly [string, Subject])[] = [
    ["SET and GET", mixed],
    ...[...straight, ...one].map((subject) => [labelOf(subject), subject] as const),
  ];
  for (const [what, subject] of further) {
    for (const [figure, unit, field] of FIELDS.filter(([, , name]) => name !== "driverMicros")) {
      const rival = subject.operation === "set" ? waited : subject.operation === "get" ? lone : undefined;
      const spreadOfIt = column(subject, field);
      if (rival === undefined) rows.push(plainRow(`${what} ${figure}`, unit, spreadOfIt));
      else rows.push(ratioRow(`${what} ${figure}`, unit, spreadOfIt, { spread: column(rival, field), as: rival.name }));
    }
  }
  return rows;
}

function labelOf({ name, operation }: Subject): string {
  const what = operation === "mix" ? "SET and GET" : operation.toUpperCase();
  return `${what} at ${name.endsWith("first node") ? "the key's first node" : "one node"}`;
}

export const quorum: Scenario = {
  name: "quorum",
  about: `three nodes, quorum writes and reads, appendfsync always, ${CONNECTIONS} connections, ${VALUE_BYTES}-byte values, ${KEYS} random keys`,
  async run(context) {
    const all = await subjects(context);
    await measure(context, Object.values(all).flat());
    return rowsOf(all);
  },
};
