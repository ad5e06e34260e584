/**
 * test/unit/storage/generations.test.ts: which snapshots are kept and how much of the log, so that there are two ways back; and snapshots that fail
 * as soon as they start.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FileHandle } from "../../../src/ports/disk.js";
import type { Engine } from "../../../src/storage/engine.js";
import { SNAPSHOT_TEMP_NAME } from "../../../src/storage/snapshot-format.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

class RefusingDisk extends SimDisk {
  refuses = "";
  override open(name: string, options: { create?: boolean; durable?: boolean; readonly?: boolean }): FileHandle {
    if (name === this.refuses) throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
    return super.open(name, options);
  }
}

function start(): { disk: RefusingDisk; scheduler: FakeScheduler; engine: Engine } {
  const scheduler = new FakeScheduler();
  const disk = new RefusingDisk(scheduler);
  return { disk, scheduler, engine: openEngine(disk, scheduler) };
}

function put(engine: Engine, name: string, valueBytes = 10): void {
  const key = Buffer.from(name);
  engine.store.put(0, key, 0, key.length, Buffer.alloc(valueBytes, name), 0, valueBytes, 0, false);
}

/** What the snapshot ended with. */
function save(engine: Engine, scheduler: FakeScheduler): string {
  const said: string[] = [];
  assert.ok(engine.snapshot((error) => said.push(error?.message ?? "well")));
  assert.equal(said, [], "later, not within the call");
  scheduler.advance(100);
  assert.is(said.length, 1);
  return said[0];
}

test("a snapshot whose file cannot be made says so when the turn ends, and the next one works", () => {
  const { disk, scheduler, engine } = start();
  put(engine, "k");
  scheduler.advance(10);
  disk.refuses = SNAPSHOT_TEMP_NAME;
  assert.match(save(engine, scheduler), "EMFILE");
  assert.not.ok(engine.lastSaveOk);
  assert.not.ok(engine.snapshotter.running);
  disk.refuses = "";
  assert.is(save(engine, scheduler), "well");
  assert.ok(engine.lastSaveOk);
});

test.run();
