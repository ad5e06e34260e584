/**
 * storage/detached-indexes.ts: indexes of flushed databases: no reader sees them any more, their records are freed in slices.
 * Invariant: while one is left, records live that no index of the table knows, so the cleaner has to wait.
 */
import type { PartitionIndex } from "./partition-index.js";
import type { Table } from "./table.js";
import { blocksOf } from "./walk.js";

export class DetachedIndexes {
  private readonly table: Table;
  private left: { readonly blocks: Generator<number>; readonly index: PartitionIndex }[] = [];

  constructor(table: Table) {
    this.table = table;
  }

  add(index: PartitionIndex): void {
    this.left.push({ blocks: blocksOf(index), index });
  }

  /** The arena they lie in is dropped as a whole. */
  forget(): void {
    this.left = [];
  }

  get pending(): boolean {
    return this.left.length > 0;
  }

  /** Free records until `done()`. @returns whether some are left. */
  free(done: () => boolean): boolean {
    while (this.left.length > 0) {
      const { blocks, index } = this.left[this.left.length - 1];
      for (let next = blocks.next(); !next.done; next = blocks.next()) {
        this.table.freeBlock(index, next.value);
        if (done()) return true;
      }
      index.releaseDirectory();
      this.left.pop();
    }
    return false;
  }
}
