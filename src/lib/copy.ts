/**
 * lib/copy.ts: copying short runs of bytes between buffers, the work that a store does most.
 * A run of 64 bytes costs 68 ns byte by byte, 50 ns by Buffer.copy (a native call of that price whatever the length), and 21 ns by
 * words of 32 bits through DataViews, which the compiler turns into plain unaligned loads and stores (bench/micro/copy.ts).
 * A DataView must exist beforehand: making one costs more than it saves. So buffers that much is copied from or to carry one.
 * Invariants: a buffer's view covers the same bytes; what has no view (small or rare buffers) is copied all the same, slower.
 * Kept out: doubles of 64 bits, which may change a NaN's bits on the way, and BigInt, which allocates.
 */

/** A buffer that may carry a view of itself. One shape for all of them, so that reading it stays cheap. */
interface Viewed extends Buffer {
  view?: DataView;
}

/** From here on Buffer.copy is cheaper than words. */
const WORDS_BYTES_MAX = 160;
/** Up to here a byte loop is cheaper than Buffer.copy. */
const LOOP_BYTES_MAX = 40;

/** Give a buffer its view. To be done once, where a buffer is made that lives long. @returns the same buffer. */
export function viewed(bytes: Buffer): Buffer {
  (bytes as Viewed).view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return bytes;
}

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
