/**
 * bench/compare/many.ts: 50 million small keys (14 bytes, values of 8) fit, and are all there after SIGKILL and a restart.
 */
import { load } from "../lib/loader.js";
import { rssBytes } from "../lib/process-facts.js";
import { RespClient } from "../lib/resp-client.js";
import { RunningServer, temporaryDirectory } from "../lib/servers.js";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Row, type Scenario } from "./scenario.js";

const ARGS: readonly string[] = ["--appendfsync", "no"];

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

export const many: Scenario = {
  name: "many",
  about: "50 million small keys, and a restart after SIGKILL",
  run: (context) => manySmall(context, context.quick ? 1_000_000 : 50_000_000),
};
