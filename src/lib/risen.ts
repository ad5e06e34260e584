/** lib/risen.ts: whether a counter has risen lately, for one who looks at it now and then. */

export class Risen {
  private readonly forMs: number;
  private count = 0;
  private untilMs = Number.NEGATIVE_INFINITY;

  /** @param forMs how long a rise is remembered, from when it was first seen. */
  constructor(forMs: number) {
    this.forMs = forMs;
  }

  lately(count: number, nowMs: number): boolean {
    if (count !== this.count) {
      this.count = count;
      this.untilMs = nowMs + this.forMs;
    }
    return nowMs < this.untilMs;
  }
}
