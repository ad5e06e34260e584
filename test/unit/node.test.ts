/**
 * test/unit/node.test.ts: what a client may set while the node is loading holds once it serves; its time goes on where the machine's clock is set
 * back; a node that failed, or could not be started, lets go of its directory when it touches it no more.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { configFromOptions } from "../../src/config/load.js";
import { DiskError } from "../../src/lib/errors.js";
import { viewed } from "../../src/lib/view.js";
import { RunningNode } from "../../src/node.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { NodeScheduler } from "../../src/platform/node-scheduler.js";
import type { Wal } from "../../src/storage/wal.js";
import { SimDisk } from "../lib/sim-disk.js";
import { within } from "../lib/within.js";

for (const [before, after] of [
  ["everysec", "always"],
  ["always", "no"],
] as const)
  test(`CONFIG SET appendfsync ${after} while loading, in place of ${before}`, async () => {
    const config = configFromOptions({ appendfsync: before, port: 0 }, "/");
    const quiet = { memory: true, log: () => {} };
    const node = new RunningNode(config, new MemoryDisk(new NodeScheduler()), () => {}, quiet);
    assert.is(config.set("appendfsync", after), undefined);
    await node.load();
    const key = viewed(Buffer.from("key"));
    node.engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
    await new Promise<void>((resolve) => {
      const wal = node.engine.wal as Wal;
      wal.onDurable = resolve;
    });
    const { appendedLsn, durableLsn, syncedLsn } = node.engine.wal as Wal;
    assert.is(durableLsn, appendedLsn);
    assert.is(syncedLsn === appendedLsn, after === "always");
    await node.stop(false, true);
  });

test("the machine's clock is set back by an hour: what was to end soon ends soon, and stays gone", async () => {
  const config = configFromOptions({ port: 0 }, "/");
  const quiet = { memory: true, log: () => {} };
  const { now } = Date;
  const node = new RunningNode(config, new MemoryDisk(new NodeScheduler()), () => {}, quiet);
  try {
    await node.load();
    const { store } = node.engine;
    const put = (name: string): void => {
      const key = viewed(Buffer.from(name));
      store.put(0, key, 0, key.length, key, 0, key.length, store.now + 60, false);
    };
    put("before");
    Date.now = () => now() - 3_600_000;
    put("after");
    const wall = now();
    for (let i = 0; i < 100 && store.size(0) > 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.is(store.size(0), 0, "the sweep goes by it");
    assert.ok(store.now >= wall);
    assert.is(store.stats.expired, 2);
  } finally {
    Date.now = now;
    await node.stop(false, true);
  }
});

/** A node on a disk that can be looked into. */
function onDisk(): { node: RunningNode; disk: SimDisk; letGo: number[] } {
  const disk = new SimDisk(new NodeScheduler());
  const letGo: number[] = [];
  const config = configFromOptions({ port: 0 }, "/");
  const node = new RunningNode(config, disk, () => letGo.push(disk.openHandles), { log: () => {} });
  return { node, disk, letGo };
}

test("a node that could not be started stops its engine before it lets go of the directory", async () => {
  const { node, disk, letGo } = onDisk();
  disk.latencyMs = () => 20; // nothing else keeps the process meanwhile
  await node.load();
  assert.ok(disk.openHandles > 0);
  await node.abandon();
  assert.equal(letGo, [0]);
});

test("a node whose log failed: its stop says so, and lets go of the directory when it touches it no more", async () => {
  const { node, disk, letGo } = onDisk();
  await node.load();
  disk.latencyMs = () => 50;
  const wal = node.engine.wal as Wal;
  wal.audience = { waiters: 2, onlyWriters: false }; // off the loop
  const key = viewed(Buffer.from("key"));
  node.engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(wal.busy());
  wal.fail(new DiskError("log write failed", "for a test"));
  let error: unknown;
  await node.stop(false, true).catch((reason) => {
    error = reason;
  });
  assert.instance(error, DiskError);
  assert.equal(letGo, [0]);
});

/** @returns what stop() rejected with; nothing is left unhandled. */
async function stopOf(node: RunningNode): Promise<unknown> {
  const unhandled: unknown[] = [];
  const heard = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", heard);
  try {
    const stopped = node.stop(false, true).then(
      () => "well",
      (reason: unknown) => reason,
    );
    return await within(10_000, stopped, "the stop");
  } finally {
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", heard);
    assert.equal(unhandled, []);
  }
}

test("a disk that tells on closing of what it could not keep: the stop says so, and lets go of the directory", async () => {
  const { node, disk, letGo } = onDisk();
  await node.load();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { durable, plain } = (node.engine.wal as Wal).segments;
  const close = disk.close.bind(disk);
  disk.close = (file) => {
    close(file);
    if (file === durable || file === plain) throw Object.assign(new Error("input/output error"), { code: "EIO" });
  };
  const error = await stopOf(node);
  assert.instance(error, DiskError);
  assert.match((error as DiskError).message, "cannot close the log");
  assert.equal(letGo, [0]);
});

test("an engine that cannot even begin to stop: the stop says so, and does not hang", async () => {
  const { node, letGo } = onDisk();
  await node.load();
  const { engine } = node;
  const stop = engine.stop.bind(engine);
  engine.stop = () => {
    throw Object.assign(new Error("input/output error"), { code: "EIO" });
  };
  try {
    assert.instance(await stopOf(node), DiskError);
    assert.is(letGo.length, 1);
  } finally {
    stop(() => {});
  }
});

test.run();
