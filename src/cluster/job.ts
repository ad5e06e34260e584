/**
 * cluster/job.ts: a work in flight at the node that answers for it: to the proposer and the reader it is an operation.
 */
import type { Dot } from "../core/clock/dot.js";
import type { Change, Operation } from "../core/register/operation.js";
import type { RegisterState } from "../core/register/state.js";
import type { Value } from "../storage/state-record.js";
import type { Answer, Work } from "./work.js";

/** Tell the asker that its own replica's acceptance of `ballot` is all that is missing. */
export type Nearly = (ballot: Dot, result: Buffer) => void;

/** By whom a work was forwarded. */
export interface Asked {
  readonly from: number;
  readonly nearly: Nearly;
}

export class Job implements Operation<Value, Buffer> {
  readonly id: number;
  /** Steady clock: then it is answered by what is known of it, unless a large value is on its way. */
  readonly untilMs: number;
  /** As the proposer knows it: passed once it is given up. */
  deadline: number = Number.POSITIVE_INFINITY;
  readonly work: Work;
  readonly done: (answer: Answer) => void;
  /** Another node's work: its index, and what tells it that the outcome hangs on its own replica. */
  readonly asker: number | undefined;
  readonly nearly: Nearly | undefined;
  /** Number of the read that is to answer it; 0: none. */
  readId = 0;
  /** Under which number it was forwarded; 0: it is not. */
  away = 0;

  constructor(id: number, untilMs: number, work: Work, done: (answer: Answer) => void, asked?: Asked) {
    this.id = id;
    this.untilMs = untilMs;
    this.work = work;
    this.done = done;
    this.asker = asked?.from;
    this.nearly = asked?.nearly;
  }

  /** Can another node have done it with that outcome? Whoever made the work takes its result apart. */
  canBe(outcome: Answer): boolean {
    return outcome.applied !== "yes" || this.work.isResult?.(outcome.result) !== false;
  }

  apply(state: RegisterState<Value>, now: number): Change<Value, Buffer> {
    return this.work.apply(state, now);
  }
}
