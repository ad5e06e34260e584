/**
 * cluster/clock-watch.ts: says when this node's clock has gone so far from the others' that it goes by theirs (cluster/peer-clocks.ts), and when it is
 * back; and when nobody can say which clocks are right. Once each time: a clock that stays wrong is not told again.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";

const LOOK_MS = 1000;

export interface ClockWatchParts {
  readonly scheduler: Scheduler;
  /** From most of the clocks that can be seen. */
  readonly offMs: () => number;
  /** Does this node go by the others' clocks? */
  readonly corrected: () => boolean;
  /** As PeerClocks has it. */
  readonly doubtMs: () => number;
  readonly log: (level: "notice" | "warning", text: string) => void;
}

export class ClockWatch {
  private readonly parts: ClockWatchParts;
  private told: "agrees" | "corrected" | "doubt" = "agrees";
  private cancel: Cancel = () => {};

  constructor(parts: ClockWatchParts) {
    this.parts = parts;
  }

  start(): void {
    const { scheduler, corrected, doubtMs } = this.parts;
    const now = doubtMs() > 0 ? "doubt" : corrected() ? "corrected" : "agrees";
    if (now !== this.told) {
      this.told = now;
      this.tell();
    }
    this.cancel = scheduler.after(LOOK_MS, () => this.start());
  }

  private tell(): void {
    const { offMs, doubtMs, log } = this.parts;
    if (this.told === "agrees") log("notice", "this node's clock agrees with its peers' again");
    else if (this.told === "corrected")
      log(
        "warning",
        `this node's clock is ${Math.round(offMs())} ms from most of its peers': keys expire by theirs until that is mended`,
      );
    else
      log(
        "warning",
        `half of the clocks that this node sees are ${doubtMs()} ms behind the others, and nobody knows which are right: keys expire by those until that is mended`,
      );
  }

  stop(): void {
    this.cancel();
  }
}
