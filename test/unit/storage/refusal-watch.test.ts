/**
 * test/unit/storage/refusal-watch.test.ts: a full disk is told of in the log: once when writes, or larger ones, begin to be refused, once when they
 * are taken again; at the start too.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { configFromOptions } from "../../../src/config/load.js";
import { DiskError } from "../../../src/lib/errors.js";
import { viewed } from "../../../src/lib/view.js";
import { RunningNode } from "../../../src/node.js";
import { NodeScheduler } from "../../../src/platform/node-scheduler.js";
import type { Engine } from "../../../src/storage/engine.js";
import { RefusalWatch } from "../../../src/storage/refusal-watch.js";
import { ServedStorage } from "../../../src/storage/served.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const ROOM = 100 << 20;
const LARGE = 4 << 20;

interface Watched {
  scheduler: FakeScheduler;
  disk: SimDisk;
  engine: Engine;
  storage: ServedStorage;
  lines: string[];
}

function watched(disk?: SimDisk): Watched {
  const scheduler = new FakeScheduler();
  const used = disk ?? new SimDisk(scheduler);
  const engine = openEngine(used, scheduler);
  const storage = new ServedStorage(engine, 0, () => scheduler.monotonicMs());
  const lines: string[] = [];
  const log = (level: string, text: string): void => void lines.push(`${level}: ${text}`);
  new RefusalWatch({ scheduler, storage, readOnly: () => engine.store.readOnly, log }).start();
  return { scheduler, disk: used, engine, storage, lines };
}

function put(engine: Engine, name: string): void {
  const key = viewed(Buffer.from(name));
  const value = viewed(Buffer.alloc(10_000, name));
  engine.store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
}

/** Until writes are refused. */
function fill({ engine, scheduler, storage, disk }: Watched): void {
  disk.freeBytesLeft = 10_000;
  for (let i = 0; storage.refusal === undefined; i++) {
    put(engine, `fill:${i}`);
    scheduler.advance(1);
  }
}

test("a disk that becomes full is told once, and once that it has room again", () => {
  const all = watched();
  const { scheduler, disk, lines } = all;
  scheduler.advance(10_000);
  assert.equal(lines, []);
  fill(all);
  scheduler.advance(60_000);
  assert.equal(lines, ["warning: writes are refused, reads are served: No space left on device"]);
  disk.freeBytesLeft = ROOM;
  scheduler.advance(60_000);
  assert.equal(lines.slice(1), ["notice: writes are taken again"]);
});

test("room that comes and goes is no line each time", () => {
  const all = watched();
  const { scheduler, disk, lines, storage } = all;
  fill(all);
  for (let i = 0; i < 20; i++) {
    disk.freeBytesLeft = ROOM;
    scheduler.advance(1500);
    assert.is(storage.refusal, undefined);
    fill(all);
    scheduler.advance(1500);
  }
  assert.ok(lines.length >= 2 && lines.length <= 13, `${lines.length} lines in a minute`);
});

test("only larger writes are refused: that is told too", () => {
  const { scheduler, disk, storage, lines } = watched();
  scheduler.advance(1000);
  disk.freeBytesLeft = 1 << 20;
  assert.not.ok(storage.roomFor(LARGE));
  assert.ok(storage.roomFor(10), "small ones go on");
  scheduler.advance(60_000);
  const line = `warning: larger writes are refused, one of ${LARGE} bytes was: no room on the disk for the log`;
  assert.equal(lines, [line]);
  disk.freeBytesLeft = ROOM;
  scheduler.advance(60_000);
  assert.equal(lines.slice(1), ["notice: writes are taken again"]);
});

/** What a node left behind that had been stopped well. */
function left(): SimDisk {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler);
  put(engine, "stays");
  scheduler.advance(10);
  engine.stop(() => {});
  return disk;
}

test("no room to begin the log: it is told at the start, and when there is", () => {
  const disk = left();
  disk.freeBytesLeft = 0;
  const { scheduler, lines } = watched(disk);
  assert.equal(lines, ["warning: the log cannot be begun, read-only until it can: No space left on device"]);
  disk.freeBytesLeft = ROOM;
  scheduler.advance(10_000);
  assert.equal(lines.slice(1), ["notice: writes are taken again"]);
});

test("a log that failed is not told as a full disk", () => {
  const { scheduler, engine, lines } = watched();
  (engine.wal as Wal).fail(new DiskError("log write failed", "for a test"));
  scheduler.advance(10_000);
  assert.equal(lines, []);
});

test("a node tells it where its lines go", async () => {
  const disk = new SimDisk(new NodeScheduler());
  const lines: string[] = [];
  const options = { log: (level: string, text: string) => void lines.push(`${level}: ${text}`) };
  const open = (): RunningNode => new RunningNode(configFromOptions({ port: 0 }, "/"), disk, () => {}, options);
  const first = open();
  await first.load();
  put(first.engine, "stays");
  await first.stop();
  disk.freeBytesLeft = 0;
  const node = open();
  await node.load();
  assert.match(lines.join("\n"), "warning: the log cannot be begun, read-only until it can");
  await node.stop(false, true);
});

test.run();
