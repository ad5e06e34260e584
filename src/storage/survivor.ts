/**
 * storage/survivor.ts: the copy of a record that lives on when its segment is emptied (storage/cleaner.ts). Marks and usage go along;
 * a body in a buffer of its own stays where it is, only its stub moves.
 */
import { type Arena, EXTENT_MASK, EXTENT_SHIFT, MEMORY_HEADER_BYTES } from "./arena.js";

/** Up to so many words a loop is quicker than the call. */
const WORDS_COPIED_HERE_MAX = 64;

/** Copy a record to the survivors' log and let go of the old place. @returns the copy's reference. O(bytes). */
export function copySurvivor(arena: Arena, ref: number): number {
  const bytes = arena.sizeOf(ref);
  const copy = arena.allocate(bytes, true);
  const from = (((ref & EXTENT_MASK) << 3) - MEMORY_HEADER_BYTES) >> 2;
  const to = (((copy & EXTENT_MASK) << 3) - MEMORY_HEADER_BYTES) >> 2;
  const source = arena.ints[ref >>> EXTENT_SHIFT];
  const target = arena.ints[copy >>> EXTENT_SHIFT];
  const words = bytes >> 2;
  if (words > WORDS_COPIED_HERE_MAX) target.set(source.subarray(from, from + words), to);
  else for (let i = 0; i < words; i++) target[to + i] = source[from + i];
  arena.forget(ref, bytes);
  return copy;
}
