/**
 * storage/engine.ts: the storage of one node: opens a data directory, keeps table, log and snapshots together, and does the
 * upkeep (sweeping, evicting, cleaning, freeing, snapshots) in slices of about a millisecond, one a turn, between commands.
 * Invariants: nothing is served before recovery ended, and nothing is changed before the log took a synced mark (on a full disk that
 * may be later); snapshots and segments are deleted by storage/generations.ts alone; after a failure of the log nothing is
 * acknowledged.
 */

import { assert } from "../lib/assert.js";
import { asDiskError, DiskError } from "../lib/errors.js";
import { Random } from "../lib/random.js";
import type { BackupTarget } from "../ports/backup-target.js";
import type { Disk } from "../ports/disk.js";
import type { ReleaseMemory } from "../ports/memory.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import { Backup, type BackupDone } from "./backup.js";
import { Cleaner } from "./cleaner.js";
import { type DirectoryMeta, openMeta } from "./directory-meta.js";
import { LogOf, NoLog } from "./engine-log.js";
import { GENERATIONS, Generations, type Retention } from "./generations.js";
import type { LogExtent, SyncMode, WalEnd } from "./log.js";
import { LogCursor } from "./log-cursor.js";
import { Recovery } from "./recovery.js";
import { RegisterStore } from "./register-store.js";
import { Registers } from "./registers.js";
import { Snapshotter } from "./snapshotter.js";
import { Store } from "./store.js";
import { Sweeper } from "./sweeper.js";
import { Table } from "./table.js";
import { Wal } from "./wal.js";
import { stopLog } from "./wal-stop.js";

/** Of each turn for upkeep, and before it for a snapshot: the longer one takes, the more log lies behind it. So it gets more when it is late. */
const SLICE_MS = 0.6;
const SNAPSHOT_MS = 0.6;
const SNAPSHOT_LATE_MS = 1.6;
/** Late: so many times the log after which it was due. */
const LATE_SHARE = 1.2;
/** A snapshot is due when the log since the last one passes the option or, with much data, this share of it. See docs/STORAGE.md, disk bound. */
const SNAPSHOT_LOG_SHARE = 0.35;
/** A log segment is at most this share of the data: two of them, one half filled and one ahead, count toward the disk bound. */
const SEGMENT_SHARE = 0.25;
const SEGMENT_BYTES_SMALL: number = 8 << 20;
const SNAPSHOT_RETRY_MS = 5000;
/** How soon a log that could not be begun for want of room is tried again. */
const ROOM_RETRY_MS = 1000;
/** A stop waits so long for what a backup left to be removed: on a dead network disk that may be for ever. */
const CLEARED_MS = 5000;

export interface EngineOptions extends Retention {
  /** Read when the log is opened: CONFIG SET is served while a node is loading. */
  readonly mode: SyncMode;
  readonly partitions: number;
  readonly segmentBytes: number;
  /** Growth of the log that makes a snapshot due, beside a share of the data. Asked each time. */
  readonly snapshotLogBytes: () => number;
  /** This directory is one of a cluster of several nodes: it holds a replica, whose keys change by rounds (storage/registers.ts). */
  readonly register?: boolean;
  /** For a new directory: node id (40 hex digits) and hash secret, which all members of a cluster have in common; and the seed of sampling. */
  readonly newNode: () => { node: string; hashSecret: [number, number] };
  readonly seed: number;
  /** As WalOptions.largeBytes. */
  readonly largeRecordBytes?: number;
  /** As Arena: what there is for all records. */
  readonly extentsMax?: number;
  /** Absent: memory goes back when the garbage collector comes by. */
  readonly releaseMemory?: ReleaseMemory;
}

export class Engine {
  readonly store: Store;
  readonly meta: DirectoryMeta;
  readonly snapshotter: Snapshotter;
  readonly cleaner: Cleaner;
  /** Where the log ended that recovery found; 0 before that. */
  foundLsn = 0;
  /** Undefined until recovery ended. */
  wal: Wal | undefined;
  recovery: Recovery | undefined;
  loadMs = 0;
  lastSaveMs = 0;
  lastSaveOk = true;
  snapshotStartedMs = 0;
  /** A backup is copying: meanwhile no snapshot and no segment is deleted. */
  held = false;
  /** Pause between two rounds of upkeep (hz). */
  upkeepMs = 100;
  /** Set by the owner: the log that had no room at the start has been begun. */
  onWritable: () => void = () => {};
  private readonly replica: Registers | undefined;
  private readonly disk: Disk;
  private readonly scheduler: Scheduler;
  private readonly options: EngineOptions;
  private readonly sweeper: Sweeper;
  private readonly generations: Generations;
  private stopped = false;
  private backupRunning: Backup | undefined;
  /** One more snapshot is wanted when the one under way has ended. */
  private snapshotAgain = false;
  private retryAfterMs = 0;
  /** Bytes of log. */
  private snapshotDue = Number.POSITIVE_INFINITY;
  private sliceAsked = false;
  /** Position of the log at the last upkeep. */
  private appendedBefore = -1;
  private sliceEnd = 0;
  private readonly sliceDone = (): boolean => this.scheduler.monotonicMs() >= this.sliceEnd;

  constructor(disk: Disk, scheduler: Scheduler, options: EngineOptions) {
    this.disk = disk;
    this.generations = new Generations(disk, this, options);
    this.scheduler = scheduler;
    this.options = options;
    const { partitions, register = false, newNode, releaseMemory, extentsMax } = options;
    this.meta = openMeta(disk, { partitions, member: register, newNode, nowMs: scheduler.nowMs() });
    const table = new Table(this.meta.partitions, ...this.meta.hashSecret, releaseMemory, extentsMax);
    const random = new Random(options.seed);
    let hlc = (): number => this.store.hlc.value();
    if (register) {
      const store = new RegisterStore(table, new NoLog(), random);
      const registers = new Registers(store);
      this.store = store;
      this.replica = registers;
      hlc = () => registers.highestHlc;
    } else this.store = new Store(table, new NoLog(), random);
    this.sweeper = new Sweeper(this.store);
    this.cleaner = new Cleaner(this.store.table);
    const wake = (): void => this.sliceSoon();
    const { detached } = this.store;
    this.snapshotter = new Snapshotter(disk, scheduler, table, new LogOf(this), hlc, detached, wake);
    this.store.setTime(scheduler.nowMs());
    this.recovery = new Recovery(disk, this.store, this.cleaner, this.replica);
  }

  /** Of a member of a cluster only. */
  get registers(): Registers {
    assert(this.replica !== undefined, "this node is alone");
    return this.replica;
  }

  /**
   * Recover, in slices of `sliceMs`, then open the log.
   * @param done called once with the error, or undefined when the node may serve, or was stopped meanwhile (then there is no log).
   */
  load(sliceMs: number, done: (error: Error | undefined) => void): void {
    const recovery = this.recovery as Recovery;
    const started = this.scheduler.monotonicMs();
    const slice = (): void => {
      if (this.stopped) return done(void recovery.close());
      try {
        const until = this.scheduler.monotonicMs() + sliceMs;
        while (recovery.step()) {
          if (this.scheduler.monotonicMs() < until) continue;
          this.scheduler.endOfTurn(slice);
          return;
        }
        this.openLog(recovery);
      } catch (error) {
        return done(asDiskError("cannot read the data directory", error));
      }
      this.loadMs = this.scheduler.monotonicMs() - started;
      done(undefined);
    };
    slice();
  }

  private openLog(recovery: Recovery): void {
    let end: WalEnd;
    try {
      end = recovery.finish();
    } catch (error) {
      throw new DiskError("cannot mend the log", error);
    }
    this.foundLsn = end.nextLsn - 1;
    const { mode, segmentBytes, register: member = false, largeRecordBytes } = this.options;
    const large = largeRecordBytes === undefined ? {} : { largeBytes: largeRecordBytes };
    const options = { mode, segmentBytes, segmentBytesWanted: this.segmentBytesWanted, member, ...large };
    this.wal = new Wal(this.disk, this.scheduler, options, end);
    this.store.readOnly = !this.beginLog(this.wal);
    this.store.setTime(this.scheduler.nowMs());
    this.generations.found(recovery.snapshots);
    this.wal.sinceSnapshotBytes = end.bytes;
    this.lastSaveMs = this.scheduler.nowMs();
    this.scheduleUpkeep();
  }

  private readonly segmentBytesWanted = (): number =>
    Math.max(SEGMENT_BYTES_SMALL, this.store.usedBytes() * SEGMENT_SHARE);

  /** @returns false when there is no room for a log: what is there is served, and it is tried again until there is room. */
  private beginLog(wal: Wal, again = false): boolean {
    if (wal.start(again)) {
      this.store.log = wal;
      return true;
    }
    this.scheduler.after(ROOM_RETRY_MS, () => {
      if (this.stopped || wal.failure !== undefined) return;
      try {
        if (!this.beginLog(wal, true)) return;
      } catch (error) {
        wal.fail(error as DiskError);
        return;
      }
      this.store.readOnly = false;
      this.onWritable();
    });
    return false;
  }

  private scheduleUpkeep(): void {
    this.scheduler.after(this.upkeepMs, () => {
      if (this.stopped) return;
      this.store.setTime(this.scheduler.nowMs());
      const appended = this.store.log.appendedLsn;
      this.cleaner.atRest = appended === this.appendedBefore;
      this.appendedBefore = appended;
      if (!this.sliceAsked) this.slice();
      this.considerSnapshot();
      this.generations.upkeep();
      this.scheduleUpkeep();
    });
  }

  /** To be called after commands that may have left garbage behind: starts slices when there is enough to do. O(1). */
  nudge(): void {
    if (!this.sliceAsked && this.wal !== undefined && this.cleaner.wanted()) this.sliceSoon();
  }

  private sliceSoon(): void {
    if (this.sliceAsked) return;
    this.sliceAsked = true;
    this.scheduler.endOfTurn(() => this.slice());
  }

  /** One share of time for a snapshot and one for all other upkeep, so that a turn of the loop stays short. */
  private slice(): void {
    this.sliceAsked = false;
    // A snapshot under way hears here that it is to end.
    if (this.stopped) return void this.snapshotter.run(() => true);
    this.store.setTime(this.scheduler.nowMs());
    const late = (this.wal?.sinceSnapshotBytes ?? 0) > this.snapshotDue * LATE_SHARE;
    this.sliceEnd = this.scheduler.monotonicMs() + (late ? SNAPSHOT_LATE_MS : SNAPSHOT_MS);
    let more = this.snapshotter.run(this.sliceDone);
    this.sliceEnd = this.scheduler.monotonicMs() + SLICE_MS;
    const { table, detached } = this.store;
    more = table.releaseDropped() || detached.free(this.sliceDone) || more;
    this.tasks.push(this.tasks.shift() as () => boolean);
    for (const task of this.tasks) more = this.sliceDone() || task() || more;
    if (more || this.snapshotter.copying) this.sliceSoon();
  }

  /** They take turns in being first. Each works until the slice is over. @returns whether there is more to do. */
  private readonly tasks: (() => boolean)[] = [
    () => !this.store.detached.pending && this.cleaner.run(this.sliceDone),
    () => !this.store.frozen && this.sweeper.run(this.sliceDone),
    () => !this.store.frozen && this.store.eviction.run(this.sliceDone),
  ];

  private considerSnapshot(): void {
    const wal = this.wal as Wal;
    if (this.snapshotter.running || wal.failure !== undefined || this.scheduler.monotonicMs() < this.retryAfterMs)
      return;
    if (wal.waitsForRoom) return;
    const again = this.snapshotAgain;
    this.snapshotAgain = false;
    this.snapshotDue = Math.max(this.options.snapshotLogBytes(), this.store.usedBytes() * SNAPSHOT_LOG_SHARE);
    if (again || wal.sinceSnapshotBytes > this.snapshotDue) this.snapshot(() => {});
  }

  /**
   * Start a snapshot. @returns false when one is running already. `done` hears how it ended, never within the call. Where nothing was written
   * since the newest one that is what was asked for: it is as good as a new one, and its time is now.
   */
  snapshot(done: (error: DiskError | undefined) => void): boolean {
    if (this.snapshotter.running || this.wal === undefined || this.stopped) return false;
    const wal = this.wal;
    // Nothing would say where to go on from it: a directory with a snapshot and no log does not open.
    if (wal.segments.all.length === 0) {
      this.lastSaveOk = false;
      this.scheduler.endOfTurn(() => done(new DiskError("there is no log yet", "no room for it on the disk")));
      return true;
    }
    const dirty = this.store.stats.dirty;
    const logged = wal.sinceSnapshotBytes;
    const saved = (): void => {
      this.lastSaveOk = true;
      this.store.stats.dirty -= dirty;
      wal.sinceSnapshotBytes -= logged;
      this.lastSaveMs = this.scheduler.nowMs();
    };
    this.snapshotStartedMs = this.scheduler.nowMs();
    if (wal.failure === undefined && this.generations.covers(wal.appendedLsn)) {
      saved();
      this.scheduler.endOfTurn(() => done(undefined));
      return true;
    }
    this.snapshotter.start((error, startLsn) => {
      if (error === undefined) {
        saved();
        this.generations.made(startLsn);
      } else {
        this.lastSaveOk = false;
        this.retryAfterMs = this.scheduler.monotonicMs() + SNAPSHOT_RETRY_MS;
        this.generations.removeUnfinished();
      }
      done(error);
    });
    this.generations.keep(GENERATIONS - 1);
    return true;
  }

  /** Start a snapshot as soon as the one under way has ended. */
  snapshotNext(): void {
    this.snapshotAgain = true;
  }

  /** Start LSN of the newest snapshot; undefined when there is none. */
  get newestSnapshot(): number | undefined {
    return this.generations.newest;
  }

  extent(): LogExtent {
    return (this.wal as Wal).extent();
  }

  /** Read the log from a position on, while the node runs. Not before recovery ended. */
  logFrom(lsn: number): LogCursor {
    return new LogCursor(this.disk, () => this.extent(), lsn);
  }

  /** Copy a snapshot and the log behind it to `target` (storage/backup.ts). @returns false when a backup is under way. */
  backup(target: BackupTarget, done: BackupDone): boolean {
    if (this.backupRunning !== undefined || this.wal === undefined || this.stopped) return false;
    this.backupRunning = new Backup(this, this.scheduler, target, (error, lsn) => {
      this.backupRunning = undefined;
      if (!this.stopped) this.generations.keep(GENERATIONS);
      done(error, lsn);
    });
    this.backupRunning.start();
    return true;
  }

  /** Call back when everything appended so far is on the disk, whatever appendfsync says. Not after a failure. @returns to wait no more. */
  sync(done: () => void): Cancel {
    const wal = this.wal as Wal;
    return wal.syncNow(() => {
      if (wal.failure === undefined) done();
    }, wal.appendedLsn);
  }

  /**
   * Stop: flush, seal, close. `done` once it is safe to exit. Records that still find no room on the disk were never written:
   * they end as a failure of the log, so that those who wait for them hear of it.
   * @param quiet called then, or later where the disk hangs: nothing of this engine touches the directory any more, others may open it.
   */
  stop(done: (error: DiskError | undefined) => void, quiet: () => void = () => {}): void {
    const { wal, snapshotter } = this;
    const { disposal } = this.generations;
    this.stopped = true;
    disposal.end();
    snapshotter.abort();
    this.backupRunning?.abort();
    if (wal === undefined) {
      done(undefined);
      return quiet();
    }
    const stopped = (error: DiskError | undefined): void => {
      if (error !== undefined) return done(error);
      this.whenCleared(this.scheduler.monotonicMs() + CLEARED_MS, () => done(undefined));
    };
    stopLog(
      wal,
      this.scheduler,
      () => snapshotter.running,
      stopped,
      () => disposal.whenIdle(quiet),
    );
  }

  /** What a backup that was cut off leaves behind is being removed, or a needless file: that is waited for, but not for ever. */
  private whenCleared(untilMs: number, done: () => void): void {
    const cleared = this.backupRunning === undefined && !this.generations.disposal.running;
    if (cleared || this.scheduler.monotonicMs() > untilMs) return done();
    this.scheduler.after(1, () => this.whenCleared(untilMs, done));
  }

  diskBytes(): number {
    return this.wal?.diskBytes() ?? 0;
  }
}
