/**
 * storage/snapshot-reader.ts: reads a snapshot in steps of one block. Every byte of the file is covered by a crc or has to be
 * what it is; whatever is not, is corruption.
 */
import { checkBody, readU32 } from "../codec/record/record.js";
import { CorruptionError, FormatError } from "../lib/errors.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import {
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  blockCrc,
  decodeFooter,
  decodeSnapshotHeader,
  extendDigest,
  FOOTER_BYTES,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_VERSION,
  snapshotLsn,
} from "./snapshot-format.js";

const WINDOW_BYTES = 1 << 20;
/** Records that are announced together: what a block's bytes say of them is near, what a table knows of their keys is far. */
export const ANNOUNCED_MAX = 64;

export type TakeRecord = (body: Viewed, at: number, length: number) => void;
/** The first `count` of `at` are where the records begin that are taken next, in this order. */
export type Announce = (body: Viewed, at: Int32Array, count: number) => void;

export class SnapshotReader {
  readonly startLsn: number;
  hlc: number;
  records = 0;
  readBytes = 0;
  readonly totalBytes: number;
  private readonly disk: Disk;
  private readonly name: string;
  private readonly apply: TakeRecord;
  private readonly announce: Announce | undefined;
  private readonly starts: Int32Array = new Int32Array(ANNOUNCED_MAX + 1);
  private file: FileHandle;
  private window: Viewed = viewed(Buffer.alloc(0));
  private windowAt = 0;
  private windowBytes = 0;
  private position = 0;
  private blocks = 0;
  private digest = 0;

  constructor(disk: Disk, name: string, apply: TakeRecord, announce?: Announce) {
    this.disk = disk;
    this.name = name;
    this.apply = apply;
    this.announce = announce;
    this.file = disk.open(name, { readonly: true });
    try {
      this.totalBytes = disk.size(this.file);
      const header = this.readHeader();
      this.startLsn = header.startLsn;
      this.hlc = header.hlc;
    } catch (error) {
      this.close();
      throw error;
    }
    this.position = SNAPSHOT_HEADER_BYTES;
  }

  private readHeader(): NonNullable<ReturnType<typeof decodeSnapshotHeader>> {
    const { name } = this;
    if (this.fill(SNAPSHOT_HEADER_BYTES) < SNAPSHOT_HEADER_BYTES) throw this.corrupt("the header is cut off");
    const header = decodeSnapshotHeader(this.window.subarray(0, SNAPSHOT_HEADER_BYTES));
    if (header === undefined) throw this.corrupt("not a snapshot");
    if (header.version !== SNAPSHOT_VERSION) throw new FormatError(name, header.version, SNAPSHOT_VERSION);
    if (header.startLsn !== snapshotLsn(name)) throw this.corrupt("its name and its header disagree");
    return header;
  }

  private corrupt(what: string): CorruptionError {
    return new CorruptionError(this.name, this.position, what);
  }

  private fill(bytes: number): number {
    const have = this.windowAt + this.windowBytes - this.position;
    if (have >= bytes) return have;
    const useful = Math.max(bytes, Math.min(WINDOW_BYTES, this.totalBytes - this.position));
    if (useful > this.window.length) this.window = viewedOf(useful);
    const want = Math.min(this.window.length, this.totalBytes - this.position);
    this.windowAt = this.position;
    this.windowBytes = this.disk.read(this.file, this.window, 0, want, this.position);
    this.readBytes = this.position + this.windowBytes;
    return this.windowBytes;
  }

  /** Read one block. @returns false when the footer was reached and everything agreed. Then, and after an error, nothing is open. */
  step(): boolean {
    try {
      return this.readBlock();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private readBlock(): boolean {
    if (this.fill(BLOCK_HEADER_BYTES) < BLOCK_HEADER_BYTES) throw this.corrupt("the file is cut off");
    let at = this.position - this.windowAt;
    if (readU32(this.window, at) !== BLOCK_MAGIC) return this.readFooter();
    const bytes = readU32(this.window, at + 4);
    const count = readU32(this.window, at + 8);
    const whole = BLOCK_HEADER_BYTES + bytes;
    if (whole > this.totalBytes - this.position || this.fill(whole) < whole) throw this.corrupt("a block is cut off");
    at = this.position - this.windowAt;
    const crc = readU32(this.window, at + 12);
    if (blockCrc(this.window, at, bytes) !== crc) throw this.corrupt("a block's checksum is wrong");
    this.digest = extendDigest(this.digest, crc);
    let body = at + BLOCK_HEADER_BYTES;
    const end = at + whole;
    for (let left = count; left > 0; left -= ANNOUNCED_MAX)
      body = this.takeRecords(body, end, Math.min(left, ANNOUNCED_MAX));
    if (body !== end) throw this.corrupt("bytes left over in a block");
    this.blocks++;
    this.records += count;
    this.position += whole;
    return true;
  }

  /** @returns where they end. */
  private takeRecords(from: number, end: number, count: number): number {
    const { starts, window } = this;
    starts[0] = from;
    for (let i = 0; i < count; i++) {
      const length = checkBody(window, starts[i], end);
      if (length < 0) throw this.corrupt("a record is malformed");
      starts[i + 1] = starts[i] + length;
    }
    this.announce?.(window, starts, count);
    for (let i = 0; i < count; i++) this.apply(window, starts[i], starts[i + 1] - starts[i]);
    return starts[count];
  }

  private readFooter(): boolean {
    if (this.fill(FOOTER_BYTES) < FOOTER_BYTES) throw this.corrupt("the footer is cut off");
    const footer = decodeFooter(this.window, this.position - this.windowAt);
    if (footer === undefined) throw this.corrupt("neither a block nor a footer");
    if (footer.blocks !== this.blocks || footer.records !== this.records || footer.digest !== this.digest) {
      throw this.corrupt("the footer's counts disagree with the blocks");
    }
    if (this.position + FOOTER_BYTES !== this.totalBytes) throw this.corrupt("bytes behind the footer");
    this.hlc = Math.max(this.hlc, footer.hlc);
    this.close();
    return false;
  }

  close(): void {
    if (this.file !== -1) this.disk.close(this.file);
    this.file = -1;
  }
}
