/**
 * cluster/job.ts: a work in flight at the node that answers for it: to the proposer and the reader it is an operation.
 */
import type { Change, Operation } from "../core/register/operation.js";
import type { RegisterState } from "../core/register/state.js";
import type { Value } from "../storage/state-record.js";
import type { Answer, Work } from "./work.js";

export class Job implements Operation<Value, Buffer> {
  readonly id: number;
  /** Steady clock. */
  readonly deadline: number;
  readonly work: Work;
  readonly done: (answer: Answer) => void;
  /** Number of the read that is to answer it; 0: none. */
  readId = 0;
  /** It was forwarded. */
  away = false;

  constructor(id: number, deadline: number, work: Work, done: (answer: Answer) => void) {
    this.id = id;
    this.deadline = deadline;
    this.work = work;
    this.done = done;
  }

  apply(state: RegisterState<Value>, now: number): Change<Value, Buffer> {
    return this.work.apply(state, now);
  }
}
