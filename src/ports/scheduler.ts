/**
 * ports/scheduler.ts: time and turns of the event loop, so that a simulator can own both.
 * Invariants: callbacks run one at a time, never inside the call that asked for them.
 */

export type Cancel = () => void;

export interface Scheduler {
  /** Wall clock, ms since the Unix epoch. May step back: whoever needs it steady takes the maximum. */
  nowMs(): number;
  /** Milliseconds, with fractions, from an arbitrary start; never steps back. */
  monotonicMs(): number;
  /** Run once, after at least `ms`. Does not keep the process alive. */
  after(ms: number, run: () => void): Cancel;
  /** Run once, after everything that is ready in this turn of the loop was handled. */
  endOfTurn(run: () => void): void;
}
