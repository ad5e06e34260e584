/**
 * storage/snapshotter.ts: writes a snapshot while the node serves: no fork, no second copy of the data.
 * It goes through the records as they lie in memory, in the engine's slices between commands, and writes blocks in the background. The snapshot is fuzzy: keys change while it
 * is written. Every record carries its dot, so replaying the log from the snapshot's start over it ends in the exact state.
 * A large record is not copied: it is a block by itself (storage/large-block.ts).
 * Invariants: the file gets its name only when everything in it is synced and every record in it is durable in the log too;
 * one snapshot at a time; any error ends this snapshot and leaves the earlier ones untouched.
 */
import { readU32 } from "../codec/record/record.js";
import { copyBytes } from "../lib/copy.js";
import { DiskError } from "../lib/errors.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import type { Scheduler } from "../ports/scheduler.js";
import { ArenaScan } from "./arena-scan.js";
import { LARGE_BLOCK_BYTES, writeLargeBlock } from "./large-block.js";
import {
  BLOCK_HEADER_BYTES,
  encodeFooter,
  encodeSnapshotHeader,
  extendDigest,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_TEMP_NAME,
  sealBlock,
  snapshotName,
} from "./snapshot-format.js";
import type { Table } from "./table.js";

const BLOCK_BYTES: number = 256 * 1024;
/** Records between two looks at the clock. */
const STEP_RECORDS = 256;

/** What the snapshotter needs to know of the log. */
export interface LogView {
  readonly appendedLsn: number;
  /** On the disk, whatever appendfsync promises: a snapshot must not outlive the log it leans on. */
  readonly syncedLsn: number;
  /** Of a log that failed nothing more gets to the disk. */
  readonly failure: DiskError | undefined;
  /** Sync what is written so far, if anything is left to. `done` is called after a failure too. */
  syncNow(done: () => void): void;
}

/** Indexes that were flushed, and those whose records are gone from memory: the oldest go first. */
export interface Flushed {
  readonly added: number;
  readonly gone: number;
}

export type SnapshotDone = (error: DiskError | undefined, startLsn: number) => void;

export class Snapshotter {
  running = false;
  lastMs = 0;
  records = 0;
  private readonly disk: Disk;
  private readonly scheduler: Scheduler;
  private readonly table: Table;
  private readonly log: LogView;
  private readonly hlc: () => number;

  private startLsn = 0;
  private startedMs = 0;
  private done: SnapshotDone = () => {};
  private file: FileHandle = -1;
  private position = 0;
  /** Kept from one snapshot to the next: pieces of this size would lie about until the collector comes by. */
  private block: Viewed = viewed(Buffer.alloc(0));
  private blockAt = 0;
  private blockCount = 0;
  /** Large records that the walk came by, to be written next. Their buffers are never written to again. */
  private large: Buffer[] = [];
  private blocks = 0;
  private digest = 0;
  private readonly scan: ArenaScan = new ArenaScan();
  private scanning = false;
  private readonly flushed: Flushed;
  /** So many must be gone: what is flushed later lies in the log behind the start. */
  private flushedBefore = 0;
  private endLsn = 0;
  private aborted = false;
  /** There is something to copy: the last block is written and the table is not through. */
  copying = false;
  private readonly wake: () => void;

  /** @param wake asks for run(): there is something to copy again. */
  constructor(
    disk: Disk,
    scheduler: Scheduler,
    table: Table,
    log: LogView,
    hlc: () => number,
    flushed: Flushed,
    wake: () => void,
  ) {
    this.disk = disk;
    this.scheduler = scheduler;
    this.table = table;
    this.log = log;
    this.hlc = hlc;
    this.flushed = flushed;
    this.wake = wake;
  }

  /** Start one; not to be called while one is running. `done` is never called within the call. */
  start(done: SnapshotDone): void {
    this.running = true;
    this.aborted = false;
    this.done = done;
    this.startLsn = this.log.appendedLsn;
    this.startedMs = this.scheduler.monotonicMs();
    if (this.block.length === 0) this.block = viewedOf(BLOCK_BYTES + 64 * 1024);
    this.position = 0;
    this.blocks = 0;
    this.digest = 0;
    this.records = 0;
    this.scanning = false;
    this.flushedBefore = this.flushed.added;
    this.large = [];
    this.resetBlock();
    try {
      if (this.disk.exists(SNAPSHOT_TEMP_NAME)) this.disk.remove(SNAPSHOT_TEMP_NAME);
      this.file = this.disk.open(SNAPSHOT_TEMP_NAME, { create: true });
      const header = encodeSnapshotHeader(this.startLsn, this.hlc());
      this.disk.write(this.file, header, 0, header.length, 0);
      this.position = SNAPSHOT_HEADER_BYTES;
    } catch (error) {
      // Not within the call: who asked has nothing yet to answer with.
      this.scheduler.endOfTurn(() => this.finish(error));
      return;
    }
    this.copyOn();
  }

  abort(): void {
    this.aborted = true;
    if (this.copying) this.wake();
  }

  private copyOn(): void {
    this.copying = true;
    this.wake();
  }

  private resetBlock(): void {
    this.blockAt = BLOCK_HEADER_BYTES;
    this.blockCount = 0;
  }

  /** Copy records until `done()`, or until a block is full. @returns whether there is more to copy now. */
  run(done: () => boolean): boolean {
    if (!this.copying) return false;
    if (this.aborted) {
      this.finish(new Error("stopped"));
      return false;
    }
    if (!this.scanning) {
      if (this.flushed.gone < this.flushedBefore) return true;
      this.scan.begin(this.table.arena);
      this.scanning = true;
    }
    while (this.scan.step(this.table.arena, STEP_RECORDS, this.takeBound)) {
      if (this.blockAt >= BLOCK_BYTES || this.large.length > 0) {
        this.copying = false;
        const then = (): void => this.copyOn();
        // Large ones lie among the others: a block is not to be cut short by each of them.
        if (this.large.length > 0) this.writeLarge(then);
        else this.writeBlock(then);
        return false;
      }
      if (done()) return true;
    }
    this.copying = false;
    this.endLsn = this.log.appendedLsn;
    this.writeGathered(() => this.writeFooter());
    return false;
  }

  private readonly takeBound = (ref: number): boolean => {
    this.take(ref);
    return this.blockAt < BLOCK_BYTES && this.large.length === 0;
  };

  private take(ref: number): void {
    const table = this.table;
    table.locate(ref);
    const bytes = readU32(table.body, table.bodyAt);
    this.records++;
    if (bytes > LARGE_BLOCK_BYTES) {
      this.large.push(table.body.subarray(table.bodyAt, table.bodyAt + bytes));
      return;
    }
    if (this.blockAt + bytes > this.block.length) {
      const bigger = viewedOf(Math.max(this.block.length * 2, this.blockAt + bytes));
      this.block.copy(bigger, 0, 0, this.blockAt);
      this.block = bigger;
    }
    copyBytes(table.body, table.bodyAt, this.block, this.blockAt, bytes);
    this.blockAt += bytes;
    this.blockCount++;
  }

  private writeGathered(then: () => void): void {
    if (this.blockCount > 0) this.writeBlock(() => this.writeLarge(then));
    else this.writeLarge(then);
  }

  private writeLarge(then: () => void): void {
    const record = this.large.shift();
    if (record === undefined) return then();
    const stopped = (): boolean => this.aborted;
    writeLargeBlock(this.disk, this.file, this.position, record, stopped, (error, crc) => {
      if (crc === undefined) return this.finish(error ?? new Error("stopped"));
      this.position += BLOCK_HEADER_BYTES + record.length;
      this.noteBlock(crc);
      this.writeLarge(then);
    });
  }

  private noteBlock(crc: number): void {
    this.digest = extendDigest(this.digest, crc);
    this.blocks++;
  }

  private writeBlock(then: () => void): void {
    const bytes = this.blockAt;
    const crc = sealBlock(this.block, bytes - BLOCK_HEADER_BYTES, this.blockCount);
    this.noteBlock(crc);
    this.disk.writeAsync(this.file, this.block, 0, bytes, this.position, (error) => {
      if (error) return this.finish(error);
      this.position += bytes;
      if (this.block.length > BLOCK_BYTES * 4) this.block = viewedOf(BLOCK_BYTES + 64 * 1024);
      this.resetBlock();
      then();
    });
  }

  private writeFooter(): void {
    const footer = encodeFooter({ blocks: this.blocks, records: this.records, hlc: this.hlc(), digest: this.digest });
    this.disk.writeAsync(this.file, footer, 0, footer.length, this.position, (error) => {
      if (error) return this.finish(error);
      this.disk.syncAsync(this.file, (syncError) => {
        if (syncError) return this.finish(syncError);
        this.awaitLog();
      });
    });
  }

  /** A record in the snapshot that the log lost would be a write nobody was told of, and half of an EXEC perhaps. */
  private awaitLog(): void {
    if (this.aborted) return this.finish(new Error("stopped"));
    if (this.log.failure !== undefined) return this.finish(this.log.failure);
    if (this.log.syncedLsn < this.endLsn) {
      this.log.syncNow(() => this.scheduler.after(1, () => this.awaitLog()));
      return;
    }
    try {
      const name = snapshotName(this.startLsn);
      this.disk.close(this.file);
      this.file = -1;
      this.disk.rename(SNAPSHOT_TEMP_NAME, name);
      this.disk.syncDirectory();
    } catch (error) {
      return this.finish(error);
    }
    this.finish(undefined);
  }

  private finish(error: unknown): void {
    this.running = false;
    this.copying = false;
    this.scan.end();
    this.large = [];
    this.lastMs = this.scheduler.monotonicMs() - this.startedMs;
    if (error !== undefined && this.file !== -1) {
      this.disk.close(this.file);
      this.file = -1;
    }
    this.done(error === undefined ? undefined : new DiskError("snapshot failed", error), this.startLsn);
  }
}
