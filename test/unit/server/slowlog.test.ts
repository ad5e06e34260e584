/** test/unit/server/slowlog.test.ts: what an entry holds of a command: cut to Redis's sizes, and nothing of what was cut off. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Args } from "../../../src/codec/resp/args.js";
import { viewed } from "../../../src/lib/view.js";
import { SlowLog } from "../../../src/server/slowlog.js";

function argsOf(...words: readonly (string | Buffer)[]): Args {
  const args = new Args();
  const parts = words.map((word) => Buffer.from(word as string, "latin1"));
  args.bytes = viewed(Buffer.concat(parts));
  let at = 0;
  for (const { length } of parts) {
    args.push(at, length);
    at += length;
  }
  return args;
}

type Config = ConstructorParameters<typeof SlowLog>[0];

test("texts are cut, the newest come first, and the oldest go", () => {
  const log = new SlowLog({ slowlogMaxLen: 2 } as Config);
  log.add(undefined, argsOf("SET", "k", "v".repeat(128)), 1, 0);
  log.add(undefined, argsOf("SET", "k", "v".repeat(130)), 2, 0);
  log.add(undefined, argsOf("AUTH", "p".repeat(200)), 3, 0);
  assert.equal(
    log.newest(-1).map(({ args }) => args),
    [
      ["AUTH", "(redacted)"],
      ["SET", "k", `${"v".repeat(128)}... (2 more bytes)`],
    ],
  );
  assert.equal(
    log.newest(1).map(({ id }) => id),
    [2],
  );
  log.add(undefined, argsOf(...Array.from({ length: 40 }, (_, i) => String(i))), 4, 0);
  assert.is(log.newest(1)[0]?.args.length, 32);
  assert.is(log.newest(1)[0]?.args[31], "... (9 more arguments)");
  log.reset();
  assert.is(log.length, 0);
});

test("of large arguments nothing stays in memory but what is shown", () => {
  const log = new SlowLog({ slowlogMaxLen: 128 } as Config);
  for (let i = 0; i < 64; i++) log.add(undefined, argsOf("SET", "k", Buffer.alloc(8 << 20, 97)), 1, 0);
  assert.is(log.length, 64);
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  const { heapUsed, external } = process.memoryUsage();
  // 64 times 8 MiB of text would be 512 MiB.
  assert.ok(heapUsed + external < 128 << 20, `${heapUsed} bytes of heap, ${external} elsewhere`);
});

test.run();
