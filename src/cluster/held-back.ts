/**
 * cluster/held-back.ts: what waits for the log: each item for a position, let go in the order they came once the log is durable so far.
 * Price: one look at each item per group commit; nearly all of them go at the first.
 *
 * A disk that does not answer holds up all of them: those that are over by then, since nobody waits for them any more, are let go of whenever there
 * are twice as many as were left the time before. So what is kept is bounded by what comes in the time of one, and each costs O(1).
 */
const SWEPT_LEAST = 1024;

export class HeldBack<T> {
  private items: T[] = [];
  private lsns: number[] = [];
  private sweepAt = SWEPT_LEAST;
  private readonly isOver: (item: T) => boolean;

  /** @param isOver does nobody wait for it any more? Then it need not be kept. It is told of each such item once. */
  constructor(isOver: (item: T) => boolean = () => false) {
    this.isOver = isOver;
  }

  get size(): number {
    return this.items.length;
  }

  add(lsn: number, item: T): void {
    if (this.items.length >= this.sweepAt) this.sweep();
    this.items.push(item);
    this.lsns.push(lsn);
  }

  private sweep(): void {
    const { items, lsns } = this;
    this.items = [];
    this.lsns = [];
    for (let i = 0; i < items.length; i++) {
      if (this.isOver(items[i])) continue;
      this.items.push(items[i]);
      this.lsns.push(lsns[i]);
    }
    this.sweepAt = Math.max(SWEPT_LEAST, 2 * this.items.length);
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
