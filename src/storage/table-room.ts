/**
 * storage/table-room.ts: what of all that the memory table can address (32 GiB, storage/arena.ts) is left, and who is to stop then.
 * Two bounds, so that what makes room still finds some: commands that need memory end at the first, a replica's records at the second.
 * Price: 2 GiB of 32 are never used by commands, and stores that evict keep 9.6 free, garbage included. All O(1).
 */
import { type Arena, SEGMENT_BYTES } from "./arena.js";

/** What is left when commands that need memory are refused: one command, or EXEC, may bring so much. */
const FULL_SHARE: number = 1 / 16;
/** What is left when a replica takes nothing more, not even the tombstones and shorter states that make room. */
const EXHAUSTED_SHARE: number = 1 / 64;
/** What eviction leaves alive: beside it lie garbage (15 %, storage/cleaner.ts) and ends of segments that no record fitted into. */
const CROWDED_SHARE = 0.7;

/** To be asked before a command that needs memory. */
export function isFull({ segmentsLeft, segmentsMax }: Arena): boolean {
  return segmentsLeft < segmentsMax * FULL_SHARE;
}

/** To be asked before a replica takes a record. */
export function isExhausted({ segmentsLeft, segmentsMax }: Arena): boolean {
  return segmentsLeft < segmentsMax * EXHAUSTED_SHARE;
}

/** Does so much live that a store which evicts is to begin? */
export function isCrowded({ liveBytes, segmentsMax }: Arena): boolean {
  return liveBytes > segmentsMax * SEGMENT_BYTES * CROWDED_SHARE;
}
