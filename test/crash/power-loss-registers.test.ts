/**
 * test/crash/power-loss-registers.test.ts: a replica's storage with durability frozen at sync k, for every k of a scripted run of accepts,
 * ceilings and snapshots: every durable record is held as it was, no half of a turn, and every durable ceiling is remembered.
 */
// timeout: 300s
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Dot } from "../../src/core/clock/dot.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import type { RegisterState } from "../../src/core/register/state.js";
import { Random } from "../../src/lib/random.js";
import { Engine } from "../../src/storage/engine.js";
import type { SyncMode } from "../../src/storage/log.js";
import type { Registers } from "../../src/storage/registers.js";
import { encodeState, nameOf, type Value } from "../../src/storage/state-record.js";
import type { Wal } from "../../src/storage/wal.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { engineOptions } from "../lib/open-engine.js";
import { PowerLoss, SimDisk } from "../lib/sim-disk.js";

/** Longer records go to the disk in pieces, of which many a batch here has several. */
const LARGE_BYTES = 600;

/** @returns the engine once loaded, or undefined when the power went first. */
function open(disk: SimDisk, scheduler: FakeScheduler, mode: SyncMode): Engine | undefined {
  try {
    const engine = new Engine(
      disk,
      scheduler,
      engineOptions({ mode, partitions: 2, register: true, largeRecordBytes: LARGE_BYTES }),
    );
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

/** Above every wall clock here: what is remembered of clocks and ceilings comes from the records. */
const CLOCK = 5e14;
const SEQ = nameOf(1, Buffer.from("seq"), 0, 3);

/** All of a state, as text. */
function textOf(ballot: Dot, { value, expireAt, vv, cut }: RegisterState<Value>): string {
  return JSON.stringify([ballot, value?.raw, value?.bytes.toString("latin1"), expireAt, vv.dots, cut]);
}

/** What must be there after each turn; index = its number. */
class Script {
  readonly states: Map<string, string>[] = [new Map()];
  /** The highest ceiling logged, and the highest clock seen, up to and with each turn. */
  readonly ceilings: number[] = [0];
  readonly clocks: number[] = [0];
  private readonly random: Random;
  private readonly seed: number;
  private clock: number;

  constructor(seed: number, clock: number) {
    this.seed = seed;
    this.random = new Random(seed);
    this.clock = clock;
  }

  get last(): number {
    return this.states.length - 1;
  }

  /** A script of its own that goes on after turn `number`, above all that was ever used. */
  from(number: number): Script {
    const next = new Script(this.seed + number, this.clock + 1e6);
    next.states.push(...this.states.slice(1, number + 1));
    next.ceilings.push(...this.ceilings.slice(1, number + 1));
    next.clocks.push(...this.clocks.slice(1, number + 1));
    return next;
  }

  private accept(registers: Registers, model: Map<string, string>, name: string, text: string | undefined): void {
    const { random } = this;
    this.clock += 1 + random.below(5);
    const ballot = { epoch: random.below(20) === 0 ? 1 : 0, hlc: this.clock, node: random.below(3) };
    const before = registers.held(name);
    if (before?.ballot.epoch === 1) ballot.epoch = 1;
    const value = text === undefined ? undefined : { type: 0, raw: random.below(2) === 0, bytes: Buffer.from(text) };
    const vv =
      random.below(2) === 0 ? VersionVector.of([ballot]) : (before?.state.vv ?? VersionVector.EMPTY).with(ballot);
    const expireAt = value !== undefined && random.below(4) === 0 ? 1 + random.below(1e9) : 0;
    const state = { value, expireAt, vv, cut: random.below(5) === 0 ? this.clock - 1000 : 0 };
    registers.accept(encodeState(name, ballot, state), random.below(2) === 0);
    model.set(name, textOf(ballot, state));
  }

  /** What one turn of the loop accepts and logs: it lies in one batch. */
  turn(engine: Engine): void {
    const { registers } = engine;
    const { random } = this;
    const model = new Map(this.states[this.last]);
    const number = this.last + 1;
    let ceiling = this.ceilings[this.last];
    const changes = 1 + random.below(4);
    for (let i = 0; i < changes; i++) {
      const key = Buffer.from(`k${random.below(12)}`);
      const name = nameOf(0, key, 0, key.length);
      if (random.below(4) === 0) this.accept(registers, model, name, undefined);
      else this.accept(registers, model, name, String(number).repeat(random.below(random.below(4) === 0 ? 3000 : 20)));
      if (random.below(60) === 0 || number === 2) {
        ceiling = Math.max(ceiling, this.clock + 8_192_000);
        registers.logCeiling(ceiling);
      }
    }
    this.accept(registers, model, SEQ, String(number));
    this.states.push(model);
    this.ceilings.push(ceiling);
    this.clocks.push(this.clock);
  }
}

/** Everything that is held, as the models have it. */
function contents(registers: Registers): Map<string, string> {
  const found = new Map<string, string>();
  let tombstones = 0;
  for (let db = 0; db < 2; db++) {
    let keys = 0;
    const { entries, next } = registers.page(db, 0, 10_000);
    assert.is(next, 0);
    for (const { key, ballot, live, chosen, lsn } of entries) {
      const name = nameOf(db, key, 0, key.length);
      const held = registers.held(name);
      assert.ok(held);
      assert.equal(held.ballot, ballot);
      assert.is(live, held.state.value !== undefined);
      assert.not.ok(chosen, "a mark came back from the disk");
      assert.is(lsn, 0, "what was recovered is durable");
      found.set(name, textOf(ballot, held.state));
      if (live) keys++;
      else tombstones++;
    }
    assert.is(registers.keys(db), keys);
  }
  assert.is(registers.tombstones, tombstones);
  return found;
}

interface Outcome {
  syncs: number;
  disk: SimDisk;
  script: Script;
  /** The last turn that is durable as a whole. */
  durable: number;
}

/** Run the script until it ends or the power goes at sync `crashAt`. */
function run(seed: number, mode: SyncMode, crashAt: number, turns: number, slow: boolean): Outcome {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  disk.crashAt = crashAt;
  const script = new Script(seed, CLOCK);
  const random = new Random(seed + 1);
  if (slow) disk.latencyMs = () => 2 + random.below(40) / 10;
  const engine = open(disk, scheduler, mode);
  if (engine === undefined) return { syncs: disk.syncs, disk, script, durable: 0 };
  const wal = engine.wal as Wal;
  const ends: number[] = [0];
  try {
    for (let i = 0; i < turns && !disk.crashed; i++) {
      script.turn(engine);
      ends.push(wal.appendedLsn);
      scheduler.endTurn();
      if (slow) scheduler.advance(random.below(4) / 4);
      if (random.below(12) === 0) engine.snapshot(() => {});
      if (random.below(15) === 0) scheduler.advance(random.below(1500));
    }
    if (!disk.crashed && random.below(2) === 0) engine.stop(() => {});
    scheduler.advance(50);
  } catch (error) {
    if (!(error instanceof PowerLoss) && !disk.crashed) throw error;
  }
  const promised = mode === "always" ? wal.durableLsn : wal.syncedLsn;
  let durable = 0;
  while (durable + 1 < ends.length && ends[durable + 1] <= promised) durable++;
  return { syncs: disk.syncs, disk, script, durable };
}

/** @returns the turn up to which the directory holds everything. */
function check(registers: Registers, script: Script, durable: number, what: string): number {
  const found = contents(registers);
  const seq = registers.held(SEQ);
  const number = seq === undefined ? 0 : Number(seq.state.value?.bytes.toString());
  assert.ok(number >= durable, `${what}: turn ${durable} was durable, ${number} is the last found`);
  assert.equal([...found].sort(), [...script.states[number]].sort(), what);
  const { recoveredCeiling } = registers;
  const least = Math.max(script.ceilings[number], script.clocks[number]);
  assert.ok(recoveredCeiling >= least, `${what}: ${recoveredCeiling} is below ${least}`);
  return number;
}

function verify({ disk: crashed, script, durable }: Outcome, mode: SyncMode, fate: number, what: string): void {
  const scheduler = new FakeScheduler();
  let disk = crashed.afterPowerLoss(scheduler, fate);
  if (fate % 3 === 0) {
    // The power goes once more, during recovery.
    disk.crashAt = 1 + (fate % 5);
    open(disk, scheduler, mode);
    disk = disk.afterPowerLoss(scheduler, fate + 1);
  }
  const engine = open(disk, scheduler, mode);
  assert.ok(engine, what);
  const number = check(engine.registers, script, durable, what);
  // It takes accepts again, above everything that was promised.
  const next = script.from(number);
  next.turn(engine);
  scheduler.advance(20);
  const wal = engine.wal as Wal;
  assert.is(wal.durableLsn, wal.appendedLsn, what);
  const again = open(disk.afterPowerLoss(new FakeScheduler(), 1), new FakeScheduler(), mode);
  assert.ok(again, what);
  check(again.registers, next, mode === "always" ? next.last : number, what);
}

for (const [seed, mode, slow] of [
  [1, "always", false],
  [2, "always", true],
  [3, "everysec", false],
] as const) {
  test(`power goes at every sync, seed ${seed}, appendfsync ${mode}${slow ? ", several flushes at once" : ""}`, () => {
    const turns = mode === "everysec" || slow ? 130 : 80;
    const whole = run(seed, mode, Number.POSITIVE_INFINITY, turns, slow);
    assert.ok(whole.syncs > 25, `${whole.syncs} syncs only`);
    assert.ok(
      whole.disk.list().some((name) => name.startsWith("snap-")),
      "no snapshot in the run",
    );
    assert.ok((whole.script.ceilings.at(-1) as number) > 0, "no ceiling in the run");
    for (let crashAt = 1; crashAt <= whole.syncs; crashAt++) {
      const outcome = run(seed, mode, crashAt, turns, slow);
      for (let fate = 1; fate <= 3; fate++)
        verify(outcome, mode, crashAt * 7 + fate, `seed ${seed}, sync ${crashAt}, fate ${crashAt * 7 + fate}`);
    }
  });
}

test("power goes at every sync of the start after a clean stop", () => {
  for (let fate = 1; fate <= 40; fate++) {
    for (let crashAt = 1; ; crashAt++) {
      const scheduler = new FakeScheduler();
      const disk = new SimDisk(scheduler);
      const engine = open(disk, scheduler, "always");
      assert.ok(engine);
      const script = new Script(fate, CLOCK);
      for (let i = 0; i < 3; i++) {
        script.turn(engine);
        scheduler.advance(20);
      }
      engine.stop(() => {});
      scheduler.advance(50);
      disk.crashAt = disk.syncs + crashAt;
      const started = open(disk, scheduler, "always");
      const what = `fate ${fate}, sync ${crashAt}`;
      const after = open(disk.afterPowerLoss(new FakeScheduler(), fate), new FakeScheduler(), "always");
      assert.ok(after, what);
      check(after.registers, script, script.last, what);
      if (started !== undefined) break;
    }
  }
});

test.run();
