/**
 * bench/compare/restart.ts: a server with a million keys is ended by SIGKILL and started again on its directory. Loading is the
 * time from making the process until PONG, less what the same server takes on an empty directory.
 * Every key must be there again: with appendfsync no the system has them, and only the process died.
 */
import { load } from "../lib/loader.js";
import { askOnce } from "../lib/resp-client.js";
import { RunningServer, temporaryDirectory } from "../lib/servers.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Scenario } from "./scenario.js";

const SPECS = [
  { kind: "kvorum", label: "kvorum", args: ["--appendfsync", "no"] },
  { kind: "redis", label: "Redis, log", args: ["--appendonly", "yes", "--appendfsync", "no"] },
] as const;

interface Starts {
  readonly totalMs: number;
  readonly loadingMs: number;
}

async function measure(context: Context, spec: (typeof SPECS)[number], keys: number): Promise<Starts[]> {
  const directory = temporaryDirectory(`restart-${spec.kind}`);
  const whole = { ...spec, directory, entry: context.entry };
  const first = await RunningServer.start(whole);
  const emptyMs = first.startMs;
  try {
    await load(first.port, { count: keys, keys, valueBytesLeast: 64, valueBytesMost: 64 });
  } finally {
    await first.kill("SIGKILL");
  }
  const starts: Starts[] = [];
  for (let run = 0; run < context.runs; run++) {
    const server = await RunningServer.start(whole);
    try {
      const found = await askOnce(server.port, "DBSIZE");
      if (found !== keys) throw new Error(`${spec.label}: ${String(found)} of ${keys} keys after SIGKILL`);
      starts.push({ totalMs: server.startMs, loadingMs: server.startMs - emptyMs });
      context.say(`${spec.label}: ${Math.round(server.startMs)} ms, on an empty directory ${Math.round(emptyMs)} ms`);
    } finally {
      await server.kill("SIGKILL");
    }
  }
  return starts;
}

export const restart: Scenario = {
  name: "restart",
  about: "time until PONG after SIGKILL with a million keys, 16-byte keys, 64-byte values",
  async run(context) {
    const keys = context.quick ? 100_000 : 1_000_000;
    const [kvorum, redis] = [await measure(context, SPECS[0], keys), await measure(context, SPECS[1], keys)];
    const spread = (starts: readonly Starts[], field: keyof Starts): ReturnType<typeof spreadOf> =>
      spreadOf(starts.map((start) => start[field]));
    return [
      plainRow(`loading ${keys} keys`, "ms", spread(kvorum, "loadingMs"), atMost(1600), {
        spread: spread(redis, "loadingMs"),
        as: "log",
      }),
      plainRow("from the command to PONG", "ms", spread(kvorum, "totalMs"), undefined, {
        spread: spread(redis, "totalMs"),
        as: "log",
      }),
    ];
  },
};
