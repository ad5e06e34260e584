/**
 * storage/log-cursor.ts: reads the log of a running node from a position on, a piece at a time: what a peer missed is shipped from here.
 * Where the log can be read is what its writer says (Wal.extent): up to the end of the last durable batch nothing is written to again. What
 * stands there must be whole: anything else is damage of the disk, found early.
 *
 * Invariants: states are handed out in the order of the log, each once, none from behind the durable position; a call does as much as it was
 * allowed, and at least goes on. A segment that was deleted meanwhile is told, never passed over.
 * Price: a batch is checked as a whole, so it is in memory as a whole, and reading blocks: a window of 256 KiB, or a piece of a large batch, most
 * of the time from the system's memory. To find its place the cursor reads the headers of one segment from its beginning.
 */
import { checkBody, isStateType } from "../codec/record/record.js";
import { crc32 } from "../lib/crc.js";
import { CorruptionError } from "../lib/errors.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import type { LogExtent, SegmentInfo } from "./log.js";
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  decodeBatchHeader,
  lastLsnOf,
  SECTOR_BYTES,
  STAMP_AT,
  unstamp,
} from "./wal-format.js";

const WINDOW_BYTES: number = 256 * 1024;
/** Of a batch that is larger, between two looks at whether the call has done its share. */
const PIECE_BYTES: number = 1024 * 1024;
const NOTHING: Buffer = Buffer.alloc(0);

/** more: the call has done its share; end: nothing durable is left; gone: the log does not reach back to `nextLsn` any more. */
export type CursorState = "more" | "end" | "gone";

/** @param body borrowed until it returns: one record, a state of a key. */
export type TakeRecord = (lsn: number, body: Buffer, at: number, length: number) => void;

export class LogCursor {
  /** Everything before it was handed out. */
  nextLsn: number;
  private readonly disk: Disk;
  private readonly extent: () => LogExtent;
  private segment: SegmentInfo | undefined;
  private file: FileHandle = -1;
  /** Where the next batch begins in the segment, and the LSN that it must have. */
  private position = 0;
  private batchLsn = 0;
  /** Where what may be read ends in it: behind that it is still being written. */
  private limit = 0;
  private window: Buffer = NOTHING;
  private windowAt = 0;
  private windowBytes = 0;
  /** Records of the batch at hand that are not handed out yet, in the window, and the LSN of the first of them. */
  private bodyAt = 0;
  private bodyEnd = 0;
  private bodyLsn = 0;
  /** The large batch under way, how much of it was read, its crc so far, and where the next of its content goes in the window. */
  private loading: BatchHeader | undefined;
  private loaded = 0;
  private crc = 0;
  private contentTo = 0;

  /** @param extent the log as it is now. @param fromLsn of the first record that is wanted. */
  constructor(disk: Disk, extent: () => LogExtent, fromLsn: number) {
    this.disk = disk;
    this.extent = extent;
    this.nextLsn = fromLsn;
  }

  /**
   * Hand out records, until they have `bytesMax` bytes or `done()` says so, which is asked after each record, and each batch or piece of one.
   * @throws CorruptionError: the log is damaged; the disk's errors.
   */
  read(bytesMax: number, done: () => boolean, take: TakeRecord): CursorState {
    const extent = this.extent();
    const [oldest] = extent.segments;
    if (oldest === undefined || this.nextLsn < oldest.firstLsn) {
      this.close();
      return "gone";
    }
    let bytes = 0;
    do {
      if (this.bodyAt < this.bodyEnd) bytes += this.takeOne(take);
      else if (this.loading !== undefined) this.loadOn(this.loading);
      else if (this.nextLsn > extent.lsn) return "end";
      else this.nextBatch(extent);
    } while (bytes < bytesMax && !done());
    return "more";
  }

  /** @returns the bytes that were handed out. */
  private takeOne(take: TakeRecord): number {
    const at = this.bodyAt;
    const length = checkBody(this.window, at, this.bodyEnd);
    if (length < 0) throw this.corrupt(`record ${this.bodyLsn} is malformed`);
    const lsn = this.bodyLsn++;
    this.bodyAt += length;
    if (lsn < this.nextLsn) return 0;
    this.nextLsn = lsn + 1;
    if (!isStateType(this.window[at + 4] & 15)) return 0;
    take(lsn, this.window, at, length);
    return length;
  }

  /** Go on by a batch: its records are at hand then, if any of them is wanted. */
  private nextBatch(extent: LogExtent): void {
    if (this.segment === undefined) this.open(segmentOf(extent, this.nextLsn));
    else {
      const next = extent.segments.find(({ firstLsn }) => firstLsn > (this.segment as SegmentInfo).firstLsn);
      if (next !== undefined && next.firstLsn === this.batchLsn) this.open(next);
    }
    const { firstLsn, bytes } = this.segment as unknown as SegmentInfo;
    this.limit = firstLsn === extent.segments.at(-1)?.firstLsn ? extent.lastBytes : bytes;
    const header = this.header();
    const lastLsn = lastLsnOf(header);
    if (lastLsn >= this.nextLsn && header.count > 0) {
      this.load(header);
      if (this.loading !== undefined) return;
    }
    if (header.count === 0 && lastLsn >= this.nextLsn) this.nextLsn = lastLsn + 1;
    this.passBy(header);
  }

  private passBy(header: BatchHeader): void {
    this.position += header.sectors * SECTOR_BYTES;
    this.batchLsn = lastLsnOf(header) + 1;
  }

  private open(segment: SegmentInfo): void {
    this.close();
    this.file = this.disk.open(segment.name, { readonly: true });
    this.segment = segment;
    this.position = SECTOR_BYTES;
    this.batchLsn = segment.firstLsn;
  }

  private header(): BatchHeader {
    const have = this.fill(SECTOR_BYTES);
    const header = have < SECTOR_BYTES ? undefined : decodeBatchHeader(this.window, this.position - this.windowAt);
    if (header === undefined || header.firstLsn !== this.batchLsn || header.sectors === 0)
      throw this.corrupt("there is no batch where one was written");
    return header;
  }

  private load(header: BatchHeader): void {
    const bytes = header.sectors * SECTOR_BYTES;
    const fits = this.position + bytes <= this.limit;
    if (!fits || header.contentBytes > header.sectors * STAMP_AT - BATCH_HEADER_BYTES) throw this.tooLong();
    if (bytes > PIECE_BYTES) {
      this.window = Buffer.allocUnsafeSlow(bytes);
      this.windowAt = this.position;
      this.windowBytes = 0;
      this.loading = header;
      this.loaded = 0;
      this.crc = 0;
      this.contentTo = 0;
      return;
    }
    if (this.fill(bytes) < bytes) throw this.tooLong();
    const at = this.position - this.windowAt;
    if (crc32(this.window.subarray(at + BATCH_HEADER_BYTES, at + bytes)) !== header.bodyCrc)
      throw this.corrupt("a batch is damaged");
    this.bodyEnd = unstamp(this.window, at, header);
    this.bodyAt = at + BATCH_HEADER_BYTES;
    this.bodyLsn = header.firstLsn;
  }

  /** A piece more of a large batch; its records are at hand once all of it is there. */
  private loadOn(header: BatchHeader): void {
    const { window, loaded } = this;
    const bytes = Math.min(PIECE_BYTES, window.length - loaded);
    if (this.disk.read(this.file, window, loaded, bytes, this.position + loaded) < bytes) throw this.tooLong();
    this.crc = crc32(window.subarray(Math.max(BATCH_HEADER_BYTES, loaded), loaded + bytes), this.crc);
    for (let at = loaded; at < loaded + bytes; at += SECTOR_BYTES) {
      window.copyWithin(this.contentTo, at, at + STAMP_AT);
      this.contentTo += STAMP_AT;
    }
    this.loaded += bytes;
    if (this.loaded < window.length) return;
    if (this.crc !== header.bodyCrc) throw this.corrupt("a batch is damaged");
    this.loading = undefined;
    this.bodyAt = BATCH_HEADER_BYTES;
    this.bodyEnd = BATCH_HEADER_BYTES + header.contentBytes;
    this.bodyLsn = header.firstLsn;
    this.passBy(header);
  }

  private tooLong(): CorruptionError {
    return this.corrupt("a batch says that it is longer than it is");
  }

  /** Have at least `bytes` from `position` on in the window. @returns bytes there. */
  private fill(bytes: number): number {
    if (this.windowBytes > 0 && this.windowAt + this.windowBytes - this.position >= bytes) return bytes;
    const readable = Math.max(0, Math.min(Math.max(WINDOW_BYTES, bytes), this.limit - this.position));
    // Not larger than what there is to read: a peer is mostly behind by little. A window that an outsized batch needed goes with it.
    if (this.window.length < readable || this.window.length > Math.max(WINDOW_BYTES, readable))
      this.window = Buffer.allocUnsafeSlow(readable);
    this.windowAt = this.position;
    this.windowBytes = this.disk.read(this.file, this.window, 0, readable, this.position);
    return this.windowBytes;
  }

  private corrupt(what: string): CorruptionError {
    const name = this.segment?.name ?? "wal";
    this.close();
    return new CorruptionError(name, this.position, what);
  }

  /** Let go of the file. read() may be called again: it looks for its place anew. */
  close(): void {
    if (this.file !== -1) this.disk.close(this.file);
    this.file = -1;
    this.segment = undefined;
    this.bodyAt = 0;
    this.bodyEnd = 0;
    this.loading = undefined;
    this.window = NOTHING;
    this.windowBytes = 0;
  }
}

/** The last segment that begins at or before `lsn`. */
function segmentOf({ segments }: LogExtent, lsn: number): SegmentInfo {
  let found = segments[0] as SegmentInfo;
  for (const segment of segments) if (segment.firstLsn <= lsn) found = segment;
  return found;
}
