/**
 * bench/compare/disk.ts: how much of the disk a server holds while the same keys are written over and over: an hour's worth at
 * 10,000 a second, as fast as it goes. The directory is looked at all the while; the most it held is what counts.
 * Live data is keys and values alone, 80 bytes a key, the strictest count.
 */
import { load } from "../lib/loader.js";
import { diskBytes } from "../lib/process-facts.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Scenario } from "./scenario.js";

const MIB: number = 1 << 20;
const LIVE_BYTES_PER_KEY = 80;
const WRITES_PER_SECOND = 10_000;
const LOOK_MS = 200;
const SPECS = [
  { kind: "kvorum", label: "kvorum", args: ["--appendfsync", "no"] },
  { kind: "redis", label: "Redis, log", args: ["--appendonly", "yes", "--appendfsync", "no"] },
] as const;

async function mostMiB(context: Context, spec: (typeof SPECS)[number], keys: number, writes: number): Promise<number> {
  const server = await context.start(spec);
  let most = 0;
  const look = setInterval(() => {
    most = Math.max(most, diskBytes(server.directory));
  }, LOOK_MS);
  try {
    await load(server.port, { count: writes, keys, valueBytesLeast: 64, valueBytesMost: 64 });
  } finally {
    clearInterval(look);
  }
  const last = diskBytes(server.directory);
  await server.stop();
  context.say(`${spec.label}: most ${Math.round(most / MIB)} MiB, at the end ${Math.round(last / MIB)} MiB`);
  return Math.max(most, last) / MIB;
}

export const disk: Scenario = {
  name: "disk",
  about: "most space held during an hour's worth of overwriting (36 million SETs over a million keys)",
  async run(context) {
    const keys = context.quick ? 50_000 : 1_000_000;
    const writes = context.quick ? 1_000_000 : 3600 * WRITES_PER_SECOND;
    const limit = (3 * keys * LIVE_BYTES_PER_KEY) / MIB + 256;
    const kvorum = await mostMiB(context, SPECS[0], keys, writes);
    const redis = await mostMiB(context, SPECS[1], keys, writes);
    return [
      plainRow(`${keys} keys, ${writes} writes`, "MiB", spreadOf([kvorum]), atMost(limit), {
        spread: spreadOf([redis]),
        as: "log",
      }),
    ];
  },
};
