/**
 * lib/copy.ts: copying short runs of bytes between buffers, the work that a store does most.
 * A run of 64 bytes costs 68 ns byte by byte, 50 ns by Buffer.copy (a native call of that price whatever the length), and 21 ns by
 * words of 32 bits through the buffers' views (lib/view.ts; bench/micro/copy.ts).
 * Invariant: the ranges must not overlap, and must lie inside.
 * Kept out: doubles of 64 bits, which may change a NaN's bits on the way, and BigInt, which allocates (64 bytes: 117 ns).
 */
import type { Viewed } from "./view.js";

/** From here on Buffer.copy is cheaper than words. */
const WORDS_BYTES_MAX = 160;
/** Up to here a byte loop is cheaper than Buffer.copy. */
const LOOP_BYTES_MAX = 40;

// HOT: a few times per command. No allocation. Guard: bench/micro/copy.ts
/** Copy bytes by the way that is fastest for the length. */
export function copyBytes(from: Viewed, fromAt: number, to: Viewed, toAt: number, length: number): void {
  if (length > WORDS_BYTES_MAX) {
    from.copy(to, toAt, fromAt, fromAt + length);
    return;
  }
  const source = from.view;
  const target = to.view;
  let i = 0;
  for (; i + 16 <= length; i += 16) {
    target.setInt32(toAt + i, source.getInt32(fromAt + i, true), true);
    target.setInt32(toAt + i + 4, source.getInt32(fromAt + i + 4, true), true);
    target.setInt32(toAt + i + 8, source.getInt32(fromAt + i + 8, true), true);
    target.setInt32(toAt + i + 12, source.getInt32(fromAt + i + 12, true), true);
  }
  for (; i + 4 <= length; i += 4) target.setInt32(toAt + i, source.getInt32(fromAt + i, true), true);
  for (; i < length; i++) target.setInt8(toAt + i, source.getInt8(fromAt + i));
}

/** The same between buffers that may have no view: those of messages, and replies made elsewhere. */
export function copyPlain(from: Buffer, fromAt: number, to: Buffer, toAt: number, length: number): void {
  if (length > LOOP_BYTES_MAX) from.copy(to, toAt, fromAt, fromAt + length);
  else for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i];
}
