/**
 * cluster/job.ts: a work in flight at the node that answers for it: to the proposer and the reader it is an operation.
 */
import type { Change, Operation } from "../core/register/operation.js";
import type { RegisterState } from "../core/register/state.js";
import type { Value } from "../storage/state-record.js";
import type { Answer, Work } from "./work.js";

export class Job implements Operation<Value, Buffer> {
  readonly id: number;
  /** Steady clock: then it is answered by what is known of it, unless a large value is on its way. */
  readonly untilMs: number;
  /** As the proposer knows it: passed once it is given up. */
  deadline: number = Number.POSITIVE_INFINITY;
  readonly work: Work;
  readonly done: (answer: Answer) => void;
  /** Number of the read that is to answer it; 0: none. */
  readId = 0;
  /** It was forwarded. */
  away = false;

  constructor(id: number, untilMs: number, work: Work, done: (answer: Answer) => void) {
    this.id = id;
    this.untilMs = untilMs;
    this.work = work;
    this.done = done;
  }

  apply(state: RegisterState<Value>, now: number): Change<Value, Buffer> {
    return this.work.apply(state, now);
  }
}
