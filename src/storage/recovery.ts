/**
 * storage/recovery.ts: from the files of a data directory to the state they stand for, in steps, so that a node can answer
 * -LOADING meanwhile. Newest snapshot first, then the log from where it starts.
 *
 * At the end the log is mended: a torn last batch is overwritten with zeros, and batches of unknown durability are written once
 * more to the same place, with a sync (after a failed sync and a crash the page cache may hold what the disk never got: reading
 * it back proves nothing). Both are idempotent, so a crash in the middle changes nothing.
 */
import { hlcOf, keyLength, keyOffset, TYPE_FLUSH } from "../codec/record/record.js";
import { CorruptionError } from "../lib/errors.js";
import type { Viewed } from "../lib/view.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import type { Cleaner } from "./cleaner.js";
import type { WalEnd } from "./log.js";
import type { Registers } from "./registers.js";
import { replay } from "./replay.js";
import { SNAPSHOT_TEMP_NAME, snapshotLsn } from "./snapshot-format.js";
import { ANNOUNCED_MAX, SnapshotReader } from "./snapshot-reader.js";
import type { Store } from "./store.js";
import { DATABASES } from "./table.js";

import { BATCH_FIRST_BYTE, SECTOR_BYTES, STAMP_AT, segmentLsn } from "./wal-format.js";
import { WalReader } from "./wal-reader.js";

const COPY_BYTES = 1 << 20;
/** Of the cleaner, in one step: about a millisecond. */
const CLEANING_STEPS = 16;

export class Recovery {
  records = 0;
  /** Start LSN of the snapshot that was loaded, 0 = none; and of all snapshots there, newest first. */
  snapshotLsn = 0;
  readonly snapshots: number[];
  /** Bytes of a torn last batch that were dropped. */
  droppedBytes = 0;
  private readonly disk: Disk;
  private readonly store: Store;
  private readonly registers: Registers | undefined;
  private readonly cleaner: Cleaner;
  private snapshot: SnapshotReader | undefined;
  private wal: WalReader | undefined;
  private snapshotBytes = 0;
  private readonly keysAhead = { count: 0, at: new Int32Array(ANNOUNCED_MAX), length: new Int32Array(ANNOUNCED_MAX) };
  /** Of the records read so far. */
  private highestHlc = -1;

  /** @param registers those of `store`, where it is a replica's. @param cleaner of its table: the one that goes on afterwards. */
  constructor(disk: Disk, store: Store, cleaner: Cleaner, registers: Registers | undefined) {
    this.disk = disk;
    this.store = store;
    this.registers = registers;
    this.cleaner = cleaner;
    const names = disk.list();
    for (const name of names) if (name === SNAPSHOT_TEMP_NAME || /^wal-.*\.tmp$/.test(name)) disk.remove(name);
    this.snapshots = names
      .map(snapshotLsn)
      .filter((lsn) => lsn >= 0)
      .sort((a, b) => b - a);
    if (this.snapshots.length > 0) {
      const name = names.find((candidate) => snapshotLsn(candidate) === this.snapshots[0]) as string;
      if (!names.some((candidate) => segmentLsn(candidate) >= 0))
        throw new CorruptionError(name, 0, "there is a snapshot but no log");
      this.snapshotLsn = this.snapshots[0];
      const take = (body: Viewed, at: number, length: number): void => this.apply(body, at, length, 0);
      this.snapshot = new SnapshotReader(disk, name, take, (body, at, count) => this.announced(body, at, count));
      this.snapshotBytes = this.snapshot.totalBytes;
    } else this.openWal();
  }

  /** A snapshot is in no order of hashes: each record waits for memory far away. Mostly they are of one database. */
  private announced(body: Viewed, starts: Int32Array, count: number): void {
    const { keysAhead } = this;
    for (let i = 0; i < count; i++) {
      keysAhead.at[i] = starts[i] + keyOffset(body, starts[i]);
      keysAhead.length[i] = keyLength(body, starts[i]);
    }
    keysAhead.count = count;
    this.store.table.fetchAhead(body[starts[0] + 4] >>> 4, body, keysAhead, true);
  }

  private openWal(): void {
    this.wal = new WalReader(this.disk, this.snapshotLsn + 1, (body, at, length, lsn) =>
      this.apply(body, at, length, lsn),
    );
  }

  /**
   * Of the log's first segment what is not behind the snapshot's start is passed over: the snapshot's walk began after it, and its header has the
   * clock and the ceilings (storage/registers.ts, highestHlc). It would do no harm, but each old flush would cost a walk over all keys.
   * @param lsn 0: from the snapshot.
   */
  private apply(body: Viewed, at: number, length: number, lsn: number): void {
    if (lsn > 0 && lsn <= this.snapshotLsn) return;
    const { hlc, table, usage } = this.store;
    if (this.registers !== undefined) this.registers.replay(body, at, length, lsn);
    else if (!this.flushed(body, at)) replay(table, hlc, body, at, length, lsn, usage.fresh());
    this.records++;
  }

  /**
   * FLUSHALL and FLUSHDB, where nothing that was read so far is newer: the databases are empty at once, as when it ran, and their memory goes step by
   * step. A snapshot that was under way may hold newer keys: then they are gone through one by one. @returns whether it was one, and is done.
   */
  private flushed(body: Viewed, at: number): boolean {
    const hlc = hlcOf(body, at);
    const older = this.highestHlc < hlc;
    if (older) this.highestHlc = hlc;
    if ((body[at + 4] & 15) !== TYPE_FLUSH || !older) return false;
    this.store.hlc.witness(hlc);
    const only = keyLength(body, at) > 0 ? -1 : body[at + 4] >>> 4;
    for (let db = 0; db < DATABASES; db++) if (only < 0 || db === only) this.store.detach(db, 0);
    return true;
  }

  /**
   * Load a block or a batch, or clean up behind those before: each state of a key that the log overwrites would lie about until the end, and
   * what a node held in its memory would not fit in again. @returns false when everything is loaded.
   * @throws CorruptionError, FormatError
   */
  step(): boolean {
    const { detached, table } = this.store;
    if (table.releaseDropped() || detached.free(() => true) || this.clean()) return true;
    if (this.snapshot !== undefined) {
      const more = this.snapshot.step();
      table.ahead.forget();
      if (more) return true;
      this.store.hlc.witness(this.snapshot.hlc);
      this.registers?.witness(this.snapshot.hlc);
      this.snapshot = undefined;
      this.openWal();
      return true;
    }
    const wal = this.wal as WalReader;
    if (wal.step()) return true;
    this.refuseShort(wal);
    return false;
  }

  private clean(): boolean {
    if (!this.cleaner.wanted()) return false;
    let left = CLEANING_STEPS;
    return this.cleaner.run(() => --left <= 0);
  }

  /** Let go of the file: for those who do not read to the end. */
  close(): void {
    this.snapshot?.close();
    this.wal?.close();
  }

  /** A snapshot gets its name when the log that it leans on is on the disk: a log that ends before it has lost records. */
  private refuseShort(wal: WalReader): void {
    if (wal.nextLsn > this.snapshotLsn) return;
    const { name } = wal.segments[wal.segments.length - 1];
    throw new CorruptionError(
      name,
      wal.end,
      `the log ends at LSN ${wal.nextLsn - 1}, before the snapshot of LSN ${this.snapshotLsn}`,
    );
  }

  /** Bytes to be read, as far as known: the log's are counted once the snapshot is through. */
  totalBytes(): number {
    return this.snapshotBytes + (this.wal?.totalBytes ?? 0);
  }

  /** 0 to 1. */
  progress(): number {
    const read = (this.snapshot?.readBytes ?? this.snapshotBytes) + (this.wal?.readBytes ?? 0);
    const total = this.totalBytes();
    return total === 0 ? 1 : Math.min(1, read / total);
  }

  /** Mend the log's end and say where it is. To be called once, after step() said false. */
  finish(): WalEnd {
    const wal = this.wal as WalReader;
    const last = wal.segments[wal.segments.length - 1];
    if (last !== undefined) {
      if (wal.tornFrom >= 0) {
        this.droppedBytes = wal.tornTo - wal.tornFrom;
        this.drop(last.name, wal.tornFrom, wal.tornTo);
      }
      for (const { position, byte } of wal.missing)
        this.overwrite(last.name, (file) => this.disk.write(file, Buffer.from([byte]), 0, 1, position));
      if (wal.uncertainFrom < wal.end) this.rewrite(last.name, wal.uncertainFrom, wal.end);
    }
    let bytes = 0;
    for (const segment of wal.segments) bytes += segment.bytes;
    return {
      nextLsn: Math.max(wal.nextLsn, this.snapshotLsn + 1),
      lastCrc: wal.lastCrc,
      bytes,
      lastBytes: wal.end,
      segments: this.allSegments(wal),
    };
  }

  /** Segments that were read, and older ones that an older snapshot still needs. */
  private allSegments(wal: WalReader): WalEnd["segments"] {
    const known = new Set(wal.segments.map((segment) => segment.name));
    const older = this.disk
      .list()
      .filter((name) => segmentLsn(name) >= 0 && !known.has(name))
      .sort();
    return [...older.map((name) => ({ name, firstLsn: segmentLsn(name), bytes: this.sizeOf(name) })), ...wal.segments];
  }

  private sizeOf(name: string): number {
    const file = this.disk.open(name, { readonly: true });
    const bytes = this.disk.size(file);
    this.disk.close(file);
    return bytes;
  }

  private overwrite(name: string, write: (file: FileHandle) => void): void {
    const file = this.disk.open(name, { durable: true });
    try {
      write(file);
    } finally {
      this.disk.close(file);
    }
  }

  /**
   * Zeros over a torn end, in an order that leaves a torn end wherever it is cut: it begins as a batch does until all else is gone,
   * and has lost the stamp of its first sector before anything else. The rest of that sector goes after all behind it: as long as its header
   * is there, nothing behind it is taken for one.
   */
  private drop(name: string, from: number, tornTo: number): void {
    this.overwrite(name, (file) => {
      const to = Math.min(tornTo, this.disk.size(file));
      const firstTo = Math.min(from + SECTOR_BYTES, to);
      const zeros = Buffer.alloc(Math.min(COPY_BYTES, to - from));
      this.disk.write(file, Buffer.from([BATCH_FIRST_BYTE]), 0, 1, from);
      if (from + SECTOR_BYTES <= to) this.disk.write(file, zeros, 0, SECTOR_BYTES - STAMP_AT, from + STAMP_AT);
      for (let at = firstTo; at < to; at += zeros.length) {
        this.disk.write(file, zeros, 0, Math.min(zeros.length, to - at), at);
      }
      this.disk.write(file, zeros, 0, firstTo - from - 1, from + 1);
      this.disk.write(file, zeros, 0, 1, from);
    });
  }

  private rewrite(name: string, from: number, to: number): void {
    this.overwrite(name, (writer) => {
      const reader = this.disk.open(name, { readonly: true });
      try {
        const chunk = Buffer.alloc(Math.min(COPY_BYTES, to - from));
        for (let at = from; at < to; at += chunk.length) {
          const length = Math.min(chunk.length, to - at);
          this.disk.read(reader, chunk, 0, length, at);
          this.disk.write(writer, chunk, 0, length, at);
        }
      } finally {
        this.disk.close(reader);
      }
    });
  }
}
