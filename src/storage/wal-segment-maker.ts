/**
 * storage/wal-segment-maker.ts: lays out the next log segment ahead of need: zero-filled, synced, under a temporary name.
 * Writing over filled blocks makes a synced write cheaper than appending (no allocation, no size to journal), and a full disk is
 * met here, before a write depends on it.
 * Invariants: at most one segment is being made in the background; it has all its bytes on disk before it is handed out, so that a shorter file
 * with a segment's name is known to be damaged.
 */
import type { Disk, FileHandle } from "../ports/disk.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import { SECTOR_BYTES } from "./wal-format.js";

const NEXT_SEGMENT_NAME = "wal-next.tmp";
/** In a new directory the first segment is small, for a quick start; each next one is larger, up to the option. */
const FIRST_SEGMENT_BYTES = 256 * 1024;
const SEGMENT_BYTES_MIN: number = FIRST_SEGMENT_BYTES / 4;
const GROWTH = 4;
const FILL_BYTES: number = 256 * 1024;
const RETRY_MS = 1000;
/** What may be appended to an outsized batch while a segment is made for it, beside a quarter of its size. */
const DEMAND_SPARE_BYTES: number = 1 << 20;
/** A segment takes at most this part of what is free: one over it. */
const FULL_SHARE = 4;

export function isWantOfRoom(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}

function tooLittleRoom(): Error {
  return Object.assign(new Error("too little room for a log segment"), { code: "ENOSPC" });
}

export interface MadeSegment {
  readonly name: string;
  readonly bytes: number;
}

function shareOf(free: number): number {
  return Math.floor(free / FULL_SHARE / SECTOR_BYTES) * SECTOR_BYTES;
}

export class SegmentMaker {
  /** The last try to make a segment failed, as a rule for want of room; it is tried again every second. */
  outOfSpace = false;
  /** It failed for another reason, say no descriptor was left, and this is it: that says nothing of the room there is. */
  hindrance: string | undefined;
  private readonly disk: Disk;
  private readonly scheduler: Scheduler;
  /** The most that a segment should take at present. */
  private readonly segmentBytes: () => number;
  private nextBytes: number;
  /** The last segment was demanded for a batch of about its size: such a batch seldom comes alone. */
  private likely = 0;
  /** Bytes that an outsized batch is waiting for; 0 = none. */
  private demanded = 0;
  private made: MadeSegment | undefined;
  /** Size of the segment under way; 0 = none. */
  private making = 0;
  private stopped = false;
  private waiting: (() => void) | undefined;
  private cancelRetry: Cancel | undefined;

  constructor(disk: Disk, scheduler: Scheduler, segmentBytes: () => number, fresh: boolean) {
    this.disk = disk;
    this.scheduler = scheduler;
    this.segmentBytes = segmentBytes;
    this.nextBytes = Math.min(fresh ? FIRST_SEGMENT_BYTES : 4 * FIRST_SEGMENT_BYTES, wholeSectors(segmentBytes()));
    this.clear(NEXT_SEGMENT_NAME);
  }

  ready(bytes: number): boolean {
    return this.made !== undefined && this.made.bytes >= bytes;
  }

  preparedBytes(): number {
    return this.made?.bytes ?? 0;
  }

  /** Is there, or can there be made, a segment of so many bytes? Asks the system unless the prepared one will do. */
  hasRoom(bytes: number): boolean {
    if (this.ready(bytes)) return true;
    if (this.outOfSpace) return false;
    if (bytes <= this.making) return true; // it was begun with twice its room
    return this.disk.freeBytes() >= bytes + this.making;
  }

  /** The next segment must have room for `bytes`: a prepared one that has not is given up. @returns false when that cannot be done now. */
  private demand(bytes: number): boolean {
    this.demanded = Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
    if (this.made === undefined || this.made.bytes >= bytes) return true;
    if (!this.giveUp(this.made.name)) return false;
    this.made = undefined;
    return true;
  }

  /** No record depends on the file: a disk that does not remove it is no failure of the log. */
  private giveUp(name: string): boolean {
    try {
      this.clear(name);
      return true;
    } catch {
      return false; // the next try does it
    }
  }

  /** As ready(). @param run called once there may be such a segment, if there is none: one is being made then. */
  readyOr(bytes: number, run: () => void): boolean {
    if (this.ready(bytes)) return true;
    // More than is needed now: the batch grows while the segment is laid out, and must not outgrow it again and again.
    const wanted = bytes + (bytes >> 2) + DEMAND_SPARE_BYTES;
    this.waiting = run;
    if (this.demand(this.hasRoom(2 * wanted) ? wanted : bytes)) this.prepare();
    else this.retry(() => this.wake());
    return false;
  }

  /**
   * Hand out a segment with room for `bytes`: the prepared one, else one made on the spot for an outsized batch, which blocks. It is kept for the
   * next time where `begin` throws.
   */
  use(bytes: number, begin: (made: MadeSegment) => void): void {
    const made = this.take(bytes);
    try {
      begin(made);
    } catch (error) {
      if (made.name === NEXT_SEGMENT_NAME) this.made = made;
      throw error;
    }
  }

  private take(bytes: number): MadeSegment {
    const made = this.made;
    if (made !== undefined && made.bytes >= bytes) {
      this.made = undefined;
      this.likely = made.bytes > this.nextBytes && bytes > made.bytes / 2 ? made.bytes : 0;
      return made;
    }
    const name = `wal-large-${bytes}.tmp`;
    this.layOut(name, bytes);
    return { name, bytes };
  }

  /** Make the next segment, blocking: a smaller one where there is little room. @throws the disk's error, and leaves nothing behind. */
  makeNow(): void {
    if (this.made !== undefined) return;
    this.clear(NEXT_SEGMENT_NAME); // it may hold just the room that is missing
    const free = this.disk.freeBytes();
    if (free < SEGMENT_BYTES_MIN) throw tooLittleRoom();
    const bytes = free >= this.nextBytes ? this.nextBytes : Math.max(SEGMENT_BYTES_MIN, shareOf(free));
    this.layOut(NEXT_SEGMENT_NAME, bytes);
    this.finish(bytes);
  }

  private clear(name: string): void {
    if (this.disk.exists(name)) this.disk.remove(name);
  }

  private layOut(name: string, bytes: number): void {
    this.clear(name);
    const file = this.disk.open(name, { create: true });
    try {
      const zeros = Buffer.alloc(Math.min(FILL_BYTES, bytes));
      for (let at = 0; at < bytes; at += zeros.length) {
        this.disk.write(file, zeros, 0, Math.min(zeros.length, bytes - at), at);
      }
      this.disk.sync(file);
    } catch (error) {
      this.disk.close(file);
      this.disk.remove(name);
      throw error;
    }
    this.disk.close(file);
  }

  private finish(bytes: number): void {
    this.made = { name: NEXT_SEGMENT_NAME, bytes };
    this.nextBytes = wholeSectors(Math.min(this.segmentBytes(), bytes * GROWTH));
    this.outOfSpace = false;
    this.hindrance = undefined;
    this.demanded = 0;
  }

  /** Begin to make the next segment in the background, unless it is there or under way. */
  prepare(): void {
    if (this.made !== undefined || this.making > 0 || this.stopped) return;
    const free = this.disk.freeBytes();
    // With little room left a small segment serves better than none.
    const next = Math.min(this.nextBytes, shareOf(free));
    const bytes = Math.max(next, this.demanded, Math.min(this.likely, shareOf(free)));
    this.making = bytes;
    let file: FileHandle = -1;
    try {
      if (next < SEGMENT_BYTES_MIN || free < bytes + next) throw tooLittleRoom();
      this.clear(NEXT_SEGMENT_NAME);
      file = this.disk.open(NEXT_SEGMENT_NAME, { create: true });
    } catch (error) {
      return this.failed(file, error);
    }
    this.fill(file, Buffer.alloc(Math.min(FILL_BYTES, bytes)), 0, bytes);
  }

  private fill(file: FileHandle, zeros: Buffer, at: number, bytes: number): void {
    if (this.stopped) return this.failed(file, undefined);
    if (at >= bytes) {
      this.disk.syncAsync(file, (error) => {
        if (error) return this.failed(file, error);
        this.disk.close(file);
        this.making = 0;
        if (this.stopped) return;
        this.finish(bytes);
        this.wake();
      });
      return;
    }
    const length = Math.min(zeros.length, bytes - at);
    this.disk.writeAsync(file, zeros, 0, length, at, (error) => {
      if (error) this.failed(file, error);
      else this.fill(file, zeros, at + length, bytes);
    });
  }

  /** No record depends on a segment that is being made: its failure is want of room, not loss. Try again later. */
  private failed(file: FileHandle, error: unknown): void {
    if (file !== -1) this.disk.close(file);
    this.making = 0;
    // By now the name may be another's: whoever opened the directory after us.
    if (this.stopped) return;
    // What was filled so far may be just the room that is missing.
    if (file !== -1) this.giveUp(NEXT_SEGMENT_NAME);
    this.outOfSpace = true;
    this.hindrance = isWantOfRoom(error) ? undefined : (error as Error).message;
    this.retry(() => this.prepare());
    // Who waits for the segment is to see that there is none: others wait for him.
    this.wake();
  }

  private retry(run: () => void): void {
    this.cancelRetry?.();
    this.cancelRetry = this.scheduler.after(RETRY_MS, run);
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.();
  }

  /** It was stopped, and a segment's file is open still. */
  get ending(): boolean {
    return this.stopped && this.making > 0;
  }

  /** No segment is begun any more; the one under way is given up at its next piece. */
  stop(): void {
    this.stopped = true;
    this.cancelRetry?.();
  }
}

function wholeSectors(bytes: number): number {
  return Math.floor(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}
