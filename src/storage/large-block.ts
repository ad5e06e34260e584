/**
 * storage/large-block.ts: a block of a snapshot with one large record, written from where the record lies, in pieces, so that nothing is copied
 * and others have their turn. The header comes last, with the checksum; the file has no name yet that anybody would read it by.
 */
import { writeU32 } from "../codec/record/record.js";
import { crc32 } from "../lib/crc.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import { BLOCK_HEADER_BYTES, BLOCK_MAGIC } from "./snapshot-format.js";

/** A longer record is a block of its own. */
export const LARGE_BLOCK_BYTES: number = 1 << 20;
const PIECE_BYTES: number = 2 << 20;

/**
 * @param record nobody writes to it. @param stopped asked between two pieces: true ends it.
 * @param done with the block's crc; undefined: it was stopped, or failed with `error`. The block has BLOCK_HEADER_BYTES more than the record.
 */
export function writeLargeBlock(
  disk: Disk,
  file: FileHandle,
  position: number,
  record: Buffer,
  stopped: () => boolean,
  done: (error: Error | null, crc?: number) => void,
): void {
  const header = Buffer.alloc(BLOCK_HEADER_BYTES);
  writeU32(header, 0, BLOCK_MAGIC);
  writeU32(header, 4, record.length);
  writeU32(header, 8, 1);
  let crc = crc32(header.subarray(0, 12));
  const next = (at: number): void => {
    if (stopped()) return done(null);
    if (at === record.length) {
      writeU32(header, 12, crc);
      return disk.writeAsync(file, header, 0, BLOCK_HEADER_BYTES, position, (error) =>
        error ? done(error) : done(null, crc),
      );
    }
    const bytes = Math.min(PIECE_BYTES, record.length - at);
    crc = crc32(record.subarray(at, at + bytes), crc);
    disk.writeAsync(file, record, at, bytes, position + BLOCK_HEADER_BYTES + at, (error) => {
      if (error) done(error);
      else next(at + bytes);
    });
  };
  next(0);
}
