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

function yes(hlc: number): Answer {
  return { applied: "yes", result: Buffer.alloc(0), ballot: hlc === 0 ? undefined : dot(hlc) };
}

class Desk {
  readonly scheduler: FakeScheduler = new FakeScheduler();
  readonly asked: { readonly name: string; readonly done: (answer: Answer) => void }[] = [];
  readonly proposed: { readonly name: string; readonly done: (answer: Answer) => void }[] = [];
  readonly held: Map<string, number> = new Map();
  readonly pulls: Pulls = new Pulls({
    scheduler: this.scheduler,
    held: (name) => this.heldOf(name),
    read: ({ name }, done) => this.asked.push({ name, done }),
    propose: ({ name }, done) => this.proposed.push({ name, done }),
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
  for (const { name, done } of asked) {
    done(yes(5));
    // Learned behind the answer.
    held.set(name, 5);
  }
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
  const answer = (i: number): void => {
    desk.held.set(`k${i}`, 1);
    desk.asked[i]?.done(yes(1));
  };
  for (let i = 0; i < 10; i++) answer(i);
  desk.scheduler.advance(10);
  assert.is(desk.asked.length, 42);
  for (let i = 10; i < 100; i++) {
    answer(i);
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

test("an answer that this replica did not learn is no end of it: the key is read again", () => {
  const { scheduler, pulls, held, asked, proposed } = new Desk();
  pulls.heard("k", dot(5));
  scheduler.advance(600);
  asked[0]?.done(yes(5));
  scheduler.advance(600);
  assert.equal([asked.length, proposed.length, pulls.size], [2, 0, 1]);
  asked[1]?.done(yes(5));
  held.set("k", 5);
  scheduler.advance(600);
  assert.equal([asked.length, pulls.size], [2, 0]);
});

test("what was refused is read at once, ahead of the others; where a quorum does not know it, a round settles it", () => {
  const desk = new Desk();
  const { scheduler, pulls, held, asked, proposed } = desk;
  held.set("newer", 9);
  held.set("older", 4);
  pulls.heard("waits", dot(5));
  for (const name of ["newer", "older", "older"]) pulls.refused(name, dot(5));
  scheduler.advance(5);
  assert.equal(desk.names, ["older"]);
  asked[0]?.done(yes(4));
  // Shipped and refused again meanwhile: it is being seen to.
  pulls.refused("older", dot(5));
  scheduler.advance(600);
  assert.equal([desk.names, proposed.map(({ name }) => name)], [["older", "waits"], ["older"]]);
  held.set("older", 8);
  held.set("waits", 5);
  proposed[0]?.done(yes(8));
  asked[1]?.done(yes(5));
  scheduler.advance(2000);
  assert.equal([asked.length, proposed.length, pulls.size], [2, 1, 0]);
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
