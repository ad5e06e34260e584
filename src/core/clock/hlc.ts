/**
 * core/clock/hlc.ts: the hybrid logical clock that dots are made of.
 * A value is (milliseconds since ORIGIN_MS) * 4096 + count, below 2^53, kept as two halves (low 32 bits, high 21 bits)
 * so that the hot path works in small integers. Its order is used, its truth never is.
 * Invariant: every value handed out is above all values handed out or witnessed before, whatever the wall clock does.
 * Source: Kulkarni et al., "Logical Physical Clocks", 2014.
 */
import { assert } from "../../lib/assert.js";

/** 2024-01-01T00:00:00Z. Forty-one bits of milliseconds reach to 2093. */
export const ORIGIN_MS = 1_704_067_200_000;
export const COUNTS_PER_MS = 4096;
const TWO_32 = 4_294_967_296;
const HLC_MAX = 2 ** 53 - 1;

export class Hlc {
  /** Low 32 bits of the last value, as a signed integer. */
  low = 0;
  /** High 21 bits of the last value. */
  high = 0;
  private lastMs = 0;

  /** Let the clock know the time. Cheap when it did not change; a step back is ignored. */
  observe(nowMs: number): void {
    if (nowMs > this.lastMs) {
      this.lastMs = nowMs;
      const floor = hlcAt(nowMs);
      if (floor > this.value()) this.set(floor);
    }
  }

  /** Advance to the next value; read it from low and high. */
  tick(): void {
    this.low = (this.low + 1) | 0;
    if (this.low === 0) this.high++;
  }

  /** Never again hand out a value at or below this one. */
  witness(value: number): void {
    if (value > this.value()) this.set(value);
  }

  /** The last value handed out or witnessed. */
  value(): number {
    return hlcValue(this.low, this.high);
  }

  private set(value: number): void {
    assert(value >= 0 && value <= HLC_MAX, "hlc out of range", value);
    this.high = Math.floor(value / TWO_32);
    this.low = (value - this.high * TWO_32) | 0;
  }
}

/** The first value of a millisecond. */
export function hlcAt(wallMs: number): number {
  return Math.max(0, wallMs - ORIGIN_MS) * COUNTS_PER_MS;
}

/** The two halves as one number below 2^53. */
function hlcValue(low: number, high: number): number {
  return high * TWO_32 + (low >>> 0);
}
