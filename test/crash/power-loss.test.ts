/**
 * test/crash/power-loss.test.ts: durability frozen at sync k, for every k of a scripted run, with every unsynced write kept, lost,
 * torn or cut at any byte: the directory opens again, holds every acknowledged command and no half of one, and takes writes.
 */
// timeout: 300s

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../src/lib/random.js";
import { viewed } from "../../src/lib/view.js";
import type { KeyState } from "../../src/ports/keyspace.js";
import { Engine } from "../../src/storage/engine.js";
import type { SyncMode } from "../../src/storage/log.js";
import type { Wal } from "../../src/storage/wal.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { engineOptions } from "../lib/open-engine.js";
import { PowerLoss, SimDisk } from "../lib/sim-disk.js";

const SEQ = viewed(Buffer.from("seq"));

/** @returns the engine once loaded, or undefined when the power went first. */
function open(disk: SimDisk, scheduler: FakeScheduler, mode: SyncMode): Engine | undefined {
  try {
    const engine = new Engine(disk, scheduler, engineOptions({ mode, partitions: 2, snapshotLogBytes: () => 1 << 20 }));
    let result: Error | undefined | null = null;
    engine.load(1e9, (error) => {
      result = error;
    });
    for (let i = 0; i < 1000 && result === null && !disk.crashed; i++) scheduler.endTurn();
    if (disk.crashed) return undefined;
    if (result) throw result;
    return engine;
  } catch (error) {
    if (error instanceof PowerLoss || disk.crashed) return undefined;
    throw error;
  }
}

/** Models after each command; index = command number. */
class Script {
  readonly states: Map<string, string>[] = [new Map()];
  private readonly random: Random;
  private readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new Random(seed);
  }

  /** A script of its own that goes on after command `number`. */
  from(number: number): Script {
    const next = new Script(this.seed + number);
    next.states.push(...this.states.slice(1, number + 1));
    return next;
  }

  /** Run one more command: several records that belong together, as an EXEC has. */
  command(engine: Engine): void {
    const model = new Map(this.states[this.states.length - 1]);
    const number = this.states.length;
    const store = engine.store;
    store.gate = 0;
    const changes = 1 + this.random.below(4);
    if (this.random.below(40) === 0) {
      store.flush(-1);
      model.clear();
    }
    for (let i = 0; i < changes; i++) {
      const name = `k${this.random.below(12)}`;
      const key = viewed(Buffer.from(name));
      if (this.random.below(4) === 0) {
        store.remove(0, key, 0, key.length);
        model.delete(name);
      } else {
        const value = viewed(
          Buffer.alloc(this.random.below(this.random.below(10) === 0 ? 3000 : 60), 97 + (number % 26)),
        );
        store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
        model.set(name, value.toString());
      }
    }
    const seq = viewed(Buffer.from(String(number)));
    store.put(0, SEQ, 0, SEQ.length, seq, 0, seq.length, 0, false);
    model.set("seq", String(number));
    this.states.push(model);
  }
}

function contents(engine: Engine): Map<string, string> {
  const found = new Map<string, string>();
  let cursor = 0;
  do {
    cursor = engine.store.scan(0, cursor, 1000, (s: KeyState) => {
      found.set(
        s.bytes.latin1Slice(s.keyAt, s.keyAt + s.keyBytes),
        s.bytes.latin1Slice(s.valueAt, s.valueAt + s.valueBytes),
      );
    });
  } while (cursor !== 0);
  return found;
}

interface Outcome {
  syncs: number;
  disk: SimDisk;
  script: Script;
  acknowledged: number;
  scheduler: FakeScheduler;
}

/** Run the script until it ends or the power goes at sync `crashAt`. */
function run(seed: number, mode: SyncMode, crashAt: number, commands: number, slow = false): Outcome {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  disk.crashAt = crashAt;
  const script = new Script(seed);
  const random = new Random(seed + 1);
  // Several batches are under way then, and land in any order.
  if (slow) disk.latencyMs = () => 2 + random.below(40) / 10;
  let acknowledged = 0;
  const engine = open(disk, scheduler, mode);
  if (engine === undefined) return { syncs: disk.syncs, disk, script, acknowledged, scheduler };
  const wal = engine.wal as Wal;
  const ends: number[] = [0];
  try {
    for (let i = 0; i < commands && !disk.crashed; i++) {
      script.command(engine);
      ends.push(wal.appendedLsn);
      if (random.below(3) > 0) scheduler.endTurn();
      if (slow) scheduler.advance(random.below(4) / 4);
      if (random.below(30) === 0) engine.snapshot(() => {});
      if (random.below(20) === 0) scheduler.advance(random.below(1500));
      const promised = mode === "always" ? wal.durableLsn : wal.syncedLsn;
      while (acknowledged + 1 < ends.length && ends[acknowledged + 1] <= promised) acknowledged++;
    }
    if (!disk.crashed) engine.stop(() => {});
    scheduler.advance(50);
  } catch (error) {
    if (!(error instanceof PowerLoss) && !disk.crashed) throw error;
  }
  const promised = mode === "always" ? wal.durableLsn : wal.syncedLsn;
  while (acknowledged + 1 < ends.length && ends[acknowledged + 1] <= promised) acknowledged++;
  return { syncs: disk.syncs, disk, script, acknowledged, scheduler };
}

function verify(outcome: Outcome, mode: SyncMode, fate: number, what: string): void {
  const scheduler = new FakeScheduler();
  let disk = outcome.disk.afterPowerLoss(scheduler, fate);
  if (fate % 3 === 0) {
    // The power goes once more, during recovery.
    disk.crashAt = 1 + (fate % 5);
    open(disk, scheduler, mode);
    disk = disk.afterPowerLoss(scheduler, fate + 1);
  }
  let engine: Engine | undefined;
  try {
    engine = open(disk, scheduler, mode);
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).stack}`);
  }
  assert.ok(engine, what);
  const found = contents(engine);
  const number = Number(found.get("seq") ?? 0);
  assert.ok(
    number >= outcome.acknowledged,
    `${what}: command ${outcome.acknowledged} was acknowledged, ${number} is the last found`,
  );
  assert.equal([...found].sort(), [...outcome.script.states[number]].sort(), what);
  const script = outcome.script.from(number);
  script.command(engine);
  scheduler.advance(20);
  const wal = engine.wal as Wal;
  assert.is(wal.durableLsn, wal.appendedLsn, what);
  const again = open(disk.afterPowerLoss(new FakeScheduler(), 1), new FakeScheduler(), mode);
  assert.ok(again, what);
  if (mode === "always")
    assert.equal([...contents(again)].sort(), [...script.states[script.states.length - 1]].sort(), what);
}

for (const [seed, mode, slow] of [
  [1, "always", false],
  [2, "always", false],
  [3, "everysec", false],
  [4, "always", true],
  [5, "always", true],
] as const) {
  test(`power goes at every sync, seed ${seed}, appendfsync ${mode}${slow ? ", several flushes at once" : ""}`, () => {
    const commands = slow ? 60 : 150;
    const whole = run(seed, mode, Number.POSITIVE_INFINITY, commands, slow);
    assert.ok(whole.syncs > 20, `${whole.syncs} syncs`);
    if (slow) assert.is(whole.disk.mostUnderWay, 4);
    for (let k = 1; k <= whole.syncs + 1; k++) {
      // A run is the same each time, and what is left of its disk is a copy: one run serves all fates.
      const outcome = run(seed, mode, k, commands, slow);
      for (let fate = 0; fate < 6; fate++)
        verify(outcome, mode, k * 100 + fate, `seed ${seed}, sync ${k}, fate ${fate}`);
    }
  });
}

/** A log whose last batch takes some sectors and never got its sync. */
function cutOff(valueBytes: number, scheduler: FakeScheduler): SimDisk {
  const disk = new SimDisk(scheduler);
  const engine = open(disk, scheduler, "always") as Engine;
  put(engine, "before", 20);
  scheduler.advance(5);
  assert.is(engine.wal?.durableLsn, engine.wal?.appendedLsn);
  disk.crashAt = disk.syncs + 1;
  put(engine, "last", valueBytes);
  scheduler.advance(5);
  assert.ok(disk.crashed);
  return disk;
}

function put(engine: Engine, name: string, valueBytes: number): void {
  const key = viewed(Buffer.from(name));
  const value = viewed(Buffer.alloc(valueBytes, name));
  engine.store.put(0, key, 0, key.length, value, 0, valueBytes, 0, false);
}

function namesIn(disk: SimDisk, what: string): string {
  const scheduler = new FakeScheduler();
  try {
    const engine = open(disk, scheduler, "always");
    return engine === undefined ? "power loss" : [...contents(engine).keys()].sort().join(" ");
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`);
  }
}

test("a last write cut at any byte, inside a sector too: it is there whole or not at all", () => {
  // One that just fills its sector, and one of three sectors that ends amid the last.
  const filling = 510 - 48 - 20;
  for (const valueBytes of [filling - 1, filling, filling + 1, 1100]) {
    const disk = cutOff(valueBytes, new FakeScheduler());
    for (let cut = 0; cut <= 2048; cut++) {
      // Every byte around a batch's header and around stamps, few of the others.
      if (cut % 512 > 50 && cut % 512 < 508 && cut % 41 > 0) continue;
      const left = disk.afterPowerLoss(new FakeScheduler(), 0, cut);
      const found = namesIn(left, `${valueBytes} bytes, cut at ${cut}`);
      assert.match(found, /^before( last)?$/, `${valueBytes} bytes, cut at ${cut}`);
      if (cut === 0) assert.is(found, "before");
      if (cut === 2048) assert.is(found, "before last");
      const again = namesIn(
        left.afterPowerLoss(new FakeScheduler(), 0, 0),
        `again: ${valueBytes} bytes, cut at ${cut}`,
      );
      assert.is(again, found, `again: ${valueBytes} bytes, cut at ${cut}`);
    }
  }
});

test("dropping a torn end, itself cut at any byte of any of its writes", () => {
  const disk = cutOff(1500, new FakeScheduler());
  const random = new Random(5);
  for (let i = 0; i < 200; i++) {
    const cut = random.below(1600);
    const sync = 1 + random.below(6);
    const second = random.below(1600);
    const what = `cut at ${cut}, at sync ${sync} of recovery cut at ${second}`;
    const left = disk.afterPowerLoss(new FakeScheduler(), 0, cut);
    left.crashAt = sync;
    namesIn(left, what);
    assert.match(namesIn(left.afterPowerLoss(new FakeScheduler(), 0, second), what), /^before( last)?$/, what);
  }
});

test("the power goes while a stop makes a segment for a batch that fits into none", () => {
  const VALUE_BYTES = 400_000;
  for (let sync = 1, ended = false; !ended; sync++) {
    assert.ok(sync < 20, "it never ends");
    const scheduler = new FakeScheduler();
    const disk = new SimDisk(scheduler);
    const engine = open(disk, scheduler, "always") as Engine;
    put(engine, "before", 20);
    scheduler.advance(5);
    disk.crashAt = disk.syncs + sync;
    put(engine, "last", VALUE_BYTES);
    try {
      engine.stop((error) => {
        ended = error === undefined;
      });
      scheduler.advance(10);
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error;
    }
    for (let fate = 0; fate < 20; fate++) {
      const left = disk.afterPowerLoss(new FakeScheduler(), fate);
      const what = `sync ${sync}, fate ${fate}`;
      assert.match(namesIn(left, what), ended ? /^before last$/ : /^before( last)?$/, what);
    }
  }
});

test("from a relaxed appendfsync to always: what was written before is on disk before always is promised", () => {
  for (let fate = 0; fate < 20; fate++) {
    const scheduler = new FakeScheduler();
    const disk = new SimDisk(scheduler);
    const engine = open(disk, scheduler, "no") as Engine;
    const wal = engine.wal as Wal;
    const script = new Script(6);
    for (let i = 0; i < 5; i++) {
      script.command(engine);
      scheduler.advance(2);
    }
    wal.setMode("always");
    script.command(engine);
    scheduler.advance(10);
    assert.is(wal.durableLsn, wal.appendedLsn);
    const again = open(disk.afterPowerLoss(new FakeScheduler(), fate), new FakeScheduler(), "always");
    assert.ok(again);
    assert.equal([...contents(again)].sort(), [...script.states[script.states.length - 1]].sort(), `fate ${fate}`);
  }
});

test("a failed write or sync is latched: nothing is acknowledged after it", () => {
  for (const kind of ["failWrites", "failSyncs"] as const) {
    const scheduler = new FakeScheduler();
    const disk = new SimDisk(scheduler);
    const engine = open(disk, scheduler, "always") as Engine;
    const wal = engine.wal as Wal;
    let failed = 0;
    wal.onFailed = () => failed++;
    const script = new Script(9);
    script.command(engine);
    scheduler.advance(10);
    const durable = wal.durableLsn;
    assert.is(durable, wal.appendedLsn);
    disk[kind] = true;
    script.command(engine);
    scheduler.advance(10);
    disk[kind] = false;
    script.command(engine);
    scheduler.advance(5000);
    assert.is(failed, 1, kind);
    assert.ok(wal.failure);
    assert.is(wal.durableLsn, durable, `${kind}: acknowledged after a failure`);
  }
});

test("of several flushes under way one fails: neither it nor what stands behind it is ever acknowledged", () => {
  for (let failing = 1; failing <= 4; failing++) {
    const scheduler = new FakeScheduler();
    const disk = new SimDisk(scheduler);
    const engine = open(disk, scheduler, "always") as Engine;
    const wal = engine.wal as Wal;
    let latencyMs = 4;
    disk.latencyMs = () => latencyMs;
    const script = new Script(9);
    script.command(engine);
    scheduler.advance(5);
    assert.is(wal.durableLsn, wal.appendedLsn);
    const ends: number[] = [wal.durableLsn];
    for (let i = 1; i <= 4; i++) {
      // The failing one is done long after all others.
      latencyMs = i === failing ? 50 : 4;
      script.command(engine);
      scheduler.advance(1.001);
      ends.push(wal.appendedLsn);
    }
    assert.is(disk.mostUnderWay, 4);
    scheduler.advance(20);
    assert.is(wal.durableLsn, ends[failing - 1], "acknowledged over a hole");
    disk.failSyncs = true;
    scheduler.advance(100);
    assert.ok(wal.failure);
    assert.is(wal.durableLsn, ends[failing - 1]);
  }
});

test("a disk without room: refused ahead of need, nothing lost, and it goes on when there is room", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  disk.freeBytesLeft = 300 * 1024;
  const engine = open(disk, scheduler, "always") as Engine;
  const wal = engine.wal as Wal;
  const script = new Script(4);
  let refused = false;
  for (let i = 0; i < 5000 && !refused; i++) {
    refused = wal.outOfSpace();
    if (refused) break;
    script.command(engine);
    scheduler.advance(5);
  }
  assert.ok(refused, "never refused");
  assert.is(wal.failure, undefined);
  assert.is(wal.durableLsn, wal.appendedLsn);
  disk.freeBytesLeft = 100 << 20;
  scheduler.advance(5000);
  assert.not.ok(wal.outOfSpace());
  script.command(engine);
  scheduler.advance(50);
  assert.is(wal.durableLsn, wal.appendedLsn);
});

test.run();
