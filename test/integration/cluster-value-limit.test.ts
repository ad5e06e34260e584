/**
 * test/integration/cluster-value-limit.test.ts: max-value-bytes is for what clients send. What was accepted under another limit, before it was raised
 * or lowered at run time or at a start, travels between nodes all the same, and holds up nobody's catching up.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";

const MIB = 1024 * 1024;
const IDS = ["n1", "n2", "n3"];
const cluster = await KvorumCluster.start(3, "--max-value-bytes", "1mb");
const value = Buffer.alloc(4 * MIB, "v");

async function limit(to: string): Promise<void> {
  for (const id of IDS) {
    const connection = await cluster.connection(id);
    assert.is(await connection.ask("CONFIG", "SET", "max-value-bytes", to), "OK");
    connection.close();
  }
}

async function reads(id: string, key: string): Promise<boolean> {
  const connection = await cluster.connection(id);
  connection.buffers = true;
  const found = await connection.ask("GET", key);
  connection.close();
  return Buffer.isBuffer(found) && value.equals(found);
}

test("raised while the nodes run: what clients may send now gets to all", async () => {
  await limit("8mb");
  const connection = await cluster.connection("n1");
  assert.is(await connection.ask("SET", "large", value), "OK");
  connection.close();
  for (const id of IDS) assert.ok(await reads(id, "large"), id);
});

test("a node that was away, and starts with the low limit, is brought up to date", async () => {
  await cluster.finish("n3");
  const connection = await cluster.connection("n1");
  assert.is(await connection.ask("SET", "missed", value), "OK");
  for (let i = 0; i < 20; i++) assert.is(await connection.ask("SET", `behind:${i}`, "it"), "OK");
  connection.close();
  await cluster.begin("n3");
  await cluster.connected();
  for (const id of ["n1", "n2"])
    await cluster.until(
      async () => (await cluster.info(id)).get("kvorum_peers_behind") === "0",
      `${id} says that no peer is behind`,
    );
  assert.ok(await reads("n3", "missed"));
});

test.after(() => cluster.end());

test.run();
