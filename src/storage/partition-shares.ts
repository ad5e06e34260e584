/**
 * storage/partition-shares.ts: which partition a key drawn at random lies in: each by its share of the keys, or of those with a deadline. A hash
 * tag puts any number of keys into one partition: drawn evenly, a key that is nearly alone in its own would go before millions elsewhere.
 *
 * Price: sums over all partitions, made anew after so many draws, or once there are noticeably more or fewer keys; between that they are a
 * little old. Counting them in a tree at every write would cost each write what is needed by a draw here and there.
 */
import type { PartitionIndex } from "./partition-index.js";
import type { Table } from "./table.js";

/** 16384 partitions are then 16 counts looked at per draw. */
const DRAWS_MAX = 1024;
/** The sums are too old when the keys are more or fewer by more than this share. */
const DRIFT_MAX: number = 1 / 16;

interface Sums {
  /** Keys in the partitions up to this one, it included. */
  readonly upTo: Float64Array;
  total: number;
  drawsLeft: number;
}

export class PartitionShares {
  /** By database, those of keys with a deadline behind the others; made when first drawn from. */
  private readonly sums: Sums[] = [];

  /**
   * @param draw 0 .. bound - 1. @param expiring of the keys with a deadline. @returns an index that has such a key; undefined when there is none.
   * Cost: O(log partitions), and O(partitions) once in a while.
   */
  pick(table: Table, db: number, expiring: boolean, draw: (bound: number) => number): PartitionIndex | undefined {
    const sums = this.fresh(table, db, expiring);
    if (sums.total === 0) return undefined;
    const { upTo } = sums;
    const place = draw(sums.total);
    let from = 0;
    for (let to = table.partitions - 1; from < to; ) {
      const middle = (from + to) >> 1;
      if (upTo[middle] > place) to = middle;
      else from = middle + 1;
    }
    // It may have run empty since.
    for (let i = 0; i < table.partitions; i++) {
      const index = table.indexOf(db, (from + i) & (table.partitions - 1));
      if (index !== undefined && (expiring ? index.expiring : index.count) > 0) return index;
    }
    return undefined;
  }

  private fresh(table: Table, db: number, expiring: boolean): Sums {
    const at = db * 2 + (expiring ? 1 : 0);
    this.sums[at] ??= { upTo: new Float64Array(table.partitions), total: 0, drawsLeft: 0 };
    const sums = this.sums[at];
    const total = expiring ? table.expiring[db] : table.keys[db] + table.tombstones[db];
    if (--sums.drawsLeft >= 0 && Math.abs(total - sums.total) <= sums.total * DRIFT_MAX) return sums;
    sums.drawsLeft = DRAWS_MAX;
    sums.total = 0;
    for (let i = 0; i < table.partitions; i++) {
      const index = table.indexOf(db, i);
      if (index !== undefined) sums.total += expiring ? index.expiring : index.count;
      sums.upTo[i] = sums.total;
    }
    return sums;
  }
}
