/**
 * test/unit/lib/assert.test.ts: what a failed assert says, and that a passing one does nothing.
 */
import { test } from "uvu";
import * as is from "uvu/assert";
import { assert, InvariantError } from "../../../src/lib/assert.js";

function failure(message: string, ...details: unknown[]): InvariantError {
  try {
    assert(false, message, ...details);
  } catch (error) {
    if (error instanceof InvariantError) return error;
    throw error;
  }
}

test("a condition that holds passes and narrows the type", () => {
  const value: string | undefined = ["a"].at(0);
  assert(value !== undefined, "present");
  is.is(value.length, 1);
});

test("details of a passing assert are not looked at", () => {
  const trap = {
    toJSON(): never {
      throw new Error("formatted");
    },
  };
  assert(true, "holds", trap);
});

test("a failure is an InvariantError with message, details and a stack that starts at the caller", () => {
  const detail = { lsn: 7 };
  const error = failure("watermark went back", detail, "wal", 3n, undefined);
  is.is(error.name, "InvariantError");
  is.is(error.message, 'watermark went back ({"lsn":7}, "wal", 3, undefined)');
  is.is(error.details[0], detail);
  is.match(error.stack?.split("\n")[1] ?? "", /at failure /);
});

test("without details the message stands alone", () => {
  is.is(failure("never").message, "never");
});

test("details that cannot be shown do not hide the failure", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  is.is(failure("cyclic", cycle).message, "cyclic (object)");
  is.is(failure("bytes", Buffer.alloc(1_000_000)).message, "bytes (1000000 bytes)");
  is.ok(failure("long", "x".repeat(100_000)).message.length < 300);
});

test.run();
