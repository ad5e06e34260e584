/**
 * storage/batch-stream.ts: writes a batch with large records in pieces, one after the other: nothing but a piece of it is copied, and between two
 * of them everyone else has a turn. (A batch of 64 MiB laid out in memory was half a second in which nothing ran.)
 *
 *   [begun header, content][content][content]...[the first sector again, with its header]
 *
 * The checksum of all of it stands in the header, so that sector is written last, once all else is on the disk. Until then it has
 * no header that could be read and no stamp, though it begins like one: recovery finds a write that was begun and not ended, and drops it.
 * Invariants: one batch at a time; what it holds does not change meanwhile; no other batch may be sealed until `done` has told the
 * checksum that it chains to, nor acknowledged.
 */
import { crc32 } from "../lib/crc.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import {
  BATCH_HEADER_BYTES,
  type BatchLayout,
  SECTOR_BYTES,
  STAMP_AT,
  writeBatchHeader,
  writeBegunHeader,
} from "./wal-format.js";

const EMPTY: Buffer = Buffer.alloc(0);

/** @param headerCrc what the next batch chains to. */
export type StreamDone = (error: Error | null, headerCrc: number) => void;

export class BatchStream {
  private readonly disk: Disk;
  private readonly pieceBytes: number;
  /** Kept: fresh memory costs more than what is written into it. */
  private piece: Buffer = EMPTY;
  private readonly first: Buffer = Buffer.alloc(SECTOR_BYTES);
  // The batch under way.
  private layout: BatchLayout | undefined;
  private file: FileHandle = -1;
  private position = 0;
  private crc = 0;
  /** Its bytes so far; and how far its content beyond `buffer` is used up. */
  private at = 0;
  private restIndex = 0;
  private restOffset = 0;
  private stopped = false;

  /** @param pieceBytes a turn's work, 1.5 ms a MiB: smaller ones cost the disk more than they are worth. Whole sectors, more than one. */
  constructor(disk: Disk, pieceBytes: number) {
    this.disk = disk;
    this.pieceBytes = pieceBytes;
  }

  get busy(): boolean {
    return this.layout !== undefined;
  }

  /** The log has failed: no further piece is written. */
  stop(): void {
    this.stopped = true;
  }

  /** @param file every write to it is synced. @param durableLsn, @param prevCrc as the header has them. */
  write(
    file: FileHandle,
    position: number,
    layout: BatchLayout,
    durableLsn: number,
    prevCrc: number,
    done: StreamDone,
  ): void {
    this.layout = layout;
    this.file = file;
    this.position = position;
    this.crc = 0;
    this.at = 0;
    this.restIndex = 0;
    this.restOffset = 0;
    if (this.piece.length === 0) this.piece = Buffer.allocUnsafeSlow(this.pieceBytes);
    const end = (): void => {
      const headerCrc = writeBatchHeader(this.first, layout, durableLsn, prevCrc, 0, this.crc);
      this.disk.writeAsync(file, this.first, 0, SECTOR_BYTES, position, (error) => {
        this.layout = undefined;
        done(error, headerCrc);
      });
    };
    this.next(layout, end, (error) => done(error, 0));
  }

  private next(layout: BatchLayout, end: () => void, failed: (error: Error) => void): void {
    const { at } = this;
    if (this.stopped) return failed(new Error("stopped"));
    if (at === layout.bytes) return end();
    const bytes = this.fill(layout);
    this.at += bytes;
    this.disk.writeAsync(this.file, this.piece, 0, bytes, this.position + at, (error) => {
      if (error) failed(error);
      else this.next(layout, end, failed);
    });
  }

  /** The next piece. @returns its bytes. */
  private fill({ bytes: total, buffer, restAt, rest, stamp }: BatchLayout): number {
    const { piece, at } = this;
    const bytes = Math.min(piece.length, total - at);
    let to = 0;
    if (at < restAt) to = buffer.copy(piece, 0, at, Math.min(restAt, at + bytes));
    while (to < bytes && this.restIndex < rest.length) {
      const sectorEnd = (to & ~(SECTOR_BYTES - 1)) + STAMP_AT;
      const from = rest[this.restIndex];
      const run = Math.min(sectorEnd - to, from.length - this.restOffset);
      from.copy(piece, to, this.restOffset, this.restOffset + run);
      this.restOffset += run;
      if (this.restOffset === from.length) {
        this.restIndex++;
        this.restOffset = 0;
      }
      to += run;
      if (to === sectorEnd) to += 2;
    }
    if (to < bytes) piece.fill(0, to, bytes);
    for (let end = STAMP_AT; end < bytes; end += SECTOR_BYTES) {
      piece[end] = stamp;
      piece[end + 1] = stamp >>> 8;
    }
    this.crc = crc32(piece.subarray(at === 0 ? BATCH_HEADER_BYTES : 0, bytes), this.crc);
    if (at === 0) {
      piece.copy(this.first, 0, 0, SECTOR_BYTES);
      writeBegunHeader(piece);
    }
    return bytes;
  }
}
