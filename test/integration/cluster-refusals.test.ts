/**
 * test/integration/cluster-refusals.test.ts: nodes that do not belong together do not talk, and both say why: another n, r or w, other partitions, another
 * name of the cluster, another secret; a directory that was restored from a copy. A directory with the data of a node alone is no member's.
 */
// timeout: 120s
import { cpSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import { KvorumProcess, kvorum } from "../lib/kvorum-process.js";
import { Connection } from "../lib/process-client.js";

const EXIT_USAGE = 64;
const SECRET = "a secret for this test";

const cluster = await KvorumCluster.plan(2, "--cluster-secret", SECRET);
await cluster.begin("n1");

/** n2 starts, with options that win over those of n1: both say why they do not talk. */
async function refused(said: RegExp, ...options: string[]): Promise<void> {
  const { dir } = cluster.node("n2");
  const from = (cluster.node("n1").process as KvorumProcess).said.length;
  await cluster.begin("n2", ...options);
  const [n1, n2] = [cluster.node("n1").process as KvorumProcess, cluster.node("n2").process as KvorumProcess];
  await cluster.until(() => Promise.resolve(said.test(n1.said.slice(from)) && said.test(n2.said)), String(said));
  const fields = await cluster.info("n2");
  assert.is(fields.get("kvorum_cluster_members_up"), "1");
  await cluster.finish("n2");
  rmSync(dir, { recursive: true });
}

test("another n, r or w: which, and both values", async () => {
  // Three replicas of two nodes are two: what was wanted is compared all the same.
  await refused(/\br is (2 on n1 and 3 on n2|3 on n2 and 2 on n1)/, "--r", "3");
  await refused(/\bw is (2 on n1 and 3 on n2|3 on n2 and 2 on n1)/, "--w", "3");
  await refused(/\bn is (3 on n1 and 2 on n2|2 on n2 and 3 on n1)/, "--n", "2");
});

test("other partitions, another name of the cluster", async () => {
  await refused(/\bpartitions is (1024 on n1 and 512 on n2|512 on n2 and 1024 on n1)/, "--partitions", "512");
  await refused(
    /\bcluster-name is (kvorum on n1 and other on n2|other on n2 and kvorum on n1)/,
    "--cluster-name",
    "other",
  );
});

test("another secret, or none: nothing is told of what the cluster is set to", async () => {
  await refused(/the cluster-secret differs/, "--cluster-secret", "another secret than that");
  await refused(/n1 has a cluster-secret and n2 has none/, "--cluster-secret", "");
});

test("a directory that was restored from a copy is not taken for what it was, and the newer one still is", async () => {
  const { dir } = cluster.node("n2");
  const copy = join(cluster.directory, "copy");
  await cluster.begin("n2");
  await cluster.connected();
  await cluster.finish("n2");
  cpSync(dir, copy, { recursive: true });
  for (let i = 0; i < 2; i++) {
    await cluster.begin("n2");
    await cluster.connected();
    await cluster.finish("n2");
  }
  const from = (cluster.node("n1").process as KvorumProcess).said.length;
  await cluster.begin("n2", "--dir", copy);
  const said = /n2 is at start 2, and was at 3: .*new cluster/;
  await cluster.until(
    () => Promise.resolve(said.test((cluster.node("n1").process as KvorumProcess).said.slice(from))),
    "n1 says why",
  );
  await cluster.finish("n2");
  await cluster.begin("n2");
  await cluster.connected();
  await cluster.finish("n2");
});

test("a directory with the data of a node alone does not become a member's; an empty one does", async () => {
  const { port, dir } = cluster.node("n2");
  rmSync(dir, { recursive: true });
  const alone = await KvorumProcess.start("--port", String(port), "--dir", dir);
  const connection = await Connection.open(port);
  await connection.ask("SET", "a", "1");
  connection.close();
  await alone.end("SIGTERM");
  const ended = await kvorum("serve", "--http-port", "0", ...cluster.argv("n2"));
  assert.is(ended.code, EXIT_USAGE);
  assert.match(ended.err, /alone/);
  const again = await KvorumProcess.start("--port", String(port), "--dir", dir);
  const reader = await Connection.open(port);
  assert.is(await reader.ask("GET", "a"), "1", "it is as it was");
  reader.close();
  await again.end("SIGTERM");
});

test("the backup of a member is not restored: that is no fault of the disk", async () => {
  const [backup, to] = [join(cluster.directory, "backup"), join(cluster.directory, "restored")];
  const made = await kvorum("backup", backup, "-s", `127.0.0.1:${cluster.node("n1").port}`);
  assert.is(made.code, 0, made.err);
  assert.match(made.err, /a copy of one member of a cluster: it can be inspected, not restored/);
  const ended = await kvorum("restore", backup, "--dir", to);
  assert.is(ended.code, 1, ended.err);
  assert.match(ended.err, /one member of a cluster.*new cluster/);
  assert.not.ok(existsSync(to));
});

test.after(() => cluster.end());

test.run();
