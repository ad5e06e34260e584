/**
 * storage/cleaner.ts: gives back the memory of dead records, in slices between commands.
 * It empties one segment at a time: what lives there is copied to the survivors' log, then the segment is free. It works when
 * garbage passes a share of what lives (then the segment with the least alive is next), or when more free segments lie about
 * than are useful (then the emptiest extent is next, so that it can go back to the system). While nobody writes the shares are smaller:
 * memory that is not needed goes back when there is time.
 * Price: at 15 % garbage, random overwriting with changing sizes copies about three records for each one written; overwriting with
 * the same size happens in place and makes no garbage. Source: Rumble et al., "Log-structured memory for DRAM-based storage", FAST 2014.
 */
import { type Arena, SEGMENT_BYTES, SEGMENTS_PER_EXTENT } from "./arena.js";
import type { Table } from "./table.js";

interface Aim {
  /** Garbage that may lie about: this share of what lives, and so many bytes. */
  readonly garbageShare: number;
  readonly garbageBytes: number;
  /** Free segments that may lie about, beside one extent that cannot be told from bad luck, and as a share of what lives. */
  readonly spareSegments: number;
  readonly spareShare: number;
}

const BUSY: Aim = { garbageShare: 0.15, garbageBytes: 4 << 20, spareSegments: 24, spareShare: 0.06 };
const AT_REST: Aim = { garbageShare: 0.06, garbageBytes: 1 << 20, spareSegments: 2, spareShare: 0 };
/** A segment with more alive than this is not worth emptying. */
const LIVE_SHARE_MAX = 0.97;
/** Free segments in one extent that make it worth moving what else is in it, when there is time. */
const LEAVE_SEGMENTS_MIN = 8;
/** Records looked at between two looks at the clock. */
const STEP_RECORDS = 64;

export class Cleaner {
  /** Nobody has written for a while. Set by the engine. */
  atRest = false;
  private readonly table: Table;
  private arena: Arena;
  private segment = -1;
  /** Bytes in use when no segment was worth emptying: not worth another look until they have changed. */
  private barrenBytes = Number.NEGATIVE_INFINITY;
  private next = 0;
  private end = 0;

  constructor(table: Table) {
    this.table = table;
    this.arena = table.arena;
  }

  /** Is there anything worth doing? O(1). */
  wanted(): boolean {
    if (this.segment >= 0) return true;
    if (Math.abs(this.table.arena.usedBytes - this.barrenBytes) < SEGMENT_BYTES) return false;
    return this.garbageHigh() || this.sparse();
  }

  private get aim(): Aim {
    return this.atRest ? AT_REST : BUSY;
  }

  private garbageHigh(): boolean {
    const { arena } = this.table;
    const { garbageBytes, garbageShare } = this.aim;
    return arena.usedBytes - arena.liveBytes > garbageBytes + arena.liveBytes * garbageShare;
  }

  private sparse(): boolean {
    const { arena } = this.table;
    const { spareSegments, spareShare } = this.aim;
    const spare = spareSegments + SEGMENTS_PER_EXTENT + (arena.liveBytes / SEGMENT_BYTES) * spareShare;
    return arena.extents > 1 && arena.freeSegments > spare;
  }

  /** Work until `done()` says so. @returns whether there is more to do. */
  run(done: () => boolean): boolean {
    if (this.arena !== this.table.arena) {
      // The arena was replaced (FLUSHALL): whatever was under way is gone with it.
      this.arena = this.table.arena;
      this.segment = -1;
    }
    // One extent a slice: it takes as long as one.
    if (this.table.releaseFreeExtent(this.aim.spareSegments)) return true;
    do {
      if (this.segment < 0 && !this.begin()) return false;
      if (!this.step()) return false;
    } while (!done());
    return this.wanted();
  }

  private begin(): boolean {
    const { arena } = this;
    let victim = arena.pickLeaving();
    if (victim < 0) victim = this.garbageHigh() ? arena.pickSparse(SEGMENT_BYTES * LIVE_SHARE_MAX) : -1;
    if (victim >= 0 && arena.uncopied[victim] === 1) {
      // Another one meanwhile: garbage would pile up.
      arena.copyFirst = victim;
      victim = this.garbageHigh() ? arena.pickSparse(SEGMENT_BYTES * LIVE_SHARE_MAX, true) : -1;
      if (victim < 0) return false;
    }
    if (victim < 0 && this.sparse()) victim = arena.pickOfEmptiest();
    if (victim < 0 && this.atRest && arena.leaveSparse(LEAVE_SEGMENTS_MIN)) victim = arena.pickLeaving();
    this.barrenBytes = victim < 0 ? arena.usedBytes : Number.NEGATIVE_INFINITY;
    if (victim < 0) return false;
    arena.beginCleaning(victim);
    this.segment = victim;
    this.next = arena.firstRef(victim);
    this.end = arena.endRef(victim);
    return true;
  }

  /**
   * @returns false when there is no room for survivors: once more is dead there is less to move; or when a snapshot goes through the segment
   * first: what was moved out of it before would be missing there (storage/arena-scan.ts).
   */
  private step(): boolean {
    const arena = this.table.arena;
    if (arena.uncopied[this.segment] === 1) {
      arena.copyFirst = this.segment;
      return false;
    }
    for (let i = 0; i < STEP_RECORDS; i++) {
      if (this.next >= this.end) {
        arena.endCleaning(this.segment);
        this.segment = -1;
        return true;
      }
      const ref = this.next;
      const bytes = arena.sizeOf(ref);
      const dead = arena.isDead(ref);
      if (!dead && !arena.survivorFits(bytes)) return false;
      this.next += bytes >>> 3;
      if (!dead) this.table.relocate(ref);
    }
    return true;
  }
}
