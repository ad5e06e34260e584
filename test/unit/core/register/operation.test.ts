/** test/unit/core/register/operation.test.ts: what an operation that finds its key expired is shown of the tombstone that its round makes. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VersionVector } from "../../../../src/core/clock/version-vector.js";
import { combine, EXPIRING, type Operation, Pending, WITHIN_ROUND } from "../../../../src/core/register/operation.js";
import { PROPOSER_RULES } from "../../../../src/core/register/proposer-rules.js";
import type { RegisterState } from "../../../../src/core/register/state.js";
import { dot, stateOf } from "../../../lib/register-driver.js";

const BALLOT = dot(0, 9);
const BASE = stateOf("a", { expireAt: 5, vv: VersionVector.EMPTY.with(dot(0, 3)).with(dot(1, 4)) });

type Shown = RegisterState<string>;

/** An operation that notes what it is shown, and writes `value` when there is one. */
function noting(id: number, seen: Shown[], value?: string): Pending<string, string> {
  const operation: Operation<string, string> = {
    id,
    deadline: 100,
    apply: (state) => {
      seen.push(state as Shown);
      return { result: "", next: value === undefined ? undefined : { value, expireAt: 0 } };
    },
  };
  return new Pending(operation);
}

test("alone: the tombstone's dot, marked; what is proposed has it unmarked", () => {
  const seen: Shown[] = [];
  const { state } = combine(BASE, BALLOT, [noting(1, seen)], 6, true, PROPOSER_RULES);
  assert.is(seen[0].value, undefined);
  assert.equal(seen[0].vv.get(BALLOT.node + EXPIRING), { ...BALLOT, node: BALLOT.node + EXPIRING });
  assert.equal([state.value, state.vv.dots], [undefined, BASE.vv.with(BALLOT).dots]);
});

test("alone and writing: no mark is left", () => {
  const { state } = combine(BASE, BALLOT, [noting(1, [], "b")], 6, true, PROPOSER_RULES);
  assert.equal([state.value, state.vv.dots], ["b", BASE.vv.with(BALLOT).dots]);
});

test("beside others: a version that no chosen state has, and that is not proposed", () => {
  const seen: Shown[] = [];
  const both = [noting(1, seen), noting(2, seen)];
  const { state } = combine(BASE, BALLOT, both, 6, true, PROPOSER_RULES);
  for (const { value, vv } of seen)
    assert.equal([value, vv.dots], [undefined, BASE.vv.with({ ...BALLOT, node: WITHIN_ROUND }).dots]);
  assert.is(seen.length, 2);
  assert.equal([state.value, state.vv.dots], [undefined, BASE.vv.with(BALLOT).dots]);
});

test("where the deadline has not passed or does not count: nothing of the round's own", () => {
  const seen: Shown[] = [];
  combine(BASE, BALLOT, [noting(3, seen)], 6, false, PROPOSER_RULES);
  combine(BASE, BALLOT, [noting(4, seen)], 4, true, PROPOSER_RULES);
  for (const { value, vv } of seen) assert.equal([value, vv.dots], ["a", BASE.vv.dots]);
  assert.is(seen.length, 2);
});

test.run();
