/**
 * test/unit/storage/log-cursor.test.ts: reading the log of a running node: every state from any position on, in order, in pieces of any size,
 * while it is being written, over segments and restarts; how long the log is kept for peers; what happens when it is gone or damaged.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { CorruptionError } from "../../../src/lib/errors.js";
import { Random } from "../../../src/lib/random.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import type { Engine, EngineOptions } from "../../../src/storage/engine.js";
import type { CursorState, LogCursor } from "../../../src/storage/log-cursor.js";
import { snapshotLsn } from "../../../src/storage/snapshot-format.js";
import { encodeState } from "../../../src/storage/state-record.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";
import { putFile, readFile } from "../../lib/written-log.js";

type Logged = readonly [lsn: number, record: Buffer];
const NEVER = (): boolean => false;

let hlc = 1;
function write(engine: Engine, key: string, bytes: number): Logged {
  hlc++;
  const ballot = { epoch: 0, hlc, node: 1 };
  const value = bytes < 0 ? undefined : { type: 0, raw: false, bytes: Buffer.alloc(bytes, hlc) };
  const state = { value, expireAt: 0, vv: VersionVector.of([{ epoch: 0, hlc, node: 2 }]), cut: 0 };
  const record = encodeState(`\0${key}`, ballot, state);
  return [engine.registers.accept(record, false), record];
}

/** Read all there is, in pieces. @returns the last state too. */
function readAll(cursor: LogCursor, bytesMax = 1e9, done: () => boolean = NEVER): [Logged[], CursorState] {
  const found: Logged[] = [];
  for (let calls = 0; calls < 100_000; calls++) {
    const state = cursor.read(bytesMax, done, (lsn, body, at, length) =>
      found.push([lsn, Buffer.from(body.subarray(at, at + length))]),
    );
    if (state !== "more") return [found, state];
  }
  throw new Error("it never ended");
}

function same(found: readonly Logged[], expected: readonly Logged[], what = ""): void {
  assert.equal(
    found.map(([lsn]) => lsn),
    expected.map(([lsn]) => lsn),
    what,
  );
  for (const [i, [, record]] of found.entries()) assert.ok(record.equals(expected[i][1]), `${what}: record ${i}`);
}

const SIZES = [-1, 0, 5, 60, 400, 3000];

function fill(engine: Engine, scheduler: FakeScheduler, count: number, random: Random): Logged[] {
  const logged: Logged[] = [];
  for (let i = 0; i < count; i++) {
    logged.push(write(engine, `k${random.below(20)}`, SIZES[random.below(SIZES.length)]));
    if (random.below(10) === 0) engine.registers.logCeiling(hlc + 1000);
    if (random.below(3) > 0) scheduler.advance(1);
  }
  scheduler.advance(5);
  return logged;
}

function open(disk: MemoryDisk | SimDisk, scheduler: FakeScheduler, more: Partial<EngineOptions> = {}): Engine {
  return openEngine(disk, scheduler, { register: true, ...more });
}

test("from any position on every state, in order, in pieces of any size; ceilings and marks are passed over", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const random = new Random(1);
  const logged = fill(engine, scheduler, 400, random);
  assert.ok(engine.extent().segments.length > 2, "one segment only");
  const last = (engine.wal as Wal).durableLsn;
  for (let from = 1; from <= last + 1; from += 1 + random.below(9)) {
    const cursor = engine.logFrom(from);
    const [found, state] = readAll(cursor, from % 2 === 0 ? 1 : 5000);
    assert.is(state, "end");
    assert.is(cursor.nextLsn, last + 1);
    same(
      found,
      logged.filter(([lsn]) => lsn >= from),
      `from ${from}`,
    );
    assert.equal(readAll(cursor), [[], "end"], "nothing twice");
    cursor.close();
  }
});

test("a call does what it is allowed to: about so many bytes, and no more once it is told that it is time", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  for (let i = 0; i < 50; i++) write(engine, `k${i}`, 100);
  scheduler.advance(5);
  const cursor = engine.logFrom(1);
  let count = 0;
  const take = (): void => {
    count++;
  };
  // The mark of the start, the batch, its first record.
  assert.is(
    cursor.read(1e9, () => true, take),
    "more",
  );
  assert.is(count, 0);
  assert.is(cursor.read(1000, NEVER, take), "more");
  assert.ok(count >= 6 && count <= 9, `${count}`);
  const before = count;
  assert.is(
    cursor.read(1e9, () => true, take),
    "more",
  );
  assert.is(count, before + 1);
  same(readAll(engine.logFrom(1), 1e9, () => true)[0], readAll(engine.logFrom(1))[0]);
});

test("beside a writer: only what is durable, and on from there when there is more", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = open(disk, scheduler);
  const random = new Random(2);
  disk.latencyMs = () => 1 + random.below(30) / 10;
  const wal = engine.wal as Wal;
  const logged: Logged[] = [];
  const found: Logged[] = [];
  const cursor = engine.logFrom(1);
  let behind = 0;
  for (let i = 0; i < 1500; i++) {
    logged.push(write(engine, `k${random.below(20)}`, SIZES[random.below(SIZES.length)]));
    scheduler.advance(random.below(4) / 2);
    const [more, state] = readAll(cursor);
    assert.is(state, "end");
    found.push(...more);
    assert.is(cursor.nextLsn, wal.durableLsn + 1);
    if (wal.durableLsn < wal.appendedLsn) behind++;
  }
  assert.ok(behind > 100, "the log was always durable");
  assert.ok(engine.extent().segments.length > 3);
  scheduler.advance(50);
  found.push(...readAll(cursor)[0]);
  same(found, logged);
});

test("values of many sectors and of more than a segment, in between small ones", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  const logged: Logged[] = [];
  for (const bytes of [10, 70_000, 3, 700_000, 5, 5, 300_000, 1]) {
    logged.push(write(engine, `k${bytes}`, bytes));
    for (let i = 0; i < 20; i++) scheduler.advance(5);
  }
  assert.is((engine.wal as Wal).durableLsn, (engine.wal as Wal).appendedLsn);
  same(readAll(engine.logFrom(1), 1)[0], logged);
  same(readAll(engine.logFrom(logged[4][0]), 1e9)[0], logged.slice(4));
});

test("a large batch is read in pieces, each of them a turn's share, and checked as a whole", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = open(disk, scheduler, { segmentBytes: 1 << 24 });
  const logged = [write(engine, "before", 5), write(engine, "large", 3_500_000), write(engine, "behind", 60)];
  scheduler.advance(20);
  logged.push(write(engine, "later", 7));
  scheduler.advance(20);
  let looks = 0;
  const cursor = engine.logFrom(1);
  const [found] = readAll(cursor, 1e9, () => ++looks > 0);
  same(found, logged);
  assert.ok(looks >= 4 + 4, "it looked up between the pieces");
  const { name, firstLsn } = engine.extent().segments.at(-1) as { name: string; firstLsn: number };
  const whole = readFile(disk, name);
  const damaged = Buffer.from(whole);
  damaged[3_000_000] ^= 1;
  putFile(disk, name, damaged);
  assert.throws(
    () => readAll(engine.logFrom(firstLsn)),
    (error: Error) => error instanceof CorruptionError,
  );
  putFile(disk, name, whole);
  same(
    readAll(engine.logFrom(firstLsn), 1)[0],
    logged.filter(([lsn]) => lsn >= firstLsn),
  );
});

test("over a restart, which makes segments of its own, and after a torn end", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const logged = fill(open(disk, scheduler), scheduler, 60, new Random(3));
  const second = new FakeScheduler();
  const after = disk.afterPowerLoss(second, 1);
  const engine = open(after, second);
  logged.push(...fill(engine, second, 60, new Random(4)));
  same(readAll(engine.logFrom(1))[0], logged);
});

/** Snapshots, with so much log between them that the first segments are needless to the node. */
function outgrow(engine: Engine, scheduler: FakeScheduler): void {
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 40; j++) {
      write(engine, `k${j}`, 4000);
      if (j % 4 === 3) scheduler.advance(5);
    }
    engine.snapshot((error) => assert.is(error, undefined));
    scheduler.advance(300);
  }
}

test("a log that does not reach back is told, also to a cursor that stands in what went", () => {
  const scheduler = new FakeScheduler();
  const engine = open(new MemoryDisk(scheduler), scheduler);
  for (let i = 0; i < 10; i++) write(engine, `k${i}`, 4000);
  scheduler.advance(5);
  const standing = engine.logFrom(1);
  assert.is(
    standing.read(1, NEVER, () => {}),
    "more",
  );
  assert.is(
    standing.read(1, NEVER, () => {}),
    "more",
  );
  outgrow(engine, scheduler);
  const oldest = engine.extent().segments[0].firstLsn;
  assert.ok(oldest > 12, "the log was kept");
  assert.equal(readAll(standing), [[], "gone"]);
  assert.equal(readAll(engine.logFrom(oldest - 1)), [[], "gone"]);
  assert.is(readAll(engine.logFrom(oldest))[1], "end");
});

test("segments that a peer needs are kept up to a limit, over restarts too, and go when it needs them no more", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  let needed = 2;
  let limit = 1e9;
  const more = { retainFromLsn: () => needed, retainBytes: () => limit };
  const engine = open(disk, scheduler, more);
  outgrow(engine, scheduler);
  outgrow(engine, scheduler);
  assert.is(engine.extent().segments[0].firstLsn, 1, "the peer's log went");
  assert.is(readAll(engine.logFrom(2))[0].length, 240);
  engine.stop(() => {});
  const again = open(disk, scheduler, more);
  scheduler.advance(1000);
  assert.is(again.extent().segments[0].firstLsn, 1, "gone after a restart");
  // The peer has come further.
  needed = 100;
  scheduler.advance(1000);
  const { segments } = again.extent();
  assert.ok(segments[0].firstLsn <= 100 && segments[1].firstLsn > 100, "more or less was kept than is needed");
  // A snapshot's own log is not counted.
  limit = segments[0].bytes + segments[1].bytes;
  scheduler.advance(1000);
  const kept = again.extent().segments;
  assert.ok(kept.length < segments.length, "more than the limit was kept");
  const oldest = Math.min(
    ...disk
      .list()
      .map(snapshotLsn)
      .filter((lsn) => lsn >= 0),
  );
  const own = kept.findLast(({ firstLsn }) => firstLsn <= oldest + 1);
  const bytes = kept.slice(0, kept.indexOf(own as (typeof kept)[number])).reduce((sum, s) => sum + s.bytes, 0);
  assert.ok(bytes > 0 && bytes <= limit, `${bytes} of ${limit} bytes are kept`);
  limit = 0;
  scheduler.advance(1000);
  const least = again.extent().segments.length;
  needed = Number.POSITIVE_INFINITY;
  scheduler.advance(1000);
  assert.is(again.extent().segments.length, least);
  assert.equal(
    disk.list().filter((name) => name.endsWith(".log")).length,
    least,
    "files that are not in the log any more",
  );
});

test("a full disk comes before peers", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = open(disk, scheduler, { retainFromLsn: () => 2, retainBytes: () => 1e9 });
  outgrow(engine, scheduler);
  scheduler.advance(1000);
  assert.is(engine.extent().segments[0].firstLsn, 1);
  disk.freeBytesLeft = 0;
  while (!(engine.wal as Wal).outOfSpace()) {
    write(engine, "k", 4000);
    scheduler.advance(5);
  }
  scheduler.advance(1000);
  assert.ok(engine.extent().segments[0].firstLsn > 41, "kept for a peer");
});

test("damage in what was durable is an error that names its place; nothing is left open", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = open(disk, scheduler);
  fill(engine, scheduler, 100, new Random(5));
  const { name, firstLsn } = engine.extent().segments[0];
  const whole = readFile(disk, name);
  let refused = 0;
  for (let at = 1024; at < 6000; at += 97) {
    const damaged = Buffer.from(whole);
    damaged[at] ^= 0x10;
    putFile(disk, name, damaged);
    const cursor = engine.logFrom(firstLsn);
    try {
      readAll(cursor);
    } catch (error) {
      assert.ok(error instanceof CorruptionError && error.file === name, String(error));
      refused++;
    }
    cursor.close();
    putFile(disk, name, whole);
  }
  assert.is(refused, 52);
});

test.run();
