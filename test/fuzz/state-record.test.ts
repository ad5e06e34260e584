/**
 * test/fuzz/state-record.test.ts: states of registers as records: any state comes back equal, whatever its vector, epochs, cut and key; what
 * is told of a record without decoding it agrees; and a replica that replays records in any order, some twice, holds of each key the state
 * with the highest dot, as a plain map does, also after accepts, snapshots and restarts.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkBody, TYPE_CEILING } from "../../src/codec/record/record.js";
import { compareDots, type Dot } from "../../src/core/clock/dot.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import type { RegisterState } from "../../src/core/register/state.js";
import { Random } from "../../src/lib/random.js";
import { viewed } from "../../src/lib/view.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { NoLog } from "../../src/storage/engine-log.js";
import { highestHlc, versionOf } from "../../src/storage/register-replay.js";
import { RegisterStore } from "../../src/storage/register-store.js";
import { Registers } from "../../src/storage/registers.js";
import { decodeState, encodeState, keyOf, nameOf, nameOfRecord, type Value } from "../../src/storage/state-record.js";
import { Table } from "../../src/storage/table.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { fuzz } from "../lib/fuzz.js";
import { openEngine } from "../lib/open-engine.js";
import { recordBytes } from "../lib/record-bytes.js";

const MEMBERS_MAX = 2047;
const hlc = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1), fc.nat(30));
const epoch = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(3), fc.constant(2 ** 32 - 1));
const node = fc.oneof(fc.nat(MEMBERS_MAX - 1), fc.nat(2));
const dot: fc.Arbitrary<Dot> = fc.record({ epoch, hlc, node }, { noNullPrototype: true });
const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const key = fc.oneof(
  { weight: 20, arbitrary: bytes(60) },
  { weight: 1, arbitrary: fc.constantFrom(255, 65535, 65536, 70_000).map((length) => Buffer.alloc(length, "\xffk")) },
);
const vector = fc
  .uniqueArray(dot, { selector: (each) => each.node, maxLength: 5 })
  .map((dots) => VersionVector.of(dots.sort((a, b) => a.node - b.node)));
const value: fc.Arbitrary<Value> = fc.record(
  {
    type: fc.constant(0),
    raw: fc.boolean(),
    bytes: fc.oneof(
      { weight: 9, arbitrary: bytes(200) },
      { weight: 1, arbitrary: fc.constant(Buffer.alloc(70_000, 7)) },
    ),
  },
  { noNullPrototype: true },
);
const state: fc.Arbitrary<RegisterState<Value>> = fc
  .record(
    {
      value: fc.option(value, { nil: undefined }),
      expireAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 48 - 1 })),
      vv: vector,
      cut: fc.oneof(fc.constant(0), hlc),
    },
    { noNullPrototype: true },
  )
  .map((any) => (any.value === undefined ? { ...any, expireAt: 0 } : any));

type Accepted = readonly [ballot: Dot, state: RegisterState<Value>];
/** Half of them as a node that writes alone makes them: the vector is the ballot. */
const accepted: fc.Arbitrary<Accepted> = fc
  .tuple(dot, state, fc.boolean())
  .map(([ballot, any, alone]): Accepted => [ballot, alone ? { ...any, vv: VersionVector.of([ballot]), cut: 0 } : any]);

function plain({ value: held, expireAt, vv, cut }: RegisterState<Value>): unknown {
  return [held?.type, held?.raw, held?.bytes.toString("base64"), expireAt, vv.dots, cut];
}

test("a state comes back equal, and is a well-formed record", () => {
  fuzz(
    fc.property(key, fc.nat(15), accepted, (name, db, [ballot, any]) => {
      const register = nameOf(db, name, 0, name.length);
      const record = encodeState(register, ballot, any);
      assert.is(checkBody(record, 0, record.length), record.length);
      const back = decodeState(record);
      assert.ok(back);
      assert.equal(back.ballot, ballot);
      assert.equal(plain(back), plain(any));
      assert.is(nameOfRecord(record, 0), register);
      assert.ok(keyOf(register).equals(name));
      assert.is(encodeState(register, ballot, back), record, "encoded anew");
      const other = { ...ballot, hlc: ballot.hlc === 0 ? 1 : ballot.hlc - 1 };
      const moved = decodeState(encodeState(register, other, back));
      assert.equal(moved?.ballot, other);
      assert.equal(plain(moved as RegisterState<Value>), plain(any), "under another ballot");
    }),
    2000,
  );
});

test("the bytes are the layout that is drawn: the cut is the entry of node 2047", () => {
  fuzz(
    fc.property(key, fc.nat(15), accepted, (name, db, [ballot, any]) => {
      const { value: held, expireAt, vv, cut } = any;
      const alone = cut === 0 && vv.dots.length === 1 && compareDots(vv.dots[0], ballot) === 0;
      const entries = cut === 0 ? vv.dots : [...vv.dots, { epoch: 0, hlc: cut, node: 2047 }];
      const expected = recordBytes({
        ...ballot,
        type: 0,
        db,
        tombstone: held === undefined,
        raw: held?.raw ?? false,
        expireAt,
        vector: alone ? undefined : entries,
        long: false,
        key: name,
        value: held?.bytes ?? Buffer.alloc(0),
      });
      assert.ok(encodeState(nameOf(db, name, 0, name.length), ballot, any).equals(expected));
    }),
    1000,
  );
});

test("versions and highest clocks are told from the bytes as from the state", () => {
  fuzz(
    fc.property(bytes(9), accepted, (name, [ballot, any]) => {
      const record = encodeState(nameOf(0, name, 0, name.length), ballot, any);
      const changes = any.vv.dots.map((last) => last.hlc);
      assert.is(versionOf(record, 0), Math.max(0, ...changes));
      assert.is(highestHlc(record, 0), Math.max(ballot.hlc, any.cut, ...changes));
    }),
    2000,
  );
});

test("a vector that no node made is no state", () => {
  const parts = { type: 0, db: 0, tombstone: false, raw: false, expireAt: 0, long: false, key: Buffer.from("k") };
  fuzz(
    fc.property(dot, fc.array(dot, { minLength: 2, maxLength: 5 }), (ballot, dots) => {
      const record = recordBytes({ ...parts, ...ballot, vector: dots, value: Buffer.alloc(0) });
      const ordered = dots.every((each, i) => i === 0 || dots[i - 1].node < each.node);
      assert.is(decodeState(record) !== undefined, ordered);
    }),
    2000,
  );
});

const KEYS = ["a", "b", "{x}c", "k".repeat(300)];
/** Few dots, so that some are the same key's and close. */
const closeDot: fc.Arbitrary<Dot> = fc.record(
  { epoch: fc.nat(1), hlc: fc.integer({ min: 1, max: 6 }), node: fc.nat(2) },
  { noNullPrototype: true },
);
const smallState = state.map((any) => ({ ...any, vv: VersionVector.EMPTY.with({ epoch: 0, hlc: 1, node: 1 }) }));
const write = fc.record({ key: fc.nat(KEYS.length - 1), db: fc.nat(2), ballot: closeDot, state: smallState });
type Write = { key: number; db: number; ballot: Dot; state: RegisterState<Value> };

const nameOfWrite = ({ key: index, db }: Write): string => nameOf(db, Buffer.from(KEYS[index]), 0, KEYS[index].length);

class Model {
  readonly held: Map<string, Write> = new Map();

  /** @returns whether it is later than what was held. */
  take(one: Write): boolean {
    const before = this.held.get(nameOfWrite(one));
    if (before !== undefined && compareDots(before.ballot, one.ballot) >= 0) return false;
    this.held.set(nameOfWrite(one), one);
    return true;
  }

  check(registers: Registers): void {
    let tombstones = 0;
    const keys = [0, 0, 0];
    for (const [name, one] of this.held) {
      const held = registers.held(name);
      assert.ok(held, "lost");
      assert.equal(held.ballot, one.ballot);
      assert.equal(plain(held.state), plain(one.state));
      if (one.state.value === undefined) tombstones++;
      else keys[one.db]++;
    }
    assert.is(registers.tombstones, tombstones);
    assert.equal(
      keys.map((_, db) => registers.keys(db)),
      keys,
    );
    const inPartitions = keys.map((_, db) => [0, 1, 2, 3].reduce((sum, part) => sum + registers.keysIn(db, part), 0));
    assert.equal(inPartitions, keys);
    const pages = keys.map((_, db) => registers.page(db, 0, 1000).entries.length);
    assert.is(pages[0] + pages[1] + pages[2], this.held.size);
  }
}

test("replayed in any order, some twice: the higher dot stays", () => {
  // Of one dot there is one state.
  const writes = fc.uniqueArray(write, {
    selector: (one) => JSON.stringify([one.key, one.db, one.ballot]),
    maxLength: 40,
  });
  fuzz(
    fc.property(writes, fc.array(fc.nat(39)), fc.nat(), (all, twice, seed) => {
      const random = new Random(seed);
      const order = [...all, ...twice.filter((i) => i < all.length).map((i) => all[i])]
        .map((one) => ({ one, at: random.unit() }))
        .sort((a, b) => a.at - b.at);
      const registers = new Registers(new RegisterStore(new Table(4, 1, 2), new NoLog(), new Random(1)));
      const model = new Model();
      let highest = 0;
      for (const { one } of order) {
        const record = encodeState(nameOfWrite(one), one.ballot, one.state);
        // Amid other bytes, as in a block of a snapshot.
        const amid = viewed(Buffer.concat([Buffer.alloc(5, 0xee), record, Buffer.alloc(5, 0xee)]));
        registers.replay(amid, 5, record.length, random.below(2) * 10);
        model.take(one);
        highest = Math.max(highest, highestHlc(record, 0));
      }
      model.check(registers);
      assert.is(registers.recoveredCeiling, highest);
    }),
    300,
  );
});

type Step =
  | { what: "write"; one: Write }
  | { what: "turn" | "snapshot" | "stop" | "kill" }
  | { what: "ceiling"; hlc: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: write.map((one) => ({ what: "write" as const, one })) },
  { weight: 3, arbitrary: fc.constant({ what: "turn" as const }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ what: "snapshot" as const }, { what: "stop" as const }, { what: "kill" as const }),
  },
  { weight: 2, arbitrary: fc.nat(1e9).map((high) => ({ what: "ceiling" as const, hlc: high * 1e6 + 1 })) },
);

test("accepts, ceilings, snapshots, stops and kills: what was held is held", () => {
  fuzz(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
      let scheduler = new FakeScheduler();
      let disk = new MemoryDisk(scheduler);
      let engine = openEngine(disk, scheduler, { register: true, partitions: 4 });
      const model = new Model();
      let ceiling = 0;
      const again = (): void => {
        scheduler = new FakeScheduler();
        disk = disk.clone(scheduler);
        engine = openEngine(disk, scheduler, { register: true, partitions: 4 });
        model.check(engine.registers);
        assert.ok(engine.registers.recoveredCeiling >= ceiling);
        assert.ok(engine.store.hlc.value() >= engine.registers.recoveredCeiling);
      };
      for (const each of [...steps, { what: "kill" as const }]) {
        if (each.what === "write" && model.take(each.one))
          engine.registers.accept(encodeState(nameOfWrite(each.one), each.one.ballot, each.one.state), false);
        else if (each.what === "ceiling") {
          ceiling = Math.max(ceiling, each.hlc);
          engine.registers.logCeiling(each.hlc);
        } else if (each.what === "turn") scheduler.endTurn();
        else if (each.what === "snapshot") engine.snapshot(() => {});
        else if (each.what === "stop" || each.what === "kill") {
          scheduler.advance(20);
          if (each.what === "stop") engine.stop(() => {});
          scheduler.advance(20);
          again();
        }
      }
    }),
    60,
  );
});

test("a ceiling is no state, and a snapshot has none", () => {
  const registers = new Registers(new RegisterStore(new Table(1, 1, 2), new NoLog(), new Random(1)));
  const record = viewed(
    recordBytes({
      type: TYPE_CEILING,
      db: 0,
      tombstone: false,
      raw: false,
      long: false,
      epoch: 0,
      hlc: 99,
      node: 0,
      expireAt: 0,
      vector: undefined,
      key: Buffer.alloc(0),
      value: Buffer.alloc(0),
    }),
  );
  registers.replay(record, 0, record.length, 7);
  assert.is(registers.recoveredCeiling, 99);
  assert.is(registers.page(0, 0, 10).entries.length, 0);
  assert.throws(() => registers.replay(record, 0, record.length, 0), /type 14 in a snapshot/);
});

test.run();
