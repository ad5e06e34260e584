/**
 * storage/sweeper.ts: removes expired keys ahead of readers, in slices between commands.
 * Every block of the index knows a lower bound of its keys' deadlines, and so does every partition: what is not due is
 * skipped without looking at a record. A million keys that expire at once go at the pace of the slices.
 * A round through a partition gathers its new bound; deadlines set meanwhile lower the old one, which starts at infinity.
 * Price: a block is looked at as a whole (at most about a thousand records) each time its earliest deadline passes.
 */
import { expireAtOf } from "../codec/record/record.js";
import { firstInt } from "./cell-heap.js";
import { cellsBegin, cellsEnd, earliestDeadline, metaAt, setEarliestDeadline } from "./index-block.js";
import type { PartitionIndex } from "./partition-index.js";
import type { Store } from "./store.js";
import { DATABASES } from "./table.js";

/** Keys removed between two looks at the clock. */
const DUE_MOST = 128;

export class Sweeper {
  private readonly store: Store;
  private place = 0;
  /** In a round through a partition; then the next entry of its directory, and the earliest deadline passed by. */
  private inRound = false;
  private entry = 0;
  private earliestPassed = 0;

  constructor(store: Store) {
    this.store = store;
  }

  /** Sweep until `done()`, or until one round found nothing due. @returns whether it stopped early. */
  run(done: () => boolean): boolean {
    const store = this.store;
    if (!store.activeExpire) return false;
    const table = store.table;
    const places = DATABASES * table.partitions;
    for (let looked = 0; looked < places; looked++) {
      const db = Math.floor(this.place / table.partitions);
      if (table.expiring[db] === 0) {
        // Nothing in this whole database can be due: on to the next.
        const next = ((db + 1) % DATABASES) * table.partitions;
        looked += (db + 1) * table.partitions - this.place - 1;
        this.place = next;
        this.inRound = false;
        continue;
      }
      const index = table.indexOf(db, this.place % table.partitions);
      if (
        index !== undefined &&
        index.expiring > 0 &&
        (this.inRound || index.expireAtMin <= store.now) &&
        this.sweepIndex(db, index, done)
      )
        return true;
      this.place = (this.place + 1) % places;
      this.inRound = false;
    }
    return false;
  }

  /** @returns whether it stopped early. */
  private sweepIndex(db: number, index: PartitionIndex, done: () => boolean): boolean {
    if (!this.inRound) {
      this.inRound = true;
      this.entry = 0;
      this.earliestPassed = Number.POSITIVE_INFINITY;
      index.expireAtMin = Number.POSITIVE_INFINITY;
    }
    while (this.entry < index.entries) {
      const block = index.blockAt(this.entry);
      if (this.earliest(block) <= this.store.now && !this.sweepBlock(db, block)) {
        if (done()) return true;
        continue;
      }
      this.earliestPassed = Math.min(this.earliestPassed, this.earliest(index.blockAt(this.entry)));
      this.entry = index.entryAfter(this.entry);
      if (done() && this.entry < index.entries) return true;
    }
    index.expireAtMin = Math.min(index.expireAtMin, this.earliestPassed);
    return false;
  }

  private earliest(block: number): number {
    return earliestDeadline(this.store.table.heap.ints(block), firstInt(block));
  }

  /** @returns false when so many were due that it has to be looked at again. */
  private sweepBlock(db: number, block: number): boolean {
    const store = this.store;
    const table = store.table;
    const ints = table.heap.ints(block);
    const base = firstInt(block);
    const end = cellsEnd(base, metaAt(ints, base));
    const due: number[] = [];
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = cellsBegin(base); i < end && due.length < DUE_MOST; i += 2) {
      const ref = ints[i + 1];
      if (ref === 0) continue;
      table.locate(ref);
      const expireAt = expireAtOf(table.body, table.bodyAt);
      if (expireAt === 0) continue;
      if (expireAt <= store.now) due.push(ref);
      else if (expireAt < earliest) earliest = expireAt;
    }
    const whole = due.length < DUE_MOST;
    if (whole) setEarliestDeadline(ints, base, earliest);
    for (const ref of due) store.expireLocated(db, ref);
    return whole;
  }
}
