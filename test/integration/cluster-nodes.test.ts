/**
 * test/integration/cluster-nodes.test.ts: processes as members of a cluster: they find one another, say what they see when one is killed, stopped
 * or started again, and refuse directories and peers that are not theirs.
 */
// timeout: 150s
import { cpSync, renameSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import { kvorum } from "../lib/kvorum-process.js";
import { atLeastOnce } from "../lib/pace.js";

const cluster = await KvorumCluster.start(3);
const server = (id: string): string => `127.0.0.1:${cluster.node(id).port}`;

async function stateOf(seen: string, by: string): Promise<string> {
  const fields = await cluster.info(by);
  const line = [...fields.values()].find((value) => value.startsWith(`id=${seen},`)) ?? "";
  return /,state=(\w+),/.exec(line)?.[1] ?? "";
}

function becomes(seen: string, by: string, state: string): Promise<void> {
  return cluster.until(async () => (await stateOf(seen, by)) === state, `${seen} ${state}, as ${by} sees it`);
}

test("all see the same: slots, ids, client addresses", async () => {
  const seen = [];
  for (const { id } of cluster.nodes) {
    const connection = await cluster.connection(id);
    seen.push(JSON.stringify(await connection.ask("CLUSTER", "SLOTS")));
    connection.close();
  }
  assert.is(new Set(seen).size, 1);
  for (const { port } of cluster.nodes) assert.ok(seen[0]?.includes(`["127.0.0.1",${port},`));
  const status = JSON.parse((await kvorum("cluster", "status", "--json", "-s", server("n2"))).out);
  assert.equal([status.ok, status.seenBy, status.membersUp, status.notUp], [true, "n2", 3, []]);
  assert.match(cluster.node("n1").process?.said ?? "", /node n1 of 3 \(n1 n2 n3\), peers at 127\.0\.0\.1:/);
});

test("one is killed: the others see it at once and have a quorum; it comes back under another address for clients", async () => {
  await cluster.finish("n3");
  for (const by of ["n1", "n2"]) await becomes("n3", by, "down");
  assert.is((await cluster.info("n1")).get("kvorum_cluster_state"), "ok");
  const connection = await cluster.connection("n1");
  assert.not.match(
    JSON.stringify(await connection.ask("CLUSTER", "SLOTS")),
    new RegExp(`,${cluster.node("n3").port},`),
  );
  assert.match(
    String(await connection.ask("CLUSTER", "NODES")),
    new RegExp(`:${cluster.node("n3").port}@\\d+ master,fail `),
  );
  await cluster.begin("n3", "--announce-host", "n3.example", "--announce-port", "7777");
  await cluster.connected();
  await cluster.until(
    async () => JSON.stringify(await connection.ask("CLUSTER", "SLOTS")).includes('["n3.example",7777,'),
    "the new address",
  );
  connection.close();
});

test("one is stopped: it is suspect, then down, and up again when it goes on", async () => {
  // Of the state that it is in for two seconds; a busy machine may need longer than that to look, and tries again.
  await atLeastOnce(async () => {
    cluster.pause("n2");
    await cluster.until(async () => (await stateOf("n2", "n1")) !== "up", "n2 is missed");
    const { out } = await kvorum("cluster", "status", "-s", server("n1"));
    if (/2 of 3 up; not up: n2 \(suspect\)/.test(out)) return undefined;
    cluster.resume("n2");
    await cluster.connected();
    return out;
  });
  await becomes("n2", "n1", "down");
  cluster.resume("n2");
  await becomes("n2", "n1", "up");
  await becomes("n1", "n2", "up");
});

test("one is asked to stop: it says goodbye and exits with 0; alone the last one has no quorum", async () => {
  const { process: asked } = cluster.node("n3");
  assert.is(await cluster.finish("n3", "SIGTERM"), 0);
  assert.match(asked?.said ?? "", "stopped by SIGTERM");
  assert.not.match(asked?.said.split("SIGTERM: stopping")[1] ?? "", " is down");
  await becomes("n3", "n1", "down");
  await cluster.finish("n2");
  await becomes("n2", "n1", "down");
  assert.is((await cluster.info("n1")).get("kvorum_cluster_state"), "fail");
  assert.is((await kvorum("cluster", "status", "-s", server("n1"))).code, 1);
  await cluster.begin("n2");
  await cluster.begin("n3");
  await cluster.connected();
});

/** Start n3 in another way, which must not work. */
async function refused(code: number, text: RegExp, ...more: string[]): Promise<void> {
  const ended = await kvorum("serve", "--http-port", "0", ...cluster.argv("n3"), ...more);
  assert.is(ended.code, code, ended.err);
  assert.match(ended.err, text);
}

test("a directory is one node's, of these members, and no other's", async () => {
  await cluster.finish("n3", "SIGTERM");
  const { peerPort: n1, dir } = cluster.node("n1");
  const { peerPort: n2 } = cluster.node("n2");
  await refused(64, /that of node n3; this node is n4/, "--id", "n4");
  await refused(
    64,
    /a cluster of n1, n2, n3; the peers .* say n1, n2, n3, n4/,
    "--peers",
    `n1=127.0.0.1:${n1},n2=127.0.0.1:${n2},n4=127.0.0.1:1`,
  );
  await refused(64, /.* peers .*another directory/, "--peers", "");
  await refused(64, /a cluster with n 3, r 2, w 2; this node is set to n 3, r 1, w 3\./, "--r", "1", "--w", "3");
  await refused(64, /partitions was fixed at 1024/, "--partitions", "512");
  await refused(75, /in use/, "--dir", dir);
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
  const { port } = blocker.address() as { port: number };
  await refused(69, /choose another with --peer-port/, "--peer-port", String(port));
  blocker.close();
  await cluster.begin("n3");
  await cluster.connected();
});

test("a node whose directory was lost or copied is not taken for what it was", async () => {
  await cluster.finish("n3", "SIGTERM");
  const { dir } = cluster.node("n3");
  renameSync(dir, `${dir}-lost`);
  await cluster.begin("n3");
  const said = (): Promise<boolean> =>
    Promise.resolve(
      /n3 has uuid [0-9a-f]{40}, and had [0-9a-f]{40}: .*new cluster/.test(cluster.node("n1").process?.said ?? ""),
    );
  await cluster.until(said, "n1 refuses the new directory");
  assert.is(await stateOf("n3", "n1"), "down");
  await cluster.finish("n3");
  rmSync(dir, { recursive: true });
  cpSync(cluster.node("n2").dir, dir, { recursive: true });
  await refused(64, /that of node n2; this node is n3/);
  rmSync(dir, { recursive: true });
  renameSync(`${dir}-lost`, dir);
  await cluster.begin("n3");
  await cluster.connected();
});

test.after(() => cluster.end());

test.run();
