/**
 * bench/lib/sample-data.ts: keys, values and requests as redis-benchmark makes them: 16-byte keys, 64-byte values.
 * Invariant: the same in every run.
 */
import { encode } from "./resp-client.js";

export const KEY_BYTES = 16;
export const VALUE: Buffer = Buffer.alloc(64, "x");

export function keyText(index: number): string {
  return `key:${String(index).padStart(12, "0")}`;
}

/** `count` keys back to back, in an order without pattern. */
export function keysPacked(count: number): Buffer {
  const packed = Buffer.allocUnsafeSlow(count * KEY_BYTES);
  for (let i = 0; i < count; i++) packed.latin1Write(keyText((i * 7919) % count), i * KEY_BYTES);
  return packed;
}

/** `count` requests in one buffer. */
export function requests(count: number, of: (index: number) => readonly string[]): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, index) => encode(of(index))).join(""));
}
