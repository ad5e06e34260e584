/**
 * storage/detached-indexes.ts: indexes of flushed databases: no reader sees them any more, their records are freed in slices.
 * Invariant: while one is left, records live that no index of the table knows, so the cleaner has to wait.
 */
import type { PartitionIndex } from "./partition-index.js";
import type { Table } from "./table.js";
import { blocksOf } from "./walk.js";

export class DetachedIndexes {
  private readonly table: Table;
  /** In the order in which they came, from `first` on. */
  private left: (PartitionIndex | undefined)[] = [];
  private first = 0;
  /** How many came so far, and how many of them are gone: the oldest go first. */
  added = 0;
  gone = 0;
  /** The one that is being freed, not among `left` any more, and its blocks that are still to be freed. */
  private current: PartitionIndex | undefined;
  private blocks: Generator<number> | undefined;

  constructor(table: Table) {
    this.table = table;
  }

  add(index: PartitionIndex): void {
    this.left.push(index);
    this.added++;
  }

  /** The arena they lie in is dropped as a whole. */
  forget(): void {
    this.left = [];
    this.first = 0;
    this.gone = this.added;
    this.current = undefined;
    this.blocks = undefined;
  }

  get pending(): boolean {
    return this.current !== undefined || this.first < this.left.length;
  }

  /** Free records until `done()`. @returns whether some are left. */
  free(done: () => boolean): boolean {
    while (this.pending) {
      // More may be added between two slices: this one is kept apart until it is through.
      this.current ??= this.take();
      this.blocks ??= blocksOf(this.current);
      const { blocks, current } = this;
      for (let next = blocks.next(); !next.done; next = blocks.next()) {
        this.table.freeBlock(current, next.value);
        if (done()) return true;
      }
      current.releaseDirectory();
      this.current = undefined;
      this.blocks = undefined;
      this.gone++;
    }
    return false;
  }

  private take(): PartitionIndex {
    const { left } = this;
    const index = left[this.first] as PartitionIndex;
    left[this.first++] = undefined;
    // No more are moved than are gone since the last time.
    if (this.first * 2 >= left.length) {
      left.splice(0, this.first);
      this.first = 0;
    }
    return index;
  }
}
