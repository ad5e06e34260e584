/**
 * lib/forward-time.ts: a wall clock that never steps back and never stands still: where the machine's is set back, time goes on from where it
 * was by the steady clock, a little slower, until the two are one again. What was to end in a minute ends in a minute, though the clock had stood
 * an hour ahead and was set right.
 * Invariant: never less than before, so that what was seen as over stays over.
 */

/** What a clock stood ahead by is given back over 64 times as long: deadlines come 1.6 % late meanwhile. */
const GIVEN_BACK: number = 1 / 64;

export class ForwardTime {
  private timeMs = 0;
  /** When time was last asked for while the wall clock was behind; below 0: it is not. */
  private steadyMs = -1;
  private readonly steady: () => number;

  /** @param steady a clock that never steps back, ms; it is only read while the wall clock is behind. */
  constructor(steady: () => number) {
    this.steady = steady;
  }

  // HOT: once per read. To be asked often: what passes between the last call before the wall clock was set back and the next one is not seen.
  /** @param wallMs whole milliseconds. @returns whole milliseconds. */
  at(wallMs: number): number {
    if (wallMs >= this.timeMs) {
      this.timeMs = wallMs;
      this.steadyMs = -1;
      return wallMs;
    }
    const steadyMs = this.steady();
    if (this.steadyMs >= 0) this.timeMs += (steadyMs - this.steadyMs) * (1 - GIVEN_BACK);
    this.steadyMs = steadyMs;
    return Math.floor(this.timeMs);
  }
}
