/**
 * platform/node-scheduler.ts: the Scheduler port on Node's clock, timers and check phase.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";

export class NodeScheduler implements Scheduler {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  after(ms: number, run: () => void): Cancel {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  }

  endOfTurn(run: () => void): void {
    setImmediate(run);
  }
}
