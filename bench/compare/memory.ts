/**
 * bench/compare/memory.ts: how much the resident set grows per key: at a million keys of 16 bytes with values of 64, and after
 * ten overwrites of each, nine with sizes drawn from 16 to 512 bytes and the last back at 64.
 * Growth is counted from the server just started and answering, so heap, buffers and compiled code that come with the load are
 * counted as the keys' too.
 */
import { load } from "../lib/loader.js";
import { rssBytes, settledRssBytes } from "../lib/process-facts.js";
import { askOnce } from "../lib/resp-client.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Scenario } from "./scenario.js";

const SETTLE_MS = 15_000;
const PASSES = 10;
const SPECS = [
  { kind: "kvorum", label: "kvorum", args: ["--appendfsync", "no"] },
  { kind: "redis", label: "Redis, log", args: ["--appendonly", "yes", "--appendfsync", "no"] },
] as const;

interface Growth {
  readonly fresh: number;
  readonly overwritten: number;
}

async function measure(context: Context, spec: (typeof SPECS)[number], keys: number): Promise<Growth> {
  const server = await context.start(spec);
  const atStart = rssBytes(server.pid);
  const perKey = async (): Promise<number> => ((await settledRssBytes(server.pid, SETTLE_MS)) - atStart) / keys;
  await load(server.port, { count: keys, keys, valueBytesLeast: 64, valueBytesMost: 64 });
  const fresh = await perKey();
  const mixed = { count: keys * (PASSES - 1), keys, valueBytesLeast: 16, valueBytesMost: 512, seed: 3 };
  await load(server.port, mixed);
  const most = await perKey();
  await load(server.port, { count: keys, keys, valueBytesLeast: 64, valueBytesMost: 64 });
  const overwritten = await perKey();
  const found = await askOnce(server.port, "DBSIZE");
  if (found !== keys) throw new Error(`${spec.label}: ${String(found)} keys, ${keys} were written`);
  await server.stop();
  context.say(
    `${spec.label}: ${[fresh, most, overwritten].map(Math.round).join(", ")} bytes per key (64, mixed, 64 again)`,
  );
  return { fresh, overwritten };
}

export const memory: Scenario = {
  name: "memory",
  about: "growth of the resident set per key, 16-byte keys, 64-byte values, a million of them",
  async run(context) {
    const keys = context.quick ? 100_000 : 1_000_000;
    const [kvorum, redis] = [await measure(context, SPECS[0], keys), await measure(context, SPECS[1], keys)];
    const row = (what: string, field: keyof Growth, limit: number): ReturnType<typeof plainRow> =>
      plainRow(what, "bytes per key", spreadOf([kvorum[field]]), atMost(limit), {
        spread: spreadOf([redis[field]]),
        as: "log",
      });
    return [
      row(`${keys} keys`, "fresh", 130),
      row(`after ${keys * PASSES} overwrites of 16 to 512 bytes and back`, "overwritten", 160),
    ];
  },
};
