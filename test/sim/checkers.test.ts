/**
 * test/sim/checkers.test.ts: do the checkers see what they are there for? Histories that a register really has are let pass, whatever their
 * interleaving; each way of breaking one is noticed.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Dot } from "../../src/core/clock/dot.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import { PROPOSER_RULES } from "../../src/core/register/proposer-rules.js";
import { absentState, type RegisterState } from "../../src/core/register/state.js";
import { encodeState, type Value } from "../../src/storage/state-record.js";
import { isLinearizable } from "./check-linearizable.js";
import { OrderChecker } from "./check-order.js";
import { Evidence } from "./evidence.js";
import { Entry, History, HLC_ORIGIN, Violation } from "./history.js";
import { Applied, Ledger } from "./ledger.js";
import { type Ask, type Kind, perform } from "./model.js";
import { decodeReply, SimWork } from "./works.js";

const NAME = "\0key";
const W = 2;
const STEPS = 5000;
const EXHAUSTIVE_STEPS = 1_000_000;

/** A register that is right, one round after the other; tests break what it says, or what it does. */
class Register {
  readonly history: History = new History();
  readonly evidence: Evidence = new Evidence();
  state: RegisterState<Value> = absentState(0);
  hlc = 100;
  tick = 0;
  wallMs = 0;
  medianMs = Number.POSITIVE_INFINITY;
  readonly medianPlayMs = 1000;
  readonly ledger = new Ledger();
  private readonly rules = this.ledger.watched(PROPOSER_RULES, () => this);

  ask(kind: Kind, text = "", expected = ""): Entry {
    const id = this.history.nextId;
    const ask: Ask = { kind, id, text, expected, ttlMs: kind === "setex" ? 1000 : 0 };
    const entry = new Entry(ask, NAME, 0, (this.tick += 2));
    this.history.add(entry);
    return entry;
  }

  /** One round with these operations. @param told whom the client hears from. @param forgets nothing of it stays. */
  round(entries: readonly Entry[], told: (entry: Entry) => boolean = () => true, forgets = false): Dot {
    const ballot = { epoch: 0, hlc: HLC_ORIGIN + ++this.hlc, node: this.hlc % 3 };
    let next = this.state;
    let changed = false;
    for (const entry of entries) {
      this.rules.verdict([], this.state.vv.get(ballot.node), 0);
      const change = new SimWork(NAME, entry.ask, this.ledger).apply({ ...next, vv: this.state.vv }, 0);
      if (change.next !== undefined) {
        next = { ...next, ...change.next };
        changed = true;
      }
      if (!told(entry)) {
        entry.heard = "maybe";
        continue;
      }
      entry.heard = "yes";
      entry.responded = this.tick += 2;
      entry.ballot = ballot;
      const { turn, result } = decodeReply(change.result);
      entry.applied = this.ledger.of(turn);
      entry.result = result;
    }
    this.rules.issueUnderCeiling(ballot);
    if (changed) next = { ...next, vv: this.state.vv.with(ballot) };
    this.accepted(ballot, next);
    if (!forgets) this.state = next;
    return ballot;
  }

  /** A round without works of clients. */
  proposed(ballot: Dot, mine: Dot | undefined): void {
    this.rules.verdict([], mine, 0);
    this.rules.issueUnderCeiling(ballot);
  }

  accepted(ballot: Dot, state: RegisterState<Value>): void {
    for (let node = 0; node < 3; node++) this.evidence.accepted(node, encodeState(NAME, ballot, state));
  }

  check(): number {
    const checked = new OrderChecker(this, NAME).check();
    this.evidence.check(NAME, this.history, W);
    return checked;
  }
}

function refused(register: Register, what: RegExp): void {
  try {
    register.check();
  } catch (error) {
    assert.instance(error, Violation);
    assert.match((error as Error).message, what);
    return;
  }
  assert.unreachable("it was let pass");
}

const kinds: fc.Arbitrary<Kind> = fc.constantFrom<Kind>(
  "get",
  "set",
  "setnx",
  "del",
  "getdel",
  "getset",
  "incr",
  "append",
  "cas",
);
const operation = fc.record({ kind: kinds, text: fc.constantFrom("1", "a", "7", "bb"), told: fc.boolean() });
const rounds = fc.array(fc.array(operation, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 20 });
const fewRounds = fc.array(fc.array(operation, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 });

function played(plan: readonly (readonly { kind: Kind; text: string; told: boolean }[])[]): Register {
  const register = new Register();
  for (const batch of plan) {
    const entries = batch.map(({ kind, text }) => register.ask(kind, text, kind === "cas" ? "a" : ""));
    const told = new Set(entries.filter((_, i) => batch[i].told));
    register.round(entries, (entry) => told.has(entry));
  }
  return register;
}

test("order: whatever a register does is let pass, whoever hears of it", () => {
  fc.assert(
    fc.property(rounds, (plan) => {
      const register = played(plan);
      assert.is(register.check(), plan.flat().filter(({ told }) => told).length);
    }),
    { numRuns: 300 },
  );
});

test("black box: whatever a register does is let pass, whoever hears of it", () => {
  fc.assert(
    fc.property(rounds, (plan) => {
      const { history } = played(plan);
      assert.is.not(isLinearizable(history.byName.get(NAME) ?? [], STEPS), "no");
    }),
    { numRuns: 100 },
  );
});

test("an answer that is not the model's is noticed by both", () => {
  fc.assert(
    fc.property(fewRounds, fc.nat(), (plan, which) => {
      const register = played(plan);
      const { history } = register;
      const answered = history.entries.filter((entry) => entry?.heard === "yes") as Entry[];
      const entry = answered[which % answered.length];
      if (entry === undefined) return;
      entry.result = "what nobody ever wrote";
      assert.throws(() => new OrderChecker(register, NAME).check());
      // That there is no order at all is told once all have been tried, and each of up to nine unheard operations may stand anywhere or not at all.
      assert.is(isLinearizable(history.byName.get(NAME) ?? [], EXHAUSTIVE_STEPS), "no");
    }),
    { numRuns: 200 },
  );
});

test("an acknowledged write that later states do not contain", () => {
  const register = new Register();
  register.round([register.ask("set", "a")]);
  register.round([register.ask("set", "bbb")], () => true, true);
  register.round([register.ask("append", "c")]);
  refused(register, /no part of the history/);
  assert.is(isLinearizable(register.history.byName.get(NAME) ?? [], STEPS), "no");
});

test("an operation that is applied twice", () => {
  const register = new Register();
  const twice = register.ask("incr");
  register.round([twice], () => false);
  register.round([register.ask("incr")]);
  register.round([twice]);
  register.round([register.ask("get")]);
  refused(register, /twice|another attempt/);
});

test("an operation that was surely not applied, and was", () => {
  const register = new Register();
  const refusedOne = register.ask("append", "x");
  register.round([refusedOne], () => false);
  refusedOne.heard = "no";
  register.round([register.ask("get")]);
  refused(register, /surely not|refused/);
});

test("a read that goes back in time", () => {
  const register = new Register();
  const old = register.round([register.ask("set", "a")]);
  const before = register.ask("get");
  register.round([before]);
  register.round([register.ask("set", "b")]);
  const stale = register.ask("get");
  register.round([stale]);
  stale.ballot = old;
  stale.applied = Object.assign(Object.create(Applied.prototype), before.applied, { id: stale.ask.id }) as Applied;
  stale.result = before.result;
  refused(register, /go back|comes after/);
  assert.is(isLinearizable(register.history.byName.get(NAME) ?? [], STEPS), "no");
});

test("a key that goes by itself, and one whose deadline has passed", () => {
  const gone = (kind: Kind, wallMs: number, medianMs = wallMs): Register => {
    const register = new Register();
    register.round([register.ask(kind, "a")]);
    const ballot = { epoch: 0, hlc: HLC_ORIGIN + ++register.hlc, node: 1 };
    const { vv } = register.state;
    register.wallMs = wallMs;
    register.medianMs = medianMs;
    register.state = { value: undefined, expireAt: 0, vv: vv.with(ballot), cut: 0 };
    register.accepted(ballot, register.state);
    register.proposed(ballot, vv.get(1));
    register.round([register.ask("get")]);
    return register;
  };
  assert.is(gone("setex", 1000).check(), 2);
  refused(gone("setex", 999), /nobody took it/);
  assert.is(gone("setex", 1000, 0).check(), 2, "one clock is right, most are close to it");
  refused(gone("setex", 1000, -1), /nobody took it/);
  refused(gone("set", 1000), /nobody took it/);
});

test("two states under one dot, two chains, a dot that too few hold", () => {
  const register = new Register();
  const dot = register.round([register.ask("set", "a")]);
  const other: RegisterState<Value> = { value: undefined, expireAt: 0, vv: VersionVector.of([dot]), cut: 0 };
  assert.throws(() => register.accepted(dot, other), /two states/);

  const forked = new Register();
  forked.round([forked.ask("set", "a")], () => true, true);
  forked.round([forked.ask("set", "b")]);
  assert.throws(() => forked.evidence.check(NAME, forked.history, W), /two chains/);

  const few = new Register();
  few.round([few.ask("set", "a")]);
  assert.throws(() => few.evidence.check(NAME, few.history, 4), /3 of 4/);
});

/** Operations as (kind, text, from, to, result), of clients that overlap. */
function blackBox(...rows: readonly (readonly [Kind, string, number, number, string | undefined])[]): string {
  const entries = rows.map(([kind, text, from, to, result], i) => {
    const entry = new Entry({ kind, id: i + 1, text, expected: "", ttlMs: 0 }, NAME, 0, from);
    if (result === undefined) {
      entry.heard = "maybe";
      return entry;
    }
    entry.heard = "yes";
    entry.responded = to;
    entry.result = result;
    return entry;
  });
  return isLinearizable(entries, STEPS);
}

test("black box: by hand", () => {
  assert.is(blackBox(["set", "a", 0, 1, "OK"], ["get", "", 2, 3, "a"]), "yes");
  assert.is(blackBox(["set", "a", 0, 1, "OK"], ["get", "", 2, 3, "nil"]), "no");
  // At the same time: either.
  assert.is(blackBox(["set", "a", 0, 5, "OK"], ["get", "", 2, 3, "nil"]), "yes");
  assert.is(blackBox(["set", "a", 0, 5, "OK"], ["get", "", 2, 3, "a"]), "yes");
  // Seen once, it stays seen.
  assert.is(blackBox(["set", "a", 0, 9, "OK"], ["get", "", 1, 2, "a"], ["get", "", 3, 4, "nil"]), "no");
  // Nobody was told: it may happen late, or never.
  assert.is(blackBox(["set", "a", 0, 0, undefined], ["get", "", 8, 9, "nil"]), "yes");
  assert.is(blackBox(["set", "a", 0, 0, undefined], ["get", "", 4, 5, "nil"], ["get", "", 8, 9, "a"]), "yes");
  assert.is(blackBox(["set", "a", 0, 0, undefined], ["get", "", 4, 5, "a"], ["get", "", 8, 9, "nil"]), "no");
  // Applied twice.
  assert.is(blackBox(["incr", "", 0, 1, "1"], ["incr", "", 2, 3, "2"], ["get", "", 4, 5, "3"]), "no");
});

test("black box: it gives up rather than search for ever", () => {
  const rows = Array.from({ length: 40 }, (_, i) => ["append", String(i), 0, 1000, undefined] as const);
  const hard = [...rows, ["get", "", 2000, 2001, "never"] as const];
  const verdict = blackBox(...hard);
  assert.is(verdict, "gave up");
});

test("the model: what each operation does", () => {
  const ask = (kind: Kind, text = "", expected = ""): Ask => ({ kind, id: 9, text, expected, ttlMs: 5 });
  const here = { text: "4", seq: 3, writer: 8, expireAt: 0 };
  const results = (["get", "setnx", "del", "getdel", "getset", "incr", "append"] as const).map((kind) => [
    perform(ask(kind, "x"), undefined, 0).result,
    perform(ask(kind, "x"), here, 0).result,
  ]);
  assert.equal(results, [
    ["nil", "4"],
    ["1", "0"],
    ["0", "1"],
    ["nil", "4"],
    ["nil", "4"],
    ["1", "5"],
    ["1", "2"],
  ]);
  assert.is(perform(ask("incr"), { ...here, text: "a" }, 0).result, "ERR");
  assert.is(perform(ask("cas", "x", "4"), here, 0).result, "1");
  assert.is(perform(ask("cas", "x", "5"), here, 0).result, "0");
  assert.equal(perform(ask("set", "x"), here, 0).after, { text: "x", seq: 4, writer: 9, expireAt: 0 });
  assert.is(perform(ask("setex", "x"), here, 100).after?.expireAt, 105);
  assert.is(perform(ask("append", "x"), { ...here, expireAt: 50 }, 0).after?.expireAt, 50);
});

test.run();
