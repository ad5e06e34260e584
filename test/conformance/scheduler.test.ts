/**
 * test/conformance/scheduler.test.ts: what ports/scheduler.ts promises, asked of Node's scheduler and of the one that tests wind by hand.
 */
import { execFileSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NodeScheduler } from "../../src/platform/node-scheduler.js";
import type { Scheduler } from "../../src/ports/scheduler.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";

interface Subject {
  readonly name: string;
  readonly make: () => { scheduler: Scheduler; pass: (ms: number) => Promise<void> };
}

/** Node's timers count whole milliseconds of a clock that started in the middle of one. */
const EARLY_MS = 1;

const SUBJECTS: readonly Subject[] = [
  {
    name: "Node's",
    make: () => ({
      scheduler: new NodeScheduler(),
      pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 15)),
    }),
  },
  {
    name: "the one wound by hand",
    make: () => {
      const scheduler = new FakeScheduler();
      return { scheduler, pass: async (ms) => scheduler.advance(ms) };
    },
  },
];

for (const { name, make } of SUBJECTS) {
  test(`${name}: time passes, and the steady clock does not step back`, async () => {
    const { scheduler, pass } = make();
    const [wall, steady] = [scheduler.nowMs(), scheduler.monotonicMs()];
    assert.ok(Number.isInteger(wall) && wall > 1_600_000_000_000);
    await pass(20);
    assert.ok(scheduler.nowMs() >= wall + 19, "the wall clock");
    assert.ok(scheduler.monotonicMs() >= steady + 19, "the steady clock");
    for (let i = 0, last = 0; i < 1000; i++) {
      const now = scheduler.monotonicMs();
      assert.ok(now >= last);
      last = now;
    }
  });

  test(`${name}: what is asked for comes later, once, in order, never inside of the call`, async () => {
    const { scheduler, pass } = make();
    const seen: string[] = [];
    let inside = true;
    const note = (what: string) => (): void => {
      assert.not.ok(inside, `${what} ran inside of the call`);
      seen.push(what);
    };
    scheduler.endOfTurn(note("turn 1"));
    scheduler.endOfTurn(note("turn 2"));
    scheduler.after(0, note("at once"));
    inside = false;
    await pass(10);
    assert.equal(
      seen.filter((what) => what.startsWith("turn")),
      ["turn 1", "turn 2"],
    );
    assert.equal([...seen].sort(), ["at once", "turn 1", "turn 2"]);
    await pass(10);
    assert.is(seen.length, 3, "once");
  });

  test(`${name}: what is asked for at the end of a turn comes in the next`, async () => {
    const { scheduler, pass } = make();
    const seen: string[] = [];
    scheduler.endOfTurn(() => {
      let inside = true;
      scheduler.endOfTurn(() => {
        assert.not.ok(inside);
        seen.push("inner");
      });
      seen.push("outer");
      inside = false;
    });
    scheduler.endOfTurn(() => seen.push("beside"));
    await pass(5);
    assert.equal(seen, ["outer", "beside", "inner"]);
  });

  test(`${name}: not before its time, the shorter first`, async () => {
    const { scheduler, pass } = make();
    const started = scheduler.monotonicMs();
    const took: [number, number][] = [];
    for (const ms of [60, 5, 30]) scheduler.after(ms, () => took.push([ms, scheduler.monotonicMs() - started]));
    await pass(60);
    assert.equal(
      took.map(([ms]) => ms),
      [5, 30, 60],
    );
    for (const [ms, elapsed] of took) assert.ok(elapsed >= ms - EARLY_MS, `${ms} ms took ${elapsed}`);
  });

  test(`${name}: what is cancelled does not come`, async () => {
    const { scheduler, pass } = make();
    const seen: string[] = [];
    const cancel = scheduler.after(5, () => seen.push("cancelled"));
    const other = scheduler.after(5, () => seen.push("kept"));
    cancel();
    cancel();
    await pass(10);
    other();
    assert.equal(seen, ["kept"]);
  });

  test(`${name}: a time that is longer than a timer holds does not come at once`, async () => {
    const { scheduler, pass } = make();
    const seen: number[] = [];
    const cancels = [2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, 2 ** 53 - 1].map((ms) =>
      scheduler.after(ms, () => seen.push(ms)),
    );
    await pass(30);
    assert.equal(seen, []);
    for (const cancel of cancels) cancel();
  });
}

test("Node's: waiting keeps no process alive, and warns of nothing", () => {
  const script = `
    import { NodeScheduler } from "./src/platform/node-scheduler.ts";
    process.on("warning", (warning) => console.log(warning.name));
    const scheduler = new NodeScheduler();
    scheduler.after(3_600_000, () => console.log("late"));
    scheduler.after(2 ** 40, () => console.log("late"));
    scheduler.endOfTurn(() => console.log("turn"));`;
  const output = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  assert.is(output, "turn\n");
});

test.run();
