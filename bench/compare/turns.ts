/**
 * bench/compare/turns.ts: the longest turn of the event loop in CPU time (lib/turn-probe.c: by samples where the system allows them, since
 * the clock counts what a hypervisor takes away; the clock's figure is printed beside it) while a table of 10 million keys grows, is
 * written over in bursts, is written out, loses a million keys to their deadlines at once, and is emptied; with the keys spread out
 * and all under one hash tag. Several runs, of which the median counts: a hypervisor makes turns long in some of them
 * (docs/decisions/0014-what-a-turn-is-made-of.md). Price: a long turn in one run of three shows in the spread alone.
 */
import { load } from "../lib/loader.js";
import { TurnProbe } from "../lib/preload.js";
import { sleep, stolenMs } from "../lib/process-facts.js";
import { RespClient } from "../lib/resp-client.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Row, type Scenario } from "./scenario.js";

const TURN_MS_MAX = 5;
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

/** Milliseconds, by what was measured; one for each run. */
type Longest = Map<string, number[]>;

class TurnWatch {
  private readonly probe: TurnProbe;
  private readonly context: Context;
  private readonly longest: Longest;

  constructor(context: Context, probe: TurnProbe, longest: Longest) {
    this.context = context;
    this.probe = probe;
    this.longest = longest;
  }

  async during(what: string, act: () => Promise<unknown>): Promise<void> {
    this.probe.reset();
    const stolen = stolenMs();
    const began = performance.now();
    await act();
    const { turns, sampled, ...clock } = this.probe.read();
    const { longestMs, over } = sampled ?? clock;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const lost = Math.round(stolenMs() - stolen);
    this.context.say(
      `${what}: longest turn ${longestMs.toFixed(2)} ms, ${over} of ${turns} over ${TURN_MS_MAX} ms (${seconds} s, stolen ${lost} ms)${
        sampled ? `; by the CPU clock ${clock.longestMs.toFixed(2)} ms, ${clock.over} over` : ""
      }`,
    );
    this.longest.set(what, [...(this.longest.get(what) ?? []), longestMs]);
  }
}

async function measure(context: Context, many: number, prefix: string, name: string, longest: Longest): Promise<void> {
  const probe = new TurnProbe(TURN_MS_MAX);
  const server = await context.start({ kind: "kvorum", label: "kvorum", args: ARGS, env: probe.env });
  const client = await RespClient.connect(server.port);
  const turns = new TurnWatch(context, probe, longest);
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
}

export const turns: Scenario = {
  name: "turns",
  about: "longest turn of the event loop, CPU time, 10 million keys of 16 bytes with values of 64",
  async run(context) {
    const many = context.quick ? 1_000_000 : 10_000_000;
    const longest: Longest = new Map();
    for (let run = 0; run < context.runs; run++) {
      await measure(context, many, "key:", "", longest);
      await measure(context, many, "{t}:", ", one hash tag", longest);
    }
    return [...longest].map(([what, ms]): Row => {
      return plainRow(`longest turn: ${what}`, "ms CPU", spreadOf(ms), atMost(TURN_MS_MAX));
    });
  },
};
