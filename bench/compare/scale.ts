/**
 * bench/compare/scale.ts: what many keys cost: CPU per command at 10 million keys against 100,000, the longest turn of the event
 * loop in CPU time (lib/turn-probe.c) while the table grows, is written out, loses a million keys to their deadlines and is
 * emptied, with keys spread out and all under one hash tag, and 50 million small keys through a SIGKILL.
 */
import { load } from "../lib/loader.js";
import { TurnProbe } from "../lib/preload.js";
import { rssBytes, sleep, stolenMs } from "../lib/process-facts.js";
import { idleShare, type Load, runLoad, type Test } from "../lib/redis-benchmark.js";
import { RespClient } from "../lib/resp-client.js";
import { RunningServer, temporaryDirectory } from "../lib/servers.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Row, type Scenario } from "./scenario.js";

const TURN_MS_MAX = 5;
const FEW_KEYS = 100_000;
const EXPIRY_MS_MAX = 300_000;
const POLL_MS = 100;
const VALUES = { valueBytesLeast: 64, valueBytesMost: 64 } as const;
/** Small writes: about 300 commands in a turn, so that a long turn is the store's doing and not one client's burst. */
const GENTLE = { ...VALUES, windowBytes: 16_384 } as const;
const ARGS: readonly string[] = ["--appendfsync", "no"];

/** Poll until `done`, at most EXPIRY_MS_MAX. */
async function waitFor(what: string, done: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + EXPIRY_MS_MAX;
  while (!(await done())) {
    if (performance.now() > until) throw new Error(`still waiting: ${what}`);
    await sleep(POLL_MS);
  }
}

async function saved(client: RespClient): Promise<boolean> {
  return /rdb_bgsave_in_progress:0/.test(String(await client.ask("INFO", "persistence")));
}

class TurnRows {
  readonly rows: Row[] = [];
  private readonly probe: TurnProbe;
  private readonly context: Context;

  constructor(context: Context, probe: TurnProbe) {
    this.context = context;
    this.probe = probe;
  }

  async during(what: string, act: () => Promise<unknown>): Promise<void> {
    this.probe.reset();
    const stolen = stolenMs();
    const began = performance.now();
    await act();
    const { turns, longestMs, over } = this.probe.read();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const lost = Math.round(stolenMs() - stolen);
    this.context.say(
      `${what}: longest turn ${longestMs.toFixed(2)} ms, ${over} of ${turns} over ${TURN_MS_MAX} ms (${seconds} s, stolen ${lost} ms)`,
    );
    this.rows.push(plainRow(`longest turn: ${what}`, "ms CPU", spreadOf([longestMs]), atMost(TURN_MS_MAX)));
  }
}

/** CPU per command at the present number of keys; the median of `runs`. */
async function cpuAt(context: Context, server: RunningServer, keys: number): Promise<Record<Test, number[]>> {
  const found: Record<Test, number[]> = { set: [], get: [] };
  const plan: Load = { test: "get", clients: 50, pipeline: 64, requests: 500_000, keys, valueBytes: 64 };
  const requests = context.quick ? 500_000 : 2_500_000;
  for (const test of ["set", "get"] as const) await runLoad(server, { ...plan, test }, 0);
  const idle = await idleShare(server);
  for (let run = 0; run < context.runs; run++) {
    for (const test of ["set", "get"] as const) {
      const { cpuMicros } = await runLoad(server, { ...plan, test, requests }, idle);
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

async function turnRows(context: Context, many: number, prefix: string, name: string): Promise<Row[]> {
  const probe = new TurnProbe(TURN_MS_MAX);
  const server = await context.start({ kind: "kvorum", label: "kvorum", args: ARGS, env: probe.env });
  const client = await RespClient.connect(server.port);
  const turns = new TurnRows(context, probe);
  await load(server.port, { count: 20_000, keys: 20_000, ...GENTLE, prefix }); // compiled code first
  await turns.during(`growing to ${many} keys${name}`, () =>
    load(server.port, { count: many, keys: many, ...GENTLE, prefix }),
  );
  const burst = { count: Math.floor(many / 4), keys: many, ...VALUES, prefix };
  await turns.during(`overwriting, one connection 512 KiB ahead${name}`, () => load(server.port, burst));
  await waitFor("the snapshot under way", () => saved(client));
  await turns.during(`snapshot${name}`, async () => {
    await client.ask("BGSAVE");
    await waitFor("BGSAVE", () => saved(client));
  });
  const expiring = Math.floor(many / 10);
  const before = await client.ask("DBSIZE");
  const seconds = 5 + expiring / 50_000;
  const expireAtMs = Date.now() + Math.ceil(seconds * 1000);
  await load(server.port, { count: expiring, keys: expiring, ...GENTLE, prefix: `${prefix}x`, expireAtMs });
  if (Date.now() > expireAtMs) throw new Error("the load took longer than the keys live");
  await turns.during(`${expiring} expiries at once${name}`, async () => {
    await sleep(expireAtMs - Date.now());
    await waitFor("expiries", async () => (await client.ask("DBSIZE")) === before);
  });
  await turns.during(`FLUSHALL${name}`, async () => {
    await client.ask("FLUSHALL");
    await sleep(2000); // memory is given back in slices afterwards
  });
  if ((await client.ask("DBSIZE")) !== 0) throw new Error("keys left after FLUSHALL");
  client.close();
  await server.stop();
  probe.close();
  return turns.rows;
}

/** Small keys in great number, and the same after SIGKILL. */
async function manySmall(context: Context, keys: number): Promise<Row[]> {
  const directory = temporaryDirectory("many");
  const spec = {
    kind: "kvorum",
    label: "kvorum",
    args: ARGS,
    directory,
    entry: context.entry,
    startMsMax: 300_000,
  } as const;
  const first = await RunningServer.start(spec);
  let bytes = 0;
  try {
    const before = rssBytes(first.pid);
    const rate = await load(first.port, { count: keys, keys, valueBytesLeast: 8, valueBytesMost: 8, prefix: "k:" });
    bytes = (rssBytes(first.pid) - before) / keys;
    context.say(`${keys} small keys: ${Math.round(rate)}/s, ${bytes.toFixed(0)} bytes per key`);
  } finally {
    await first.kill("SIGKILL");
  }
  const again = await RunningServer.start(spec);
  try {
    const client = await RespClient.connect(again.port);
    const found = Number(await client.ask("DBSIZE"));
    const last = await client.ask("GET", `k:${String(keys - 1).padStart(12, "0")}`);
    client.close();
    if (String(last).length !== 8) throw new Error(`the last small key reads ${String(last)}`);
    context.say(`${found} keys after SIGKILL, PONG after ${Math.round(again.startMs)} ms`);
    return [
      plainRow(`small keys lost, of ${keys}, by SIGKILL and restart`, "keys", spreadOf([keys - found]), atMost(0)),
      plainRow(`growth of the resident set at ${keys} small keys (14+8 bytes)`, "bytes per key", spreadOf([bytes])),
      plainRow(`until PONG with ${keys} small keys`, "ms", spreadOf([again.startMs])),
    ];
  } finally {
    await again.kill("SIGKILL");
  }
}

export const scale: Scenario = {
  name: "scale",
  about: "10 million keys: CPU per command, longest turn of the event loop; 50 million small keys and a restart",
  async run(context) {
    const many = context.quick ? 1_000_000 : 10_000_000;
    return [
      ...(await cpuRows(context, many)),
      ...(await turnRows(context, many, "key:", "")),
      ...(await turnRows(context, many, "{t}:", ", one hash tag")),
      ...(await manySmall(context, context.quick ? 1_000_000 : 50_000_000)),
    ];
  },
};
