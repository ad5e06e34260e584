/**
 * core/ring/slot.ts: which of the 16384 slots a key belongs to, as Redis Cluster has it.
 * Invariants: the slot depends on the key's bytes alone; keys that share a hash tag share a slot.
 * Source: Redis Cluster specification, "Key distribution model" and "Hash tags": CRC16 (XMODEM: polynomial 0x1021,
 * start 0) of the part between the first `{` and the first `}` after it, when that is not empty; else of the whole key.
 */

export const SLOTS = 16384;

const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const TABLE: Uint16Array = crc16Table();

function crc16Table(): Uint16Array {
  const table = new Uint16Array(256);
  for (let i = 0; i < 256; i++) {
    let crc = i << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[i] = crc & 0xffff;
  }
  return table;
}

// HOT: once per key looked up. No allocation. Guard: bench/micro/hash.ts
/** @returns the key's slot, 0..16383. O(length). */
export function keySlot(bytes: Uint8Array, at: number, length: number): number {
  let crc = 0;
  const end = at + length;
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    // The tag is looked for in the same pass: most keys have none, and then this pass is all there is.
    if (byte === OPEN_BRACE) return taggedSlot(bytes, at, end, i);
    crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >>> 8) ^ byte];
  }
  return crc & (SLOTS - 1);
}

function taggedSlot(bytes: Uint8Array, at: number, end: number, open: number): number {
  let close = open + 1;
  while (close < end && bytes[close] !== CLOSE_BRACE) close++;
  const tagged = close < end && close > open + 1;
  const from = tagged ? open + 1 : at;
  const to = tagged ? close : end;
  let crc = 0;
  for (let i = from; i < to; i++) crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >>> 8) ^ bytes[i]];
  return crc & (SLOTS - 1);
}
