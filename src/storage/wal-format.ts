/**
 * storage/wal-format.ts: the bytes of the write-ahead log.
 *
 * A segment file is a run of sectors of 512 bytes, zero-filled ahead of use. Each sector is 510 bytes of content and a 2-byte stamp:
 * a sector that was written to its end can be told from one that was not, which is how a torn batch is told from a corrupt one.
 * Neither byte of a stamp is zero, so one damaged byte does not make a written sector look unwritten. All integers little endian.
 *
 *   sector 0, the segment header:
 *      0  8 bytes "KVORWAL\n"
 *      8  u32 format version: 2; 1 = the file may be shorter than the next field says
 *     12  u32 bytes of the file, all of which are laid out before it has its name
 *     16  u64 firstLsn     LSN of the first record that may lie here
 *     24  u32 prevCrc      header crc of the last batch before this segment, 0 = none
 *     28  u32 crc of bytes 0..27
 *    510  u16 stamp
 *   then batches, each starting on a sector:
 *      0  u32 "KVB1"
 *      4  u32 sectors      the whole batch
 *      8  u64 firstLsn
 *     16  u32 count        records; 0 for a mark (BATCH_OPEN, BATCH_SEAL), which takes one LSN of its own
 *     20  u32 contentBytes of records: bodies back to back, stamps not counted
 *     24  u64 durableLsn   known durable when this batch was written
 *     32  u32 prevCrc      header crc of the batch before it
 *     36  u16 stamp        of every sector of this batch
 *     38  u16 flags        BATCH_*
 *     40  u32 crc of all bytes of the batch from 48 on, stamps included
 *     44  u32 header crc   of bytes 0..43
 *     48  records
 *
 * Invariants: one batch is one unit of durability, a command's records lie in one; batches chain by prevCrc and LSN, over
 * segments too; a segment is synced to its end before the next is begun, so only the end of the last one can be torn. Batches may be
 * under way together, or unsynced together: behind a torn one there may be whole ones, and they go with it.
 */

import { readU32, writeU32 } from "../codec/record/record.js";
import { copyBytes } from "../lib/copy.js";
import { crc32 } from "../lib/crc.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import { BatchRest } from "./batch-rest.js";

export const SECTOR_BYTES = 512;
export const STAMP_AT = 510;
export const BATCH_HEADER_BYTES = 48;
export const WAL_VERSION = 2;
/** Backups of that version ended where their last batch did. They, and what was restored from them, are still read. */
const WAL_VERSION_SHORT = 1;
const BATCH_MAGIC = 0x3142564b; // "KVB1"
/** First byte of every batch. */
export const BATCH_FIRST_BYTE: number = BATCH_MAGIC & 0xff;
/** First batch after a start: the log is in use. */
export const BATCH_OPEN = 1;
/** Last batch of a clean stop: nothing may follow but BATCH_OPEN. */
export const BATCH_SEAL = 2;
const SEGMENT_MAGIC: Buffer = Buffer.from("KVORWAL\n");
const TWO_32 = 4_294_967_296;
const KEPT_BYTES: number = 256 * 1024;
const IDLE_FLUSHES = 1000;
/** A buffer above it held a large value, or many: it is kept for a short while, and at most one is. */
const OUTSIZED_BYTES: number = 4 << 20;
const OUTSIZED_FLUSHES = 16;
/** A longer record whose bytes are its own is not copied into the batch. */
export const LARGE_RECORD_BYTES: number = 1 << 20;

export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value >>> 0);
  writeU32(bytes, at + 4, Math.floor(value / TWO_32));
}

export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4) * TWO_32 + readU32(bytes, at);
}

/** No byte of it is zero, and it differs for neighbouring batches. */
function stampOf(firstLsn: number, count: number): number {
  return 0x8001 | ((firstLsn * 62 + (count === 0 ? 2 : 0)) & 0x7ffe);
}

/** What a sector's last two bytes say. A cut between the two leaves it begun: the rest of the sector is there. */
export type SectorState = "unwritten" | "begun" | "written";

/** @param sector may be shorter than a sector at the end of a file: then it was not written to its end. */
export function sectorState(sector: Buffer): SectorState {
  if (sector.length < SECTOR_BYTES) return "unwritten";
  if (sector[STAMP_AT] !== 0 && sector[STAMP_AT + 1] !== 0) return "written";
  return sector[STAMP_AT] === 0 && sector[STAMP_AT + 1] === 0 ? "unwritten" : "begun";
}

export function segmentName(firstLsn: number): string {
  return `wal-${String(firstLsn).padStart(16, "0")}.log`;
}

/** @returns the LSN in a segment's name, or -1 when it is not one. */
export function segmentLsn(name: string): number {
  const match = /^wal-(\d{16})\.log$/.exec(name);
  return match ? Number(match[1]) : -1;
}

export interface SegmentHeader {
  readonly version: number;
  readonly fileBytes: number;
  readonly firstLsn: number;
  readonly prevCrc: number;
}

/** Must a segment of this version be as long as its header says? One that is shorter has lost what was written behind its end. */
export function laidOutInFull({ version }: SegmentHeader): boolean {
  return version > WAL_VERSION_SHORT;
}

/** @param version another than today's: for the check of what is read. */
export function encodeSegmentHeader(
  fileBytes: number,
  firstLsn: number,
  prevCrc: number,
  version: number = WAL_VERSION,
): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  SEGMENT_MAGIC.copy(sector);
  writeU32(sector, 8, version);
  writeU32(sector, 12, fileBytes);
  writeU64(sector, 16, firstLsn);
  writeU32(sector, 24, prevCrc);
  writeU32(sector, 28, crc32(sector.subarray(0, 28)));
  sector[STAMP_AT] = 0xff;
  sector[STAMP_AT + 1] = 0xff;
  return sector;
}

/** @returns undefined when the sector holds no valid segment header. The rest of the sector must be as written. */
export function decodeSegmentHeader(sector: Buffer): SegmentHeader | undefined {
  if (sector.length < SECTOR_BYTES || sector.compare(SEGMENT_MAGIC, 0, 8, 0, 8) !== 0) return undefined;
  if (readU32(sector, 28) !== crc32(sector.subarray(0, 28))) return undefined;
  const header = {
    version: readU32(sector, 8),
    fileBytes: readU32(sector, 12),
    firstLsn: readU64(sector, 16),
    prevCrc: readU32(sector, 24),
  };
  const again = encodeSegmentHeader(header.fileBytes, header.firstLsn, header.prevCrc, header.version);
  // A byte that has no meaning is still a byte that was written: it must read back.
  if (header.version <= WAL_VERSION && sector.compare(again, 0, SECTOR_BYTES, 0, SECTOR_BYTES) !== 0) return undefined;
  return header;
}

export interface BatchHeader {
  readonly sectors: number;
  readonly firstLsn: number;
  readonly count: number;
  readonly contentBytes: number;
  readonly durableLsn: number;
  readonly prevCrc: number;
  readonly stamp: number;
  readonly flags: number;
  readonly bodyCrc: number;
  readonly headerCrc: number;
}

/** @returns undefined when there is no valid batch header at `at`. Its sector may have been cut off: the header still says what it says. */
export function decodeBatchHeader(bytes: Buffer, at: number): BatchHeader | undefined {
  if (bytes.length - at < BATCH_HEADER_BYTES || readU32(bytes, at) !== BATCH_MAGIC) return undefined;
  const headerCrc = readU32(bytes, at + 44);
  if (crc32(bytes.subarray(at, at + 44)) !== headerCrc) return undefined;
  return {
    sectors: readU32(bytes, at + 4),
    firstLsn: readU64(bytes, at + 8),
    count: readU32(bytes, at + 16),
    contentBytes: readU32(bytes, at + 20),
    durableLsn: readU64(bytes, at + 24),
    prevCrc: readU32(bytes, at + 32),
    stamp: bytes[at + 36] | (bytes[at + 37] << 8),
    flags: bytes[at + 38] | (bytes[at + 39] << 8),
    bodyCrc: readU32(bytes, at + 40),
    headerCrc,
  };
}

/** Last LSN of a batch. A mark takes one too, so that no two segments start at the same LSN. */
export function lastLsnOf(header: BatchHeader): number {
  return header.firstLsn + Math.max(1, header.count) - 1;
}

/** A batch being built. Reused: `begin` empties it. */
export class BatchBuilder {
  buffer: Viewed;
  /** Next byte of content, stamps skipped. */
  private at = BATCH_HEADER_BYTES;
  count = 0;
  firstLsn = 0;
  /** From the first large record on: content that does not lie in `buffer`, which ends at `restAt`. */
  private rest: BatchRest | undefined = undefined;
  private restAt = 0;
  /** Flushes in a row that used little of the buffer. */
  private idle = 0;

  constructor(bytes: number) {
    this.buffer = viewedOf(bytes);
  }

  begin(firstLsn: number): void {
    this.at = BATCH_HEADER_BYTES;
    this.count = 0;
    this.firstLsn = firstLsn;
    this.rest = undefined;
  }

  /** It holds a large record that was not copied: storage/batch-stream.ts writes it. */
  get large(): boolean {
    return this.rest !== undefined;
  }

  /** Bytes on disk if sealed now. */
  bytes(): number {
    return (this.at + SECTOR_BYTES - 1) & ~(SECTOR_BYTES - 1); // content never ends on a stamp's second byte
  }

  // HOT: once per write. No allocation, but for growth. Guard: bench/micro/wal.ts
  /** Append one body. O(bytes). */
  append(body: Viewed, from: number, length: number): void {
    if (this.rest !== undefined) {
      this.rest.add(body, from, length);
      this.skip(length);
      return;
    }
    // Every started 510 bytes of content cost two of stamp; the sector under way may cost one more.
    const needed = this.at + length + (((length / STAMP_AT) | 0) + 2) * 2 + SECTOR_BYTES;
    if (needed > this.buffer.length) this.grow(needed);
    const sectorEnd = (this.at & ~(SECTOR_BYTES - 1)) + STAMP_AT;
    if (this.at + length <= sectorEnd) {
      copyBytes(body, from, this.buffer, this.at, length);
      this.at += length;
    } else this.appendSplit(body, from, length);
    this.count++;
  }

  /** Append a body that nobody changes from now on, without a copy. */
  appendOwn(body: Buffer): void {
    if (this.rest === undefined) {
      this.rest = new BatchRest();
      this.restAt = this.at;
    }
    this.rest.addOwn(body);
    this.skip(body.length);
  }

  /** One more record, whose bytes lie elsewhere. */
  private skip(length: number): void {
    const content = this.at - Math.floor(this.at / SECTOR_BYTES) * 2 + length;
    this.at = content + Math.floor(content / STAMP_AT) * 2;
    this.count++;
  }

  /** Let go of what is elsewhere: all of it lies in `buffer` then. */
  private gather(): void {
    const content = this.rest?.content() ?? [];
    const { count } = this;
    if (this.rest !== undefined) this.at = this.restAt;
    this.rest = undefined;
    for (const piece of content) this.append(viewed(piece), 0, piece.length);
    this.count = count;
  }

  /** What the batch is made of, for whoever writes it in pieces. Until begin() nothing may be appended. */
  layout(): BatchLayout {
    const { buffer, restAt, count, firstLsn, at: contentEnd } = this;
    const stamp = stampOf(firstLsn, count);
    return {
      bytes: this.bytes(),
      buffer,
      restAt,
      rest: this.rest?.content() ?? [],
      count,
      firstLsn,
      contentEnd,
      stamp,
    };
  }

  private appendSplit(body: Viewed, from: number, length: number): void {
    let done = 0;
    while (done < length) {
      const sectorEnd = (this.at & ~(SECTOR_BYTES - 1)) + STAMP_AT;
      const run = Math.min(sectorEnd - this.at, length - done);
      if (run > 0) copyBytes(body, from + done, this.buffer, this.at, run);
      this.at += run;
      done += run;
      if (this.at === sectorEnd) this.at += 2;
    }
  }

  private grow(needed: number): void {
    // With some room for what joins a large record.
    const bigger = viewedOf(Math.max(this.buffer.length * 2, needed + (needed >> 3)));
    this.buffer.copy(bigger, 0, 0, this.at);
    this.buffer = bigger;
  }

  get outsized(): boolean {
    return this.buffer.length > OUTSIZED_BYTES;
  }

  /** To be called after each flush: memory that large batches needed goes once they have not come for a while. @param now it goes at once. */
  trim(now: boolean): void {
    const { length } = this.buffer;
    const flushes = now ? 1 : length > OUTSIZED_BYTES ? OUTSIZED_FLUSHES : IDLE_FLUSHES;
    if (length <= KEPT_BYTES || (!now && this.at > length >> 2)) this.idle = 0;
    else if (++this.idle >= flushes) {
      this.buffer = viewedOf(KEPT_BYTES);
      this.idle = 0;
    }
  }

  /**
   * Finish the batch: pad, stamp, checksum. @returns the header crc, which the next batch chains to. O(bytes).
   */
  seal(durableLsn: number, prevCrc: number, flags: number): number {
    this.gather();
    const buffer = this.buffer;
    const total = this.bytes();
    const stamp = stampOf(this.firstLsn, this.count);
    const contentEnd = this.at;
    buffer.fill(0, contentEnd, total);
    for (let sector = STAMP_AT; sector < total; sector += SECTOR_BYTES) {
      buffer[sector] = stamp;
      buffer[sector + 1] = stamp >>> 8;
    }
    const crc = crc32(buffer.subarray(BATCH_HEADER_BYTES, total));
    const extent = { bytes: total, count: this.count, firstLsn: this.firstLsn, contentEnd, stamp };
    return writeBatchHeader(buffer, extent, durableLsn, prevCrc, flags, crc);
  }
}

interface BatchExtent {
  /** On disk. */
  readonly bytes: number;
  readonly count: number;
  readonly firstLsn: number;
  /** Where its content ends, stamps counted. */
  readonly contentEnd: number;
  readonly stamp: number;
}

/** @returns the header crc. */
export function writeBatchHeader(
  out: Buffer,
  { bytes, count, firstLsn, contentEnd, stamp }: BatchExtent,
  durableLsn: number,
  prevCrc: number,
  flags: number,
  bodyCrc: number,
): number {
  writeU32(out, 0, BATCH_MAGIC);
  writeU32(out, 4, bytes / SECTOR_BYTES);
  writeU64(out, 8, firstLsn);
  writeU32(out, 16, count);
  writeU32(out, 20, contentBytesBetween(contentEnd));
  writeU64(out, 24, durableLsn);
  writeU32(out, 32, prevCrc);
  out[36] = stamp;
  out[37] = stamp >>> 8;
  out[38] = flags;
  out[39] = flags >>> 8;
  writeU32(out, 40, bodyCrc);
  const headerCrc = crc32(out.subarray(0, 44));
  writeU32(out, 44, headerCrc);
  return headerCrc;
}

/** A batch as it is to be laid out: buffer[0 .. restAt) as on disk but for header and stamps, then the content of `rest`. */
export interface BatchLayout extends BatchExtent {
  readonly buffer: Buffer;
  readonly restAt: number;
  readonly rest: readonly Buffer[];
}

/** The first sector of a batch while it is being written in pieces: begun, as its first byte says, and not to its end. */
export function writeBegunHeader(sector: Buffer): void {
  sector.fill(0, 0, BATCH_HEADER_BYTES);
  writeU32(sector, 0, BATCH_MAGIC);
  sector.fill(0, STAMP_AT, SECTOR_BYTES);
}

/** Content bytes between the batch header and raw position `at`, stamps not counted. */
function contentBytesBetween(at: number): number {
  return at - BATCH_HEADER_BYTES - Math.floor(at / SECTOR_BYTES) * 2;
}

/**
 * Take the stamps out of a batch's bytes, in place, so that its records lie back to back from BATCH_HEADER_BYTES on. O(bytes).
 * @param at where the batch starts in `bytes`. @returns one past the content's last byte.
 */
export function unstamp(bytes: Buffer, at: number, header: BatchHeader): number {
  let to = at + STAMP_AT;
  for (let sector = 1; sector < header.sectors; sector++) {
    const from = at + sector * SECTOR_BYTES;
    bytes.copyWithin(to, from, from + STAMP_AT);
    to += STAMP_AT;
  }
  return at + BATCH_HEADER_BYTES + header.contentBytes;
}
