/**
 * test/integration/cluster-overload.test.ts: much at once through a node of a cluster: of a crowd on one key while none can be done, what waited is refused,
 * and what began is counted once; long pipelines keep their order, large values go through any node, and commands on several keys keep to what they promise.
 */
// timeout: 180s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ClusterKeys } from "../lib/cluster-keys.js";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import type { Reply } from "../lib/process-client.js";
import { within } from "../lib/within.js";

const WAIT_MS = 90_000;
/** It crosses the wire in parts. Larger ones may take longer than a command's time. */
const LARGE_BYTES: number = 4 << 20;
const PIPELINED = 10_000;
/** Commands that a session reads before it waits: one of them is under way, the others behind it. */
const CROWD = 24;
const EACH = 256;

const cluster = await KvorumCluster.start(3, "--max-value-bytes", String(LARGE_BYTES));
const keys = await ClusterKeys.of(cluster);

test("10,000 commands in one pipeline: every one is answered, in order, on the same key and on others", async () => {
  const connection = await cluster.connection("n2");
  const replies: Promise<Reply>[] = [];
  for (let i = 0; i < PIPELINED / 4; i++) {
    replies.push(connection.send("INCR", "pipe"), connection.send("SET", `pipe:${i % 100}`, i));
    replies.push(connection.send("GET", `pipe:${i % 100}`), connection.send("ECHO", i));
  }
  const found = await within(WAIT_MS, Promise.all(replies), "all replies");
  let late = 0;
  for (let i = 0; i < PIPELINED / 4; i++) {
    const [count, set, get, echo] = found.slice(i * 4, i * 4 + 4);
    assert.is(echo, String(i));
    // A machine that is too busy for it says so in time; then counts are not known any more.
    if ([count, set, get].some((reply) => reply instanceof Error)) late++;
    else if (late === 0) assert.equal([count, set, get], [i + 1, "OK", String(i)]);
  }
  assert.ok(late < PIPELINED / 8, `${late} late`);
  connection.close();
});

test("a crowd on one key while none can be done: what waited is refused, what began is counted once", async () => {
  const [key] = keys.some(1, "crowd", ([first]) => first === "n1") as [string];
  const crowd = await Promise.all(Array.from({ length: CROWD }, () => cluster.connection("n1")));
  await crowd[0]?.ask("SET", key, 0);
  cluster.pause("n2");
  cluster.pause("n3");
  const asked = crowd.flatMap((connection) => Array.from({ length: EACH }, () => connection.send("INCR", key)));
  await cluster.until(
    async () => Number(/errorstat_NOREPLICAS:count=(\d+)/.exec(await errorStats())?.[1] ?? 0) > 0,
    "some are refused while none can be done",
  );
  cluster.resume("n2");
  cluster.resume("n3");
  const replies = await within(WAIT_MS, Promise.all(asked), "all replies");
  await cluster.connected();
  const count = (word: string): number =>
    replies.filter((reply) => (reply instanceof Error ? reply.message : "done").startsWith(word)).length;
  const [done, uncertain] = [count("done"), count("UNCERTAIN")];
  assert.is(done + uncertain + count("TRYAGAIN") + count("NOREPLICAS"), replies.length);
  const now = Number(await crowd[0]?.ask("GET", key));
  assert.ok(now >= done && now <= done + uncertain, `${now}: ${done} done, ${uncertain} uncertain`);
  for (const connection of crowd) connection.close();
});

/** On a connection of its own: those of the crowd wait. */
async function errorStats(): Promise<string> {
  const connection = await cluster.connection("n1");
  const text = String(await connection.ask("INFO", "errorstats"));
  connection.close();
  return text;
}

test("a value of 4 MiB goes through any node, to the replicas and back, and is there after a kill", async () => {
  const value = Buffer.alloc(LARGE_BYTES, "0123456789abcdef");
  const [key] = keys.some(1, "large", ([first]) => first === "n2") as [string];
  for (const { id } of cluster.nodes) {
    const writer = await cluster.connection(id);
    value.write(id);
    await cluster.until(async () => (await writer.send("SET", key, value)) === "OK", `${id} takes it`);
    assert.is(await writer.ask("STRLEN", key), LARGE_BYTES);
    const more = await writer.send("SET", key, Buffer.alloc(LARGE_BYTES + 1)).catch(() => "closed");
    assert.match(String(more), /invalid bulk length|closed/);
    writer.close();
  }
  await cluster.finish("n2");
  for (const { id } of cluster.running) {
    const reader = await cluster.connection(id);
    reader.buffers = true;
    await cluster.until(async () => {
      const found = await within(WAIT_MS, reader.send("GET", key), "the value");
      return Buffer.isBuffer(found) && found.equals(value);
    }, `${id} reads it`);
    reader.close();
  }
  await cluster.begin("n2");
  await cluster.connected();
});

test("several keys: MSET, MGET and DEL go key by key; EXEC writes one key, and refuses to write two", async () => {
  const [connection, other] = [await cluster.connection("n1"), await cluster.connection("n2")];
  const [a, b, c] = ["n1", "n2", "n3"].flatMap((id) => keys.some(1, `several:${id}`, ([first]) => first === id)) as [
    string,
    string,
    string,
  ];
  const exec = async (...commands: readonly (readonly string[])[]): Promise<Reply> => {
    assert.is(await connection.ask("MULTI"), "OK");
    for (const words of commands) assert.is(await connection.ask(...words), "QUEUED");
    return connection.send("EXEC");
  };
  assert.is(await connection.ask("MSET", a, "1", b, "2", c, "3"), "OK");
  assert.equal(await other.ask("MGET", a, b, "none", c), ["1", "2", null, "3"]);
  assert.equal(await exec(["INCR", a], ["GET", b], ["INCR", a]), [2, "2", 3]);
  assert.match(String(await exec(["INCR", a], ["INCR", b])), /^Error: CROSSSLOT /);
  assert.equal(await connection.ask("MGET", a, b), ["3", "2"], "it did nothing");
  assert.match(String(await connection.send("MSETNX", a, "9", "several:new", "9")), /^Error: CROSSSLOT /);
  // What is watched is changed by another client, through another node.
  assert.is(await connection.ask("WATCH", a), "OK");
  assert.is(await other.ask("SET", a, "4"), "OK");
  assert.is(await exec(["SET", a, "5"]), null);
  assert.is(await connection.ask("GET", a), "4");
  assert.is(await connection.ask("DEL", a, b, c, "none"), 3);
  connection.close();
  other.close();
});

test.after(() => cluster.end());

test.run();
