/**
 * cluster/timers.ts: very many timers of few lengths: every read and every round has one, and hardly any is ever due before what it waits
 * for is over. Timers of one length come due in the order they were set, so each length is a queue, and one timer of the
 * scheduler serves them all.
 *
 * Invariants: a timer never fires early; it fires at most TICK_MS late, and what else makes the loop late. Setting one is O(1).
 * Price: nothing is cancelled. A timer for something that is over is held until its time, and its owner has to know that it is over. So an
 * item should be a number, or the garbage collector carries it along all that time: two moves, and a place among what is old.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";

/** Not more often than this. */
const TICK_MS = 2;
const LANE_LEAST = 64;

/** A queue in a ring: nothing is moved and nothing made for each that comes and goes. */
class Lane<T> {
  readonly delayMs: number;
  private due: Float64Array = new Float64Array(LANE_LEAST);
  private items: (T | undefined)[] = new Array(LANE_LEAST).fill(undefined);
  private head = 0;
  private count = 0;

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  push(dueMs: number, item: T): void {
    if (this.count === this.due.length) this.resize(this.count * 2);
    const at = (this.head + this.count++) & (this.due.length - 1);
    this.due[at] = dueMs;
    this.items[at] = item;
  }

  /** Infinity: none is set. */
  get nextMs(): number {
    return this.count > 0 ? this.due[this.head] : Number.POSITIVE_INFINITY;
  }

  take(): T {
    const item = this.items[this.head] as T;
    this.items[this.head] = undefined;
    this.head = (this.head + 1) & (this.due.length - 1);
    this.count--;
    if (this.count * 8 < this.due.length && this.due.length > LANE_LEAST) this.resize(this.due.length / 2);
    return item;
  }

  /** @param size a power of two, at least the count. */
  private resize(size: number): void {
    const { due, items, head, count } = this;
    this.due = new Float64Array(size);
    this.items = new Array(size).fill(undefined);
    for (let i = 0; i < count; i++) {
      const at = (head + i) & (due.length - 1);
      this.due[i] = due[at];
      this.items[i] = items[at];
    }
    this.head = 0;
  }
}

export class Timers<T> {
  private readonly scheduler: Scheduler;
  private readonly fire: (item: T) => void;
  private readonly lanes: Lane<T>[] = [];
  private armed: Cancel | undefined;
  /** When the scheduler's timer is due; Infinity: it is not set. */
  private armedMs = Number.POSITIVE_INFINITY;
  private stopped = false;
  private readonly tickBound = (): void => this.tick();

  constructor(scheduler: Scheduler, fire: (item: T) => void) {
    this.scheduler = scheduler;
    this.fire = fire;
  }

  /** @param delayMs one of few: each length that was ever asked for is a queue of its own. */
  set(delayMs: number, item: T): void {
    if (this.stopped) return;
    let lane = this.lanes.find((candidate) => candidate.delayMs === delayMs);
    if (lane === undefined) {
      lane = new Lane(delayMs);
      this.lanes.push(lane);
    }
    const nowMs = this.scheduler.monotonicMs();
    lane.push(nowMs + delayMs, item);
    if (nowMs + delayMs < this.armedMs) this.arm(nowMs);
  }

  private tick(): void {
    this.armed = undefined;
    this.armedMs = Number.POSITIVE_INFINITY;
    const nowMs = this.scheduler.monotonicMs();
    for (const lane of this.lanes) while (lane.nextMs <= nowMs && !this.stopped) this.fire(lane.take());
    this.arm(nowMs);
  }

  private arm(nowMs: number): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const lane of this.lanes) nextMs = Math.min(nextMs, lane.nextMs);
    if (nextMs === Number.POSITIVE_INFINITY || this.stopped) return;
    this.armed?.();
    this.armedMs = Math.max(nextMs, nowMs + TICK_MS);
    this.armed = this.scheduler.after(this.armedMs - nowMs, this.tickBound);
  }

  /** Nothing fires any more. */
  stop(): void {
    this.stopped = true;
    this.armed?.();
  }
}
