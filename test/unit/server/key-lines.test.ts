/**
 * test/unit/server/key-lines.test.ts: works of one client on its keys: which are under way together, which wait and are done as one, what a failure
 * tells those behind it, and that a line ends cleanly, whatever is asked while its answer is handed on.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Answer, Cluster, KeyRegister, Work } from "../../../src/cluster/work.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { KeyLines } from "../../../src/server/key-lines.js";
import { RESULT_BYTES_MAX } from "../../../src/server/series-work.js";

const ABSENT: KeyRegister = { value: undefined, expireAt: 0, vv: VersionVector.EMPTY, cut: 0 };
const TOO_MANY: Answer = { applied: "no", why: "too many" };

interface UnderWay {
  readonly work: Work;
  readonly answer: (answer: Answer) => void;
}

class Desk {
  readonly underWay: UnderWay[] = [];
  nowMs = 0;
  /** Refuse at once, as a node that is full. */
  refuses = false;
  readonly lines: KeyLines = new KeyLines(
    {
      perform: (work: Work, answer: (answer: Answer) => void) => {
        if (this.refuses) answer(TOO_MANY);
        else this.underWay.push({ work, answer });
      },
    } as unknown as Cluster,
    () => this.nowMs,
  );

  get names(): string[] {
    return this.underWay.map(({ work: { name } }) => name);
  }

  /** Answer what has been under way for longest: by its own result, or as is said. */
  answer(answer?: Answer): void {
    const first = this.underWay.shift() as UnderWay;
    assert.ok(first, "nothing is under way");
    first.answer(answer ?? { applied: "yes", result: first.work.apply(ABSENT, 0).result, ballot: undefined });
  }
}

/** Its result is its text; one that writes appends it to the value. */
function work(name: string, writes: boolean, text = name, encoded = 1): Work {
  return {
    name,
    writes,
    apply: ({ value }) => {
      const bytes = Buffer.concat([value?.bytes ?? Buffer.alloc(0), Buffer.from(text)]);
      if (!writes) return { result: Buffer.from(value?.bytes ?? Buffer.alloc(0)), next: undefined };
      return { result: Buffer.from(text), next: { value: { type: 0, raw: false, bytes }, expireAt: 0 } };
    },
    encode: () => Buffer.alloc(encoded),
  };
}

/** @returns what each is answered, when it is. */
function ask(desk: Desk, ...works: readonly Work[]): string[] {
  const heard: string[] = [];
  works.forEach((one, i) => {
    desk.lines.perform(one, (answer) => {
      assert.is(heard[i], undefined, "answered twice");
      heard[i] = answer.applied === "yes" ? answer.result.toString() : answer.applied === "no" ? answer.why : "maybe";
    });
  });
  return heard;
}

test("works of different keys are under way together, whoever was first", () => {
  const desk = new Desk();
  ask(desk, work("a", false), work("b", true), work("c", false));
  assert.equal(desk.names, ["a", "b", "c"]);
  // The first one's line is free now, and is another key's.
  desk.answer();
  ask(desk, work("d", false), work("b", true), work("d", true));
  assert.equal(desk.names, ["b", "c", "d"]);
  for (let left = 5; left > 0; left--) desk.answer();
  assert.equal(desk.names, []);
});

test("of one key one is under way; what comes meanwhile is done together, each on what those before it made", () => {
  const desk = new Desk();
  const heard = ask(desk, work("a", true, "1"), work("a", true, "2"), work("a", false), work("a", true, "3"));
  assert.equal(desk.names, ["a"]);
  desk.answer();
  assert.equal(heard, ["1"]);
  assert.equal(desk.names, ["a"]);
  assert.ok(desk.underWay[0]?.work.writes);
  const change = desk.underWay[0]?.work.apply(ABSENT, 0);
  assert.is(change?.next?.value?.bytes.toString(), "23");
  desk.answer();
  assert.equal(heard, ["1", "2", "2", "3"]);
  const reads = ask(desk, work("a", false), work("a", false), work("a", false));
  desk.answer();
  assert.not.ok(desk.underWay[0]?.work.writes, "reads together are a read");
  desk.answer();
  assert.equal(reads, ["", "", ""]);
  assert.equal(desk.names, []);
});

test("large works go alone, and so do those whose answers would be", () => {
  const desk = new Desk();
  const large = 200 * 1024;
  const heard = ask(desk, ...["1", "2", "3", "4"].map((text) => work("a", true, text, large)));
  for (let i = 1; i <= 4; i++) {
    assert.is(desk.names.length, 1);
    desk.answer();
    assert.is(heard.length, i);
  }
  const long = "x".repeat(RESULT_BYTES_MAX);
  const answers = ask(desk, work("a", true, "1"), ...[long, "2", "3"].map((text) => work("a", true, text)));
  desk.answer();
  desk.lines.perform(work("a", true, "4"), (answer) => answers.push(answer.applied));
  desk.answer();
  assert.equal(answers, ["1", long]);
  assert.is(desk.underWay[0]?.work.apply(ABSENT, 0).next?.value?.bytes.toString(), "234", "the rest comes first");
  desk.answer();
  assert.equal(answers, ["1", long, "2", "3", "yes"]);
});

test("one that tells a version goes alone, and is done again when that is one that no state has", () => {
  const desk = new Desk();
  const teller = (): Work => ({ ...work("a", false), isPassing: (result) => result.toString() === "passing" });
  const told = (text: string): Answer => ({ applied: "yes", result: Buffer.from(text), ballot: undefined });
  const heard = ask(desk, work("a", true, "1"), work("a", true, "2"), teller(), teller(), work("a", true, "3"));
  const next = (): boolean => desk.underWay[0]?.work.writes === true;
  desk.answer();
  desk.answer();
  assert.equal(heard, ["1", "2"]);
  for (const text of ["passing", "passing", "first"]) {
    assert.equal([desk.names, next()], [["a"], false]);
    desk.answer(told(text));
  }
  assert.equal(heard, ["1", "2", "first"], "nothing behind it was done before");
  // Of a key that others write without a pause.
  for (let i = 0; i < 8; i++) desk.answer(told("passing"));
  assert.not(next());
  desk.answer(told("passing"));
  assert.is(heard[3], "passing");
  assert.ok(next());
  desk.answer();
  assert.equal(desk.names, []);
});

test("a failure is told to all that were done together; a read that was among them has surely changed nothing", () => {
  const desk = new Desk();
  const heard = ask(desk, work("a", true), work("a", true), work("a", false));
  desk.answer(TOO_MANY);
  assert.equal(heard, ["too many"]);
  desk.answer({ applied: "maybe" });
  assert.equal(heard, ["too many", "maybe", "no quorum"]);
  // An answer that is none.
  const odd = ask(desk, work("a", true), work("a", true), work("a", false));
  desk.answer();
  desk.answer({ applied: "yes", result: Buffer.alloc(0), ballot: undefined });
  assert.equal(odd, ["a", "maybe", "no quorum"]);
});

test("behind one that failed at once they go on; behind one that took long to fail they are refused", () => {
  const desk = new Desk();
  const quick = ask(desk, work("a", true), work("a", true));
  desk.nowMs += 50;
  desk.answer({ applied: "maybe" });
  desk.answer();
  assert.equal(quick, ["maybe", "a"]);
  const slow = ask(desk, work("a", true), work("a", true), work("a", false));
  desk.nowMs += 2000;
  desk.answer({ applied: "maybe" });
  assert.equal(slow, ["maybe", "no quorum", "no quorum"]);
  const good = ask(desk, work("a", true), work("a", true));
  desk.nowMs += 2000;
  desk.answer();
  desk.answer();
  assert.equal(good, ["a", "a"]);
  assert.equal(desk.names, []);
});

test("what is asked with an answer comes behind what waits, and nothing is left of a line that is over", () => {
  for (const first of ["a", "b"]) {
    const desk = new Desk();
    const answered: string[] = [];
    // The key has the first line, or one of the others.
    if (first === "b") ask(desk, work("b", false));
    desk.lines.perform(work("a", false), () => {
      desk.lines.perform(work("a", true, "3"), () => answered.push("3"));
      // Done at once, in the midst of an answer.
      desk.refuses = true;
      desk.lines.perform(work("c", true), () => answered.push("refused"));
      desk.refuses = false;
    });
    desk.lines.perform(work("a", true, "2"), () => answered.push("2"));
    if (first === "b") desk.answer();
    desk.answer();
    assert.equal(desk.names, ["a"]);
    desk.answer();
    assert.equal(answered, ["refused", "2", "3"]);
    ask(desk, work("a", true), work("b", true), work("c", true));
    assert.equal(desk.names, ["a", "b", "c"]);
  }
});

test.run();
