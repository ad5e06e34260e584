/** test/unit/cluster/explain.test.ts: KV.EXPLAIN's last line says what a GET would do, for every r and w. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Explain } from "../../../src/cluster/explain.js";
import type { Dot } from "../../../src/core/clock/dot.js";
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

test.run();
