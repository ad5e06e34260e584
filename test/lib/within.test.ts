// mostly waits
/**
 * test/lib/within.test.ts: the time limit gives way to a result, passes errors on, names what was late, and counts the
 * time only in which this process ran.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { within } from "./within.js";

async function messageOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

test("a result in time is handed on", async () => {
  assert.is(await within(10_000, Promise.resolve(7), "seven"), 7);
});

test("an error in time is handed on", async () => {
  assert.is(await messageOf(within(10_000, Promise.reject(new Error("own")), "a failure")), "own");
});

test("what is late is named, and its later error disturbs nobody", async () => {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("too late")), 20));
  assert.is(await messageOf(within(5, late, "the third reply")), "not within 5 ms: the third reply");
  await new Promise((resolve) => setTimeout(resolve, 40));
});

test("time in which this process stood still does not count", async () => {
  // It takes a second of its own, after three in which nothing here could run.
  const slow = new Promise<string>((resolve) => setTimeout(() => setTimeout(() => resolve("done"), 1000), 3000));
  const waiting = within(2500, slow, "a slow thing");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
  assert.is(await waiting, "done");
});

test.run();
