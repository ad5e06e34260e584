/**
 * test/integration/cluster-catch-up.test.ts: a node is away while thousands of keys are written. When it is back, reads through it are right at once, and it is
 * brought up to date without anybody reading the keys; and so is one that was only stopped. KEYS=20000 writes more.
 */
// timeout: 180s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import type { Connection, Word } from "../lib/process-client.js";

const KEYS = Number(process.env["KEYS"] ?? 2000);
const AT_ONCE = 200;
const BEFORE = 400;
const SAMPLE = 200;

const cluster = await KvorumCluster.start(3);

async function put(connection: Connection, from: number, to: number, value: (i: number) => string): Promise<void> {
  const waves: Word[][] = [];
  for (let i = from; i < to; i += AT_ONCE) {
    const count = Math.min(AT_ONCE, to - i);
    waves.push(Array.from({ length: count }, (_, j) => [`away:${i + j}`, value(i + j)]).flat());
  }
  for (const wave of waves) {
    // A busy machine may keep a majority from answering in time: all of it is written again then.
    await cluster.until(async () => (await connection.send("MSET", ...wave)) === "OK", "keys are written");
  }
}

/** Wrong ones among so many keys, asked of one node. */
async function wrongOn(id: string, keys: readonly number[], value: (i: number) => string): Promise<number> {
  const connection = await cluster.connection(id);
  let wrong = 0;
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const some = keys.slice(at, at + AT_ONCE);
    let found: unknown;
    await cluster.until(async () => {
      found = await connection.send("MGET", ...some.map((i) => `away:${i}`));
      return Array.isArray(found);
    }, `${id} answers`);
    some.forEach((i, j) => {
      if ((found as string[])[j] !== value(i)) wrong++;
    });
  }
  connection.close();
  return wrong;
}

async function figure(id: string, name: string): Promise<number> {
  return Number((await cluster.info(id)).get(`kvorum_${name}`));
}

async function upToDate(...ids: string[]): Promise<void> {
  for (const id of ids)
    await cluster.until(async () => (await figure(id, "peers_behind")) === 0, `${id} says that no peer is behind`);
}

/** What each replica holds, of some keys. */
async function same(by: string): Promise<void> {
  const connection = await cluster.connection(by);
  for (let i = 0; i < SAMPLE; i++) {
    const text = String(await connection.ask("KV.EXPLAIN", "GET", `away:${Math.floor((i * KEYS) / SAMPLE)}`));
    const dots = [...text.matchAll(/^n\d: .* at (\d+@n\d)/gm)].map(([, dot]) => dot);
    assert.is(dots.length, 3, text);
    assert.is(new Set(dots).size, 1, text);
  }
  connection.close();
}

const all = Array.from({ length: KEYS }, (_, i) => i);
const first = (i: number): string => `first ${i}`;
const second = (i: number): string => `second ${i}`;

test("a node that was killed comes back: right at once, up to date soon", async () => {
  const connection = await cluster.connection("n1");
  // Small batches in the log, before the place from where the other one misses something.
  for (let i = 0; i < BEFORE; i++) await connection.send("SET", `before:${i}`, "x");
  await put(connection, 0, KEYS / 10, first);
  await cluster.finish("n3");
  await put(connection, 0, KEYS, second);
  await cluster.until(async () => (await figure("n1", "peers_behind")) === 1, "n1 knows that n3 is behind");
  await cluster.begin("n3");
  const some = Array.from({ length: 500 }, (_, i) => (i * 7919) % KEYS);
  assert.is(await wrongOn("n3", some, second), 0, "while it is brought up to date");
  await cluster.connected();
  await upToDate("n1", "n2");
  assert.ok((await figure("n3", "records_received")) >= KEYS / 2, "the log was shipped");
  await same("n1");
  assert.is(await wrongOn("n3", all, second), 0);
  connection.close();
});

test("a node that was stopped for longer than links last comes back", async () => {
  const connection = await cluster.connection("n1");
  cluster.pause("n2");
  await cluster.until(
    async () => [...(await cluster.info("n1")).values()].some((line) => line.startsWith("id=n2,state=down")),
    "n2 is down",
  );
  await put(connection, 0, KEYS / 10, first);
  cluster.resume("n2");
  await cluster.connected();
  const now = (i: number): string => (i < KEYS / 10 ? first(i) : second(i));
  assert.is(await wrongOn("n2", all.slice(0, 500), now), 0);
  await upToDate("n1", "n3");
  await same("n2");
  assert.is(await wrongOn("n2", all, now), 0);
  connection.close();
});

test.after(() => cluster.end());

test.run();
