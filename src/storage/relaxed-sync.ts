/**
 * storage/relaxed-sync.ts: syncs of the log beside its writes, for appendfsync everysec and no: once a second, or when much was written, or when
 * somebody asks for it. Off the loop, one at a time.
 * A batch written in pieces may be under way meanwhile. It is not waited for: where large values follow each other there is always one, and
 * what is small would stay unsynced until the segment ends.
 * Invariant: `syncedLsn` moves to what was written when the sync was begun, and only if that went well; once the log has failed nothing is synced
 * or believed any more: Linux tells of a failed write once, and the next sync "succeeds".
 */
import { DiskError } from "../lib/errors.js";
import type { Disk } from "../ports/disk.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import type { WalSegments } from "./wal-segments.js";

const EVERYSEC_MS = 1000;
/** What was written is synced when it is so much: all of a segment at its end would be a long wait for everyone. */
const UNSYNCED_BYTES_MAX: number = 4 << 20;

/** The log, as far as it is synced here. */
interface SyncedLog {
  readonly durableLsn: number;
  syncedLsn: number;
  readonly failure: DiskError | undefined;
  readonly segments: WalSegments;
  fail(error: DiskError): void;
}

export class RelaxedSync {
  running = false;
  /** Bytes written since the last sync was asked for. */
  private unsyncedBytes = 0;
  private cancel: Cancel | undefined;
  private readonly log: SyncedLog;
  private readonly disk: Disk;
  private readonly scheduler: Scheduler;

  constructor(log: SyncedLog, disk: Disk, scheduler: Scheduler) {
    this.log = log;
    this.disk = disk;
    this.scheduler = scheduler;
  }

  /** Once a second from now on, until stop(). */
  begin(): void {
    this.cancel = this.scheduler.after(EVERYSEC_MS, () => {
      this.now(() => {});
      this.begin();
    });
  }

  stop(): void {
    this.cancel?.();
  }

  /** So much was written, and not synced. */
  wrote(bytes: number): void {
    this.unsyncedBytes += bytes;
    if (this.unsyncedBytes > UNSYNCED_BYTES_MAX && !this.running) this.now(() => {});
  }

  /** Sync what was written so far. `done` is called after a failure of the log too: look there first. */
  now(done: () => void): void {
    this.upTo(this.log.durableLsn, done);
  }

  private upTo(lsn: number, done: () => void): void {
    const { log, scheduler } = this;
    if (log.failure !== undefined || lsn <= log.syncedLsn) return done();
    if (this.running) return void scheduler.after(1, () => this.upTo(lsn, done));
    const upTo = log.durableLsn;
    this.running = true;
    this.unsyncedBytes = 0;
    const file = log.segments.plain;
    this.disk.syncAsync(file, (error) => {
      this.running = false;
      // A segment closed meanwhile was synced on closing; its handle may be gone, which is no failure of the disk.
      if (error && file === log.segments.plain) log.fail(new DiskError("log sync failed", error));
      if (log.failure === undefined && upTo > log.syncedLsn) log.syncedLsn = upTo;
      done();
    });
  }
}
