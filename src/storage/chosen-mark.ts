/**
 * storage/chosen-mark.ts: a bit in front of a replica's record in memory: this very ballot is known to be chosen. Never on the disk.
 * Invariant: the mark goes where the record goes (the cleaner copies it along), until it is set otherwise: a new state that is written over
 * the old one in the same place does not take it off, so whoever writes it does.
 */
import { type Arena, EXTENT_MASK, EXTENT_SHIFT, MARK_CHOSEN } from "./arena.js";

export function setChosen(arena: Arena, ref: number, chosen: boolean): void {
  const ints = arena.ints[ref >>> EXTENT_SHIFT];
  const header = ((ref & EXTENT_MASK) << 1) - 1;
  ints[header] = chosen ? ints[header] | MARK_CHOSEN : ints[header] & ~MARK_CHOSEN;
}

export function isChosen(arena: Arena, ref: number): boolean {
  return (arena.ints[ref >>> EXTENT_SHIFT][((ref & EXTENT_MASK) << 1) - 1] & MARK_CHOSEN) !== 0;
}
