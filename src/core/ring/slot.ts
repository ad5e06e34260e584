/**
 * core/ring/slot.ts: which of the 16384 slots a key belongs to, as Redis Cluster has it.
 * Invariants: the slot depends on the key's bytes alone; keys that share a hash tag share a slot.
 * Source: Redis Cluster specification, "Key distribution model" and "Hash tags": CRC16 (XMODEM: polynomial 0x1021,
 * start 0) of the part between the first `{` and the first `}` after it, when that is not empty; else of the whole key.
 */

import type { Viewed } from "../../lib/view.js";

export const SLOTS = 16384;

const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const SECOND = 256;
const THIRD = 512;
const FOURTH = 768;
const BYTE = 255;
/**
 * What a byte does to a CRC as the last of a word, the last but one and so on: four tables of 256, one behind the other.
 * Source: Kounavis and Berry, "A Systematic Approach to Building High Performance Software-Based CRC Generators", 2005.
 */
const TABLE: Uint16Array = crc16Tables();
/** Four braces; and for finding out whether a word has a byte that is zero. */
const BRACES = 0x7b7b7b7b;
const LOWEST_BITS = 0x01010101;
const HIGHEST_BITS: number = 0x80808080 | 0;

function crc16Tables(): Uint16Array {
  const table = new Uint16Array(4 * 256);
  for (let i = 0; i < 256; i++) {
    let crc = i << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[i] = crc & 0xffff;
  }
  for (let i = SECOND; i < table.length; i++) table[i] = ((table[i - 256] << 8) & 0xffff) ^ table[table[i - 256] >>> 8];
  return table;
}

// HOT: once per key looked up. No allocation. Guard: bench/micro/hash.ts
/** @returns the key's slot, 0..16383. O(length), a word of four bytes at a time. */
export function keySlot(bytes: Viewed, at: number, length: number): number {
  const { view } = bytes;
  const end = at + length;
  const wordsEnd = at + (length & ~3);
  let crc = 0;
  let i = at;
  for (; i < wordsEnd; i += 4) {
    const word = view.getInt32(i, true);
    // The tag is looked for in the same pass: most keys have none, and then this pass is all there is.
    const braces = word ^ BRACES;
    if ((((braces - LOWEST_BITS) | 0) & ~braces & HIGHEST_BITS) !== 0) return taggedSlot(bytes, at, end, i);
    crc =
      TABLE[FOURTH + ((word ^ (crc >>> 8)) & BYTE)] ^
      TABLE[THIRD + (((word >>> 8) ^ crc) & BYTE)] ^
      TABLE[SECOND + ((word >>> 16) & BYTE)] ^
      TABLE[word >>> 24];
  }
  for (; i < end; i++) {
    if (bytes[i] === OPEN_BRACE) return taggedSlot(bytes, at, end, i);
    crc = withByte(crc, bytes[i]);
  }
  return crc & (SLOTS - 1);
}

function withByte(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ TABLE[((crc >>> 8) ^ byte) & BYTE];
}

/** @param from no brace opens before. */
function taggedSlot(bytes: Viewed, at: number, end: number, from: number): number {
  let open = from;
  while (open < end && bytes[open] !== OPEN_BRACE) open++;
  let close = open + 1;
  while (close < end && bytes[close] !== CLOSE_BRACE) close++;
  const tagged = close < end && close > open + 1;
  let crc = 0;
  for (let i = tagged ? open + 1 : at; i < (tagged ? close : end); i++) crc = withByte(crc, bytes[i]);
  return crc & (SLOTS - 1);
}
