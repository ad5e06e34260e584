/**
 * cluster/clock-watch.ts: says when this node's clock has gone so far from the others' that it goes by theirs (cluster/peer-clocks.ts), and when it is
 * back. Once each time: a clock that stays wrong is not told again.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";

const LOOK_MS = 1000;

export interface ClockWatchParts {
  readonly scheduler: Scheduler;
  /** From most of the clocks that can be seen. */
  readonly offMs: () => number;
  /** Does this node go by the others' clocks? */
  readonly corrected: () => boolean;
  readonly log: (level: "notice" | "warning", text: string) => void;
}

export class ClockWatch {
  private readonly parts: ClockWatchParts;
  private corrected = false;
  private cancel: Cancel = () => {};

  constructor(parts: ClockWatchParts) {
    this.parts = parts;
  }

  start(): void {
    const { scheduler, offMs, corrected, log } = this.parts;
    const now = corrected();
    if (now !== this.corrected) {
      this.corrected = now;
      if (!now) log("notice", "this node's clock agrees with its peers' again");
      else
        log(
          "warning",
          `this node's clock is ${Math.round(offMs())} ms from most of its peers': keys expire by theirs until that is mended`,
        );
    }
    this.cancel = scheduler.after(LOOK_MS, () => this.start());
  }

  stop(): void {
    this.cancel();
  }
}
