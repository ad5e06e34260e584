/**
 * storage/arena.ts: off-heap memory for records, log-structured with a cleaner.
 *
 * Memory comes from the system in extents of 32 MiB (glibc gives back at once what was mapped alone, and it maps alone
 * only from 32 MiB on: its threshold adapts up to that). An extent is 32 segments of 1 MiB, but for the first, which has one and
 * stays: most stores in tests never need more. Records are appended to the open segment; freeing one marks it dead and lowers its
 * segment's live count. The cleaner (storage/cleaner.ts) copies what lives in a sparse segment elsewhere and frees the segment; an
 * extent whose segments are all free goes back to the system.
 *
 * A record in memory:
 *   -8  i32  lsn       low 32 bits of its log position
 *   -4  u32  clock     low 24 bits: when used last (LRU) or how often (LFU); high 8 bits: MARK_*
 *    0  body (codec/record) ... padded to a multiple of 8
 * or, with MARK_EXTERNAL, 8 bytes {u32 handle, u32 0}: the body lies in a buffer of its own (large values).
 *
 * A reference is the body's offset in units of 8 bytes over all extents: 32 bits reach 32 GiB. 0 is no record.
 * Invariants: a reference's record never straddles a segment; sum of live = bytes of records not freed; a segment has one state.
 * Alternative kept out: size-class slabs; see docs/decisions/0002-memory-log-structured.md.
 */

import { readU32 } from "../codec/record/record.js";
import { assert } from "../lib/assert.js";
import { type Viewed, viewed } from "../lib/view.js";
import { LargeBodies } from "./large-bodies.js";

export const SEGMENT_BYTES: number = 1 << 20;
export const SEGMENTS_PER_EXTENT = 32;
/** References per segment and per extent, as shifts. */
const SEGMENT_SHIFT = 17;
/** Products, not shifts: references above 2^31 must stay positive while they are compared. */
const SEGMENT_REFS: number = 1 << SEGMENT_SHIFT;
export const EXTENT_SHIFT = 22;
export const EXTENT_MASK: number = (1 << EXTENT_SHIFT) - 1;
export const EXTENTS_MAX = 1024;
/** Segments of extent 0. Every 32 MiB asked for makes V8 collect, which cost a store of ten keys more than its whole life. */
const FIRST_EXTENT_SEGMENTS = 1;

/** Bytes in front of the body. */
export const MEMORY_HEADER_BYTES = 8;
/** Bodies above it lie in a buffer of their own: a segment's tail would waste too much. */
export const EXTERNAL_BYTES_MIN: number = 64 * 1024;
const MARK_DEAD: number = 0x80 << 24;
export const MARK_EXTERNAL: number = 0x40 << 24;
export const MARK_CHOSEN: number = 0x20 << 24; // storage/chosen-mark.ts
export const MARKS: number = 0xff << 24;
const STUB_BYTES = 16;
/** How well records can be counted on to fill segments: one that does not fit leaves its segment's end unused. */
const PACKED_SHARE = 0.9;

const STATE_ABSENT = 0; // not mapped
const STATE_FREE = 1;
const STATE_OPEN = 2;
const STATE_FULL = 3;
const STATE_CLEANING = 4;

export class Arena {
  /** Per extent, undefined when not mapped. The two views are of the same memory. */
  readonly bytes: Viewed[] = [];
  readonly ints: Int32Array[] = [];
  readonly large: LargeBodies = new LargeBodies();

  private readonly state = new Uint8Array(EXTENTS_MAX * SEGMENTS_PER_EXTENT);
  private readonly live = new Int32Array(EXTENTS_MAX * SEGMENTS_PER_EXTENT);
  private readonly used = new Int32Array(EXTENTS_MAX * SEGMENTS_PER_EXTENT);
  /** Segments that were written to since their extent was mapped: the others are free and take no memory yet. */
  private readonly touched = new Uint8Array(EXTENTS_MAX * SEGMENTS_PER_EXTENT);
  /** 1: a snapshot is still to go through this segment (storage/arena-scan.ts); and the one to be taken next, if it is one of them. */
  readonly uncopied: Uint8Array = new Uint8Array(EXTENTS_MAX * SEGMENTS_PER_EXTENT);
  copyFirst = -1;
  /** The extent that is being emptied in favour of a fresh one, -1 = none: nothing is written to it any more. */
  private leaving = -1;

  /** Append position, as a reference, and the end of the open segment. Two logs: fresh writes, and survivors of cleaning. */
  private head = 0;
  private headEnd = 0;
  private survivorHead = 0;
  private survivorEnd = 0;

  /** Bytes of records alive in segments, padding included. */
  liveBytes = 0;
  /** Bytes appended to segments that are not free (alive or dead). */
  usedBytes = 0;
  extents = 0;
  freeSegments = 0;
  private readonly extentsMax: number;

  /** @param extentsMax up to 1024: what there is for all records. */
  constructor(extentsMax: number = EXTENTS_MAX) {
    this.extentsMax = extentsMax;
  }

  /** Segments that are free, or could be had. */
  get segmentsLeft(): number {
    return (this.extentsMax - this.extents) * SEGMENTS_PER_EXTENT + this.freeSegments;
  }

  get segmentsMax(): number {
    return this.extentsMax * SEGMENTS_PER_EXTENT;
  }

  /**
   * Room for a record of `bytes` (header included). O(1), but for mapping an extent.
   * @returns the reference of its body. The memory header is the caller's to write.
   * @throws RangeError when all 32 GiB are taken or the system has no more.
   */
  allocate(bytes: number, survivor: boolean): number {
    const units = (bytes + 7) >>> 3;
    if (survivor) {
      if (this.survivorHead + units > this.survivorEnd) this.openSurvivor();
      const ref = this.survivorHead + 1;
      this.survivorHead += units;
      this.account(ref, units << 3);
      return ref;
    }
    if (this.head + units > this.headEnd) this.openHead();
    const ref = this.head + 1;
    this.head += units;
    this.account(ref, units << 3);
    return ref;
  }

  /** Would allocate() find room for a survivor of so many bytes? O(1). */
  survivorFits(bytes: number): boolean {
    return this.survivorHead + ((bytes + 7) >>> 3) <= this.survivorEnd || this.segmentsLeft > 0;
  }

  private account(ref: number, bytes: number): void {
    const segment = ref >>> SEGMENT_SHIFT;
    this.live[segment] += bytes;
    this.used[segment] += bytes;
    this.liveBytes += bytes;
    this.usedBytes += bytes;
  }

  /** Bytes a record takes in its segment, header and padding included. */
  sizeOf(ref: number): number {
    const extent = ref >>> EXTENT_SHIFT;
    const at = (ref & EXTENT_MASK) << 3;
    if (this.ints[extent][(at >> 2) - 1] & MARK_EXTERNAL) return STUB_BYTES;
    return (readU32(this.bytes[extent], at) + MEMORY_HEADER_BYTES + 7) & ~7;
  }

  /** The record is gone; its room comes back through the cleaner. */
  free(ref: number): void {
    const bytes = this.sizeOf(ref);
    const segment = ref >>> SEGMENT_SHIFT;
    const ints = this.ints[ref >>> EXTENT_SHIFT];
    const header = ((ref & EXTENT_MASK) << 1) - 1;
    assert((ints[header] & MARK_DEAD) === 0, "record freed twice", ref);
    if (ints[header] & MARK_EXTERNAL) this.large.release(ints[header + 1]);
    ints[header] |= MARK_DEAD;
    this.live[segment] -= bytes;
    this.liveBytes -= bytes;
    if (this.live[segment] === 0 && this.state[segment] === STATE_FULL) this.freeSegment(segment);
  }

  /** Keep a large body in a buffer of its own. @returns the reference of its stub. */
  allocateExternal(body: Viewed): number {
    const handle = this.large.keep(body);
    const ref = this.allocate(STUB_BYTES, false);
    const ints = this.ints[ref >>> EXTENT_SHIFT];
    const at = (ref & EXTENT_MASK) << 1;
    ints[at - 2] = 0;
    ints[at - 1] = MARK_EXTERNAL;
    ints[at] = handle;
    ints[at + 1] = 0;
    return ref;
  }

  private openHead(): void {
    this.close(this.headEnd);
    this.head = this.takeFree() * SEGMENT_REFS;
    this.headEnd = this.head + SEGMENT_REFS;
  }

  private openSurvivor(): void {
    this.close(this.survivorEnd);
    this.survivorHead = this.takeFree() * SEGMENT_REFS;
    this.survivorEnd = this.survivorHead + SEGMENT_REFS;
  }

  /** A segment stops being open; nothing may live in it any more. */
  private close(end: number): void {
    if (end === 0) return;
    const segment = end / SEGMENT_REFS - 1;
    this.state[segment] = STATE_FULL;
    if (this.live[segment] === 0) this.freeSegment(segment);
  }

  /** The free segment of the fullest extent, so that sparse extents run empty. O(extents * 32), once a MiB. */
  private takeFree(): number {
    if (this.freeSegments === 0) this.mapExtent();
    let best = -1;
    let bestTaken = -1;
    for (let extent = 0; extent < this.bytes.length; extent++) {
      if (this.bytes[extent] === undefined || extent === this.leaving) continue;
      let firstFree = -1;
      let taken = 0;
      const first = extent * SEGMENTS_PER_EXTENT;
      for (let segment = first; segment < first + SEGMENTS_PER_EXTENT; segment++) {
        if (this.state[segment] !== STATE_FREE) taken++;
        else if (firstFree < 0) firstFree = segment;
      }
      if (firstFree >= 0 && taken > bestTaken) {
        best = firstFree;
        bestTaken = taken;
      }
    }
    if (best < 0) {
      // All that is free lies in the extent that is being left.
      if (this.extents < this.extentsMax) this.mapExtent();
      else this.leaving = -1;
      return this.takeFree();
    }
    this.state[best] = STATE_OPEN;
    this.touched[best] = 1;
    this.freeSegments--;
    return best;
  }

  private mapExtent(): void {
    let extent = 0;
    while (this.bytes[extent] !== undefined) extent++;
    if (extent >= this.extentsMax) throw new RangeError("the memory table is full: 32 GiB of records");
    const segments = segmentsOf(extent);
    const memory = new ArrayBuffer(segments * SEGMENT_BYTES);
    this.bytes[extent] = viewed(Buffer.from(memory));
    this.ints[extent] = new Int32Array(memory);
    const first = extent * SEGMENTS_PER_EXTENT;
    this.state.fill(STATE_FREE, first, first + segments);
    this.touched.fill(0, first, first + segments);
    this.freeSegments += segments;
    this.extents++;
  }

  private freeSegment(segment: number): void {
    assert(this.live[segment] === 0, "segment with live records freed", segment);
    this.usedBytes -= this.used[segment];
    this.used[segment] = 0;
    this.uncopied[segment] = 0;
    this.state[segment] = STATE_FREE;
    this.freeSegments++;
  }

  /** Take a large extent without records out of use, if there is one and `keep` free segments remain. @returns its memory. */
  takeFreeExtent(keep: number): ArrayBuffer | undefined {
    if (this.freeSegments - SEGMENTS_PER_EXTENT < keep) return undefined;
    for (let extent = this.bytes.length - 1; extent > 0; extent--) {
      const memory = this.bytes[extent];
      if (memory === undefined) continue;
      const first = extent * SEGMENTS_PER_EXTENT;
      const states = this.state.subarray(first, first + SEGMENTS_PER_EXTENT);
      if (!states.every((state) => state === STATE_FREE)) continue;
      states.fill(STATE_ABSENT);
      this.unmap(extent);
      return memory.buffer as ArrayBuffer;
    }
    return undefined;
  }

  /**
   * Begin to leave the extent that has the most free segments with memory behind them, if it has at least `least` of them:
   * what lives there goes to others or to a fresh extent, which takes memory only as it fills. @returns whether one is being left.
   */
  leaveSparse(least: number): boolean {
    if (this.leaving >= 0) return true;
    let best = -1;
    let most = least - 1;
    for (let extent = 0; extent < this.bytes.length; extent++) {
      if (this.bytes[extent] === undefined) continue;
      const free = this.touchedFree(extent);
      if (free <= most) continue;
      best = extent;
      most = free;
    }
    if (best < 0) return false;
    this.leaving = best;
    if (this.headEnd > 0 && this.extentOfEnd(this.headEnd) === best) this.openHead();
    if (this.survivorEnd > 0 && this.extentOfEnd(this.survivorEnd) === best) this.openSurvivor();
    return true;
  }

  private touchedFree(extent: number): number {
    let free = 0;
    const first = extent * SEGMENTS_PER_EXTENT;
    for (let i = first; i < first + SEGMENTS_PER_EXTENT; i++)
      if (this.state[i] === STATE_FREE && this.touched[i] === 1) free++;
    return free;
  }

  private extentOfEnd(end: number): number {
    return (end / SEGMENT_REFS - 1) >> (EXTENT_SHIFT - SEGMENT_SHIFT);
  }

  /** A full segment of the extent that is being left; -1 when there is none any more: then it has been left. */
  pickLeaving(): number {
    if (this.leaving < 0) return -1;
    const first = this.leaving * SEGMENTS_PER_EXTENT;
    for (let i = first; i < first + SEGMENTS_PER_EXTENT; i++) if (this.state[i] === STATE_FULL) return i;
    this.leaving = -1;
    return -1;
  }

  private unmap(extent: number): void {
    // Holes are kept as undefined: an extent's number is part of every reference into it.
    (this.bytes as (Viewed | undefined)[])[extent] = undefined;
    (this.ints as (Int32Array | undefined)[])[extent] = undefined;
    this.freeSegments -= SEGMENTS_PER_EXTENT;
    this.extents--;
  }

  /** All memory that it holds: it is not to be used any more. */
  memory(): ArrayBuffer[] {
    return this.bytes.filter((bytes) => bytes !== undefined).map((bytes) => bytes.buffer as ArrayBuffer);
  }

  /** The full segment with the least alive, below `liveMax`, of those copied or of all; -1 when there is none. O(segments), once a segment. */
  pickSparse(liveMax: number, copied = false): number {
    let best = -1;
    let bestLive = liveMax;
    // Segments that are not mapped are not full.
    for (let segment = 0; segment < this.bytes.length * SEGMENTS_PER_EXTENT; segment++) {
      if (this.state[segment] !== STATE_FULL || this.live[segment] >= bestLive) continue;
      if (copied && this.uncopied[segment] === 1) continue;
      best = segment;
      bestLive = this.live[segment];
    }
    return best;
  }

  /**
   * A full segment of the extent with the least alive, so that the extent runs empty; -1 when that is not to be had: the extents that
   * are written to stay, and what lives must find room in the others. O(segments), once a segment.
   */
  pickOfEmptiest(): number {
    let best = -1;
    let bestLive = Number.POSITIVE_INFINITY;
    let bestFree = 0;
    for (let extent = 0; extent < this.bytes.length; extent++) {
      if (this.bytes[extent] === undefined) continue;
      const first = extent * SEGMENTS_PER_EXTENT;
      let live = 0;
      let full = -1;
      let free = 0;
      let open = false;
      for (let segment = first; segment < first + segmentsOf(extent); segment++) {
        live += this.live[segment];
        if (this.state[segment] === STATE_FULL) full = segment;
        else if (this.state[segment] === STATE_FREE) free++;
        else open = true;
      }
      if (open || full < 0 || live >= bestLive) continue;
      best = full;
      bestLive = live;
      bestFree = free;
    }
    const room = (this.freeSegments - bestFree - 1) * SEGMENT_BYTES * PACKED_SHARE;
    return bestLive < room ? best : -1;
  }

  beginCleaning(segment: number): void {
    assert(this.state[segment] === STATE_FULL, "only a full segment can be cleaned", segment);
    this.state[segment] = STATE_CLEANING;
  }

  /** All survivors were moved: the segment is free again. */
  endCleaning(segment: number): void {
    assert(this.state[segment] === STATE_CLEANING, "segment is not being cleaned", segment);
    this.freeSegment(segment);
  }

  /** References of a segment's first record and one past its last. Records lie back to back between them. */
  firstRef(segment: number): number {
    return segment * SEGMENT_REFS + 1;
  }
  endRef(segment: number): number {
    return segment * SEGMENT_REFS + (this.used[segment] >>> 3) + 1;
  }

  isDead(ref: number): boolean {
    return (this.ints[ref >>> EXTENT_SHIFT][((ref & EXTENT_MASK) << 1) - 1] & MARK_DEAD) !== 0;
  }

  /** A survivor was copied away from a segment under cleaning: the old copy no longer counts, its external body stays. */
  forget(ref: number, bytes: number): void {
    this.ints[ref >>> EXTENT_SHIFT][((ref & EXTENT_MASK) << 1) - 1] |= MARK_DEAD;
    this.live[ref >>> SEGMENT_SHIFT] -= bytes;
    this.liveBytes -= bytes;
  }

  /** Does this buffer belong to the arena's extents? Such bytes move and are written over. O(1). */
  owns(bytes: Viewed): boolean {
    return bytes.length % SEGMENT_BYTES === 0 && this.bytes.includes(bytes);
  }
}

/** How many segments an extent has when it is mapped. */
function segmentsOf(extent: number): number {
  return extent === 0 ? FIRST_EXTENT_SEGMENTS : SEGMENTS_PER_EXTENT;
}
