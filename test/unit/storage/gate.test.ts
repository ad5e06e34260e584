/**
 * test/unit/storage/gate.test.ts: no answer tells of what a power cut could take back, absence included: each kind of answer waits
 * for what it depends on, and for nothing once that is durable.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { KeyState } from "../../../src/ports/keyspace.js";
import type { Engine } from "../../../src/storage/engine.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const state = new KeyState();

interface Setup {
  engine: Engine;
  scheduler: FakeScheduler;
  wal: Wal;
}

/** An engine with a durable key "old", and one "other" in another database. */
function make(): Setup {
  const scheduler = new FakeScheduler();
  const engine = openEngine(new SimDisk(scheduler), scheduler, { partitions: 4 });
  put(engine, 0, "old");
  put(engine, 1, "other");
  scheduler.advance(10);
  const wal = engine.wal as Wal;
  assert.is(wal.durableLsn, wal.appendedLsn);
  return { engine, scheduler, wal };
}

function put({ store }: Engine, db: number, name: string, expireAt = 0): void {
  const key = viewed(Buffer.from(name));
  store.put(db, key, 0, key.length, key, 0, key.length, expireAt, false);
}

function remove({ store }: Engine, name: string): void {
  const key = viewed(Buffer.from(name));
  store.remove(0, key, 0, key.length);
}

const ANSWERS: Readonly<Record<string, (engine: Engine) => string>> = {
  size: ({ store }) => String(store.size(0)),
  scan: ({ store }) => {
    const names: string[] = [];
    store.scan(0, 0, 1000, (found) => {
      names.push(found.bytes.latin1Slice(found.keyAt, found.keyAt + found.keyBytes));
    });
    return names.sort().join(" ");
  },
  random: ({ store }) => String(store.randomKey(0, state)),
  "exists old": ({ store }) => String(store.find(0, viewed(Buffer.from("old")), 0, 3, state, true)),
  "exists new": ({ store }) => String(store.find(0, viewed(Buffer.from("new")), 0, 3, state, true)),
};

/** @returns what the answer says, and what it waits for beyond the durable. */
function ask({ engine, wal }: Setup, what: string): { says: string; waits: boolean } {
  engine.store.gate = 0;
  const says = ANSWERS[what](engine);
  return { says, waits: engine.store.gate > wal.durableLsn };
}

/** After `change`: which answers wait, and what all of them say; once it is durable, none waits and all say the same. */
function check(
  change: (setup: Setup) => void,
  waiting: readonly string[],
  says: Readonly<Record<string, string>>,
): void {
  const setup = make();
  for (const what of Object.keys(ANSWERS)) assert.is(ask(setup, what).waits, false, `${what} before`);
  change(setup);
  for (const what of Object.keys(ANSWERS)) {
    const answer = ask(setup, what);
    assert.is(answer.waits, waiting.includes(what), `${what} waits`);
    if (says[what] !== undefined) assert.is(answer.says, says[what], what);
  }
  setup.scheduler.advance(10);
  for (const what of Object.keys(ANSWERS)) {
    assert.is(ask(setup, what).waits, false, `${what} afterwards`);
    if (says[what] !== undefined) assert.is(ask(setup, what).says, says[what], what);
  }
}

test("a key that is not durable", () => {
  check(({ engine }) => put(engine, 0, "old"), ["size", "scan", "random", "exists old"], { size: "1", scan: "old" });
});

test("a removal that is not durable", () => {
  check(({ engine }) => remove(engine, "old"), ["size", "scan", "random", "exists old"], {
    size: "0",
    scan: "",
    random: "false",
    "exists old": "false",
  });
});

test("a flush that is not durable", () => {
  // Of a database that was emptied one number is kept, not one for each partition: a key that was never there waits too.
  check(({ engine }) => engine.store.flush(-1), Object.keys(ANSWERS), { size: "0", scan: "" });
});

test("a deadline that is not durable, and has passed", () => {
  const setup = make();
  const { engine, scheduler } = setup;
  put(engine, 0, "old", scheduler.nowMs() + 5);
  engine.store.setTime(scheduler.nowMs() + 10);
  assert.equal(ask(setup, "scan"), { says: "", waits: true });
  assert.equal(ask(setup, "exists old"), { says: "false", waits: true });
});

test("a deadline that is not durable, and has passed while clients are paused: nothing is logged, and who hears of it waits for it", () => {
  const setup = make();
  const { engine, scheduler, wal } = setup;
  put(engine, 0, "old", scheduler.nowMs() + 5);
  const lsn = wal.appendedLsn;
  engine.store.paused = true;
  engine.store.setTime(scheduler.nowMs() + 10);
  for (const what of ["exists old", "scan", "random"]) {
    const { waits } = ask(setup, what);
    assert.ok(waits, what);
    assert.is(engine.store.gate, lsn, what);
  }
  assert.is(ask(setup, "exists old").says, "false");
  assert.is(wal.appendedLsn, lsn, "nothing is logged");
  scheduler.advance(10);
  assert.equal(ask(setup, "exists old"), { says: "false", waits: false });
});

test("a change elsewhere: a count waits for it, the presence of a durable key does not", () => {
  check(({ engine }) => put(engine, 1, "other"), ["size"], { size: "1", scan: "old", "exists old": "true" });
});

test.run();
