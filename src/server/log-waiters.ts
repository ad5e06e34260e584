/**
 * server/log-waiters.ts: the clients whose next replies wait for the log, and whether anybody else is about whom a sync on the loop would
 * hold up (storage/inline-sync.ts).
 * Who was answered without waiting for the log, a read as a rule, counts as about for READ_MS. Price: who reads less often than ten times
 * a second may come upon a sync, one of a disk that takes less than half a millisecond for it.
 */
import { Risen } from "../lib/risen.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { Departures } from "./departures.js";
import type { Session } from "./session.js";

/** How long who reads is taken to be about. */
export const READ_MS = 100;

/** The log's audience (storage/log.ts). */
export class LogWaiters {
  /** The first `waiters` of the list. (Emptying an array is slow, counting is not.) */
  private list: Session[] = [];
  private spare: Session[] = [];
  waiters = 0;
  private readonly departures: Departures;
  private readonly scheduler: Scheduler;
  private readonly readers: Risen = new Risen(READ_MS);

  constructor(departures: Departures, scheduler: Scheduler) {
    this.departures = departures;
    this.scheduler = scheduler;
  }

  /** Tell `session` when the log has come further. */
  add(session: Session): void {
    this.list[this.waiters++] = session;
  }

  // HOT: once per group commit.
  /** The log has come further: give the replies that waited for it their way. */
  durable(): void {
    const count = this.waiters;
    const waiters = this.take();
    for (let i = 0; i < count; i++) waiters[i].durable();
  }

  /** The log failed. Everyone who waits for it is told that the outcome is unknown. */
  logFailed(): void {
    const count = this.waiters;
    const waiters = this.take();
    for (let i = 0; i < count; i++) waiters[i].logFailed();
  }

  /** Asked once per group commit. */
  get onlyWriters(): boolean {
    return !this.readers.lately(this.departures.added, this.scheduler.monotonicMs());
  }

  /** The list; those who wait anew meanwhile go to another one. */
  private take(): Session[] {
    const taken = this.list;
    this.list = this.spare;
    this.spare = taken;
    this.waiters = 0;
    return taken;
  }
}
