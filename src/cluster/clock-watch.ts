/**
 * cluster/clock-watch.ts: says when this node's clock has gone so far from the others' that it ends no keys by their deadlines, and when it is
 * back. Once each time: a clock that stays wrong is not told again.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";

const LOOK_MS = 1000;

export interface ClockWatchParts {
  readonly scheduler: Scheduler;
  /** From most of the clocks that can be seen. */
  readonly offMs: () => number;
  /** Do deadlines count? */
  readonly expires: () => boolean;
  readonly log: (level: "notice" | "warning", text: string) => void;
}

export class ClockWatch {
  private readonly parts: ClockWatchParts;
  private expired = true;
  private cancel: Cancel = () => {};

  constructor(parts: ClockWatchParts) {
    this.parts = parts;
  }

  start(): void {
    const { scheduler, offMs, expires, log } = this.parts;
    const now = expires();
    if (now !== this.expired) {
      this.expired = now;
      if (now) log("notice", "this node's clock agrees with its peers' again: keys expire");
      else
        log(
          "warning",
          `this node's clock is ${Math.round(offMs())} ms from most of its peers': it expires no keys until that is mended`,
        );
    }
    this.cancel = scheduler.after(LOOK_MS, () => this.start());
  }

  stop(): void {
    this.cancel();
  }
}
