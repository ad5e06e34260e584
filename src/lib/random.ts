/**
 * lib/random.ts: a small seeded generator (sfc32). Sampling, jitter and tests draw from it, so that a seed replays a history.
 * Not for secrets. Source: Chris Doty-Humphrey, PractRand's sfc32.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed | 0;
    this.b = 0x9e3779b9 | 0;
    this.c = 0x243f6a88 ^ seed;
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** 0 .. 2^32 - 1. */
  u32(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + t) | 0;
    return t >>> 0;
  }

  /** 0 .. bound - 1, for bounds up to 2^32. */
  below(bound: number): number {
    return Math.floor((this.u32() / 4_294_967_296) * bound);
  }

  /** 0 <= x < 1. */
  unit(): number {
    return this.u32() / 4_294_967_296;
  }
}
