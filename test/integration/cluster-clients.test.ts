/**
 * test/integration/cluster-clients.test.ts: the clients that people use against three nodes with default options: those that speak Redis Cluster go
 * straight to a node that holds the key, plain ones to any; what was acknowledged is there when nodes are killed, stopped or all gone at once.
 */
// timeout: 180s
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { Cluster as Cluster6 } from "ioredis";
import { Cluster as Cluster5 } from "ioredis5";
import { createCluster } from "redis";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import { Pace } from "../lib/pace.js";
import { Connection } from "../lib/process-client.js";
import { within } from "../lib/within.js";

const WAIT_MS = 60_000;
/** What is asked once a peer is known to be down waits for it no more; nor does what waits. Beside what a PING takes meanwhile. */
const ANSWER_MS = 2000;
/** quorum-timeout in the test without a quorum, and as much again. */
const REFUSAL_MS = 4000;
const AFTERWARDS = 20;
const KEYS = 200;

// Where nothing is said of time, a slow machine may take its own.
const cluster = await KvorumCluster.start(3, "--quorum-timeout", "20s");
const roots = cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port }));

async function forwarded(): Promise<number> {
  const counts = await Promise.all(cluster.running.map(({ id }) => cluster.info(id)));
  return counts.reduce((sum, fields) => sum + Number(fields.get("kvorum_works_forwarded")), 0);
}

/** Every value, asked of one node. */
async function checkAll(id: string, expected: ReadonlyMap<string, string>): Promise<void> {
  const connection = await cluster.connection(id);
  try {
    const keys = [...expected.keys()];
    const values = await within(WAIT_MS, Promise.all(keys.map((key) => connection.send("GET", key))), "all values");
    for (const [i, key] of keys.entries()) assert.is(String(values[i]), expected.get(key), `${key} on ${id}`);
  } finally {
    connection.close();
  }
}

for (const [name, Client] of [
  ["ioredis 6", Cluster6],
  // Its types are another generation's; the part used here is the same.
  ["ioredis 5", Cluster5 as unknown as typeof Cluster6],
] as const) {
  test(`${name} Cluster: commands go to an owner, and go on when a node is killed`, async () => {
    const client = new Client([roots[0] as { host: string; port: number }]);
    client.on("error", () => {});
    const expected = new Map<string, string>();
    /** A write that was under way to a node that died may have been done or not: then it is done again. */
    const putOne = async (key: string): Promise<void> => {
      for (let tries = 0; ; tries++) {
        try {
          assert.is(await client.set(key, `v ${key}`), "OK");
          expected.set(key, `v ${key}`);
          return;
        } catch (error) {
          if (tries > 5 || !String(error).includes("UNCERTAIN")) throw error;
        }
      }
    };
    const put = (from: number, to: number): Promise<unknown> => {
      const keys = Array.from({ length: to - from }, (_, i) => `${name}:${from + i}`);
      return within(WAIT_MS, Promise.all(keys.map(putOne)), "all writes");
    };
    try {
      const before = await forwarded();
      await put(0, KEYS);
      assert.is(client.nodes("all").length, 3);
      const hops = (await forwarded()) - before;
      assert.ok(hops < KEYS / 10, `${hops} of ${KEYS} went to a node that does not write the key`);
      assert.is(await client.get(`${name}:7`), `v ${name}:7`);
      assert.equal(await client.mget(`{${name}}a`, `{${name}}b`), [null, null]);
      const writing = put(KEYS, 2 * KEYS);
      await cluster.finish("n2");
      await writing;
      await put(2 * KEYS, 3 * KEYS);
      await checkAll("n1", expected);
      await checkAll("n3", expected);
      await cluster.begin("n2");
      await cluster.connected();
      await checkAll("n2", expected);
    } finally {
      client.disconnect();
    }
  });
}

test("node-redis cluster", async () => {
  const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${roots[1]?.port}` }] });
  client.on("error", () => {});
  try {
    await within(WAIT_MS, client.connect(), "a connection");
    const replies = await Promise.all(Array.from({ length: KEYS }, (_, i) => client.set(`node:${i}`, `v${i}`)));
    assert.ok(replies.every((reply) => reply === "OK"));
    assert.is(await client.get("node:7"), "v7");
    assert.is(client.masters.length, 3);
  } finally {
    client.destroy();
  }
});

test("plain clients on any node: what one acknowledged, all others read at once", async () => {
  const connections = await Promise.all(cluster.nodes.map(({ port }) => Connection.open(port)));
  for (let i = 0; i < 60; i++) {
    const [writer, reader] = [connections[i % 3], connections[(i + 1 + (i % 2)) % 3]] as [Connection, Connection];
    assert.is(await writer.ask("INCR", "plain"), i + 1);
    assert.is(await reader.ask("GET", "plain"), String(i + 1));
  }
  assert.is(await connections[0]?.ask("SELECT", 3), "OK");
  assert.is(await connections[0]?.ask("GET", "plain"), null);
  const text = String(await connections[1]?.ask("KV.EXPLAIN", "GET", "plain"));
  for (const { id } of cluster.nodes) assert.match(text, new RegExp(`^${id}: .*2 bytes at \\d+@n\\d`, "m"));
  for (const connection of connections) connection.close();
});

test("a node that is stopped holds nobody up once it is found to be down; when it goes on it is as the others", async () => {
  const connection = await cluster.connection("n1");
  const expected = new Map<string, string>();
  const pace = new Pace(await cluster.connection("n1"));
  cluster.pause("n3");
  let downMs = Number.POSITIVE_INFINITY;
  const found = cluster.until(
    async () => [...(await cluster.info("n1")).values()].some((line) => line.startsWith("id=n3,state=down,")),
    "n3 is down",
  );
  const noted = found.then(() => {
    downMs = performance.now();
  });
  let longest = 0;
  // Until it has been found to be down, and a little on.
  for (let i = 0, after = 0; after < AFTERWARDS; i++) {
    const sent = performance.now();
    if (sent > downMs) after++;
    const reply = await within(WAIT_MS, connection.send("SET", `stopped:${i}`, String(i)), "a reply");
    const now = performance.now();
    if (now > downMs) longest = Math.max(longest, now - Math.max(sent, downMs));
    if (reply === "OK") expected.set(`stopped:${i}`, String(i));
    // What was forwarded to it cannot be known.
    else assert.match(String(reply), /UNCERTAIN|NOREPLICAS/);
  }
  await noted;
  const slowMs = await pace.stop();
  assert.ok(longest < ANSWER_MS + slowMs, `${longest} ms, a PING ${slowMs} ms`);
  assert.ok(expected.size >= AFTERWARDS, `${expected.size} writes`);
  connection.close();
  cluster.resume("n3");
  await cluster.connected();
  await checkAll("n3", expected);
});

test("without a quorum each command is refused in time, and says whether it may have happened", async () => {
  await cluster.finish("n1", "SIGTERM");
  await cluster.begin("n1", "--quorum-timeout", "2s");
  await cluster.connected();
  const connection = await cluster.connection("n1");
  const pace = new Pace(await cluster.connection("n1"));
  let longest = 0;
  const answer = async (...words: string[]): Promise<unknown> => {
    const sent = performance.now();
    const reply = await within(WAIT_MS, connection.send(...words), words.join(" "));
    longest = Math.max(longest, performance.now() - sent);
    return reply;
  };
  await cluster.until(async () => (await answer("SET", "minority", "before")) === "OK", "a write");
  cluster.pause("n2");
  cluster.pause("n3");
  const [set, get] = await Promise.all([answer("SET", "minority", "after"), answer("GET", "minority")]);
  assert.match(String(set), /^Error: (UNCERTAIN|NOREPLICAS) /);
  assert.match(String(get), /^Error: CLUSTERDOWN /);
  await cluster.until(async () => (await cluster.info("n1")).get("kvorum_cluster_state") === "fail", "n1 sees it");
  assert.match(String(await connection.ask("CLUSTER", "INFO")), /^cluster_state:fail\r\n/);
  assert.match(String(await answer("SET", "minority", "later")), /^Error: NOREPLICAS /);
  const slowMs = await pace.stop();
  assert.ok(longest < REFUSAL_MS + slowMs, `${longest} ms, a PING ${slowMs} ms`);
  cluster.resume("n2");
  cluster.resume("n3");
  await cluster.connected();
  const value = async (): Promise<string> => String(await answer("GET", "minority"));
  await cluster.until(async () => /^(before|after)$/.test(await value()), "a read");
  await cluster.until(async () => (await answer("SET", "minority", "again")) === "OK", "a write");
  connection.close();
});

test("all nodes are killed at once: everything acknowledged is there", async () => {
  const connections = await Promise.all(cluster.nodes.map(({ port }) => Connection.open(port)));
  const expected = new Map<string, string>();
  const writing = connections.map(async (connection, c) => {
    for (let i = 0; i < 100_000; i++) {
      const key = `killed:${c}:${i}`;
      const reply = await connection.send("SET", key, `v${i}`).catch(() => undefined);
      if (reply === undefined) return;
      if (reply === "OK") expected.set(key, `v${i}`);
    }
  });
  await cluster.until(() => Promise.resolve(expected.size > 150), "some writes");
  await Promise.all(cluster.nodes.map(({ id }) => cluster.finish(id)));
  await within(WAIT_MS, Promise.all(writing), "the clients to notice");
  await Promise.all(cluster.nodes.map(({ id }) => cluster.begin(id, "--cluster-enabled", "yes")));
  await cluster.connected();
  for (const { id } of cluster.nodes) await checkAll(id, expected);
});

const CLI = "/usr/bin/redis-cli";

function cli(...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(CLI, args, { timeout: WAIT_MS }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`redis-cli ${args.join(" ")}: ${error.message}\n${out}${err}`));
    });
  });
}

test("redis-cli -c, and its cluster commands where cluster-enabled says so", async () => {
  if (!existsSync(CLI)) {
    console.log("SKIPPED: redis-cli is not installed");
    return;
  }
  const port = String(cluster.node("n2").port);
  assert.is(await cli("-c", "-p", port, "set", "cli", "x"), "OK\n");
  assert.is(await cli("-c", "-p", port, "get", "cli"), "x\n");
  const check = await cli("--cluster", "check", `127.0.0.1:${port}`);
  assert.match(check, /\[OK\] All nodes agree about slots configuration/);
  assert.match(check, /\[OK\] All 16384 slots covered/);
  assert.match(await cli("--cluster", "info", `127.0.0.1:${port}`), /\[OK\] \d+ keys in 3 masters/);
  assert.match(await cli("--cluster", "call", `127.0.0.1:${port}`, "ping"), /(PONG[\s\S]*){3}/);
  assert.match(await cli("-p", port, "select", "1"), /SELECT is not allowed in cluster mode/);
});

test.after(() => cluster.end());

test.run();
