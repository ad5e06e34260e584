/**
 * test/unit/server/key-lines.test.ts: works of one client on its keys: which may be under way together, which wait, and that a line that ended
 * while its answer was handed on is not taken for the one that was begun meanwhile.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Answer, Cluster, Work } from "../../../src/cluster/work.js";
import { KeyLines, type OwnWork } from "../../../src/server/key-lines.js";

const DONE: Answer = { applied: "yes", result: Buffer.from("+OK\r\n"), ballot: undefined };
const REFUSED: Answer = { applied: "no", why: "too many" };

interface UnderWay {
  readonly work: Work;
  readonly ordered: boolean;
  readonly answer: (answer: Answer) => void;
}

class Desk {
  readonly underWay: UnderWay[] = [];
  /** Refuse at once, as a node that is full. */
  refuses = false;
  readonly lines: KeyLines = new KeyLines({
    perform: (work: Work, answer: (answer: Answer) => void) => {
      if (this.refuses) answer(REFUSED);
      else this.underWay.push({ work, ordered: work.ordered, answer });
    },
  } as unknown as Cluster);

  take(): UnderWay {
    const first = this.underWay.shift();
    assert.ok(first, "nothing is under way");
    return first as UnderWay;
  }
}

function work(name: string, writes: boolean): OwnWork {
  return {
    name,
    writes,
    ordered: false,
    apply: () => ({ result: Buffer.alloc(0), next: undefined }),
    encode: () => Buffer.alloc(0),
  };
}

test("reads of different keys are under way together, whoever was first", () => {
  const desk = new Desk();
  const answered: string[] = [];
  for (const name of ["a", "b", "c"]) desk.lines.perform(work(name, false), () => answered.push(name));
  assert.equal(
    desk.underWay.map(({ work: { name } }) => name),
    ["a", "b", "c"],
  );
  // The first one's line is free now, and is another key's.
  desk.take().answer(DONE);
  desk.lines.perform(work("d", false), () => answered.push("d"));
  desk.lines.perform(work("b", true), () => answered.push("write b"));
  desk.lines.perform(work("d", true), () => answered.push("write d"));
  assert.equal(
    desk.underWay.map(({ work: { name } }) => name),
    ["b", "c", "d"],
    "writes wait for their reads",
  );
  for (let left = 5; left > 0; left--) desk.take().answer(DONE);
  assert.equal(answered, ["a", "b", "c", "d", "write b", "write d"]);
});

test("writes of one key are under way together and in order; a read behind them is too", () => {
  const desk = new Desk();
  const answered: number[] = [];
  for (const [i, writes] of [true, true, false].entries())
    desk.lines.perform(work("a", writes), () => answered.push(i));
  assert.equal(
    desk.underWay.map(({ ordered }) => ordered),
    [false, true, true],
  );
  for (let left = 3; left > 0; left--) desk.take().answer(DONE);
  assert.equal(answered, [0, 1, 2]);
  desk.lines.perform(work("a", false), () => {});
  assert.not.ok(desk.take().ordered, "the line was over");
});

test("a line that ends while its answer is handed on leaves the next one alone", () => {
  for (const other of ["first", "second"]) {
    const desk = new Desk();
    const answered: string[] = [];
    if (other === "second") desk.lines.perform(work("else", false), () => {});
    desk.lines.perform(work("a", false), () => {
      // Done at once, so that this line is over; then one that is not.
      desk.refuses = true;
      desk.lines.perform(work("a", true), () => answered.push("refused"));
      desk.refuses = false;
      desk.lines.perform(work("a", false), () => answered.push("read"));
      desk.lines.perform(work("a", true), () => answered.push("write"));
    });
    if (other === "second") desk.underWay.shift();
    desk.take().answer(DONE);
    assert.equal(
      desk.underWay.map(({ work: { writes } }) => writes),
      [false],
      "the write waits for the read",
    );
    desk.take().answer(DONE);
    desk.take().answer(DONE);
    assert.equal(answered, ["refused", "read", "write"]);
    assert.is(desk.underWay.length, 0);
  }
});

test.run();
