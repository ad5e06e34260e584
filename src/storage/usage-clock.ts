/**
 * storage/usage-clock.ts: the 24 bits a record keeps about its use: LRU (seconds of last use) or LFU (minutes of last
 * decay, 16 bits, and a logarithmic counter, 8 bits).
 * Source: Redis's documentation of LRU and LFU eviction: counter start 5, log factor and minutes of decay as configured.
 */
import type { Random } from "../lib/random.js";
import { type Arena, EXTENT_MASK, EXTENT_SHIFT, MARKS } from "./arena.js";

const LRU_MASK = 0xffffff;
const LFU_START = 5;

/** The 24 bits in front of a record. */
export function clockOf(arena: Arena, ref: number): number {
  return arena.ints[ref >>> EXTENT_SHIFT][((ref & EXTENT_MASK) << 1) - 1] & ~MARKS;
}

export function setClock(arena: Arena, ref: number, clock: number): void {
  const ints = arena.ints[ref >>> EXTENT_SHIFT];
  const header = ((ref & EXTENT_MASK) << 1) - 1;
  ints[header] = (ints[header] & MARKS) | (clock & ~MARKS);
}

export class UsageClock {
  /** Which of the two is kept. Switching does not convert: old values then mean little, as in Redis. */
  lfu = false;
  /** How slowly the counter of a busy key saturates; and after how many minutes of rest it loses one, 0 = never. */
  logFactor = 10;
  decayMinutes = 1;
  private seconds = 0;
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  observe(nowMs: number): void {
    this.seconds = Math.floor(nowMs / 1000);
  }

  /** For a new record. */
  fresh(): number {
    return this.lfu ? this.encodeLfu(LFU_START) : this.seconds & LRU_MASK;
  }

  // HOT: once per read of a key, and once per write of one that is there: a write is a use of it too, as in Redis.
  touch(arena: Arena, ref: number): void {
    if (this.lfu) setClock(arena, ref, this.encodeLfu(this.increment(this.frequency(clockOf(arena, ref)))));
    else setClock(arena, ref, this.seconds & LRU_MASK);
  }

  idleSeconds(clock: number): number {
    return (this.seconds - clock) & LRU_MASK;
  }

  /** The counter, decayed by the time since it was last touched. */
  frequency(clock: number): number {
    if (this.decayMinutes === 0) return clock & 255;
    const minutes = (Math.floor(this.seconds / 60) - (clock >>> 8)) & 0xffff;
    return Math.max(0, (clock & 255) - Math.floor(minutes / this.decayMinutes));
  }

  /** Clock bits that read back as given; -1 = fresh. */
  encode(idleSeconds: number, frequency: number): number {
    if (this.lfu) return frequency >= 0 ? this.encodeLfu(frequency) : this.fresh();
    return idleSeconds >= 0 ? (this.seconds - idleSeconds) & LRU_MASK : this.fresh();
  }

  private encodeLfu(counter: number): number {
    return ((Math.floor(this.seconds / 60) & 0xffff) << 8) | counter;
  }

  private increment(counter: number): number {
    if (counter >= 255) return 255;
    const base = Math.max(0, counter - LFU_START);
    return this.random.unit() < 1 / (base * this.logFactor + 1) ? counter + 1 : counter;
  }
}
