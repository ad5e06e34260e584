/**
 * storage/wal-segments.ts: the files of the log: those that are kept, and the last, which is written to.
 * It has two handles: `durable` syncs each write with what it wrote, `plain` leaves that to sync(). Before begin() it is not open and
 * there is no room: it ends where recovery found the end.
 */
import { assert } from "../lib/assert.js";
import type { Disk, FileHandle } from "../ports/disk.js";
import type { SegmentInfo, WalEnd } from "./log.js";
import { encodeSegmentHeader, SECTOR_BYTES, segmentName } from "./wal-format.js";

/** No descriptor could be had for the next segment: nothing has changed. */
export class NoDescriptor extends Error {}

export function isWantOfDescriptors(error: unknown): boolean {
  if (error instanceof NoDescriptor) return true;
  const { code } = error as NodeJS.ErrnoException;
  return code === "EMFILE" || code === "ENFILE";
}

export class WalSegments {
  /** In order. */
  readonly all: SegmentInfo[];
  durable: FileHandle = -1;
  plain: FileHandle = -1;
  /** Where the next batch goes, and where the last one that is written ends; between them are those under way. */
  position: number;
  writtenTo: number;
  private bytes: number;
  private readonly disk: Disk;

  constructor(disk: Disk, found: WalEnd) {
    this.disk = disk;
    this.all = [...found.segments];
    this.position = found.lastBytes;
    this.writtenTo = found.lastBytes;
    this.bytes = found.lastBytes;
  }

  get isOpen(): boolean {
    return this.durable !== -1;
  }

  get roomBytes(): number {
    return this.bytes - this.position;
  }

  /**
   * Make a file of zeros the next segment of the log, durably, in place of the one before. Blocks.
   * @throws NoDescriptor: it may be called again. Any other error leaves the log's end unknown.
   */
  begin(made: { readonly name: string; readonly bytes: number }, firstLsn: number, prevCrc: number): void {
    assert(this.position === this.writtenTo, "a segment left with batches under way");
    const name = segmentName(firstLsn);
    const header = encodeSegmentHeader(made.bytes, firstLsn, prevCrc);
    const { durable, plain } = this.openBoth(made.name);
    try {
      this.disk.write(durable, header, 0, header.length, 0);
      this.disk.rename(made.name, name);
    } catch (error) {
      this.disk.close(durable);
      this.disk.close(plain);
      throw error;
    }
    // Before the directory is synced: that takes a descriptor too.
    let failure: unknown;
    this.close((error) => {
      failure ??= error;
    });
    this.durable = durable;
    this.plain = plain;
    if (failure !== undefined) throw failure;
    this.disk.syncDirectory();
    this.bytes = made.bytes;
    this.position = SECTOR_BYTES;
    this.writtenTo = SECTOR_BYTES;
    // A crash right after a rotation leaves a segment without a batch: the rename has just replaced it.
    if (this.all[this.all.length - 1]?.name === name) this.all.pop();
    this.all.push({ name, firstLsn, bytes: made.bytes });
  }

  /** All descriptors that are needed, before anything is changed. */
  private openBoth(name: string): { durable: FileHandle; plain: FileHandle } {
    const opened: FileHandle[] = [];
    try {
      opened.push(this.disk.open(name, { durable: true }));
      opened.push(this.disk.open(name, {}));
      // One more for the directory, where no old segment gives any back.
      if (!this.isOpen) this.disk.close(this.disk.open(name, {}));
      const [durable, plain] = opened;
      return { durable, plain };
    } catch (error) {
      for (const file of opened) this.disk.close(file);
      throw isWantOfDescriptors(error) ? new NoDescriptor("no descriptor for a log segment", { cause: error }) : error;
    }
  }

  /**
   * Segments whose records all lie below `lsn` do not belong to the log any more, but for those that hold records from `retainLsn` on: of them
   * the newest stay, up to so many bytes. @returns the names of the others: the caller deletes them.
   */
  dropBefore(lsn: number, retainLsn: number, retainBytes: number): string[] {
    let dropped = this.needlessBefore(lsn);
    const unwanted = Math.min(dropped, this.needlessBefore(retainLsn));
    for (let bytes = 0; dropped > unwanted; dropped--) {
      bytes += this.all[dropped - 1].bytes;
      if (bytes > retainBytes) break;
    }
    return this.all.splice(0, dropped).map(({ name }) => name);
  }

  /** How many segments hold nothing from `lsn` on. The last one is never among them. */
  private needlessBefore(lsn: number): number {
    let count = 0;
    while (count + 1 < this.all.length && this.all[count + 1].firstLsn <= lsn) count++;
    return count;
  }

  diskBytes(): number {
    return this.all.reduce((total, { bytes }) => total + bytes, 0);
  }

  /** @param failed a network disk may tell only now of what it could not keep. The descriptors are gone all the same. */
  close(failed: (error: unknown) => void): void {
    if (!this.isOpen) return;
    for (const file of [this.durable, this.plain]) {
      try {
        this.disk.close(file);
      } catch (error) {
        failed(error);
      }
    }
    this.durable = -1;
  }
}
