/**
 * storage/lookahead.ts: keys that are about to be looked up, with their hashes: what is in memory far away is asked for several at a time,
 * so that the waits overlap. A lookup waits for memory twice, at its cell and at its record, 0.15 us each with 100,000 keys; while one
 * waits nothing stands in the way of asking for the next.
 * There is no prefetch instruction to be had here: a plain load does it, whose value goes nowhere but into `sink`.
 * Invariant: hashes are used only for the very bytes they were made of, and only until the caller's run over these bytes ends.
 */

import type { Viewed } from "../lib/view.js";
import type { KeysAhead } from "../ports/keyspace.js";
import { type Arena, EXTENT_MASK, EXTENT_SHIFT } from "./arena.js";
import { type CellHeap, CHUNK_SHIFT, firstInt } from "./cell-heap.js";
import { hashOfTag, homeCellOf } from "./index-block.js";

/** How far from its home a cell is looked for ahead of time: eight cells. */
const NEAR_INTS = 16;
/** In a record of usual size (16 + 64 bytes), the next cache line, and about where it ends. */
const SECOND_LINE = 16;
const RECORD_END = 24;
const NONE: Int32Array = new Int32Array(0);

export class Lookahead {
  bytes: Viewed | undefined = undefined;
  count = 0;
  /** The first key that was not passed by yet. */
  next = 0;
  at: Int32Array = NONE;
  length: Int32Array = NONE;
  hash: Int32Array = NONE;
  partition: Int32Array = NONE;
  /** Within fetch(): address of the cell where the search begins, then, in front, the references found. */
  cell: Int32Array = NONE;
  /** Keeps the loads alive. Means nothing. */
  sink = 0;

  begin(bytes: Viewed, keys: KeysAhead): void {
    this.bytes = bytes;
    this.count = keys.count;
    this.next = 0;
    this.at = keys.at;
    this.length = keys.length;
    if (this.hash.length >= keys.count) return;
    this.hash = new Int32Array(keys.at.length);
    this.partition = new Int32Array(keys.at.length);
    this.cell = new Int32Array(keys.at.length);
  }

  // HOT: once per 16 keys of a pipeline. No allocation. Guard: bench/compare.ts, P16 and P64
  /** Ask the memory for the cells of the keys whose hashes are known, then for their records. @param root of their database. */
  fetch(root: Int32Array, heap: CellHeap, arena: Arena): void {
    const { count, hash, partition, cell } = this;
    const { chunks } = heap;
    const { ints } = arena;
    let sink = 0;
    // Loops of their own, and short: the processor looks only so many instructions ahead for loads that it can begin.
    for (let i = 0; i < count; i++) cell[i] = homeCell(root, chunks, partition[i], hash[i]);
    for (let i = 0; i < count; i++) sink ^= chunks[cell[i] >>> CHUNK_SHIFT][firstInt(cell[i])];
    let found = 0;
    for (let i = 0; i < count; i++) {
      const ref = refNear(chunks[cell[i] >>> CHUNK_SHIFT], firstInt(cell[i]), hash[i]);
      if (ref !== 0) cell[found++] = ref;
    }
    for (let i = 0; i < found; i++) sink ^= ints[cell[i] >>> EXTENT_SHIFT][((cell[i] & EXTENT_MASK) << 1) - 1];
    for (let i = 0; i < found; i++) {
      const extent = ints[cell[i] >>> EXTENT_SHIFT];
      const header = ((cell[i] & EXTENT_MASK) << 1) - 1;
      // Key and value may lie in the lines behind it.
      if (header + RECORD_END < extent.length) sink ^= extent[header + SECOND_LINE] ^ extent[header + RECORD_END];
    }
    this.sink = sink;
  }

  /** Ask the memory for the heads of the blocks that the keys belong to: whoever inserts them counts there. */
  fetchBlocks(root: Int32Array, { chunks }: CellHeap): void {
    const { count, hash, partition, cell } = this;
    let sink = 0;
    for (let i = 0; i < count; i++) cell[i] = blockOf(root, chunks, partition[i], hash[i]);
    for (let i = 0; i < count; i++) sink ^= chunks[cell[i] >>> CHUNK_SHIFT][firstInt(cell[i])];
    this.sink = sink;
  }

  // HOT: once per key looked up.
  /** @returns where the key stands in the lists, or -1. Keys are asked for in their order. */
  find(bytes: Viewed, at: number, length: number): number {
    if (this.bytes !== bytes) return -1;
    const { count } = this;
    let i = this.next;
    while (i < count && this.at[i] < at) i++;
    this.next = i;
    return i < count && this.at[i] === at && this.length[i] === length ? i : -1;
  }

  forget(): void {
    this.bytes = undefined;
    this.count = 0;
  }
}

// HOT: once per 32 cells of a walk.
/**
 * Ask the memory for the records that the cells in ints[from .. to) refer to: neighbours in an index lie anywhere in the arena.
 * @returns what keeps the loads alive. Means nothing.
 */
export function fetchRecords(arena: Arena, ints: Int32Array, from: number, to: number): number {
  const extents = arena.ints;
  let sink = 0;
  for (let i = from + 1; i < to; i += 2) {
    const ref = ints[i];
    if (ref === 0) continue;
    const extent = extents[ref >>> EXTENT_SHIFT];
    const header = ((ref & EXTENT_MASK) << 1) - 1;
    sink ^= extent[header];
    if (header + RECORD_END < extent.length) sink ^= extent[header + SECOND_LINE];
  }
  return sink;
}

/** Address of the cell where the search for a hash begins; that of cell 0, which is nobody's, when there is no index. */
function homeCell(root: Int32Array, chunks: readonly Int32Array[], partition: number, hash: number): number {
  let block = root[partition * 2];
  let meta = root[partition * 2 + 1];
  if (block === 0) return 0;
  if (meta < 0) {
    const entry = (block + (hash >>> (32 - (meta & 31)))) | 0;
    const directory = chunks[entry >>> CHUNK_SHIFT];
    block = directory[firstInt(entry)];
    meta = directory[firstInt(entry) + 1];
  }
  return (block + homeCellOf(hash, meta)) | 0;
}

/** Address of the block that a hash belongs to; 0 when there is no index. */
function blockOf(root: Int32Array, chunks: readonly Int32Array[], partition: number, hash: number): number {
  const block = root[partition * 2];
  const meta = root[partition * 2 + 1];
  if (meta >= 0) return block;
  const entry = (block + (hash >>> (32 - (meta & 31)))) | 0;
  return chunks[entry >>> CHUNK_SHIFT][firstInt(entry)];
}

/** The reference that goes with a hash, if it is within a cache line's reach of its home; a guess, 0 = none seen. */
function refNear(ints: Int32Array, at: number, hash: number): number {
  for (let i = at; i < at + NEAR_INTS; i += 2) if ((hashOfTag(ints[i]) | 0) === hash) return ints[i + 1];
  return 0;
}
