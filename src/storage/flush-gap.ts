/**
 * storage/flush-gap.ts: in a cluster, when many write, a flush begins no sooner than a moment after the one before it.
 * Each write is flushed on several nodes, in batches of what came while the last flush was under way: with few clients at each node these
 * are small, and a flush costs the processor 200 us however small it is. A moment's rest makes them larger.
 * Only where writes came while the flush was under way: a client that waits for its answers, alone or with a pipeline, never waits for this.
 * After a sync on the loop there has been one turn to see them in: then one is enough, if several had waited for that sync.
 * Price: with many clients and an idle processor an answer comes up to GAP_MS later. Measured: docs/decisions/0023
 */
import { SLOW_MS_OF_MEMBER } from "./flights.js";
import { FlushHold } from "./flush-hold.js";
import type { FlushPace } from "./flush-pace.js";

const GAP_MS = 1;
const OPEN_MIN = 4;

class FlushGap implements FlushPace {
  private untilMs = 0;

  begin(waiters: number, open: number, flushMs: number, nowMs: number, onLoop = false): void {
    const many = onLoop ? open > 0 && waiters >= OPEN_MIN : open >= OPEN_MIN;
    // On a slower disk enough gathers by itself.
    this.untilMs = many && flushMs <= SLOW_MS_OF_MEMBER ? nowMs + GAP_MS : 0;
  }

  get active(): boolean {
    return this.untilMs > 0;
  }

  waitMs(_waiters: number, nowMs: number): number {
    if (nowMs < this.untilMs) return this.untilMs - nowMs;
    this.untilMs = 0;
    return 0;
  }
}

/** @param member the log of one node of several. */
export function paceOf(member = false): FlushPace {
  return member ? new FlushGap() : new FlushHold();
}
