/**
 * bench/compare/memory.ts: how much the resident set grows per key: at a million keys of 16 bytes with values of 64, and after
 * ten overwrites of each, nine with sizes drawn from 16 to 512 bytes and the last back at 64.
 * Growth is counted from the server just started and answering, so heap, buffers and compiled code that come with the load are
 * counted as the keys' too. kvorum runs as it does by default, with HTTP, and without: then it begins with 14 MB less, and its heap has further to grow.
 */
import { load } from "../lib/loader.js";
import { rssBytes, settledRssBytes } from "../lib/process-facts.js";
import { askOnce } from "../lib/resp-client.js";
import { freePort, type ServerSpec } from "../lib/servers.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Row, type Scenario } from "./scenario.js";

const SETTLE_MS = 15_000;
const PASSES = 10;
type Spec = Omit<ServerSpec, "entry">;

const REDIS: Spec = { kind: "redis", label: "Redis, log", args: ["--appendonly", "yes", "--appendfsync", "no"] };
const NO_HTTP: Spec = { kind: "kvorum", label: "kvorum, no HTTP", args: ["--appendfsync", "no"] };

async function byDefault(): Promise<Spec> {
  const args = ["--appendfsync", "no", "--http-port", String(await freePort())];
  return { kind: "kvorum", label: "kvorum", args };
}

interface Growth {
  readonly fresh: number;
  readonly overwritten: number;
}

/** @param overwrite write everything over after that: takes twenty seconds. */
async function measure(context: Context, spec: Spec, keys: number, overwrite: boolean): Promise<Growth> {
  const server = await context.start(spec);
  const atStart = rssBytes(server.pid);
  const perKey = async (): Promise<number> => ((await settledRssBytes(server.pid, SETTLE_MS)) - atStart) / keys;
  await load(server.port, { count: keys, keys, valueBytesLeast: 64, valueBytesMost: 64 });
  const found = [await perKey()];
  if (overwrite) {
    const mixed = { count: keys * (PASSES - 1), keys, valueBytesLeast: 16, valueBytesMost: 512, seed: 3 };
    await load(server.port, mixed);
    found.push(await perKey());
    await load(server.port, { count: keys, keys, valueBytesLeast: 64, valueBytesMost: 64 });
    found.push(await perKey());
  }
  const size = await askOnce(server.port, "DBSIZE");
  if (size !== keys) throw new Error(`${spec.label}: ${String(size)} keys, ${keys} were written`);
  await server.stop();
  const what = overwrite ? "64, mixed, 64 again" : "64";
  context.say(`${spec.label}: ${found.map(Math.round).join(", ")} bytes per key (${what})`);
  return { fresh: found[0], overwritten: found[2] };
}

export const memory: Scenario = {
  name: "memory",
  about: "growth of the resident set per key, 16-byte keys, 64-byte values, a million of them",
  async run(context) {
    const keys = context.quick ? 100_000 : 1_000_000;
    const fresh = { kvorum: [] as number[], bare: [] as number[], redis: [] as number[] };
    const overwritten = { kvorum: [] as number[], redis: [] as number[] };
    for (let run = 0; run < context.runs; run++) {
      const kvorum = await measure(context, await byDefault(), keys, run === 0);
      const bare = await measure(context, NO_HTTP, keys, false);
      const redis = await measure(context, REDIS, keys, run === 0);
      fresh.kvorum.push(kvorum.fresh);
      fresh.bare.push(bare.fresh);
      fresh.redis.push(redis.fresh);
      if (run > 0) continue;
      overwritten.kvorum.push(kvorum.overwritten);
      overwritten.redis.push(redis.overwritten);
    }
    const row = (what: string, kvorum: number[], redis: number[], limit: number): Row =>
      plainRow(what, "bytes per key", spreadOf(kvorum), atMost(limit), { spread: spreadOf(redis), as: "log" });
    return [
      row(`${keys} keys`, fresh.kvorum, fresh.redis, 130),
      row(`${keys} keys, HTTP turned off`, fresh.bare, fresh.redis, 130),
      row(`after ${keys * PASSES} overwrites of 16 to 512 bytes and back`, overwritten.kvorum, overwritten.redis, 160),
    ];
  },
};
