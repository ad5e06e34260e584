/**
 * storage/snapshot-format.ts: the bytes of a snapshot. All integers little endian.
 *
 *   header, 40 bytes:
 *      0  8 bytes "KVORSNP\n"
 *      8  u32 format version
 *     12  u32 reserved, 0
 *     16  u64 startLsn     the log from startLsn + 1 on, applied over this snapshot, gives the exact state
 *     24  u64 hlc          no dot in the snapshot or the log before it is above this one
 *     32  u32 reserved, 0
 *     36  u32 crc of bytes 0..35
 *   blocks, each:
 *      0  u32 "KVBK"
 *      4  u32 bytes        of bodies that follow
 *      8  u32 count
 *     12  u32 crc of bytes 0..11 and of the bodies
 *     16  bodies (codec/record), back to back
 *   footer, 32 bytes, the end of the file:
 *      0  u32 "KVFT"
 *      4  u32 blocks
 *      8  u64 records
 *     16  u64 hlc          highest dot seen while it was written
 *     24  u32 digest       crc of all block crcs, in order
 *     28  u32 crc of bytes 0..27
 *
 * Invariant: a file under its final name is whole: it was written under a temporary name, synced and renamed.
 */
import { readU32, writeU32 } from "../codec/record/record.js";
import { crc32 } from "../lib/crc.js";
import { readU64, writeU64 } from "./wal-format.js";

export const SNAPSHOT_VERSION = 1;
export const SNAPSHOT_HEADER_BYTES = 40;
export const BLOCK_HEADER_BYTES = 16;
export const FOOTER_BYTES = 32;
export const SNAPSHOT_TEMP_NAME = "snapshot.tmp";
const MAGIC: Buffer = Buffer.from("KVORSNP\n");
export const BLOCK_MAGIC = 0x4b42564b;
const FOOTER_MAGIC = 0x5446564b;

export function snapshotName(startLsn: number): string {
  return `snap-${String(startLsn).padStart(16, "0")}.kvs`;
}

/** @returns the LSN in a snapshot's name, or -1 when it is not one. */
export function snapshotLsn(name: string): number {
  const match = /^snap-(\d{16})\.kvs$/.exec(name);
  return match ? Number(match[1]) : -1;
}

export function encodeSnapshotHeader(startLsn: number, hlc: number): Buffer {
  const bytes = Buffer.alloc(SNAPSHOT_HEADER_BYTES);
  MAGIC.copy(bytes);
  writeU32(bytes, 8, SNAPSHOT_VERSION);
  writeU64(bytes, 16, startLsn);
  writeU64(bytes, 24, hlc);
  writeU32(bytes, 36, crc32(bytes.subarray(0, 36)));
  return bytes;
}

/** @returns undefined when it is not a valid header. */
export function decodeSnapshotHeader(bytes: Buffer): { version: number; startLsn: number; hlc: number } | undefined {
  if (bytes.length < SNAPSHOT_HEADER_BYTES || bytes.compare(MAGIC, 0, 8, 0, 8) !== 0) return undefined;
  if (readU32(bytes, 36) !== crc32(bytes.subarray(0, 36))) return undefined;
  return { version: readU32(bytes, 8), startLsn: readU64(bytes, 16), hlc: readU64(bytes, 24) };
}

/** Fill the header of a block whose bodies already stand behind it. @returns its crc. */
export function sealBlock(block: Buffer, bodiesBytes: number, count: number): number {
  writeU32(block, 0, BLOCK_MAGIC);
  writeU32(block, 4, bodiesBytes);
  writeU32(block, 8, count);
  const crc = blockCrc(block, 0, bodiesBytes);
  writeU32(block, 12, crc);
  return crc;
}

export function blockCrc(bytes: Buffer, at: number, bodiesBytes: number): number {
  const bodies = at + BLOCK_HEADER_BYTES;
  return crc32(bytes.subarray(bodies, bodies + bodiesBytes), crc32(bytes.subarray(at, at + 12)));
}

/** Digest over block crcs: extend by one. */
export function extendDigest(digest: number, crc: number): number {
  const four = Buffer.allocUnsafe(4);
  writeU32(four, 0, crc);
  return crc32(four, digest);
}

export interface SnapshotFooter {
  readonly blocks: number;
  readonly records: number;
  readonly hlc: number;
  readonly digest: number;
}

export function encodeFooter(footer: SnapshotFooter): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES);
  writeU32(bytes, 0, FOOTER_MAGIC);
  writeU32(bytes, 4, footer.blocks);
  writeU64(bytes, 8, footer.records);
  writeU64(bytes, 16, footer.hlc);
  writeU32(bytes, 24, footer.digest);
  writeU32(bytes, 28, crc32(bytes.subarray(0, 28)));
  return bytes;
}

/** @returns undefined when it is not a valid footer. */
export function decodeFooter(bytes: Buffer, at: number): SnapshotFooter | undefined {
  if (bytes.length - at < FOOTER_BYTES || readU32(bytes, at) !== FOOTER_MAGIC) return undefined;
  if (readU32(bytes, at + 28) !== crc32(bytes.subarray(at, at + 28))) return undefined;
  return {
    blocks: readU32(bytes, at + 4),
    records: readU64(bytes, at + 8),
    hlc: readU64(bytes, at + 16),
    digest: readU32(bytes, at + 24),
  };
}
