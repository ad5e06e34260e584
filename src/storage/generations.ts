/**
 * storage/generations.ts: the snapshots that are kept, and how much of the log: what the newest needs, and the one before it.
 * Invariant: while a backup copies (`held`) nothing is deleted. Files go off the loop (storage/disposal.ts).
 */
import type { Disk } from "../ports/disk.js";
import { Disposal } from "./disposal.js";
import { SNAPSHOT_TEMP_NAME, snapshotName } from "./snapshot-format.js";
import type { Wal } from "./wal.js";

export interface Retention {
  /** The least position of the log that a peer still needs, Infinity: none does; and how many bytes of log to keep for that at most. */
  readonly retainFromLsn?: () => number;
  readonly retainBytes?: () => number;
}

interface Holder {
  readonly held: boolean;
  readonly wal: Wal | undefined;
}

export class Generations {
  /** Start LSNs, newest first. */
  private snapshots: number[] = [];
  private readonly disk: Disk;
  private readonly disposal: Disposal;
  private readonly holder: Holder;
  private readonly retention: Retention;

  constructor(disk: Disk, holder: Holder, retention: Retention) {
    this.disk = disk;
    this.disposal = new Disposal(disk);
    this.holder = holder;
    this.retention = retention;
  }

  /** Start LSN of the newest snapshot; undefined when there is none. */
  get newest(): number | undefined {
    return this.snapshots[0];
  }

  /** At a start: all that are there, newest first. */
  found(snapshots: readonly number[]): void {
    this.snapshots = [...snapshots];
  }

  made(startLsn: number): void {
    if (!this.snapshots.includes(startLsn)) this.snapshots.unshift(startLsn);
    this.dropNeedless();
  }

  /** Two generations are kept; while a third is written only one, so that disk use stays bounded. */
  keep(count: number): void {
    if (this.holder.held) return;
    for (const lsn of this.snapshots.splice(count)) this.disposal.remove(snapshotName(lsn));
    this.dropNeedless();
  }

  /** Log segments older than the oldest snapshot kept. With a single one the log from its start on is the second way back. */
  dropNeedless(): void {
    const { held, wal } = this.holder;
    const oldest = this.snapshots[this.snapshots.length - 1];
    if (held || oldest === undefined || wal === undefined) return;
    const { retainFromLsn, retainBytes } = this.retention;
    const from = retainFromLsn?.() ?? Number.POSITIVE_INFINITY;
    // Where the disk is full the log is needed for writes: a peer that is behind is not worth refusing them.
    const bytes = wal.lacksRoom() ? 0 : (retainBytes?.() ?? 0);
    for (const name of wal.segments.dropBefore(oldest + 1, from, bytes)) this.disposal.remove(name);
  }

  /** What a failed snapshot wrote may be just the room that is missing. */
  removeUnfinished(): void {
    try {
      if (this.disk.exists(SNAPSHOT_TEMP_NAME)) this.disk.remove(SNAPSHOT_TEMP_NAME);
    } catch {
      // The next snapshot, or the next start, does it.
    }
  }
}
