/**
 * cluster/held-back.ts: what waits for the log: each item for a position, let go in the order they came once the log is durable so far.
 * Price: one look at each item per group commit; nearly all of them go at the first.
 */
export class HeldBack<T> {
  private items: T[] = [];
  private lsns: number[] = [];

  get size(): number {
    return this.items.length;
  }

  add(lsn: number, item: T): void {
    this.items.push(item);
    this.lsns.push(lsn);
  }

  /** What may go at `durableLsn` is taken out, and handed to `each` in the order it came. `each` may add. */
  release(durableLsn: number, each: (item: T) => void): void {
    const { items, lsns } = this;
    if (items.length === 0) return;
    this.items = [];
    this.lsns = [];
    for (let i = 0; i < items.length; i++) {
      if (lsns[i] <= durableLsn) each(items[i]);
      else this.add(lsns[i], items[i]);
    }
  }
}
