/**
 * storage/wal.ts: the write-ahead log with group commit.
 * Records are appended to the open batch. At the end of a turn of the event loop the batch is sealed and flushed; what arrives during a flush is
 * the next batch. `durableLsn` moves when a flush is done, and `onDurable` is called: whoever holds replies back lets go of those at or below it.
 *
 * What a flush is, by appendfsync: always = written and synced (one O_DSYNC write over zero-filled blocks); everysec and no = written to the
 * system, synced once a second or when the system pleases. `durableLsn` is what the mode promises, `syncedLsn` what is known to be on the disk;
 * only the latter goes into batch headers, where recovery trusts it.
 *
 * Invariants: batches are acknowledged in order, whatever the order in which the disk is done with them (storage/flights.ts); a batch is sealed
 * whole, so all records of one command lie in one batch; the first error of any write or sync is latched: nothing is written or acknowledged after
 * it, and no sync is ever tried again (after a failed one the page cache may lie: Rebello et al., USENIX ATC 2020). Price: a lone writer pays
 * one disk round trip per command, as anywhere; see `inline` for how it is kept to that.
 */
import { assert } from "../lib/assert.js";
import { DiskError } from "../lib/errors.js";
import type { Viewed } from "../lib/view.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import { BatchStream } from "./batch-stream.js";
import { type Flight, Flights } from "./flights.js";
import { paceOf } from "./flush-gap.js";
import { type FlushPace, NEXT_TURN } from "./flush-pace.js";
import { InlineSync } from "./inline-sync.js";
import type { Audience, LogExtent, SyncMode, WalEnd, WalOptions } from "./log.js";
import { PumpAsks } from "./pump-asks.js";
import { RelaxedSync } from "./relaxed-sync.js";
import { SpareBatches } from "./spare-batches.js";
import { BATCH_OPEN, BATCH_SEAL, BatchBuilder, LARGE_RECORD_BYTES, SECTOR_BYTES } from "./wal-format.js";
import { isWantOfRoom, SegmentMaker } from "./wal-segment-maker.js";
import { isWantOfDescriptors, NoDescriptor, WalSegments } from "./wal-segments.js";

/** Room that must be left in the segment while no next one can be made, beyond what is under way and twice what waits. */
const LOW_ROOM_BYTES = 256 * 1024;
/** What may wait for a flush before one more record (512 MiB) comes: a batch is read in one call, which ends at 2 GiB. */
export const OPEN_BYTES_MAX: number = 5 * 2 ** 28;
/** How soon a batch is tried again that the disk has no room for, or the process no descriptor. */
const TRY_LATER_MS = 250;

export class Wal {
  appendedLsn: number;
  durableLsn: number;
  syncedLsn: number;
  /** Bytes of batches written since the last snapshot (the engine takes off what one covers). */
  sinceSnapshotBytes = 0;
  flushes = 0;
  lastFlushMs = 0;
  /** The first error; nothing is acknowledged any more. */
  failure: DiskError | undefined;
  /** Set by the owner. `onDurable` may append. */
  onDurable: () => void = () => {};
  onFailed: (error: DiskError) => void = () => {};
  /** Set by the owner. */
  audience: Audience = { waiters: 2, onlyWriters: false };
  readonly segments: WalSegments;
  private readonly disk: Disk;
  private readonly scheduler: Scheduler;
  readonly maker: SegmentMaker;
  private mode: SyncMode;

  private open: BatchBuilder;
  private readonly spares: SpareBatches = new SpareBatches();
  private lastCrc: number;
  private readonly flights: Flights;
  private readonly largeBytes: number;
  /** Of batches with large records. */
  private readonly stream: BatchStream;
  private readonly asks: PumpAsks;
  private readonly inline: InlineSync;
  /** So many waited for the last flush, which was synced on the loop. */
  private served = 0;
  /** What is durable has not been told yet: nobody is to wait for another sync before. */
  private untold = false;
  closed = false;
  private readonly sync: RelaxedSync;
  private readonly pace: FlushPace;
  private readonly pumpBound = (): void => this.pump();

  constructor(disk: Disk, scheduler: Scheduler, options: WalOptions, end: WalEnd) {
    this.disk = disk;
    this.largeBytes = options.largeBytes ?? LARGE_RECORD_BYTES;
    this.stream = new BatchStream(disk, Math.ceil(this.largeBytes / SECTOR_BYTES) * 2 * SECTOR_BYTES);
    this.sync = new RelaxedSync(this, disk, scheduler);
    this.scheduler = scheduler;
    this.mode = options.mode;
    this.appendedLsn = end.nextLsn - 1;
    this.durableLsn = this.appendedLsn;
    this.syncedLsn = this.appendedLsn;
    this.lastCrc = end.lastCrc;
    this.flights = new Flights(options.member);
    this.pace = paceOf(options.member);
    this.inline = new InlineSync(options.member);
    this.asks = new PumpAsks(scheduler, this.pumpBound);
    this.segments = new WalSegments(disk, end);
    const { segmentBytes, segmentBytesWanted } = options;
    const most = (): number => Math.min(segmentBytes, segmentBytesWanted?.() ?? segmentBytes);
    this.maker = new SegmentMaker(disk, scheduler, most, end.segments.length === 0);
    this.open = this.spares.take(this.appendedLsn + 1);
  }

  /**
   * Open a segment and write the OPEN mark, synced: the disk is known to work before anything is promised. Blocks.
   * @returns false when there is no room for that, or no descriptor when tried `again`: nothing has changed, and it may be called again.
   */
  start(again = false): boolean {
    try {
      this.maker.makeNow();
      this.rotate(SECTOR_BYTES);
      this.writeMark(BATCH_OPEN);
    } catch (error) {
      if (!this.segments.isOpen && (isWantOfRoom(error) || (again && isWantOfDescriptors(error)))) return false;
      this.fail(new DiskError("cannot write the log", error));
      throw this.failure;
    }
    this.maker.prepare();
    this.sync.stop();
    if (this.mode === "everysec") this.sync.begin();
    return true;
  }

  setMode(mode: SyncMode): void {
    if (mode === this.mode || this.failure !== undefined) return;
    this.sync.stop();
    try {
      // A synced write covers its own bytes only: what the relaxed mode left must be on disk before "always" is promised.
      if (mode === "always") this.settle();
    } catch (error) {
      return this.fail(new DiskError("log sync failed", error));
    }
    this.mode = mode;
    if (mode === "everysec") this.sync.begin();
  }

  // HOT: once per write.
  /** Append one body to the open batch. @param own nobody changes it from now on. @returns its LSN. */
  append(body: Viewed, at: number, length: number, own = false): number {
    assert(!this.closed, "append to a closed log");
    if (own && length > this.largeBytes) this.open.appendOwn(body.subarray(at, at + length));
    else this.open.append(body, at, length);
    if (!this.asks.asked) this.asks.atEndOfTurn();
    return ++this.appendedLsn;
  }

  /** Bytes waiting in the open batch. */
  openBytes(): number {
    return this.open.count === 0 ? 0 : this.open.bytes();
  }

  /** No more is to be logged at present: writes are to be refused, nothing is lost. @param bytes of a large command to come. */
  outOfSpace(bytes = 0): boolean {
    return this.openBytes() + bytes > OPEN_BYTES_MAX || this.lacksRoom(bytes);
  }

  /** No room on the disk for the log, seen ahead of need. */
  lacksRoom(bytes = 0): boolean {
    const need = (this.openBytes() + bytes) * 2 + LOW_ROOM_BYTES;
    return need > this.segments.roomBytes && !this.maker.hasRoom(need);
  }

  /** What is open finds no place in the log, and no room for one on the disk. */
  get waitsForRoom(): boolean {
    const bytes = this.openBytes();
    return bytes > this.segments.roomBytes && !this.maker.hasRoom(bytes + SECTOR_BYTES);
  }

  private pump(): void {
    this.asks.asked = false;
    const nowMs = this.scheduler.monotonicMs();
    // What is open now had come while the loop was syncing.
    if (this.served > 1) this.pace.begin(this.served, this.open.count, this.lastFlushMs, nowMs, true);
    this.served = 0;
    if (this.failure !== undefined || this.open.count === 0 || this.closed) return;
    const bytes = this.open.bytes();
    const full = bytes > this.segments.roomBytes;
    const alone = this.flights.count === 0;
    // A landing comes here again.
    if (!alone && (full || this.mode !== "always" || this.open.large || this.stream.busy)) return;
    const waitMs = alone ? this.pace.waitMs(this.audience.waiters, nowMs) : this.flights.waitMs(nowMs);
    if (waitMs === NEXT_TURN) return this.asks.atEndOfTurn();
    if (waitMs > 0) return this.asks.within(waitMs);
    if (full && !this.tryRotate(bytes)) return;
    this.flush(bytes);
  }

  private sealOpen(): BatchBuilder {
    const batch = this.open;
    this.lastCrc = batch.seal(this.syncedLsn, this.lastCrc, 0);
    this.open = this.spares.take(this.appendedLsn + 1);
    return batch;
  }

  private tryRotate(bytes: number): boolean {
    // One command logged more than was seen coming (EXEC, COPY, SETRANGE). It is not acknowledged: it waits for room.
    if (!this.maker.hasRoom(bytes + SECTOR_BYTES)) {
      this.asks.notBefore(TRY_LATER_MS);
      // Who is held back until the log has come further would wait for room too: they are to see that it is short.
      this.onDurable();
      return false;
    }
    // Always into a segment whose bytes are on the disk already: want of room is met there, where nothing depends on it yet.
    if (!this.maker.readyOr(bytes + SECTOR_BYTES, this.pumpBound)) return false;
    if (this.syncedLsn < this.durableLsn) {
      // What the relaxed modes left unsynced: not on the loop (see settle).
      this.asks.asked = true;
      this.syncNow(this.pumpBound);
      return false;
    }
    try {
      this.rotate(bytes);
      return true;
    } catch (error) {
      if (error instanceof NoDescriptor) this.asks.notBefore(TRY_LATER_MS);
      else this.fail(new DiskError("cannot start a log segment", error));
      return false;
    }
  }

  private flush(bytes: number): void {
    const startedMs = this.scheduler.monotonicMs();
    if (this.open.large) return this.flushLarge(bytes, startedMs);
    if (this.mode !== "always") return this.flushHere(this.segments.plain, bytes, startedMs);
    if (this.flights.count === 0 && !this.untold && this.inline.allowed(this.audience))
      return this.flushHere(this.segments.durable, bytes, startedMs);
    const batch = this.sealOpen();
    const flight = this.flights.begin(batch, bytes, this.appendedLsn, startedMs);
    const at = this.segments.position;
    this.segments.position += bytes;
    this.disk.writeAsync(this.segments.durable, batch.buffer, 0, bytes, at, (error) => this.written(error, flight));
  }

  /** Written in pieces, and synced whatever the mode: nothing else is under way, and what comes meanwhile is the next batch. */
  private flushLarge(bytes: number, startedMs: number): void {
    const batch = this.open;
    this.open = this.spares.take(this.appendedLsn + 1);
    const flight = this.flights.begin(batch, bytes, this.appendedLsn, startedMs);
    const at = this.segments.position;
    this.segments.position += bytes;
    this.stream.write(this.segments.durable, at, batch.layout(), this.syncedLsn, this.lastCrc, (error, headerCrc) => {
      this.lastCrc = headerCrc;
      this.written(error, flight, true);
    });
  }

  private written(error: Error | null, flight: Flight, large = false): void {
    if (error) this.fail(new DiskError("log write failed", error));
    // After a failure the order counts no more.
    if (this.failure === undefined) this.landed(flight, large);
    else this.flights.drop(flight);
  }

  private landed(flight: Flight, large: boolean): void {
    const nowMs = this.scheduler.monotonicMs();
    this.flights.land(flight, nowMs, large);
    let first = this.flights.takeLanded();
    if (first === undefined) return;
    for (; first !== undefined; first = this.flights.takeLanded()) {
      this.lastFlushMs = nowMs - first.startedMs;
      // In the relaxed modes what stands before it may not be synced.
      if (this.syncedLsn === this.durableLsn) this.syncedLsn = first.lastLsn;
      this.flushed(first.batch, first.bytes, first.lastLsn);
    }
    if (this.flights.count === 0) this.pace.begin(this.audience.waiters, this.open.count, this.lastFlushMs, nowMs);
    // Unless it is held, the next flush starts before the replies of this one are written: the disk and the sockets work at the same time.
    this.untold = true;
    if (this.open.count > 0 && !this.pace.active) this.pump();
    this.untold = false;
    this.announce();
  }

  /** Write the open batch, blocking. */
  private flushHere(file: FileHandle, bytes: number, startedMs: number): void {
    const batch = this.sealOpen();
    const lastLsn = this.appendedLsn;
    try {
      this.disk.write(file, batch.buffer, 0, bytes, this.segments.position);
    } catch (error) {
      return this.fail(new DiskError("log write failed", error));
    }
    this.lastFlushMs = this.scheduler.monotonicMs() - startedMs;
    this.segments.position += bytes;
    if (file === this.segments.durable) {
      this.syncedLsn = lastLsn;
      this.inline.took(this.lastFlushMs);
      this.served = this.audience.waiters;
      if (this.served > 1) this.asks.atEndOfTurn();
    }
    this.flushed(batch, bytes, lastLsn);
    if (this.mode !== "always") this.sync.wrote(bytes);
    this.announce();
  }

  private flushed(batch: BatchBuilder, bytes: number, lastLsn: number): void {
    this.flushes++;
    this.segments.writtenTo += bytes;
    this.sinceSnapshotBytes += bytes;
    this.spares.give(batch, this.open);
    this.durableLsn = lastLsn;
  }

  private announce(): void {
    this.onDurable();
    if (this.open.count > 0) this.asks.atEndOfTurn();
  }

  /** Latch an error: the first one counts. Nothing is begun after it. */
  fail(error: DiskError): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.sync.stop();
    this.maker.stop();
    this.stream.stop();
    this.onFailed(error);
  }

  /** Go on in a new segment with room for `bytes`. Blocks for the header, the rename and the directory. */
  private rotate(bytes: number): void {
    this.settle();
    this.maker.use(bytes + SECTOR_BYTES, (made) => this.segments.begin(made, this.open.firstLsn, this.lastCrc));
    this.maker.prepare();
  }

  /**
   * What the relaxed modes left unsynced goes to the disk before the next segment gets its name: recovery allows a torn end to
   * the last segment only (found by test/crash/power-loss). A failure is told once per handle: a sync of the other one may be under way.
   */
  private settle(): void {
    if (!this.segments.isOpen || this.syncedLsn >= this.durableLsn) return;
    this.disk.sync(this.segments.durable);
    this.syncedLsn = this.durableLsn;
  }

  /** Write a mark, synced. Only while the open batch is empty. */
  private writeMark(flags: number): void {
    assert(this.open.count === 0, "a mark amid records");
    this.makeRoom(SECTOR_BYTES);
    const mark = new BatchBuilder(SECTOR_BYTES * 2);
    mark.begin(this.appendedLsn + 1);
    this.lastCrc = mark.seal(this.syncedLsn, this.lastCrc, flags);
    this.disk.write(this.segments.durable, mark.buffer, 0, SECTOR_BYTES, this.segments.position);
    this.segments.position += SECTOR_BYTES;
    this.segments.writtenTo += SECTOR_BYTES;
    this.appendedLsn++;
    this.durableLsn = this.appendedLsn;
    this.syncedLsn = this.appendedLsn;
    this.open.begin(this.appendedLsn + 1);
  }

  /** Sync what was written so far, or up to a position (storage/relaxed-sync.ts). `done` is called after a failure too. */
  syncNow(done: () => void, upTo: number = this.durableLsn): Cancel {
    return this.sync.upTo(upTo, done);
  }

  extent(): LogExtent {
    return { lsn: this.durableLsn, segments: [...this.segments.all], lastBytes: this.segments.writtenTo };
  }

  /** Bytes on disk, the prepared segment included. */
  diskBytes(): number {
    return this.maker.preparedBytes() + this.segments.diskBytes();
  }

  /** Flush what is open, blocking, seal the log and close. Not to be called while busy(). */
  close(seal: boolean): void {
    if (this.closed) return;
    assert(this.flights.count === 0, "log closed with a flush under way");
    this.sync.end();
    try {
      if (this.failure === undefined && this.open.count > 0) {
        const bytes = this.open.bytes();
        this.makeRoom(bytes);
        this.flushHere(this.segments.durable, bytes, this.scheduler.monotonicMs());
      }
      if (this.failure === undefined && this.segments.isOpen) {
        this.disk.sync(this.segments.plain);
        this.syncedLsn = this.durableLsn;
        // Where a full disk has no place for it the log ends unsealed, as after a crash: nothing is lost by that.
        if (seal && (this.segments.roomBytes > 0 || this.maker.hasRoom(LOW_ROOM_BYTES))) this.writeMark(BATCH_SEAL);
      }
    } catch (error) {
      this.fail(new DiskError("cannot seal the log", error));
    }
    this.closed = true;
    this.maker.stop();
    this.segments.close((error) => this.fail(new DiskError("cannot close the log", error)));
  }

  /** @returns whether a flush is under way: then close() has to wait. Or, of a log that failed or was closed, anything. */
  busy(): boolean {
    return this.flights.count > 0 || this.sync.running || this.maker.ending;
  }

  private makeRoom(bytes: number): void {
    if (bytes <= this.segments.roomBytes) return;
    if (!this.maker.ready(bytes + SECTOR_BYTES)) this.maker.makeNow();
    this.rotate(bytes);
  }
}
