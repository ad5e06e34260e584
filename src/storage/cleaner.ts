/**
 * storage/cleaner.ts: gives back the memory of dead records, in slices between commands.
 * It empties one segment at a time: what lives there is copied to the survivors' log, then the segment is free. It works when
 * garbage passes a share of what lives (then the segment with the least alive is next), or when more free segments lie about
 * than are useful (then the emptiest extent is next, so that it can go back to the system).
 * Price: at 15 % garbage, random overwriting with changing sizes copies about three records for each one written; overwriting with
 * the same size happens in place and makes no garbage. Source: Rumble et al., "Log-structured memory for DRAM-based storage", FAST 2014.
 */
import { type Arena, SEGMENT_BYTES } from "./arena.js";
import type { Table } from "./table.js";

const GARBAGE_SHARE = 0.15;
const GARBAGE_BYTES_MIN = 4 << 20;
/** Free segments worth keeping: no more than an extent beyond the share below. */
const SPARE_SEGMENTS = 24;
const SPARE_SHARE = 0.06;
/** Records looked at between two looks at the clock. */
const STEP_RECORDS = 64;

export class Cleaner {
  private readonly table: Table;
  private arena: Arena;
  private segment = -1;
  private next = 0;
  private end = 0;

  constructor(table: Table) {
    this.table = table;
    this.arena = table.arena;
  }

  /** Is there anything worth doing? O(1). */
  wanted(): boolean {
    return this.segment >= 0 || this.garbageHigh() || this.sparse();
  }

  private garbageHigh(): boolean {
    const arena = this.table.arena;
    return arena.usedBytes - arena.liveBytes > GARBAGE_BYTES_MIN + arena.liveBytes * GARBAGE_SHARE;
  }

  private sparse(): boolean {
    const arena = this.table.arena;
    return (
      arena.extents > 1 && arena.freeSegments > SPARE_SEGMENTS + 32 + (arena.liveBytes / SEGMENT_BYTES) * SPARE_SHARE
    );
  }

  /** Work until `done()` says so. @returns whether there is more to do. */
  run(done: () => boolean): boolean {
    if (this.arena !== this.table.arena) {
      // The arena was replaced (FLUSHALL): whatever was under way is gone with it.
      this.arena = this.table.arena;
      this.segment = -1;
    }
    do {
      if (this.segment < 0 && !this.begin()) return false;
      this.step();
    } while (!done());
    return this.wanted();
  }

  private begin(): boolean {
    const arena = this.table.arena;
    arena.releaseFreeExtents(SPARE_SEGMENTS);
    const garbage = this.garbageHigh();
    if (!garbage && !this.sparse()) return false;
    const victim = garbage
      ? arena.pickVictim(SEGMENT_BYTES * 0.97, false)
      : arena.pickVictim(Number.POSITIVE_INFINITY, true);
    if (victim < 0) return false;
    arena.beginCleaning(victim);
    this.segment = victim;
    this.next = arena.firstRef(victim);
    this.end = arena.endRef(victim);
    return true;
  }

  private step(): void {
    const arena = this.table.arena;
    for (let i = 0; i < STEP_RECORDS; i++) {
      if (this.next >= this.end) {
        arena.endCleaning(this.segment);
        this.segment = -1;
        arena.releaseFreeExtents(SPARE_SEGMENTS);
        return;
      }
      const ref = this.next;
      const bytes = arena.sizeOf(ref);
      this.next += bytes >>> 3;
      if (arena.isDead(ref)) continue;
      this.table.relocate(ref);
    }
  }
}
