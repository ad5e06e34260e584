/**
 * storage/flights.ts: the batches that are under way to the disk, oldest first, and when another may set out.
 *
 * A disk that takes long for a sync takes no longer for several at a time, as a rule: each has its own place in the file. With one
 * batch under way the clients fall into two halves, and each is answered after two syncs; with several, after little more than
 * one. They land in any order and are acknowledged in the order they were begun: what stands behind a hole in the log is lost with
 * it (storage/wal-reader.ts).
 * With a fast disk the processor is what counts, and a flush costs it 30 to 50 us: there one at a time is best.
 * Some disks do one sync after the other whatever is asked of them. That shows: in company a batch then takes longer than alone by as
 * many times as there are. Each time it does, so and so many batches go alone before it is tried again, twice as many as before.
 * Measured, 50 clients, syncs slowed by 2 ms: see docs/decisions/0012.
 */
import type { BatchBuilder } from "./wal-format.js";

/** As many as a process of Node has threads for its files; more gained nothing. */
const FLIGHTS_MAX = 4;
/** A disk that is faster than this when asked for one batch gets one at a time. */
const SLOW_MS = 1;
/** In a cluster each write is flushed on several nodes, and they may share a processor: a flush has to take longer to be worth company. */
export const SLOW_MS_OF_MEMBER = 4;
/** In company a batch may take so many times as long as alone; at FLIGHTS_MAX times it gains nothing. */
const STRETCH_MAX = 3;
const SAMPLES_LEAST = 16;
const DETOUR_LEAST = 64;
const DETOUR_MOST = 4096;
/** Share of the newest figure in a running mean. */
const NEWEST = 0.25;

export interface Flight {
  readonly batch: BatchBuilder;
  readonly bytes: number;
  readonly lastLsn: number;
  readonly startedMs: number;
  alone: boolean;
  landed: boolean;
}

export class Flights {
  private queue: Flight[] = [];
  /** Running means of how long a batch takes, alone and in company; 0: not known. */
  private aloneMs = 0;
  private togetherMs = 0;
  private samples = 0;
  private detour = 0;
  private nextDetour = DETOUR_LEAST;
  private lastStartMs = 0;
  private readonly slowMs: number;

  /** @param member of a cluster. */
  constructor(member = false) {
    this.slowMs = member ? SLOW_MS_OF_MEMBER : SLOW_MS;
  }

  get count(): number {
    return this.queue.length;
  }

  /** @returns ms until another batch may set out; 0: now; Infinity: not before one has landed. */
  waitMs(nowMs: number): number {
    const { length } = this.queue;
    if (length === 0) return 0;
    if (length >= FLIGHTS_MAX || this.aloneMs < this.slowMs || this.detour > 0) return Number.POSITIVE_INFINITY;
    // At even distances: else the first would carry one record and the last all the others.
    return Math.max(0, this.lastStartMs + this.aloneMs / FLIGHTS_MAX - nowMs);
  }

  begin(batch: BatchBuilder, bytes: number, lastLsn: number, nowMs: number): Flight {
    const alone = this.queue.length === 0;
    for (const flight of this.queue) flight.alone = false;
    const flight: Flight = { batch, bytes, lastLsn, startedMs: nowMs, alone, landed: false };
    this.queue.push(flight);
    this.lastStartMs = nowMs;
    if (this.detour > 0) this.detour--;
    return flight;
  }

  /** @param large it says nothing of how long others take. */
  land(flight: Flight, nowMs: number, large = false): void {
    flight.landed = true;
    if (large) return;
    const ms = nowMs - flight.startedMs;
    // Nothing is slower for being alone: a shorter time in company is news about both.
    if (flight.alone || ms < this.aloneMs) this.aloneMs = mean(this.aloneMs, ms);
    if (!flight.alone) this.judge(ms);
  }

  private judge(ms: number): void {
    this.togetherMs = mean(this.togetherMs, ms);
    if (++this.samples < SAMPLES_LEAST) return;
    if (this.togetherMs <= this.aloneMs * STRETCH_MAX) {
      this.nextDetour = DETOUR_LEAST;
      return;
    }
    this.detour = this.nextDetour;
    this.nextDetour = Math.min(DETOUR_MOST, this.nextDetour * 2);
    this.togetherMs = 0;
    this.samples = 0;
  }

  /** The log has failed: it is under way no more, nor are those that landed before it, and none is acknowledged. */
  drop(flight: Flight): void {
    flight.landed = true;
    this.queue = this.queue.filter(({ landed }) => !landed);
  }

  /** @returns the oldest if it has landed: it is under way no more. */
  takeLanded(): Flight | undefined {
    return this.queue[0]?.landed ? this.queue.shift() : undefined;
  }
}

function mean(before: number, newest: number): number {
  return before === 0 ? newest : before + (newest - before) * NEWEST;
}
