/**
 * test/unit/storage/inspect.test.ts: what inspection says of logs and snapshots: clean, sealed, torn, corrupt, being written. And
 * that it changes nothing.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import type { Engine } from "../../../src/storage/engine.js";
import {
  inspectLog,
  inspectSnapshot,
  type LogEnd,
  type LogPiece,
  movedOn,
  onlyFiles,
  type SnapshotPiece,
  segmentNames,
  snapshotNames,
} from "../../../src/storage/inspect.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";

function open(disk: MemoryDisk, scheduler: FakeScheduler): Engine {
  return openEngine(disk, scheduler);
}

function put(engine: Engine, key: string, bytes: number, expireAt = 0): void {
  const name = viewed(Buffer.from(key));
  engine.store.put(0, name, 0, name.length, viewed(Buffer.alloc(bytes, 65)), 0, bytes, expireAt, false);
}

/** Two segments and more: 60 keys, each a batch of its own; one removed, database 3 flushed. */
function build(): { disk: MemoryDisk; scheduler: FakeScheduler; engine: Engine } {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = open(disk, scheduler);
  for (let i = 0; i < 60; i++) {
    put(engine, `key:${i}`, 3000, i === 5 ? scheduler.nowMs() + 1e9 : 0);
    scheduler.advance(5);
  }
  const gone = viewed(Buffer.from("key:7"));
  engine.store.remove(0, gone, 0, gone.length);
  scheduler.advance(5);
  return { disk, scheduler, engine };
}

function read(disk: MemoryDisk, records = false): { pieces: LogPiece[]; end: LogEnd } {
  const pieces = [...inspectLog(disk, records)];
  const last = pieces.at(-1);
  if (last?.kind !== "end") throw new Error("no end");
  return { pieces, end: last.end };
}

/** Everything in it, to see that nothing changed. */
function bytesOf(disk: MemoryDisk): string {
  return disk
    .list()
    .sort()
    .map((name) => {
      const file = disk.open(name, { readonly: true });
      const bytes = Buffer.alloc(disk.size(file));
      disk.read(file, bytes, 0, bytes.length, 0);
      disk.close(file);
      return `${name} ${bytes.toString("base64")}`;
    })
    .join("\n");
}

function overwrite(disk: MemoryDisk, name: string, position: number, bytes: Buffer): void {
  const file = disk.open(name, {});
  disk.write(file, bytes, 0, bytes.length, position);
  disk.close(file);
}

test("segments, batches and records of a log in use, and nothing changes", () => {
  const { disk } = build();
  const before = bytesOf(disk);
  const { pieces, end } = read(disk, true);
  assert.is(bytesOf(disk), before);
  const segments = pieces.filter((piece) => piece.kind === "segment");
  assert.ok(segments.length >= 2);
  assert.equal(
    segments.map((segment) => segment.kind === "segment" && segment.name),
    segmentNames(disk),
  );
  const batches = pieces.flatMap((piece) => (piece.kind === "batch" ? [piece.batch] : []));
  assert.equal(
    [batches[0].flags, batches[0].firstLsn, batches[0].offsetBytes, batches[0].records],
    [["open"], 1, 512, 0],
  );
  assert.equal(batches.length, end.batches);
  for (let i = 1; i < batches.length; i++) assert.is(batches[i].firstLsn, batches[i - 1].lastLsn + 1);
  const records = pieces.flatMap((piece) => (piece.kind === "record" ? [piece.record] : []));
  assert.equal([records.length, end.records, end.lastLsn, end.verdict], [61, 61, 62, "clean"]);
  const dated = records.find((record) => record.expireAt > 0);
  assert.equal([String(dated?.key), dated?.valueBytes, dated?.kind], ["key:5", 3000, "state"]);
  assert.equal([String(records.at(-1)?.key), records.at(-1)?.kind], ["key:7", "tombstone"]);
});

test("a sealed log, an empty directory, one segment alone", () => {
  const { disk, scheduler, engine } = build();
  engine.stop(() => {});
  scheduler.advance(20);
  const { end, pieces } = read(disk);
  assert.equal([end.verdict, end.what], ["sealed", ""]);
  assert.ok(pieces.every((piece) => piece.kind !== "record"));
  assert.is(read(new MemoryDisk(scheduler)).end.verdict, "empty");
  const [, second] = segmentNames(disk);
  const alone = [...inspectLog(onlyFiles(disk, [second]), false)];
  assert.equal(alone.filter((piece) => piece.kind === "segment").length, 1);
});

test("torn: a last batch with a sector that was never written", () => {
  const { disk, engine } = build();
  const { lastBytes, lsn } = engine.extent();
  const last = segmentNames(disk).at(-1) as string;
  overwrite(disk, last, lastBytes - 512, Buffer.alloc(512));
  const { end } = read(disk);
  assert.equal([end.verdict, end.file, end.lastLsn], ["clean", last, lsn - 1]);
  // A removal is one sector: without it the log ends a batch earlier. With half a put at the end it is torn.
  const scheduler = new FakeScheduler();
  const torn = disk.clone(scheduler);
  const before = end.offsetBytes;
  const two = read(disk).pieces.findLast((piece) => piece.kind === "batch" && piece.batch.sectors > 1);
  if (two?.kind !== "batch") throw new Error("no large batch");
  overwrite(torn, last, before - 512, Buffer.alloc(512));
  const result = read(torn).end;
  assert.equal([result.verdict, result.file, result.offsetBytes], ["torn", last, two.batch.offsetBytes]);
  assert.ok(result.droppedBytes > 0 && result.what !== "");
  assert.not(movedOn(torn, result));
  // The same bytes written after all, it was a write under way.
  assert.ok(movedOn(disk, result));
});

test("corrupt: file and byte; a gap between segments is one, and stays one when the log goes on behind it", () => {
  const { disk } = build();
  const first = segmentNames(disk)[0];
  const copy = disk.clone(new FakeScheduler());
  overwrite(copy, first, 1500, Buffer.from("!"));
  const { end } = read(copy);
  assert.equal([end.verdict, end.file, end.offsetBytes], ["corrupt", first, 1024]);
  assert.not(movedOn(copy, end));
  assert.ok(end.wholeBytes === 1024 && end.lastLsn === 1);

  const gap = disk.clone(new FakeScheduler());
  gap.remove(segmentNames(gap)[1]);
  const hole = read(gap).end;
  assert.equal([hole.verdict, hole.file], ["corrupt", segmentNames(gap)[1]]);
  assert.match(hole.what, "are missing");
  assert.not(movedOn(gap, hole));

  const newer = disk.clone(new FakeScheduler());
  overwrite(newer, first, 0, Buffer.from("KVORWAX\n"));
  assert.equal([read(newer).end.file, read(newer).end.offsetBytes], [first, 0]);
});

test("snapshots: blocks and digest; damage with its place", () => {
  const { disk, engine, scheduler } = build();
  engine.snapshot(() => {});
  scheduler.advance(50);
  const [name] = snapshotNames(disk);
  const look = (from: MemoryDisk): SnapshotPiece[] => [...inspectSnapshot(from, name, true)];
  const pieces = look(disk);
  const end = pieces.at(-1);
  if (end?.kind !== "end" || pieces[0].kind !== "snapshot") throw new Error("no end");
  assert.equal([end.end.verdict, end.end.records, end.end.offsetBytes], ["whole", 59, pieces[0].head.bytes]);
  assert.ok(end.end.digest > 0);
  assert.is(pieces.filter((piece) => piece.kind === "record").length, 59);
  const blocks = pieces.flatMap((piece) => (piece.kind === "block" ? [piece] : []));
  assert.is(blocks.length, end.end.blocks);
  assert.is(blocks[0].offsetBytes, 40);
  const copy = disk.clone(new FakeScheduler());
  overwrite(copy, name, 5000, Buffer.from("!"));
  const bad = look(copy).at(-1);
  if (bad?.kind !== "end") throw new Error("no end");
  assert.equal([bad.end.verdict, bad.end.offsetBytes], ["corrupt", 40]);
  overwrite(copy, name, 0, Buffer.from("X"));
  assert.is(look(copy).length, 1);
});

test.run();
