/**
 * storage/arena-scan.ts: every living record of an arena, in the order in which they lie in memory, resumable: for a snapshot. In the order
 * of hashes (storage/walk.ts) each record is a wait for memory, 0.15 us of 10 million; here the next one is there already.
 *
 * A segment that is still to be gone through is marked (Arena.uncopied). Whatever changes meanwhile is in the log; but what the cleaner moves is not:
 * so it leaves marked segments alone, and asks for the one that it would empty, which is then gone through next.
 * Invariants: a record that lives from begin() until the last step() is visited, once unless it moves. Records of flushed databases live
 * until they are freed (storage/detached-indexes.ts): at begin() there must be none whose flush the log may have no more.
 */
import type { Arena } from "./arena.js";

export class ArenaScan {
  private arena: Arena | undefined;
  private segment = -1;
  private next = 0;
  /** Segments below it are through. */
  private from = 0;

  begin(arena: Arena): void {
    const { uncopied } = arena;
    for (let i = 0; i < uncopied.length; i++) uncopied[i] = arena.endRef(i) > arena.firstRef(i) ? 1 : 0;
    this.arena = arena;
    this.segment = -1;
    this.from = 0;
  }

  /** It is through, or given up: nothing is marked any more. */
  end(): void {
    this.arena?.uncopied.fill(0);
    this.arena = undefined;
  }

  /**
   * Go through `count` records, living and dead. @param arena that is in use now: when it is another one all that was there is flushed.
   * @param visit given a reference; it must not change the table. It says whether to go on. @returns whether there may be more.
   */
  step(arena: Arena, count: number, visit: (ref: number) => boolean): boolean {
    if (arena !== this.arena) return false;
    for (let left = count; left > 0; ) {
      // One that has run empty is not marked any more, and may be written to anew.
      if (this.segment < 0 || arena.uncopied[this.segment] === 0) {
        this.segment = this.pick(arena);
        if (this.segment < 0) return false;
        this.next = arena.firstRef(this.segment);
      }
      const end = arena.endRef(this.segment);
      let ref = this.next;
      for (; ref < end && left > 0; left--) {
        if (!arena.isDead(ref) && !visit(ref)) left = 0;
        ref += arena.sizeOf(ref) >>> 3;
      }
      this.next = ref;
      if (ref >= end) arena.uncopied[this.segment] = 0;
    }
    return true;
  }

  private pick(arena: Arena): number {
    const { copyFirst, uncopied } = arena;
    if (copyFirst >= 0 && uncopied[copyFirst] === 1) return copyFirst;
    while (this.from < uncopied.length && uncopied[this.from] === 0) this.from++;
    return this.from < uncopied.length ? this.from : -1;
  }
}
