import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Ceiling, UNLOGGED } from "../../../../src/core/clock/ceiling.js";

const SECOND_HLC = 1000 * 4096;

test("what lies at or below the recovered ceiling needs no write, and is refused by the restart floor", () => {
  const ceiling = new Ceiling(100);
  assert.is(ceiling.restartFloor, 100);
  assert.is(ceiling.gate(100), 0);
  assert.is(ceiling.gate(101), UNLOGGED);
});

test("a message waits until the ceiling that covers it is durable", () => {
  const ceiling = new Ceiling(0);
  ceiling.appended(ceiling.ahead(10), 7);
  assert.is(ceiling.gate(10), 7);
  ceiling.durable(6);
  assert.is(ceiling.gate(10), 7);
  ceiling.durable(7);
  assert.is(ceiling.gate(10), 0);
  assert.is(ceiling.gate(10 + 2 * SECOND_HLC), 0);
  assert.is(ceiling.gate(11 + 2 * SECOND_HLC), UNLOGGED);
  assert.is(ceiling.restartFloor, 0, "this life's own ceiling refuses nothing");
});

test("it is renewed when half of the lead is used, and not before", () => {
  const ceiling = new Ceiling(0);
  ceiling.appended(ceiling.ahead(0), 1);
  assert.is(ceiling.renewal(SECOND_HLC), 0);
  const value = ceiling.renewal(SECOND_HLC + 1);
  assert.is(value, 3 * SECOND_HLC + 1);
  ceiling.appended(value, 2);
  assert.is(ceiling.renewal(SECOND_HLC + 1), 0);
});

test("a ceiling never sinks", () => {
  const ceiling = new Ceiling(50);
  assert.throws(() => ceiling.appended(50, 1), /only rises/);
});

test("over lives: nothing that left is above what a crash leaves behind, and nothing is issued twice", () => {
  const step = fc.oneof(
    fc.record({ what: fc.constant("issue" as const), by: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ what: fc.constant("sync" as const), by: fc.constant(0) }),
    fc.record({ what: fc.constant("crash" as const), by: fc.integer({ min: 0, max: 5 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let ceiling = new Ceiling(0, 10);
      let clock = 0;
      let durable = 0;
      let log: number[] = [];
      let waiting: { hlc: number; lsn: number }[] = [];
      const left: number[] = [];
      for (const { what, by } of steps) {
        if (what === "issue") {
          clock += by;
          if (ceiling.gate(clock) === UNLOGGED) {
            log.push(ceiling.ahead(clock));
            ceiling.appended(log.at(-1) as number, log.length);
          }
          const lsn = ceiling.gate(clock);
          if (lsn === 0) left.push(clock);
          else waiting.push({ hlc: clock, lsn });
        } else if (what === "sync") {
          ceiling.durable(log.length);
          durable = Math.max(durable, ...log);
          for (const { hlc, lsn } of waiting) {
            assert.ok(lsn <= log.length);
            left.push(hlc);
          }
          log = [];
          waiting = [];
        } else {
          durable = Math.max(durable, ...log.slice(0, by));
          for (const hlc of left) assert.ok(hlc <= durable, "left above the durable ceiling");
          ceiling = new Ceiling(durable, 10);
          clock = durable;
          log = [];
          waiting = [];
        }
      }
      assert.is(new Set(left).size, left.length);
    }),
  );
});

test.run();
