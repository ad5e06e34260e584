/** storage/store-stats.ts: what the store counts for INFO. */
export class StoreStats {
  hits = 0;
  misses = 0;
  expired = 0;
  evicted = 0;
  /** Changes since the last snapshot (rdb_changes_since_last_save). */
  dirty = 0;

  /** A key has expired. Its removal was counted as a change, which no client made. */
  removedByTime(): void {
    this.dirty--;
    this.expired++;
  }
}
