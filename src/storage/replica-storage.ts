/**
 * storage/replica-storage.ts: the storage as a member of a cluster needs it: what its replica holds, and what it ships to peers from its log
 * and its table. It joins registers and engine.
 *
 * Invariants: a piece of the log takes a bounded part of a turn, to find its place too; a log that is damaged is not shipped from: what peers
 * miss comes from the table then, and the owner hears of it. Files that nobody reads are closed after a while.
 */
import type { Dot } from "../core/clock/dot.js";
import type { Held } from "../core/register/state.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { Engine } from "./engine.js";
import type { LogCursor } from "./log-cursor.js";
import type { Page, Registers } from "./registers.js";
import type { Value } from "./state-record.js";

/** Of a turn, for one peer's piece of the log. */
const READ_MS = 1.5;
/** Places in the log that are kept open, one for each peer that is behind. With more of them some look for theirs again and again. */
const CURSORS_MAX = 64;
const IDLE_MS = 10_000;

interface Place {
  readonly cursor: LogCursor;
  usedMs: number;
}

export class ReplicaStorage {
  private readonly registers: Registers;
  private readonly engine: Engine;
  private readonly scheduler: Scheduler;
  private readonly trouble: (error: Error) => void;
  /** In the order of their last use. */
  private places: Place[] = [];
  private sweeping = false;
  /** The log at or before it cannot be read. */
  private damagedLsn = 0;

  /** @param engine whose recovery has ended. @param trouble hears of a log that cannot be read back. */
  constructor(engine: Engine, scheduler: Scheduler, trouble: (error: Error) => void) {
    this.registers = engine.registers;
    this.engine = engine;
    this.scheduler = scheduler;
    this.trouble = trouble;
  }

  get recoveredCeiling(): number {
    return this.registers.recoveredCeiling;
  }

  get appendedLsn(): number {
    return this.registers.appendedLsn;
  }

  get durableLsn(): number {
    return this.registers.durableLsn;
  }

  held(name: string): Held<Value> | undefined {
    return this.registers.held(name);
  }

  accept(record: Buffer, chosen: boolean): number {
    return this.registers.accept(record, chosen);
  }

  mark(name: string, ballot: Dot): void {
    this.registers.mark(name, ballot);
  }

  logCeiling(hlc: number): number {
    return this.registers.logCeiling(hlc);
  }

  page(db: number, cursor: number, count: number): Page {
    return this.registers.page(db, cursor, count);
  }

  /** Is the record behind `lsn` still in the log? */
  reachesBackTo(lsn: number): boolean {
    const [oldest] = this.engine.extent().segments;
    return oldest !== undefined && lsn + 1 >= oldest.firstLsn && lsn >= this.damagedLsn;
  }

  /**
   * Durable states behind `lsn`, in order, about `bytesMax` of them, or fewer when that takes long. @param each borrows.
   * @returns the last position looked at, `lsn` at least; durableLsn: there is no more.
   */
  readLog(lsn: number, bytesMax: number, each: (record: Buffer, at: number) => void): number {
    const untilMs = this.scheduler.monotonicMs() + READ_MS;
    const cursor = this.cursorBehind(lsn);
    try {
      const state = cursor.read(
        bytesMax,
        () => this.scheduler.monotonicMs() >= untilMs,
        (_, body, at) => each(body, at),
      );
      if (state !== "more") this.drop(cursor);
      return Math.max(lsn, cursor.nextLsn - 1);
    } catch (error) {
      this.drop(cursor);
      this.damagedLsn = cursor.nextLsn;
      this.trouble(error as Error);
      return cursor.nextLsn - 1;
    }
  }

  /** The one that stands there, or a new one. */
  private cursorBehind(lsn: number): LogCursor {
    const nowMs = this.scheduler.monotonicMs();
    const found = this.places.findIndex(({ cursor }) => cursor.nextLsn === lsn + 1);
    const [place = { cursor: this.engine.logFrom(lsn + 1), usedMs: 0 }] = found < 0 ? [] : this.places.splice(found, 1);
    place.usedMs = nowMs;
    this.places.push(place);
    if (this.places.length > CURSORS_MAX) this.places.shift()?.cursor.close();
    if (!this.sweeping) this.sweepLater();
    return place.cursor;
  }

  private drop(cursor: LogCursor): void {
    cursor.close();
    this.places = this.places.filter((place) => place.cursor !== cursor);
  }

  private sweepLater(): void {
    this.sweeping = true;
    this.scheduler.after(IDLE_MS, () => {
      this.sweeping = false;
      const idleSince = this.scheduler.monotonicMs() - IDLE_MS;
      for (const { cursor, usedMs } of this.places) if (usedMs <= idleSince) this.drop(cursor);
      if (this.places.length > 0) this.sweepLater();
    });
  }
}
