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
const LOOK_MS = 1;

/** The log, as far as it is synced here. */
interface SyncedLog {
  readonly durableLsn: number;
  syncedLsn: number;
  readonly failure: DiskError | undefined;
  readonly segments: WalSegments;
  fail(error: DiskError): void;
}

/** Somebody who waits until the log is synced so far. */
interface Waiter {
  readonly lsn: number;
  readonly done: () => void;
}

export class RelaxedSync {
  running = false;
  /** Bytes written since the last sync was asked for. */
  private unsyncedBytes = 0;
  /** Nobody waits, but so much is to be synced. */
  private dueLsn = 0;
  private readonly waiting: Set<Waiter> = new Set();
  private looking = false;
  private closing = false;
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
      this.due();
      this.begin();
    });
  }

  stop(): void {
    this.cancel?.();
  }

  /** The log is about to be closed, which syncs it: none is begun any more, or its descriptor might be closed under it. */
  end(): void {
    this.closing = true;
    this.stop();
  }

  /** So much was written, and not synced. */
  wrote(bytes: number): void {
    this.unsyncedBytes += bytes;
    if (this.unsyncedBytes > UNSYNCED_BYTES_MAX && !this.running) this.due();
  }

  private due(): void {
    this.dueLsn = this.log.durableLsn;
    this.next();
  }

  /**
   * Sync up to a position, written or not yet. `done` is called once that is so, or after a failure of the log: look there first.
   * @returns to be called by who does not wait any more: it hears nothing then.
   */
  upTo(lsn: number, done: () => void): Cancel {
    const { log, waiting } = this;
    if (log.failure !== undefined || lsn <= log.syncedLsn) {
      done();
      return () => {};
    }
    const waiter = { lsn, done };
    waiting.add(waiter);
    // Whoever waits has a look or a sync ahead of it: the others need not be gone through.
    if (lsn > log.durableLsn || this.closing) this.lookLater();
    else this.start();
    return () => void waiting.delete(waiter);
  }

  /** Begin the next sync if there is something written to be synced; look again for what is still to be written, or was synced by its own write. */
  private next(): void {
    const { durableLsn, syncedLsn, failure } = this.log;
    if (failure !== undefined) return;
    let wanted = this.dueLsn > syncedLsn;
    let looked = this.closing && this.waiting.size > 0;
    for (const { lsn } of this.waiting) {
      if (lsn > durableLsn || lsn <= syncedLsn) looked = true;
      else wanted = true;
    }
    if (wanted) this.start();
    if (looked) this.lookLater();
  }

  private start(): void {
    if (this.running || this.closing) return;
    const { log } = this;
    const upTo = log.durableLsn;
    this.running = true;
    this.unsyncedBytes = 0;
    const file = log.segments.plain;
    this.disk.syncAsync(file, (error) => {
      this.running = false;
      // A segment closed meanwhile was synced on closing; its handle may be gone, which is no failure of the disk.
      if (error && file === log.segments.plain) log.fail(new DiskError("log sync failed", error));
      if (log.failure === undefined && upTo > log.syncedLsn) log.syncedLsn = upTo;
      this.serve();
    });
  }

  /** One timer for all of them. A failure is seen by it too. */
  private lookLater(): void {
    if (this.looking) return;
    this.looking = true;
    this.scheduler.after(LOOK_MS, () => {
      this.looking = false;
      this.serve();
    });
  }

  /** All that have what they wait for, in the order in which they came. */
  private serve(): void {
    const { log, waiting } = this;
    for (const waiter of [...waiting]) {
      // One of those before it may have told it not to wait.
      if ((log.failure !== undefined || waiter.lsn <= log.syncedLsn) && waiting.delete(waiter)) waiter.done();
    }
    this.next();
  }
}
