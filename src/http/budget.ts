/**
 * http/budget.ts: how many bytes of bodies and of values are held at once, for all requests together.
 * Invariant: `used` is at most `max`, unless it is one taker's alone: the largest value there may be goes through when nothing else does.
 */

export class Budget {
  used = 0;
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** @returns false: it is too much, and nothing was taken. @param own what this taker has taken before. */
  take(bytes: number, own = 0): boolean {
    if (this.used + bytes > this.max && this.used > own) return false;
    this.used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.used -= bytes;
  }
}
