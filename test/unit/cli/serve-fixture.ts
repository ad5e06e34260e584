/**
 * test/unit/cli/serve-fixture.ts: `kvorum serve` around a node that is none, for the tests of the process part. The first
 * argument says how the node behaves, the rest is the command line.
 */
import { serve } from "../../../src/cli/verbs/serve.js";

const [behaviour = "", ...argv] = process.argv.slice(2);
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

process.exitCode = await serve(argv, async () => ({
  async start(config) {
    const alive = setInterval(() => undefined, 1000);
    if (behaviour.startsWith("throw")) {
      throw Object.assign(new Error("no start"), { exitCode: Number(behaviour.slice("throw".length)) || undefined });
    }
    if (behaviour === "fault") setTimeout(() => JSON.parse("{"), 20);
    if (behaviour === "reject") setTimeout(() => void Promise.reject(new Error("unhandled")), 20);
    return {
      startScreen: `up on ${config.port}`,
      async stop() {
        if (behaviour === "slow-stop") await later(60_000);
        if (behaviour === "bad-stop") throw Object.assign(new Error("disk gone"), { exitCode: 74 });
        clearInterval(alive);
      },
      failed: new Promise((resolve) => {
        if (behaviour.startsWith("fail")) {
          setTimeout(() => resolve({ code: Number(behaviour.slice("fail".length)), message: "it failed" }), 20);
        }
      }),
    };
  },
}));
