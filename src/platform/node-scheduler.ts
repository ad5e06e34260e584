/**
 * platform/node-scheduler.ts: the Scheduler port on Node's clock, timers and check phase.
 */
import { ForwardTime } from "../lib/forward-time.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";

/** The most a timer of Node holds; a longer one would come after a millisecond. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class NodeScheduler implements Scheduler {
  private readonly forward: ForwardTime | undefined;

  /** @param forward the wall clock goes on where the machine's is set back. */
  constructor(forward = false) {
    if (forward) this.forward = new ForwardTime(() => performance.now());
  }

  nowMs(): number {
    return this.forward === undefined ? Date.now() : this.forward.at(Date.now());
  }

  monotonicMs(): number {
    return performance.now();
  }

  after(ms: number, run: () => void): Cancel {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      const now = Math.min(left, TIMER_MS_MAX);
      timer = setTimeout(left > now ? () => wait(left - now) : run, now);
      timer.unref();
    };
    wait(ms);
    return () => clearTimeout(timer);
  }

  endOfTurn(run: () => void): void {
    setImmediate(run);
  }
}
