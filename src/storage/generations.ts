/**
 * storage/generations.ts: the snapshots that are kept, and how much of the log, so that there is a second way back when the newest snapshot is
 * damaged: the snapshot before it and the log from there on, or, before there were two, the log from its beginning.
 * While a snapshot is being written there is one way only, or disk use would be that of three (docs/STORAGE.md, disk bound); if it then fails
 * that stays so until the next one. Where the disk is full the log from before a single snapshot goes as well.
 * Invariant: while a backup copies (`held`) nothing is deleted. Files go off the loop (storage/disposal.ts).
 */
import type { Disk } from "../ports/disk.js";
import { Disposal } from "./disposal.js";
import { SNAPSHOT_TEMP_NAME, snapshotName } from "./snapshot-format.js";
import type { Wal } from "./wal.js";

/** Snapshots that are kept. */
export const GENERATIONS = 2;

export interface Retention {
  /** The least position of the log that a peer still needs, Infinity: none does; and how many bytes of log to keep for that at most. */
  readonly retainFromLsn?: () => number;
  readonly retainBytes?: () => number;
}

interface Holder {
  readonly held: boolean;
  readonly wal: Wal | undefined;
  readonly snapshotter: { readonly running: boolean };
}

export class Generations {
  /** Start LSNs, newest first. */
  private snapshots: number[] = [];
  private readonly disk: Disk;
  readonly disposal: Disposal;
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

  /** At a start: all that are there, newest first. A stop may have left log that nobody needs. */
  found(snapshots: readonly number[]): void {
    this.snapshots = [...snapshots];
    this.keep(GENERATIONS);
  }

  made(startLsn: number): void {
    if (!this.snapshots.includes(startLsn)) this.snapshots.unshift(startLsn);
    this.dropNeedless();
  }

  /** Does the newest hold all that the log has up to this position? Then one more would be the same, in place of the way back beside it. */
  covers(lsn: number): boolean {
    return this.newest === lsn && this.disk.exists(snapshotName(lsn));
  }

  /** Now and then: peers come further at any time, and the disk fills up. */
  upkeep(): void {
    if (this.retention.retainFromLsn !== undefined || this.snapshots.length === 1) this.dropNeedless();
  }

  /** Snapshots but the newest `count` go. */
  keep(count: number): void {
    if (this.holder.held) return;
    for (const lsn of this.snapshots.splice(count)) this.disposal.remove(snapshotName(lsn));
    this.dropNeedless();
  }

  /** Log segments older than the oldest snapshot kept; with a single one the log before it is the second way back. */
  private dropNeedless(): void {
    const { held, wal, snapshotter } = this.holder;
    const oldest = this.snapshots[this.snapshots.length - 1];
    if (held || oldest === undefined || wal === undefined) return;
    // Where no segment can be made for another reason nothing is gained by deleting.
    const full = wal.lacksRoom() && wal.maker.hindrance === undefined;
    if (this.snapshots.length === 1 && !snapshotter.running && !full) return;
    const { retainFromLsn, retainBytes } = this.retention;
    const from = retainFromLsn?.() ?? Number.POSITIVE_INFINITY;
    // Where the disk is full the log is needed for writes: a peer that is behind is not worth refusing them.
    const bytes = full ? 0 : (retainBytes?.() ?? 0);
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
