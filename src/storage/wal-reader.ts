/**
 * storage/wal-reader.ts: reads the log from the first segment needed to its end, in steps, and says what the end is.
 *
 * The end is one of: clean (zeros up to the end of the last segment), torn (a batch was never known durable and at least one
 * of its sectors was not written to its end: it is dropped with all that stands behind it), or anything else, which is corruption: do not serve, do not
 * truncate. A batch that lacks nothing but half a stamp is whole (`completeStamp`).
 * A file that is shorter than it was laid out is corrupt, wherever it was cut: a whole batch before the cut says nothing of those behind it.
 * Never known durable: no batch header anywhere behind it says that its records were synced. Segments but the last one have no
 * torn end, since a segment is synced before the next one is begun; a sealed log has none either.
 * Reading changes nothing on disk; storage/recovery.ts mends (drops a torn end, makes an uncertain one durable again).
 */
import { checkBody } from "../codec/record/record.js";
import { crc32 } from "../lib/crc.js";
import { CorruptionError, FormatError } from "../lib/errors.js";
import { type Viewed, viewedOf } from "../lib/view.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import type { SegmentInfo } from "./log.js";
import {
  BATCH_FIRST_BYTE,
  BATCH_HEADER_BYTES,
  BATCH_OPEN,
  BATCH_SEAL,
  type BatchHeader,
  decodeBatchHeader,
  decodeSegmentHeader,
  laidOutInFull,
  lastLsnOf,
  SECTOR_BYTES,
  STAMP_AT,
  sectorState,
  segmentLsn,
  unstamp,
  WAL_VERSION,
} from "./wal-format.js";

const WINDOW_BYTES = 1 << 20;
/** The end of a log is mostly zeros: they are looked at in runs as long as this. */
const ZEROS: Buffer = Buffer.alloc(64 * 1024);

/** Called per record, in order. `body` is borrowed until it returns. */
export type ApplyRecord = (body: Viewed, at: number, length: number, lsn: number) => void;

/** Called per batch: what `kvorum inspect wal` prints. */
export type SeeBatch = (segment: string, offsetBytes: number, header: BatchHeader) => void;

interface MissingByte {
  readonly segment: string;
  readonly position: number;
  readonly byte: number;
  /** Of the batch it belongs to. */
  readonly lastLsn: number;
}

export class WalReader {
  nextLsn: number;
  lastCrc = 0;
  sealed = false;
  readonly segments: SegmentInfo[] = [];
  /** Where the torn last batch begins and ends in the last segment; -1 = the end is clean. */
  tornFrom = -1;
  tornTo = -1;
  /** Where batches of unknown durability begin in the last segment, and where the last whole batch ends. */
  uncertainFrom = 0;
  end = 0;
  /** In the last segment: second bytes of stamps that were never written, and what belongs there. */
  readonly missing: MissingByte[] = [];
  /** Bytes read and to be read, for progress. */
  readBytes = 0;
  totalBytes = 0;
  onBatch: SeeBatch | undefined;

  private readonly disk: Disk;
  private readonly apply: ApplyRecord;
  private names: string[];
  private segmentIndex = -1;
  private file: FileHandle = -1;
  private fileBytes = 0;
  private window: Viewed = viewedOf(SECTOR_BYTES);
  private windowAt = 0;
  private windowBytes = 0;
  private position = 0;
  private syncedLsn = 0;
  /** Batches in the current segment, in order; those from `firstUncertain` on no header seen so far calls durable. */
  private uncertain: { position: number; lastLsn: number }[] = [];
  private firstUncertain = 0;

  /** @param fromLsn first LSN that is needed: earlier segments are not read (a snapshot holds what they hold). */
  constructor(disk: Disk, fromLsn: number, apply: ApplyRecord) {
    this.disk = disk;
    this.apply = apply;
    const names = disk
      .list()
      .filter((name) => segmentLsn(name) >= 0)
      .sort();
    let first = 0;
    while (first + 1 < names.length && segmentLsn(names[first + 1]) <= fromLsn) first++;
    this.names = names.slice(first);
    this.nextLsn = names.length === 0 ? fromLsn : segmentLsn(this.names[0]);
    if (names.length > 0 && this.nextLsn > fromLsn) {
      throw new CorruptionError(
        this.names[0],
        0,
        `records ${fromLsn} to ${this.nextLsn - 1} are missing: a log segment is gone`,
      );
    }
    for (const name of this.names) this.totalBytes += this.sizeOf(name);
  }

  private sizeOf(name: string): number {
    const file = this.disk.open(name, { readonly: true });
    const bytes = this.disk.size(file);
    this.disk.close(file);
    return bytes;
  }

  /** Read on for a batch or so. @returns false when the end was reached. After an error nothing is open. */
  step(): boolean {
    try {
      return this.readOn();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Let go of the file: for those who do not read to the end. */
  close(): void {
    if (this.file !== -1) this.disk.close(this.file);
    this.file = -1;
  }

  private readOn(): boolean {
    if (this.file === -1) return this.openNext();
    const header = this.peekHeader();
    if (header === undefined || !this.chains(header) || !this.loadBatch(header)) return this.endOfSegment(header);
    this.takeBatch(header);
    return true;
  }

  private openNext(): boolean {
    this.segmentIndex++;
    if (this.segmentIndex >= this.names.length) return false;
    const name = this.names[this.segmentIndex];
    this.file = this.disk.open(name, { readonly: true });
    this.fileBytes = this.disk.size(this.file);
    this.windowAt = 0;
    this.windowBytes = 0;
    this.position = 0;
    this.fill(SECTOR_BYTES);
    const header = decodeSegmentHeader(this.window.subarray(0, Math.min(SECTOR_BYTES, this.windowBytes)));
    if (header === undefined) throw new CorruptionError(name, 0, "not a log segment");
    if (header.version > WAL_VERSION) throw new FormatError(name, header.version, WAL_VERSION);
    if (header.firstLsn !== segmentLsn(name)) throw new CorruptionError(name, 16, "its name and its header disagree");
    if (this.fileBytes < header.fileBytes && laidOutInFull(header))
      throw new CorruptionError(name, this.fileBytes, `it was cut off: it had ${header.fileBytes} bytes`);
    const first = this.segmentIndex === 0;
    // A segment is synced before the next is begun.
    this.refuseMissing(Number.POSITIVE_INFINITY);
    if (!first && (header.firstLsn !== this.nextLsn || header.prevCrc !== this.lastCrc)) {
      throw new CorruptionError(
        name,
        16,
        `it does not continue the segment before it: records from ${this.nextLsn} on are missing`,
      );
    }
    if (first) this.lastCrc = header.prevCrc;
    this.segments.push({ name, firstLsn: header.firstLsn, bytes: this.fileBytes });
    this.position = SECTOR_BYTES;
    this.end = SECTOR_BYTES;
    this.uncertain = [];
    this.firstUncertain = 0;
    return true;
  }

  /** Have at least `bytes` from `position` on in the window, as far as the file goes. @returns bytes there. */
  private fill(bytes: number): number {
    const have = this.windowAt + this.windowBytes - this.position;
    if (have >= bytes) return have;
    const useful = Math.max(bytes, Math.min(WINDOW_BYTES, this.fileBytes - this.position));
    if (useful > this.window.length) this.window = viewedOf(useful);
    const want = Math.min(this.window.length, Math.max(0, this.fileBytes - this.position));
    this.windowAt = this.position;
    this.windowBytes = this.disk.read(this.file, this.window, 0, want, this.position);
    this.readBytes += this.windowBytes;
    return this.windowBytes;
  }

  private peekHeader(): BatchHeader | undefined {
    if (this.fill(SECTOR_BYTES) < SECTOR_BYTES) return undefined;
    return decodeBatchHeader(this.window, this.position - this.windowAt);
  }

  private chains(header: BatchHeader): boolean {
    if (header.firstLsn !== this.nextLsn || header.prevCrc !== this.lastCrc || header.sectors === 0) return false;
    return !this.sealed || (header.flags & BATCH_OPEN) !== 0;
  }

  /** The whole batch into the window. @returns whether it is there and its crc is right. */
  private loadBatch(header: BatchHeader): boolean {
    const bytes = header.sectors * SECTOR_BYTES;
    // Never allocate by a declared length: it must fit what the file still has.
    if (bytes > this.fileBytes - this.position || this.fill(bytes) < bytes) return false;
    const at = this.position - this.windowAt;
    return this.bodyIsRight(header, at, bytes) || this.completeStamp(header, at, bytes);
  }

  private bodyIsRight(header: BatchHeader, at: number, bytes: number): boolean {
    return crc32(this.window.subarray(at + BATCH_HEADER_BYTES, at + bytes)) === header.bodyCrc;
  }

  /**
   * A write that ended between the two bytes of a stamp looks like a written batch with that byte damaged: torn or not, nothing but
   * this byte is missing, and the header knows it. The checksum says whether it is so.
   */
  private completeStamp(header: BatchHeader, at: number, bytes: number): boolean {
    let missing = -1;
    for (let last = at + SECTOR_BYTES - 1; last < at + bytes; last += SECTOR_BYTES) {
      if (this.window[last] !== 0) continue;
      if (missing >= 0) return false;
      missing = last;
    }
    if (missing < 0) return false;
    const byte = header.stamp >>> 8;
    this.window[missing] = byte;
    if (!this.bodyIsRight(header, at, bytes)) {
      this.window[missing] = 0;
      return false;
    }
    const segment = this.names[this.segmentIndex];
    this.missing.push({ segment, position: this.windowAt + missing, byte, lastLsn: lastLsnOf(header) });
    return true;
  }

  /** What is known to have been on the disk had its stamps. */
  private refuseMissing(durableLsn: number): void {
    for (const { segment, position, lastLsn } of this.missing)
      if (lastLsn <= durableLsn)
        throw new CorruptionError(segment, position, "a batch that is known to have been durable is damaged");
  }

  private takeBatch(header: BatchHeader): void {
    const name = this.names[this.segmentIndex];
    this.onBatch?.(name, this.position, header);
    const bytes = header.sectors * SECTOR_BYTES;
    if (header.contentBytes > header.sectors * STAMP_AT - BATCH_HEADER_BYTES) {
      throw new CorruptionError(name, this.position, "a batch says that it is longer than its sectors");
    }
    const lastLsn = lastLsnOf(header);
    if (header.durableLsn > this.syncedLsn) this.syncedLsn = header.durableLsn;
    this.refuseMissing(this.syncedLsn);
    this.noteUncertain(lastLsn);
    const at = this.position - this.windowAt;
    const contentEnd = unstamp(this.window, at, header);
    let body = at + BATCH_HEADER_BYTES;
    for (let i = 0; i < header.count; i++) {
      const length = checkBody(this.window, body, contentEnd);
      if (length < 0) throw new CorruptionError(name, this.position, `record ${header.firstLsn + i} is malformed`);
      this.apply(this.window, body, length, header.firstLsn + i);
      body += length;
    }
    if (body !== contentEnd) throw new CorruptionError(name, this.position, "bytes left over in a batch");
    // The window's copy is no longer what the file holds (stamps are out): do not look at it again.
    this.position += bytes;
    this.end = this.position;
    this.nextLsn = lastLsn + 1;
    this.lastCrc = header.headerCrc;
    this.sealed = (header.flags & BATCH_SEAL) !== 0;
  }

  /** Under everysec and no there are as many as a segment has batches: no look at all of them for each. */
  private noteUncertain(lastLsn: number): void {
    const { uncertain } = this;
    while (this.firstUncertain < uncertain.length && uncertain[this.firstUncertain].lastLsn <= this.syncedLsn)
      this.firstUncertain++;
    // All that are certain are forgotten at once: with a log synced batch by batch the list stays short.
    if (this.firstUncertain === uncertain.length) {
      uncertain.length = 0;
      this.firstUncertain = 0;
    }
    uncertain.push({ position: this.position, lastLsn });
  }

  private endOfSegment(header: BatchHeader | undefined): boolean {
    const name = this.names[this.segmentIndex];
    const last = this.segmentIndex === this.names.length - 1;
    const chained = header !== undefined && this.chains(header) ? header : undefined;
    const lastNonZero = this.scanTail();
    if (lastNonZero >= 0) {
      if (!last) throw new CorruptionError(name, this.position, "an invalid batch before the end of the log");
      if (this.sealed && !this.isFirstMark(lastNonZero))
        throw new CorruptionError(name, this.position, "something follows the seal of a clean stop");
      this.requireTorn(name, chained, lastNonZero);
      this.tornFrom = this.position;
      this.tornTo = lastNonZero + SECTOR_BYTES;
    } else if (chained !== undefined) {
      throw new CorruptionError(name, this.position, "a batch that contradicts itself");
    }
    this.uncertainFrom = this.uncertain[this.firstUncertain]?.position ?? this.end;
    this.close();
    return this.openNext();
  }

  /** The start after a clean stop begins a segment with a mark of one sector: that write may be torn like any other. */
  private isFirstMark(lastNonZero: number): boolean {
    return this.position === SECTOR_BYTES && lastNonZero === SECTOR_BYTES;
  }

  private sector: Buffer = Buffer.alloc(0);
  private sectorAt = -1;
  private sectorBytes = 0;

  /** One sector of the current file; shorter at the end of the file. */
  private readSector(at: number): Buffer {
    return this.readRun(at).subarray(0, SECTOR_BYTES);
  }

  /** A sector and what is at hand behind it, as many bytes as ZEROS has at most, through a window of its own. */
  private readRun(at: number): Buffer {
    if (this.sectorAt < 0 || at < this.sectorAt || at + SECTOR_BYTES > this.sectorAt + this.sectorBytes) {
      this.sectorAt = at;
      const want = Math.min(WINDOW_BYTES, this.fileBytes - at);
      if (this.sector.length < want) this.sector = Buffer.allocUnsafeSlow(want);
      this.sectorBytes = this.disk.read(this.file, this.sector, 0, want, at);
    }
    const from = at - this.sectorAt;
    return this.sector.subarray(from, Math.min(from + ZEROS.length, this.sectorBytes));
  }

  /** @returns the position of the last sector from here on that is not all zeros, or -1. */
  private scanTail(): number {
    this.sectorAt = -1;
    let found = -1;
    for (let at = this.position; at < this.fileBytes; ) {
      const run = this.readRun(at);
      if (run.compare(ZEROS, 0, run.length) !== 0) found = at + lastNonZeroSector(run);
      at += run.length;
    }
    return found;
  }

  /** Is what stands at the end the remains of writes that were under way? Else it is corruption. */
  private requireTorn(name: string, header: BatchHeader | undefined, lastNonZero: number): void {
    const declaredEnd =
      header === undefined ? lastNonZero + SECTOR_BYTES : this.position + header.sectors * SECTOR_BYTES;
    let unwritten = declaredEnd > this.fileBytes || lastNonZero < declaredEnd - SECTOR_BYTES ? 1 : 0;
    // A write goes from its start on. Where one began here, anything may be left behind it; else each has its own beginning.
    const [first] = this.readSector(this.position);
    const begun = first === BATCH_FIRST_BYTE;
    let inWrite = begun;
    // What looks like a header before that is a value's: clients write what they like.
    let contentTo = header === undefined ? this.position : declaredEnd;
    for (let at = this.position; at <= lastNonZero; at += SECTOR_BYTES) {
      const sector = this.readSector(at);
      const state = sectorState(sector);
      if (state === "unwritten" && at < declaredEnd) unwritten++;
      if (sector.every((byte) => byte === 0)) {
        inWrite = begun;
        continue;
      }
      if (at >= contentTo && isBegun(sector)) contentTo = Number.POSITIVE_INFINITY;
      const later = at < contentTo ? undefined : decodeBatchHeader(sector, 0);
      if (later !== undefined && later.durableLsn >= this.nextLsn) {
        throw new CorruptionError(name, this.position, `a batch that is known to have been durable is damaged`);
      }
      const stray = at === this.position ? !begun : state !== "written" && !inWrite && sector[0] !== BATCH_FIRST_BYTE;
      if (stray) throw new CorruptionError(name, at, "bytes where nothing was written");
      inWrite = true;
    }
    if (unwritten === 0) throw new CorruptionError(name, this.position, "the last batch is damaged");
  }
}

/** Where the last sector that is not all zeros begins in a run that has one. */
function lastNonZeroSector(run: Buffer): number {
  let last = run.length - 1;
  while (run[last] === 0) last--;
  return last & ~(SECTOR_BYTES - 1);
}

/** Does it begin a batch that was being written in pieces, or one that recovery was dropping? Nothing but that batch lies behind it. */
function isBegun(sector: Buffer): boolean {
  if (sector[0] !== BATCH_FIRST_BYTE || sectorState(sector) !== "unwritten") return false;
  return sector.subarray(4, BATCH_HEADER_BYTES).every((byte) => byte === 0);
}
