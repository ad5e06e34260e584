/**
 * cluster/clock-watch.ts: says when this node's clock has gone so far from the others' that it ends no keys by their deadlines, and when it is
 * back. Once each time: a clock that stays wrong is not told again.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";

const LOOK_MS = 1000;

/** A peer's clock less ours, as a round trip that took so long told. */
export interface SeenClock {
  readonly clockOffsetMs: number;
  readonly roundTripMs: number;
}

/**
 * How far this node's clock is, at least, from the median of those clocks and its own. A message may have spent the whole round trip on one way, so
 * an offset is wrong by half of it at most: between nodes that are busy that is what there is to see, and no clock is off.
 */
export function clockOffMs(clocks: readonly SeenClock[]): number {
  const offsets = [0];
  for (const { clockOffsetMs, roundTripMs } of clocks)
    offsets.push(Math.sign(clockOffsetMs) * Math.max(0, Math.abs(clockOffsetMs) - roundTripMs / 2));
  offsets.sort((a, b) => a - b);
  const middle = offsets.length >> 1;
  // Of an even number the one that is nearer: two clocks cannot say which of them is wrong.
  const low = offsets[(offsets.length - 1) >> 1];
  return Math.min(Math.abs(low), Math.abs(offsets[middle]));
}

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
