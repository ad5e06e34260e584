/**
 * test/unit/cluster/explain.test.ts: KV.EXPLAIN's last line says what a GET would do, for every r and w; nodes that are down are not waited for, and
 * ages are those of when an answer came.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Explain } from "../../../src/cluster/explain.js";
import type { Dot } from "../../../src/core/clock/dot.js";
import { COUNTS_PER_MS, ORIGIN_MS } from "../../../src/core/clock/hlc.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import type { ReadRequest } from "../../../src/core/register/messages.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

interface Said {
  readonly ballot?: Dot;
  readonly chosen?: boolean;
}

const [OLD, NEW]: [Dot, Dot] = [
  { epoch: 0, hlc: 1000, node: 0 },
  { epoch: 0, hlc: 2000, node: 0 },
];
const LATEST: Said = { ballot: NEW };
const CHOSEN: Said = { ballot: NEW, chosen: true };

/** @param said by each of three replicas; undefined: it is down. */
function verdict(r: number, w: number, said: readonly (Said | undefined)[]): string {
  const scheduler = new FakeScheduler();
  const asked: ReadRequest[] = [];
  const explain = new Explain({
    scheduler,
    boot: 1,
    idOf: (node) => `n${node + 1}`,
    isDown: () => false,
    send: (_to, request) => asked.push(request),
  });
  let text = "";
  explain.ask("\0k", 0, { epoch: 1, nodes: [0, 1, 2], r, w }, 0, (answer) => {
    text = answer;
  });
  const { id = 0 } = asked[0] ?? {};
  const value = { type: 0, raw: false, bytes: Buffer.from("v") };
  said.forEach((reply, node) => {
    if (reply === undefined) return;
    const { ballot, chosen = false } = reply;
    const state = ballot && { value, expireAt: 0, vv: VersionVector.of([ballot]), cut: 0 };
    explain.receive(node, { type: "state", key: "\0k", boot: 1, id, ballot, state, chosen, floor: 0 });
  });
  scheduler.advance(5000);
  return text.split("\n").at(-1) ?? "";
}

test("what is known to be chosen is answered in one trip, however few hold it", () => {
  const answers = "a GET answers it in one trip";
  assert.is(verdict(1, 3, [CHOSEN, undefined, undefined]), answers);
  assert.is(verdict(2, 2, [CHOSEN, { ballot: OLD }, undefined]), answers);
  assert.is(verdict(2, 2, [LATEST, LATEST, undefined]), answers);
  assert.is(verdict(3, 1, [LATEST, {}, {}]), answers);
  assert.is(verdict(1, 3, [{}, undefined, undefined]), "a GET answers nil, in one trip");
});

test("what is not known to be chosen is repaired, where enough are up", () => {
  assert.match(verdict(2, 2, [LATEST, { ballot: OLD }, undefined]), /^only 1 of the 2 .*: a GET repairs that before/);
  assert.match(verdict(1, 3, [LATEST, LATEST, {}]), /^only 2 of the 3 .*: a GET repairs that before/);
  assert.match(verdict(1, 3, [LATEST, LATEST, undefined]), /^only 2 of the 3 .*: a GET would be refused now/);
  // That an older state was chosen says nothing of the latest.
  assert.match(verdict(1, 3, [LATEST, { ballot: OLD, chosen: true }, undefined]), /: a GET would be refused now/);
});

test("fewer than r: refused", () => {
  assert.match(verdict(3, 1, [CHOSEN, CHOSEN, undefined]), /^fewer than R answered: a GET would be refused now/);
});

interface Asked {
  readonly scheduler: FakeScheduler;
  readonly explain: Explain;
  /** Who was sent the question. */
  readonly asked: number[];
  /** What it said, once it did. */
  text: string | undefined;
  answer(node: number, ballot: Dot): void;
}

/** One question to three nodes. @param down have no connection. */
function askedOf(down: readonly number[]): Asked {
  const scheduler = new FakeScheduler();
  const asked: number[] = [];
  let id = 0;
  const explain = new Explain({
    scheduler,
    boot: 1,
    idOf: (node) => `n${node + 1}`,
    isDown: (node) => down.includes(node),
    send: (to, request) => {
      asked.push(to);
      id = request.id;
    },
  });
  const value = { type: 0, raw: false, bytes: Buffer.from("v") };
  const question: Asked = {
    scheduler,
    explain,
    asked,
    text: undefined,
    answer: (node, ballot) => {
      const state = { value, expireAt: scheduler.nowMs() + 500, vv: VersionVector.of([ballot]), cut: 0 };
      explain.receive(node, { type: "state", key: "\0k", boot: 1, id, ballot, state, chosen: true, floor: 0 });
    },
  };
  explain.ask("\0k", 0, { epoch: 1, nodes: [0, 1, 2], r: 2, w: 2 }, 0, (answer) => {
    question.text = answer;
  });
  return question;
}

test("who is down is not asked, nor waited for", () => {
  const question = askedOf([2]);
  assert.equal(question.asked, [0, 1]);
  question.answer(0, NEW);
  assert.is(question.text, undefined);
  question.answer(1, NEW);
  assert.match(question.text ?? "", /^n3: down$/m);
  assert.match(askedOf([0, 1, 2]).text ?? "", /: a GET would be refused now$/);
});

test("a connection that ends is not waited for; what came before it counts", () => {
  const question = askedOf([]);
  question.answer(0, NEW);
  question.answer(1, NEW);
  question.explain.lost(0);
  assert.is(question.text, undefined);
  question.explain.lost(2);
  assert.match(question.text ?? "", /^n1: 1 bytes/m);
  assert.match(question.text ?? "", /^n3: down$/m);
});

test("how long ago: when the answer came, however long another one takes", () => {
  const question = askedOf([]);
  const { scheduler } = question;
  const hlc = (scheduler.nowMs() - ORIGIN_MS) * COUNTS_PER_MS;
  scheduler.advance(5);
  question.answer(0, { epoch: 0, hlc, node: 0 });
  scheduler.advance(2000);
  assert.match(
    question.text ?? "",
    /^n1: 1 bytes at \d+@n1 \(5 ms ago\), known to be chosen, expires in 500 ms, .*\(5 ms ago\)\], /m,
  );
  assert.match(question.text ?? "", /^n2: no answer$/m);
});

test.run();
