/**
 * test/unit/node.test.ts: what a client may set while the node is loading holds once it serves.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { configFromOptions } from "../../src/config/load.js";
import { RunningNode } from "../../src/node.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { NodeScheduler } from "../../src/platform/node-scheduler.js";
import type { Wal } from "../../src/storage/wal.js";

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
    const key = Buffer.from("key");
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

test.run();
