/**
 * bench/compare/cold-start.ts: from making the process until PONG on an empty directory, less what `node -e 0` takes from start to
 * end: what kvorum itself adds.
 */
import { spawnSync } from "node:child_process";
import { spreadOf } from "../lib/statistics.js";
import { atMost, type Context, plainRow, type Scenario } from "./scenario.js";

function nodeAloneMs(): number {
  const began = performance.now();
  const ended = spawnSync(process.execPath, ["-e", "0"], { stdio: "ignore" });
  if (ended.status !== 0) throw new Error("node -e 0 failed");
  return performance.now() - began;
}

async function startMs(context: Context, kind: "kvorum" | "redis"): Promise<number> {
  const server = await context.start({ kind, label: kind, args: [] });
  await server.stop();
  return server.startMs;
}

export const coldStart: Scenario = {
  name: "cold-start",
  about: "time until PONG on an empty directory",
  async run(context) {
    const alone: number[] = [];
    const kvorum: number[] = [];
    const redis: number[] = [];
    const runs = context.quick ? 3 : Math.max(10, context.runs);
    await startMs(context, "kvorum"); // the files are in the page cache from here on
    for (let run = 0; run < runs; run++) {
      alone.push(nodeAloneMs());
      kvorum.push(await startMs(context, "kvorum"));
      redis.push(await startMs(context, "redis"));
    }
    const added = kvorum.map((ms, run) => ms - (alone[run] as number));
    return [
      plainRow("until PONG, beyond node -e 0", "ms", spreadOf(added), atMost(200)),
      plainRow("until PONG", "ms", spreadOf(kvorum), undefined, { spread: spreadOf(redis), as: "defaults" }),
      plainRow("node -e 0", "ms", spreadOf(alone)),
    ];
  },
};
