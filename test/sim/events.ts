/**
 * test/sim/events.ts: what happens next, and when: a heap of events keyed by time, ties drawn from the seed, and a hash over everything that
 * happened. One seed, one history: a second run gives the same hash.
 * Time is counted in whole ticks. Nothing happens at the tick in which it was asked for, but the end of a turn.
 */
import { Random } from "../../src/lib/random.js";
import type { Host } from "./host.js";

export const TICKS_PER_MS = 64;
/** Behind everything else that happens at a tick. */
const LAST_TIE = 4_294_967_296;
const COMPACT_AT = 4096;

export interface Event {
  at: number;
  tie: number;
  /** Whose: it does not happen once that life of the host is over, and waits while the host is paused. Undefined: the world's. */
  readonly host: Host | undefined;
  readonly life: number;
  /** Undefined: cancelled. */
  run: (() => void) | undefined;
}

export class Events {
  /** In ticks. */
  now = 0;
  /** How many have happened. */
  count = 0;
  readonly random: Random;
  private hashed = 0x2545f491;
  private heap: Event[] = [];
  private cancelled = 0;
  private deferred = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  get nowMs(): number {
    return this.now / TICKS_PER_MS;
  }

  /** Of everything so far. */
  get hash(): string {
    return (this.hashed >>> 0).toString(16).padStart(8, "0");
  }

  /** Let the hash know. */
  note(value: number): void {
    this.hashed = (Math.imul(this.hashed ^ value, 0x9e3779b1) ^ (this.hashed >>> 15)) | 0;
  }

  /** @param tick at the earliest the next one. */
  at(tick: number, host: Host | undefined, run: () => void): Event {
    const at = tick > this.now ? Math.ceil(tick) : this.now + 1;
    return this.push({ at, tie: this.random.u32(), host, life: host === undefined ? 0 : host.life, run });
  }

  /** At this tick, behind everything else in it. */
  last(host: Host, run: () => void): Event {
    return this.push({ at: this.now, tie: LAST_TIE, host, life: host.life, run });
  }

  /** Ms from now, for the world itself. */
  after(ms: number, run: () => void): Event {
    return this.at(this.now + ms * TICKS_PER_MS, undefined, run);
  }

  cancel(event: Event): void {
    if (event.run === undefined) return;
    event.run = undefined;
    if (++this.cancelled > COMPACT_AT && this.cancelled > this.heap.length / 2) this.compact();
  }

  /** Let the next one happen. @returns false: there is none. */
  step(): boolean {
    const event = this.pop();
    if (event === undefined) return false;
    const { host, run } = event;
    if (run === undefined) {
      this.cancelled--;
      return true;
    }
    this.now = event.at;
    if (host !== undefined && event.life === host.life && event.at < host.pausedUntil) {
      // In the order in which they became due.
      event.at = host.pausedUntil;
      event.tie = this.deferred++;
      this.push(event);
      return true;
    }
    event.run = undefined;
    if (host === undefined) {
      this.note(event.at);
      this.count++;
      run();
      return true;
    }
    if (event.life !== host.life) return true;
    this.note(event.at * 8 + host.index);
    this.count++;
    host.enter(run);
    return true;
  }

  private compact(): void {
    const kept = this.heap.filter(({ run }) => run !== undefined);
    this.cancelled = 0;
    kept.sort((a, b) => a.at - b.at || a.tie - b.tie);
    this.heap = kept; // a sorted list is a heap
  }

  private push(event: Event): Event {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 2;
      const parent = heap[up];
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
    return event;
  }

  private pop(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const moved = heap.pop();
    if (moved === undefined || heap.length === 0) return first;
    const { length } = heap;
    let at = 0;
    for (;;) {
      const from = at * 4 + 1;
      if (from >= length) break;
      let least = from;
      const to = Math.min(from + 4, length);
      for (let i = from + 1; i < to; i++) if (before(heap[i], heap[least])) least = i;
      if (!before(heap[least], moved)) break;
      heap[at] = heap[least];
      at = least;
    }
    heap[at] = moved;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.tie < b.tie);
}
