/**
 * test/integration/set-back.test.ts: the directory of a member, put back to what it was: its peers do not take it in again, however often it is
 * started. It has forgotten what it acknowledged, and would be counted for a quorum that does not hold it.
 */
// timeout: 120s
import { cpSync, rmSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";

const KEYS = 50;

async function put(cluster: KvorumCluster, by: string, value: string): Promise<void> {
  const connection = await cluster.connection(by);
  for (let i = 0; i < KEYS; i++) assert.is(await connection.ask("SET", `key:${i}`, value), "OK");
  connection.close();
}

/** Both others refuse it, with these words; it serves nothing, and what was acknowledged is there. */
async function isRefused(cluster: KvorumCluster, words: RegExp): Promise<void> {
  await cluster.begin("n3");
  const said = (id: string): string => cluster.node(id).process?.said ?? "";
  await cluster.until(async () => /n1: .*refused/.test(said("n3")) && /n2: .*refused/.test(said("n3")), "refused");
  assert.match(said("n3"), words);
  const fields = await cluster.info("n3");
  assert.is(fields.get("kvorum_cluster_state"), "fail");
  const connection = await cluster.connection("n1");
  for (let i = 0; i < KEYS; i += 7) assert.is(await connection.ask("GET", `key:${i}`), "new");
  connection.close();
}

test("an older copy that was started until its number is that of the start it replaces, and beyond", async () => {
  const cluster = await KvorumCluster.start(3);
  try {
    const { dir } = cluster.node("n3");
    await put(cluster, "n1", "old");
    await cluster.finish("n3", "SIGTERM");
    cpSync(dir, `${dir}-copy`, { recursive: true });
    await cluster.begin("n3");
    await cluster.connected();
    await put(cluster, "n3", "new");
    await cluster.finish("n3");
    rmSync(dir, { recursive: true });
    cpSync(`${dir}-copy`, dir, { recursive: true });
    for (let start = 2; start <= 5; start++) {
      await isRefused(cluster, /cannot come back/);
      await cluster.finish("n3", "SIGTERM");
    }
  } finally {
    await cluster.end();
  }
});

test("a copy made while it ran", async () => {
  const cluster = await KvorumCluster.start(3);
  try {
    const { dir } = cluster.node("n3");
    await put(cluster, "n1", "new");
    const connection = await cluster.connection("n1");
    const last = `key:${KEYS - 1}`;
    assert.is(await connection.ask("SET", last, "old"), "OK");
    // One record is what it lacks.
    cpSync(dir, `${dir}-copy`, { recursive: true });
    assert.is(await connection.ask("SET", last, "new"), "OK");
    connection.close();
    // The others hear how far its log is with its heartbeats.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await cluster.finish("n3");
    rmSync(dir, { recursive: true });
    cpSync(`${dir}-copy`, dir, { recursive: true });
    for (let start = 2; start <= 4; start++) {
      await isRefused(cluster, /n3 went on from LSN \d+ of its log, and had been at \d+: .* cannot come back/);
      await cluster.finish("n3", "SIGTERM");
    }
  } finally {
    await cluster.end();
  }
});

test.run();
