/**
 * ports/storage-figures.ts: what the storage tells about itself: storage/served.ts fills it, INFO shows it.
 */

/** Figures that only the storage knows; for INFO. Bytes and counts since start unless said. */
export interface StorageFigures {
  readonly hits: number;
  readonly misses: number;
  readonly expired: number;
  readonly evicted: number;
  /** Changes since the last snapshot. */
  readonly dirty: number;
  /** What maxmemory counts. */
  readonly usedBytes: number;
  readonly logBytes: number;
  readonly logFlushes: number;
  readonly lastFlushMs: number;
  readonly snapshotRunning: boolean;
  readonly snapshotStartedMs: number;
  readonly lastSaveMs: number;
  readonly lastSaveOk: boolean;
  readonly loadMs: number;
}
