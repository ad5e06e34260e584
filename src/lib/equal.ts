/**
 * lib/equal.ts: are two short runs of bytes the same: the key of a record and that of a command.
 */
import type { Viewed } from "./view.js";

/** From here on the native comparison is cheaper. */
const COMPARED_HERE_BYTES_MAX = 256;

// HOT: once per key found. No allocation. Guard: bench/micro/table.ts
/** Both runs must lie inside. O(length), four bytes at a time. */
export function equalBytes(a: Viewed, aAt: number, b: Viewed, bAt: number, length: number): boolean {
  if (length > COMPARED_HERE_BYTES_MAX) return a.compare(b, bAt, bAt + length, aAt, aAt + length) === 0;
  let i = 0;
  for (; i + 4 <= length; i += 4) if (a.view.getInt32(aAt + i, true) !== b.view.getInt32(bAt + i, true)) return false;
  for (; i < length; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}
