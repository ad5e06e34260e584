/**
 * bench/compare/cpu.ts: CPU that the server spends per SET and GET, and throughput and p99 as they come with it. The servers
 * are all running and are loaded in turn, so that what else the machine does falls on all of them.
 * kvorum appendfsync no against Redis with its log (appendonly yes, appendfsync no), and against Redis without one.
 */
import { load } from "../lib/loader.js";
import { idleShare, type LoadResult, runLoad, type Test } from "../lib/redis-benchmark.js";
import type { RunningServer } from "../lib/servers.js";
import { type Spread, spreadOf } from "../lib/statistics.js";
import { atMost, type Context, type Rival, type Row, ratioRow, type Scenario } from "./scenario.js";

const KEYS = 100_000;
const VALUE_BYTES = 64;
const CLIENTS = 50;
const TESTS: readonly Test[] = ["set", "get"];

interface Depth {
  readonly pipeline: number;
  readonly requests: number;
  readonly quickRequests: number;
  readonly limitLogged: number;
  /** Against Redis without a log. */
  readonly limitPlain?: number;
}

const DEPTHS: readonly Depth[] = [
  { pipeline: 1, requests: 300_000, quickRequests: 60_000, limitLogged: 1.1 },
  { pipeline: 16, requests: 1_500_000, quickRequests: 400_000, limitLogged: 0.85, limitPlain: 1 },
  { pipeline: 64, requests: 2_500_000, quickRequests: 600_000, limitLogged: 0.85, limitPlain: 1 },
];

interface Subject {
  readonly server: RunningServer;
  idle: number;
  readonly results: Map<string, LoadResult[]>;
}

async function subjects(context: Context): Promise<Subject[]> {
  const wanted = [
    { kind: "kvorum", label: "kvorum", args: ["--appendfsync", "no"] },
    { kind: "redis", label: "Redis, log", args: ["--appendonly", "yes", "--appendfsync", "no"] },
    { kind: "redis", label: "Redis, no log", args: ["--appendonly", "no"] },
  ] as const;
  const made: Subject[] = [];
  for (const spec of wanted) {
    const server = await context.start(spec);
    await load(server.port, { count: KEYS, keys: KEYS, valueBytesLeast: VALUE_BYTES, valueBytesMost: VALUE_BYTES });
    made.push({ server, idle: 0, results: new Map() });
  }
  return made;
}

function loadOf(depth: Depth, test: Test, requests: number): Parameters<typeof runLoad>[1] {
  return { test, clients: CLIENTS, pipeline: depth.pipeline, requests, keys: KEYS, valueBytes: VALUE_BYTES };
}

async function measure(context: Context, all: readonly Subject[]): Promise<void> {
  // Compiled code and grown buffers first; both servers get the same.
  for (const { server } of all) {
    for (const depth of DEPTHS)
      for (const test of TESTS) await runLoad(server, loadOf(depth, test, depth.quickRequests), 0);
  }
  for (const subject of all) subject.idle = await idleShare(subject.server);
  for (let run = 0; run < context.runs; run++) {
    for (const depth of DEPTHS) {
      for (const test of TESTS) {
        // Another one begins each time, so that no server always comes first.
        for (let i = 0; i < all.length; i++) {
          const subject = all[(i + run) % all.length] as Subject;
          const requests = context.quick ? depth.quickRequests : depth.requests;
          const result = await runLoad(subject.server, loadOf(depth, test, requests), subject.idle);
          const name = `${test} ${depth.pipeline}`;
          const results = subject.results.get(name) ?? [];
          results.push(result);
          subject.results.set(name, results);
          const { label } = subject.server.spec;
          context.say(`${name} ${label}: ${result.cpuMicros.toFixed(2)} us, ${Math.round(result.perSecond)}/s`);
        }
      }
    }
  }
}

function rowsOf(all: readonly Subject[], depth: Depth, test: Test): Row[] {
  const column = (subject: Subject, field: keyof LoadResult): Spread =>
    spreadOf((subject.results.get(`${test} ${depth.pipeline}`) ?? []).map((result) => result[field]));
  const rival = (subject: Subject, field: keyof LoadResult): Rival => {
    return { spread: column(subject, field), as: subject.server.spec.label };
  };
  const [kvorum, logged, plain] = all as [Subject, Subject, Subject];
  const name = `P${depth.pipeline} ${test.toUpperCase()}`;
  const cpuOf = column(kvorum, "cpuMicros");
  const plainBar = depth.limitPlain === undefined ? undefined : atMost(depth.limitPlain);
  return [
    ratioRow(`${name} CPU`, "us", cpuOf, rival(logged, "cpuMicros"), atMost(depth.limitLogged)),
    ratioRow(`${name} CPU`, "us", cpuOf, rival(plain, "cpuMicros"), plainBar),
    ratioRow(`${name} throughput`, "/s", column(kvorum, "perSecond"), rival(logged, "perSecond")),
    ratioRow(`${name} p99`, "ms", column(kvorum, "p99Ms"), rival(logged, "p99Ms")),
  ];
}

export const cpu: Scenario = {
  name: "cpu",
  about: `server CPU per command, ${CLIENTS} connections, ${VALUE_BYTES}-byte values, ${KEYS} random keys`,
  async run(context) {
    const all = await subjects(context);
    await measure(context, all);
    return DEPTHS.flatMap((depth) => TESTS.flatMap((test) => rowsOf(all, depth, test)));
  },
};
