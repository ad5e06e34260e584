/**
 * storage/detached-indexes.ts: indexes of flushed databases: no reader sees them any more, their records are freed in slices.
 * Invariant: while one is left, records live that no index of the table knows, so the cleaner has to wait.
 */
import type { PartitionIndex } from "./partition-index.js";
import type { Table } from "./table.js";
import { blocksOf } from "./walk.js";

export class DetachedIndexes {
  private readonly table: Table;
  private left: PartitionIndex[] = [];
  /** Blocks of the last one of them that are still to be freed. */
  private blocks: Generator<number> | undefined;

  constructor(table: Table) {
    this.table = table;
  }

  add(index: PartitionIndex): void {
    this.left.push(index);
  }

  /** The arena they lie in is dropped as a whole. */
  forget(): void {
    this.left = [];
    this.blocks = undefined;
  }

  get pending(): boolean {
    return this.left.length > 0;
  }

  /** Free records until `done()`. @returns whether some are left. */
  free(done: () => boolean): boolean {
    while (this.left.length > 0) {
      const index = this.left[this.left.length - 1];
      this.blocks ??= blocksOf(index);
      const { blocks } = this;
      for (let next = blocks.next(); !next.done; next = blocks.next()) {
        this.table.freeBlock(index, next.value);
        if (done()) return true;
      }
      index.releaseDirectory();
      this.left.pop();
      this.blocks = undefined;
    }
    return false;
  }
}
