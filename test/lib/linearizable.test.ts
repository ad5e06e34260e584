/**
 * test/lib/linearizable.test.ts: the checker itself: histories that one register could have given, and others that differ by little.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Content, notLinearizable, type Step } from "./linearizable.js";

const NEVER = Number.POSITIVE_INFINITY;

function set(value: string, invokedMs: number, respondedMs: number): Step {
  return { invokedMs, respondedMs, text: `SET ${value}`, apply: () => value };
}

function get(found: Content, invokedMs: number, respondedMs: number): Step {
  const apply = (content: Content): Content | undefined => (content === found ? content : undefined);
  return { invokedMs, respondedMs, text: `GET ${found}`, apply };
}

function fits(...steps: Step[]): boolean {
  return notLinearizable(steps) === undefined;
}

test("one after the other", () => {
  assert.ok(fits(get(null, 0, 1), set("a", 2, 3), get("a", 4, 5), set("b", 6, 7), get("b", 8, 9)));
  assert.not(fits(set("a", 2, 3), get(null, 4, 5)), "a lost write");
  assert.not(fits(set("a", 0, 1), set("b", 2, 3), get("a", 4, 5)), "an old value");
  assert.not(fits(get("a", 0, 1), set("a", 2, 3)), "a value before it was written");
});

test("at the same time: either order, but one for all", () => {
  assert.ok(fits(set("a", 0, 10), set("b", 0, 10), get("a", 11, 12)));
  assert.ok(fits(set("a", 0, 10), set("b", 0, 10), get("b", 11, 12)));
  assert.not(fits(set("a", 0, 10), set("b", 0, 10), get("b", 11, 12), get("a", 13, 14)), "back in time");
  assert.ok(fits(set("a", 0, 10), get(null, 1, 2), get("a", 3, 4)));
  assert.not(fits(set("a", 0, 10), get("a", 1, 2), get(null, 3, 4)), "seen, and gone again");
});

test("never answered: at any time after it was asked, once, or not at all", () => {
  assert.ok(fits(set("a", 0, NEVER), get(null, 1, 2), get("a", 3, 4)));
  assert.ok(fits(set("a", 0, NEVER), set("b", 1, 2), get("b", 3, 4), get("a", 5, 6)));
  assert.ok(fits(set("a", 0, NEVER), get(null, 1, 2)));
  assert.not(fits(set("a", 5, NEVER), get("a", 1, 2)), "before it was asked");
  assert.not(fits(set("a", 0, NEVER), get("a", 1, 2), set("b", 3, 4), get("b", 5, 6), get("a", 7, 8)), "twice");
});

test("a long history with many at a time is judged soon, and says where it fails", () => {
  const steps: Step[] = [];
  for (let i = 0; i < 2000; i++) steps.push(set(`v${i}`, i * 10, i * 10 + 25), get(`v${i}`, i * 10 + 5, i * 10 + 26));
  for (let i = 0; i < 4; i++) steps.push(set(`lost${i}`, i * 1000, NEVER));
  assert.is(notLinearizable(steps), undefined);
  // Where nothing fits all orders have to be tried: with fewer steps.
  const few = [...steps.slice(0, 400), get("v3", 30_000, 30_001)];
  assert.match(String(notLinearizable(few)), /^no order fits.*\n(.*\n)* {2}GET v3 /);
});

test.run();
