/**
 * test/integration/kill9.test.ts: a real server is killed with SIGKILL at a random moment under load, and started again on the same
 * directory: no acknowledged command is lost, none is undone, and a transaction is there whole or not at all.
 * ROUNDS=100 is the campaign; the suite does a few.
 */
// timeout: 120s
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Redis } from "ioredis";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../src/lib/random.js";
import { freePort, KvorumProcess } from "../lib/kvorum-process.js";
import { within } from "../lib/within.js";

const ROUNDS = Number(process.env["ROUNDS"] ?? 4);
const WRITERS = 8;
const KEYS = 5;

/** What one writer knows: the last command that was acknowledged, and the last that was sent, by number. */
interface Writer {
  readonly id: number;
  acknowledged: number;
  sent: number;
}

function connect(port: number): Redis {
  const redis = new Redis(port, "127.0.0.1", { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  redis.on("error", () => {}); // the server is killed: that is the point
  return redis;
}

/** Command n of a writer: n goes into one key, and in one transaction into all the writer's keys; every seventh deletes one. */
async function write(redis: Redis, writer: Writer): Promise<void> {
  for (;;) {
    writer.sent++;
    const n = writer.sent;
    const transaction = redis.multi().set(`w${writer.id}:n`, n);
    for (let k = 0; k < KEYS; k++) {
      if ((n + k) % 7 === 0) transaction.del(`w${writer.id}:${k}`);
      else transaction.set(`w${writer.id}:${k}`, `${n}:${"x".repeat((n * 37) % 500)}`);
    }
    transaction.incr(`w${writer.id}:count`);
    const replies = await transaction.exec();
    for (const [error] of replies ?? []) if (error) throw error;
    writer.acknowledged = n;
  }
}

async function verify(redis: Redis, writer: Writer, what: string): Promise<void> {
  const n = Number((await redis.get(`w${writer.id}:n`)) ?? 0);
  assert.ok(
    n >= writer.acknowledged,
    `${what}: writer ${writer.id}: ${writer.acknowledged} was acknowledged, ${n} is there`,
  );
  assert.ok(n <= writer.sent, `${what}: writer ${writer.id}: ${n} was never sent`);
  assert.is(Number((await redis.get(`w${writer.id}:count`)) ?? 0), n, `${what}: transactions applied once each`);
  for (let k = 0; k < KEYS; k++) {
    const expected = n === 0 || (n + k) % 7 === 0 ? null : `${n}:${"x".repeat((n * 37) % 500)}`;
    assert.is(
      await redis.get(`w${writer.id}:${k}`),
      expected,
      `${what}: writer ${writer.id} key ${k} of transaction ${n}`,
    );
  }
  writer.sent = n;
  writer.acknowledged = n;
}

for (const mode of ["always", "everysec", "no"]) {
  test(`kill -9 under load, appendfsync ${mode}`, async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "kvorum-kill9-"));
    const random = new Random(mode.length);
    const writers: Writer[] = Array.from({ length: WRITERS }, (_, id) => ({ id, acknowledged: 0, sent: 0 }));
    const rounds = mode === "always" ? ROUNDS : Math.ceil(ROUNDS / 4);
    let acknowledged = 0;
    try {
      for (let round = 0; round <= rounds; round++) {
        const port = await freePort();
        const server = await within(
          20_000,
          KvorumProcess.start("--dir", dir, "--port", String(port), "--appendfsync", mode),
          "start",
        );
        try {
          const clients = writers.map(() => connect(port));
          for (const [i, writer] of writers.entries())
            await within(5000, verify(clients[i], writer, `${mode}, round ${round}`), "verify");
          if (round === rounds) {
            for (const client of clients) client.disconnect();
            break;
          }
          const running = writers.map((writer, i) => write(clients[i], writer).catch(() => {}));
          await new Promise((resolve) => setTimeout(resolve, 50 + random.below(700)));
          await within(5000, server.end("SIGKILL"), "kill");
          for (const client of clients) client.disconnect();
          await within(5000, Promise.all(running), "writers");
          acknowledged = writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
        } finally {
          await within(10_000, server.end("SIGKILL"), "end");
        }
      }
      assert.ok(acknowledged > rounds * WRITERS, `only ${acknowledged} transactions were acknowledged`);
      console.log(`appendfsync ${mode}: ${rounds} kills, ${acknowledged} transactions acknowledged, none lost`);
    } finally {
      fs.rmSync(dir, { recursive: true, force: true });
    }
  });
}

test.run();
