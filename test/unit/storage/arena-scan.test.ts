/**
 * test/unit/storage/arena-scan.test.ts: a snapshot goes through memory as it lies there, while writers write, the cleaner moves what lives, and
 * databases are flushed: no key that was there all the time is missed, and none comes back that was gone before.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { keyLength, keyOffset } from "../../../src/codec/record/record.js";
import { DiskError } from "../../../src/lib/errors.js";
import { Random } from "../../../src/lib/random.js";
import { viewed } from "../../../src/lib/view.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import { ArenaScan } from "../../../src/storage/arena-scan.js";
import type { Engine } from "../../../src/storage/engine.js";
import type { Table } from "../../../src/storage/table.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine, snapshotTaken } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const KEYS = 4000;
const VALUE = viewed(Buffer.alloc(4000, "v"));
const SEEDS = 12;

function put(engine: Engine, db: number, name: string, bytes: number): void {
  const key = viewed(Buffer.from(name));
  engine.store.put(db, key, 0, key.length, VALUE, 0, bytes, 0, false);
}

function remove(engine: Engine, db: number, name: string): void {
  const key = viewed(Buffer.from(name));
  engine.store.remove(db, key, 0, key.length);
}

function keyOf(table: Table, ref: number): string {
  table.locate(ref);
  const { body, bodyAt } = table;
  const from = bodyAt + keyOffset(body, bodyAt);
  return body.toString("latin1", from, from + keyLength(body, bodyAt));
}

/** One scan among writes and cleaning. @returns how often the cleaner moved something and waited meanwhile, and began in the midst of a segment. */
function scanned(seed: number): { moved: number; waited: number; midst: number } {
  const random = new Random(seed);
  const engine = openEngine(new SimDisk(new FakeScheduler()), new FakeScheduler(), { segmentBytes: 64 << 20 });
  const { cleaner, store } = engine;
  const { table } = store;
  const size = (): number => 20 + random.below(random.below(4) === 0 ? 4000 : 400);
  const name = (): string => `key ${random.below(KEYS)}`;
  const told = { moved: 0, waited: 0, midst: 0 };
  const relocate = table.relocate.bind(table);
  table.relocate = (ref) => {
    told.moved++;
    relocate(ref);
  };
  const { arena } = table;
  const [begin, end] = [arena.beginCleaning.bind(arena), arena.endCleaning.bind(arena)];
  arena.beginCleaning = (segment) => {
    told.midst = 1;
    begin(segment);
  };
  arena.endCleaning = (segment) => {
    told.midst = 0;
    end(segment);
  };
  const clean = (looks: number): void => {
    cleaner.atRest = random.below(2) === 0;
    let left = looks;
    cleaner.run(() => --left <= 0);
  };
  for (let i = 0; i < KEYS; i++) put(engine, 0, `key ${i}`, size());
  for (let i = 0; i < KEYS; i++) put(engine, 0, name(), size());
  for (let i = 0; i < KEYS; i++) {
    put(engine, 0, name(), size());
    if (random.below(10) === 0) clean(1 + random.below(4));
  }
  // Every other one begins in the midst of a segment that is being emptied.
  for (let i = 0; i < KEYS && seed % 2 === 0 && told.midst === 0; i++) {
    put(engine, 0, name(), size());
    clean(1);
  }
  told.moved = 0;

  const scan = new ArenaScan();
  const untouched = new Set<string>();
  for (let i = 0; i < KEYS; i++) untouched.add(`key ${i}`);
  const { midst } = told;
  scan.begin(arena);
  const seen = new Set<string>();
  const visit = (ref: number): boolean => {
    seen.add(keyOf(table, ref));
    return random.below(50) > 0;
  };
  for (let more = true; more; more = scan.step(arena, 1 + random.below(100), visit)) {
    for (let i = random.below(30); i > 0; i--) {
      const touched = name();
      untouched.delete(touched);
      if (random.below(4) === 0) remove(engine, 0, touched);
      else put(engine, 0, touched, size());
    }
    clean(1 + random.below(4));
    if (arena.copyFirst >= 0 && arena.uncopied[arena.copyFirst] === 1) told.waited++;
  }
  scan.end();
  assert.ok(untouched.size > 100, `${untouched.size} keys are left to be looked for`);
  for (const key of untouched) assert.ok(seen.has(key), `${key} is missed, seed ${seed}`);
  assert.is(arena.uncopied.indexOf(1), -1);
  clean(1000);
  return { ...told, midst };
}

test("no key that is there all the time is missed, whatever is written and cleaned meanwhile", () => {
  const all = { moved: 0, waited: 0, midst: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { moved, waited, midst } = scanned(seed);
    all.moved += moved;
    all.waited += waited;
    all.midst += midst;
  }
  assert.ok(all.moved > 1000 && all.waited > 10 && all.midst > 0, JSON.stringify(all));
});

test("a segment that dies under the scan, and is written to anew, is left", () => {
  const engine = openEngine(new SimDisk(new FakeScheduler()), new FakeScheduler(), { segmentBytes: 64 << 20 });
  const { table } = engine.store;
  // Two segments and a half: the first one dies.
  for (let i = 0; i < 2500; i++) put(engine, 0, `key ${i}`, 1000);
  const scan = new ArenaScan();
  scan.begin(table.arena);
  const seen: string[] = [];
  const visit = (ref: number): boolean => {
    seen.push(keyOf(table, ref));
    return true;
  };
  assert.ok(scan.step(table.arena, 500, visit));
  assert.equal(seen.slice(0, 2), ["key 0", "key 1"]);
  for (let i = 0; i < 1500; i++) remove(engine, 0, `key ${i}`);
  for (let i = 0; i < 5000; i++) put(engine, 0, `new ${i}`, 777);
  while (scan.step(table.arena, 100, visit));
  const after = seen.slice(500);
  for (let i = 1500; i < 2500; i++) assert.ok(after.includes(`key ${i}`), `key ${i}`);
  assert.ok(after.every((name) => /^(key|new) \d+$/.test(name)));
  assert.is(new Set(after).size, after.length);
});

test("the same keys in three databases, more than are looked up one by one: all come back", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler, { segmentBytes: 64 << 20, partitions: 4 });
  const names = Array.from({ length: 15_000 }, (_, i) => `key ${i}`);
  const bytesOf = (db: number, i: number): number => (i % 300) + db;
  for (const [i, name] of names.entries()) for (const db of [0, 1, 2]) put(engine, db, name, bytesOf(db, i));
  snapshotTaken(engine, scheduler);
  const later = new FakeScheduler();
  const { store, recovery } = openEngine(disk.afterKill(later), later, { partitions: 4 });
  assert.is(recovery?.records, names.length * 3);
  const state = new KeyState();
  for (const [i, name] of names.entries())
    for (const db of [0, 1, 2]) {
      const key = viewed(Buffer.from(name));
      assert.ok(store.find(db, key, 0, key.length, state, true), name);
      assert.is(state.valueBytes, bytesOf(db, i));
    }
  assert.is(store.size(0), names.length);
});

test("whoever flushes without end does not hold up a snapshot", () => {
  const scheduler = new FakeScheduler();
  const engine = openEngine(new SimDisk(scheduler), scheduler, { mode: "no" });
  for (let i = 0; i < KEYS; i++) put(engine, 3, `key ${i}`, 100);
  // In each turn, before its slice.
  const { snapshotter } = engine;
  const run = snapshotter.run.bind(snapshotter);
  snapshotter.run = (done) => {
    put(engine, 4, "again", 100);
    engine.store.flush(4);
    return run(done);
  };
  snapshotTaken(engine, scheduler);
});

class FullDisk extends SimDisk {
  full = false;
  private readonly turns: FakeScheduler;
  constructor(scheduler: FakeScheduler) {
    super(scheduler);
    this.turns = scheduler;
  }
  override writeAsync(...args: Parameters<SimDisk["writeAsync"]>): void {
    if (!this.full) return super.writeAsync(...args);
    this.turns.endOfTurn(() => args[5](new DiskError("write", "no space left")));
  }
}

test("a snapshot that fails leaves no segment marked: the cleaner goes on", () => {
  const scheduler = new FakeScheduler();
  const disk = new FullDisk(scheduler);
  const engine = openEngine(disk, scheduler, { segmentBytes: 64 << 20 });
  for (let i = 0; i < KEYS; i++) put(engine, 0, `key ${i}`, 4000);
  scheduler.advance(50);
  disk.full = true;
  let failure: unknown;
  engine.snapshot((error) => {
    failure = error;
  });
  const { arena } = engine.store.table;
  for (let i = 0; i < 100 && arena.uncopied.indexOf(1) < 0; i++) scheduler.endTurn();
  assert.ok(arena.uncopied.indexOf(1) >= 0);
  for (let i = 0; i < 100 && failure === undefined; i++) scheduler.advance(10);
  assert.ok(failure instanceof DiskError);
  assert.is(arena.uncopied.indexOf(1), -1);
  disk.full = false;
  for (let i = 0; i < KEYS; i += 2) put(engine, 0, `key ${i}`, 500);
  assert.ok(engine.cleaner.wanted());
  while (engine.cleaner.run(() => false));
  assert.not.ok(engine.cleaner.wanted());
});

for (const [what, db] of [
  ["FLUSHDB", 3],
  ["FLUSHALL", -1],
] as const)
  test(`a snapshot that is asked for in the turn of a ${what} has none of what was flushed`, () => {
    const scheduler = new FakeScheduler();
    const disk = new SimDisk(scheduler);
    const engine = openEngine(disk, scheduler);
    for (let i = 0; i < KEYS; i++) put(engine, 3, `key ${i}`, 100);
    put(engine, 5, "other", 100);
    scheduler.advance(10);
    engine.store.flush(db);
    put(engine, 3, "after", 100);
    snapshotTaken(engine, scheduler);
    assert.is(engine.snapshotter.records, db < 0 ? 1 : 2);
    const later = new FakeScheduler();
    const again = openEngine(disk.afterKill(later), later);
    assert.equal([again.store.size(3), again.store.size(5)], [1, db < 0 ? 0 : 1]);
  });

test.run();
