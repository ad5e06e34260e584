/**
 * test/integration/cluster-disk-full.test.ts: a cluster of which one node's disk is full of what the others' clients write: it says so to who writes
 * through it, serves reads, is healthy enough to be asked, and stops in good order.
 */
// timeout: 120s
import { readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import { SmallFileSystem } from "../lib/process-faulty-disk.js";
import { within } from "../lib/within.js";

const DISK_MB = 60;
const VALUE: Buffer = Buffer.alloc(1 << 20, "v");
const KEYS = 90;
const REPLY_MS = 20_000;

test("large values of others fill a node's disk: it refuses writes, again and again, and all else goes on", async () => {
  const disk = SmallFileSystem.mount(DISK_MB);
  if (disk === undefined) return;
  const cluster = await KvorumCluster.plan(3);
  try {
    for (const id of ["n1", "n2"]) await cluster.begin(id);
    await cluster.begin("n3", "--dir", join(disk.path, "data"));
    await cluster.connected();
    const writer = await cluster.connection("n1");
    for (let i = 0; i < KEYS; i++) assert.is(await writer.ask("SET", `key:${i}`, VALUE), "OK");
    const atFull = await cluster.connection("n3");
    const ask = (...command: (string | Buffer)[]): Promise<unknown> =>
      within(REPLY_MS, atFull.send(...command), String(command[0]));
    const refused = async (): Promise<boolean> =>
      /^MISCONF /.test(((await ask("SET", "large", VALUE)) as Error).message);
    await cluster.until(refused, "a large write through n3 is refused");
    assert.is(await ask("PING"), "PONG");
    for (let i = 0; i < 5; i++) {
      const reply = await ask("SET", `mine:${i}`, "1");
      assert.ok(reply === "OK" || /^MISCONF /.test((reply as Error).message), `${reply}`);
      assert.is(await ask("PING"), "PONG");
    }
    assert.is(((await ask("STRLEN", "key:1")) as number) | 0, VALUE.length);
    assert.is(((await ask("STRLEN", `key:${KEYS - 1}`)) as number) | 0, VALUE.length, "the others have it");
    // Bounded by what the test adds: there is room again, and it catches up.
    disk.resize(DISK_MB * 6);
    await cluster.until(async () => (await ask("SET", "again", "1")) === "OK", "writes go on");
    atFull.close();
    writer.close();
    assert.is(await cluster.finish("n3", "SIGTERM"), 0);
  } finally {
    await cluster.end();
    disk.unmount();
  }
});

test("a node that is started on a full disk, and once more when there is room, is the one that its peers know", async () => {
  const disk = SmallFileSystem.mount(8);
  if (disk === undefined) return;
  const cluster = await KvorumCluster.plan(3);
  const dir = join(disk.path, "data");
  try {
    for (const id of ["n1", "n2"]) await cluster.begin(id);
    await cluster.begin("n3", "--dir", dir);
    await cluster.connected();
    const writer = await cluster.connection("n1");
    for (let i = 0; i < 30; i++) assert.is(await writer.ask("SET", `key:${i}`, "v"), "OK");
    // Heartbeats tell the others how far its log is.
    await new Promise((resolve) => setTimeout(resolve, 700));
    await cluster.finish("n3");
    for (const name of readdirSync(dir)) if (name.endsWith(".tmp")) rmSync(join(dir, name));
    // Room for the file of a member, and for no segment of a log.
    const { bavail, bsize } = statfsSync(disk.path);
    const ballast = join(disk.path, "ballast");
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - 48 * 1024));
    await cluster.begin("n3", "--dir", dir);
    await cluster.connected();
    const atFull = await cluster.connection("n3");
    assert.match(((await atFull.send("SET", "key:1", "w")) as Error).message, /^MISCONF /);
    assert.is(await atFull.ask("GET", "key:1"), "v");
    atFull.close();
    rmSync(ballast);
    await cluster.finish("n3");
    await cluster.begin("n3", "--dir", dir);
    await cluster.connected();
    await cluster.finish("n3");
    await cluster.begin("n3", "--dir", dir);
    await cluster.connected();
    writer.close();
  } finally {
    await cluster.end();
    disk.unmount();
  }
});

test.run();
