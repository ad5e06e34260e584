/**
 * cluster/backoff.ts: how long to wait before the next attempt to reach a peer: exponential, with full jitter, so that nodes that lost
 * one another at the same moment do not come back at the same moment.
 * Invariants: 0 <= delay <= capMs; the range doubles with each attempt and begins anew after reset().
 * Source: "Exponential Backoff And Jitter", AWS architecture blog, 2015 (the form called full jitter).
 */

export class Backoff {
  private readonly baseMs: number;
  private readonly capMs: number;
  private readonly unit: () => number;
  private rangeMs: number;

  /** @param unit draws 0 <= x < 1. */
  constructor(baseMs: number, capMs: number, unit: () => number) {
    this.baseMs = baseMs;
    this.capMs = capMs;
    this.unit = unit;
    this.rangeMs = baseMs;
  }

  /** Milliseconds to wait. */
  next(): number {
    const delay = this.unit() * this.rangeMs;
    this.rangeMs = Math.min(this.capMs, this.rangeMs * 2);
    return delay;
  }

  reset(): void {
    this.rangeMs = this.baseMs;
  }
}
