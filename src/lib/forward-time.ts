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
  private steadyMs = 0;

  // HOT: once per read. To be asked often: what the wall clock was set back by between two calls is not seen beyond the time between them.
  /** @param wallMs whole milliseconds. @param steadyMs of a clock that never steps back. @returns whole milliseconds. */
  at(wallMs: number, steadyMs: number): number {
    if (wallMs >= this.timeMs) this.timeMs = wallMs;
    else this.timeMs += (steadyMs - this.steadyMs) * (1 - GIVEN_BACK);
    this.steadyMs = steadyMs;
    return Math.floor(this.timeMs);
  }
}
