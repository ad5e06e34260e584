/**
 * server/turns.ts: how long a turn of the event loop may be. When the clients of one turn have used up its share of time, the
 * others' bytes are kept and run in turns to come, in order; so upkeep, timers and new connections never wait for a burst.
 * Invariants: who waits is served before anyone who comes later; a session is in the queue at most once (its own doing).
 * Price: bytes of those who wait are copied once (server/inbox.ts).
 */
import type { Scheduler } from "../ports/scheduler.js";

/** Beside it a turn has room for one client's slice, a slice of upkeep, the log's write and a garbage collection: 5 ms in all. */
const TURN_MS = 2;

/** One who waits for a later turn. */
interface Waiting {
  turnCame(): void;
}

export class Turns {
  private readonly scheduler: Scheduler;
  private readonly settle: () => void;
  /** When the first client of this turn began to run; -1: none has. */
  private startMs = -1;
  private queue: (Waiting | undefined)[] = [];
  private head = 0;
  private readonly endBound = (): void => this.end();

  /** @param settle called when everything that was ready has been handled, and again when those who waited have been. */
  constructor(scheduler: Scheduler, settle: () => void) {
    this.scheduler = scheduler;
    this.settle = settle;
  }

  // HOT: once per read.
  /** A client begins to run. */
  begin(nowMs: number): void {
    if (this.startMs >= 0) return;
    this.startMs = nowMs;
    this.scheduler.endOfTurn(this.endBound);
  }

  // HOT: once per read.
  /** Must a client that now has something to run wait for a later turn? @param nowMs may be a little old. */
  full(nowMs: number): boolean {
    return this.head < this.queue.length || (this.startMs >= 0 && nowMs - this.startMs > TURN_MS);
  }

  /** Call `who` back in a turn that has time for it. */
  defer(who: Waiting): void {
    this.queue.push(who);
    if (this.startMs < 0) this.begin(this.scheduler.monotonicMs());
  }

  /** Everything that was ready was handled: now those who waited, as long as there is time. */
  private end(): void {
    const { scheduler, queue } = this;
    this.settle();
    while (this.head < queue.length) {
      if (scheduler.monotonicMs() - this.startMs > TURN_MS) {
        this.settle();
        // The next end of turn is the next turn's: what is ready by then shares it.
        this.startMs = -1;
        this.compact();
        this.begin(scheduler.monotonicMs());
        return;
      }
      const who = queue[this.head] as Waiting;
      queue[this.head++] = undefined;
      who.turnCame();
    }
    this.startMs = -1;
    if (this.head === 0) return;
    // Before it is settled: that may bring new ones.
    this.queue = [];
    this.head = 0;
    this.settle();
  }

  private compact(): void {
    if (this.head * 2 < this.queue.length) return;
    this.queue.splice(0, this.head);
    this.head = 0;
  }
}
