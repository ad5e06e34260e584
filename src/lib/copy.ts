/**
 * lib/copy.ts: copying short runs of bytes between buffers, the work that a store does most.
 * A run of 64 bytes costs 68 ns byte by byte, 50 ns by Buffer.copy (a native call of that price whatever the length), and 21 ns by
 * words of 32 bits through the buffers' views (lib/view.ts; bench/micro/copy.ts).
 * Kept out: doubles of 64 bits, which may change a NaN's bits on the way, and BigInt, which allocates (64 bytes: 117 ns).
 */
import type { Viewed } from "./view.js";

/** From here on Buffer.copy is cheaper than words. */
const WORDS_BYTES_MAX = 160;
/** Up to here a byte loop is cheaper than Buffer.copy. */
const LOOP_BYTES_MAX = 40;

// HOT: a few times per command. No allocation. Guard: bench/micro/copy.ts
/** Copy bytes between buffers by the way that is fastest for the length. The ranges must not overlap, and must lie inside. */
export function copyBytes(from: Buffer, fromAt: number, to: Buffer, toAt: number, length: number): void {
  let i = 0;
  // +OK and its like have no view, and are shorter: so long as all buffers seen here have one, the compiler reads it in one load.
  if (length >= 8) {
    const source = (from as Viewed).view;
    const target = (to as Viewed).view;
    if (source === undefined || target === undefined || length > WORDS_BYTES_MAX) {
      if (length > LOOP_BYTES_MAX) {
        from.copy(to, toAt, fromAt, fromAt + length);
        return;
      }
    } else {
      for (; i + 16 <= length; i += 16) {
        target.setInt32(toAt + i, source.getInt32(fromAt + i, true), true);
        target.setInt32(toAt + i + 4, source.getInt32(fromAt + i + 4, true), true);
        target.setInt32(toAt + i + 8, source.getInt32(fromAt + i + 8, true), true);
        target.setInt32(toAt + i + 12, source.getInt32(fromAt + i + 12, true), true);
      }
      for (; i + 4 <= length; i += 4) target.setInt32(toAt + i, source.getInt32(fromAt + i, true), true);
    }
  }
  for (; i < length; i++) to[toAt + i] = from[fromAt + i];
}
