/**
 * test/unit/cluster/pulls.test.ts: keys that are read because a chosen state is missing: after a while, once, a bounded number at a time,
 * again when that did not get through, and not at all when the state has come meanwhile.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pulls } from "../../../src/cluster/pulls.js";
import type { Answer } from "../../../src/cluster/work.js";
import type { Dot } from "../../../src/core/clock/dot.js";
import { absentState, type Held } from "../../../src/core/register/state.js";
import type { Value } from "../../../src/storage/state-record.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

const YES: Answer = { applied: "yes", result: Buffer.alloc(0), ballot: undefined };

class Desk {
  readonly scheduler: FakeScheduler = new FakeScheduler();
  readonly asked: { readonly name: string; readonly done: (answer: Answer) => void }[] = [];
  readonly held: Map<string, number> = new Map();
  readonly pulls: Pulls = new Pulls({
    scheduler: this.scheduler,
    held: (name) => this.heldOf(name),
    read: ({ name }, done) => this.asked.push({ name, done }),
  });

  private heldOf(name: string): Held<Value> | undefined {
    const hlc = this.held.get(name);
    return hlc === undefined ? undefined : { ballot: dot(hlc), state: absentState<Value>(0), chosen: false, lsn: 0 };
  }

  get names(): string[] {
    return this.asked.map(({ name }) => name);
  }
}

function dot(hlc: number): Dot {
  return { epoch: 0, hlc, node: 1 };
}

test("what is missing, or older than what was chosen, is read after a while; what is held or comes meanwhile is not", () => {
  const { scheduler, pulls, held, asked, names } = new Desk();
  assert.equal(names, []);
  held.set("same", 5);
  held.set("newer", 9);
  held.set("older", 4);
  for (const name of ["same", "newer", "older", "absent", "late", "absent"]) pulls.heard(name, dot(5));
  assert.is(pulls.size, 3);
  scheduler.advance(400);
  assert.equal(asked, []);
  held.set("late", 5);
  scheduler.advance(200);
  assert.equal(
    asked.map(({ name }) => name),
    ["older", "absent"],
  );
  for (const { done } of asked) done(YES);
  scheduler.advance(2000);
  assert.equal([asked.length, pulls.size, pulls.pulled], [2, 0, 2]);
});

test("a later ballot replaces an earlier one, an earlier one changes nothing", () => {
  const { scheduler, pulls, held, asked } = new Desk();
  pulls.heard("k", dot(7));
  pulls.heard("k", dot(5));
  held.set("k", 6);
  scheduler.advance(600);
  assert.is(asked.length, 1);
});

test("at most 32 are read at a time, and the others follow", () => {
  const desk = new Desk();
  for (let i = 0; i < 100; i++) desk.pulls.heard(`k${i}`, dot(1));
  desk.scheduler.advance(600);
  assert.is(desk.asked.length, 32);
  for (let i = 0; i < 10; i++) desk.asked[i]?.done(YES);
  desk.scheduler.advance(10);
  assert.is(desk.asked.length, 42);
  for (let i = 10; i < 100; i++) {
    desk.asked[i]?.done(YES);
    desk.scheduler.advance(1);
  }
  assert.equal([new Set(desk.names).size, desk.pulls.size], [100, 0]);
});

test("a read without quorum is made five times in all", () => {
  const { scheduler, pulls, asked } = new Desk();
  pulls.heard("k", dot(1));
  for (let i = 0; i < 10; i++) {
    scheduler.advance(600);
    asked[i]?.done({ applied: "no", why: "no quorum" });
  }
  assert.equal([asked.length, pulls.size], [5, 0]);
});

test("what finds no room is counted; after stop() nothing is read", () => {
  const { scheduler, pulls, asked } = new Desk();
  for (let i = 0; i < 65_540; i++) pulls.heard(`k${i}`, dot(1));
  assert.equal([pulls.size, pulls.dropped], [65_536, 4]);
  pulls.stop();
  scheduler.advance(1000);
  assert.is(asked.length, 0);
});

test.run();
