/**
 * storage/partition-index.ts: the index of one partition of one database: 32-bit hash -> references of records.
 *
 * Extendible hashing over small blocks, so that growth is always a step of a few microseconds, whatever the size (one hash tag
 * can put fifty million keys into one partition): the directory maps the hash's leading bits to a block; a full block splits in
 * two by the next bit. Inside a block: linear probing that keeps hash order.
 *
 *   block.cells: pairs { tag, ref }; ref 0 = empty. tag = hash ^ 0x80000000, so that signed order of tags is the unsigned
 *   order of hashes.
 *
 * Invariants: within a block non-empty cells are in ascending order of tag; a cell lies at or after its home, with no empty
 * cell between; home is monotone in the hash. So the whole partition can be walked in hash order, and a walk can resume
 * at a hash after any growth: that is SCAN's cursor.
 *
 * Price: about 12 bytes a key. Blocks of one size would all split at about the same number of keys, and be half empty
 * together; so the size differs from partition to partition (256 to 512 cells), and at any moment they are 65 % full on average.
 * Sources: Fagin et al., "Extendible Hashing", 1979; ordered probing: Amble and Knuth, "Ordered hash tables", 1974.
 */
import { assert } from "../lib/assert.js";
import type { CellPool } from "./cell-pool.js";

/** A partition with few keys has one small block: sizes before the full one. */
const SMALL_SIZES: readonly number[] = [16, 64];
const FULL_MIN = 256;
/** Cells behind the last home, for what is pushed past the end. */
const SLACK = 12;
/** Beyond it a block no longer splits but grows: only equal hashes can get here, and a directory must stay small. */
const DEPTH_MAX = 22;
const FILL_MAX = 0.9;
const SIGN: number = 0x80000000 | 0;
const GOLDEN = 0.6180339887498949;

export class Block {
  /** Cells that hash to a home. */
  slots: number;
  cells: Int32Array;
  count = 0;
  /** Leading bits that all hashes in the block share. */
  depth: number;
  /** No key of the block has a deadline before this one: what the sweep looks at. Infinity = none has. */
  expireAtMin: number = Number.POSITIVE_INFINITY;

  constructor(slots: number, depth: number, cells: Int32Array) {
    this.slots = slots;
    this.depth = depth;
    this.cells = cells;
  }
}

/** Where a block's cells are put while they are laid anew. One block at a time. */
let scratch: Int32Array = new Int32Array((FULL_MIN * 2 + SLACK) * 2);

// HOT: the home of a hash within a block: its bits after the shared ones, scaled to the block's slots.
function homeOf(hash: number, depth: number, slots: number): number {
  return slots <= 65536
    ? (((hash << depth) >>> 16) * slots) >>> 16
    : Math.floor((((hash << depth) >>> 0) * slots) / 4_294_967_296);
}

export class PartitionIndex {
  /** 2^depth entries; a block stands in as many neighbouring ones as its own depth leaves open. */
  directory: Block[];
  depth = 0;
  count = 0;
  /** Keys with a deadline. */
  expiring = 0;
  /** LSN of the last removal: an answer "absent" waits for it. */
  removedLsn = 0;
  /** Lower bound of all blocks' expireAtMin. */
  expireAtMin: number = Number.POSITIVE_INFINITY;
  private readonly pool: CellPool;
  /** Slots of a full-sized block in this partition. */
  private readonly fullSlots: number;

  /** @param partition its number: decides the size of its blocks. */
  constructor(pool: CellPool, partition: number) {
    this.pool = pool;
    this.fullSlots = Math.floor(FULL_MIN * 2 ** ((partition * GOLDEN) % 1)) & ~7;
    this.directory = [this.makeBlock(SMALL_SIZES[0], 0)];
  }

  private makeBlock(slots: number, depth: number): Block {
    return new Block(slots, depth, this.pool.take((slots + SLACK) * 2));
  }

  blockOf(hash: number): Block {
    return this.depth === 0 ? this.directory[0] : this.directory[hash >>> (32 - this.depth)];
  }

  /** Directory entry where the block after the one at `entry` begins, wherever in its span `entry` lies. */
  entryAfter(entry: number): number {
    const span = this.depth - this.directory[entry].depth;
    return ((entry >>> span) + 1) << span;
  }

  // HOT: once per key looked up.
  /** First cell that can hold the hash: the caller walks on while tags are equal. @returns cell number, or -1. */
  first(block: Block, hash: number): number {
    const cells = block.cells;
    const tag = hash ^ SIGN;
    let cell = homeOf(hash, block.depth, block.slots) * 2;
    const end = cells.length;
    while (cell < end && cells[cell + 1] !== 0) {
      const seen = cells[cell];
      if (seen === tag) return cell >> 1;
      if (seen > tag) return -1;
      cell += 2;
    }
    return -1;
  }

  /** The next cell with the same tag as `cell`, or -1. */
  next(block: Block, cell: number): number {
    const after = cell + 1;
    const cells = block.cells;
    if (after * 2 >= cells.length || cells[after * 2 + 1] === 0) return -1;
    return cells[after * 2] === cells[cell * 2] ? after : -1;
  }

  /** Add a reference. At worst one block is laid anew. @returns the block it is in. */
  insert(hash: number, ref: number): Block {
    let block = this.blockOf(hash);
    while (block.count + 1 > block.slots * FILL_MAX || !place(block, hash, ref)) {
      this.makeRoom(block);
      block = this.blockOf(hash);
    }
    block.count++;
    this.count++;
    return block;
  }

  /** Take out a cell, closing the gap. O(run of occupied cells). */
  removeCell(block: Block, cell: number): void {
    const cells = block.cells;
    const end = cells.length >> 1;
    let gap = cell;
    for (let i = cell + 1; i < end && cells[i * 2 + 1] !== 0; i++) {
      if (homeOf(cells[i * 2] ^ SIGN, block.depth, block.slots) === i) break;
      cells[gap * 2] = cells[i * 2];
      cells[gap * 2 + 1] = cells[i * 2 + 1];
      gap = i;
    }
    cells[gap * 2 + 1] = 0;
    cells[gap * 2] = 0;
    block.count--;
    this.count--;
    if (block.count < block.slots >> 3 && block.slots > SMALL_SIZES[0]) this.shrink(block);
  }

  noteDeadline(block: Block, expireAt: number): void {
    if (expireAt < block.expireAtMin) block.expireAtMin = expireAt;
    if (expireAt < this.expireAtMin) this.expireAtMin = expireAt;
  }

  /** The block's memory goes back; the block is not to be used again. */
  release(block: Block): void {
    this.pool.give(block.cells);
  }

  private makeRoom(block: Block): void {
    if (block.slots < this.fullSlots || block.depth >= DEPTH_MAX) {
      this.relay(block, this.nextSize(block.slots));
      return;
    }
    if (block.depth === this.depth) {
      const doubled: Block[] = new Array(this.directory.length * 2);
      for (let i = 0; i < this.directory.length; i++) doubled[i * 2] = doubled[i * 2 + 1] = this.directory[i];
      this.directory = doubled;
      this.depth++;
    }
    this.split(block);
  }

  private nextSize(slots: number): number {
    for (const size of SMALL_SIZES) if (size > slots) return size;
    return slots < this.fullSlots ? this.fullSlots : Math.floor(slots * 1.25);
  }

  /** The block keeps the hashes whose next bit is 0; a new one gets those where it is 1. O(cells). */
  private split(block: Block): void {
    const start = this.directoryStart(block);
    const used = toScratch(block);
    const depth = block.depth + 1;
    const upper = this.makeBlock(block.slots, depth);
    upper.expireAtMin = block.expireAtMin;
    block.depth = depth;
    block.cells.fill(0);
    let middle = 0;
    while (middle < used && (((scratch[middle * 2] ^ SIGN) >>> (32 - depth)) & 1) === 0) middle++;
    this.layInto(block, 0, middle);
    this.layInto(upper, middle, used);
    const span = 1 << (this.depth - depth);
    for (let i = 0; i < span; i++) this.directory[start + span + i] = upper;
  }

  /** Lay scratch cells [from, to) into an empty block, or into a larger one when a run reaches its end. */
  private layInto(block: Block, from: number, to: number): void {
    block.count = to - from;
    while (!lay(block, from, to)) {
      const slots = Math.floor(block.slots * 1.25);
      this.pool.give(block.cells);
      block.slots = slots;
      block.cells = this.pool.take((slots + SLACK) * 2);
    }
  }

  private relay(block: Block, slots: number): void {
    const used = toScratch(block);
    assert(used === block.count, "a block's count is off", used, block.count);
    this.pool.give(block.cells);
    block.slots = slots;
    block.cells = this.pool.take((slots + SLACK) * 2);
    this.layInto(block, 0, used);
  }

  /** First directory entry of a block that is not empty. */
  private directoryStart(block: Block): number {
    const cells = block.cells;
    let i = 0;
    while (cells[i + 1] === 0) i += 2;
    const span = this.depth - block.depth;
    const entry = this.depth === 0 ? 0 : (cells[i] ^ SIGN) >>> (32 - this.depth);
    return (entry >>> span) << span;
  }

  /** Fewer cells after many removals, so that memory follows the data. Blocks are not joined again: they become small. */
  private shrink(block: Block): void {
    let slots = SMALL_SIZES[0];
    while (block.count > slots * FILL_MAX * 0.7) slots = this.nextSize(slots);
    if (slots < block.slots) this.relay(block, slots);
  }
}

/** Copy a block's occupied cells to scratch, in order. @returns how many. */
function toScratch(block: Block): number {
  const cells = block.cells;
  if (scratch.length < cells.length) scratch = new Int32Array(cells.length);
  let used = 0;
  for (let i = 0; i < cells.length; i += 2) {
    if (cells[i + 1] === 0) continue;
    scratch[used * 2] = cells[i];
    scratch[used * 2 + 1] = cells[i + 1];
    used++;
  }
  return used;
}

/** Lay scratch cells [from, to), which are in order, into a block of zeros. @returns false when they do not fit: cells are zeros again. */
function lay(block: Block, from: number, to: number): boolean {
  const cells = block.cells;
  const end = cells.length >> 1;
  let free = 0;
  for (let i = from; i < to; i++) {
    const home = homeOf(scratch[i * 2] ^ SIGN, block.depth, block.slots);
    const cell = home > free ? home : free;
    if (cell >= end) {
      cells.fill(0);
      return false;
    }
    cells[cell * 2] = scratch[i * 2];
    cells[cell * 2 + 1] = scratch[i * 2 + 1];
    free = cell + 1;
  }
  return true;
}

/** Put {hash, ref} where order wants it. @returns false when the run reaches the end of the block: nothing was changed. */
function place(block: Block, hash: number, ref: number): boolean {
  const cells = block.cells;
  const tag = hash ^ SIGN;
  const end = cells.length >> 1;
  let cell = homeOf(hash, block.depth, block.slots);
  while (cell < end && cells[cell * 2 + 1] !== 0 && cells[cell * 2] <= tag) cell++;
  let empty = cell;
  while (empty < end && cells[empty * 2 + 1] !== 0) empty++;
  if (empty >= end) return false;
  for (let i = empty; i > cell; i--) {
    cells[i * 2] = cells[i * 2 - 2];
    cells[i * 2 + 1] = cells[i * 2 - 1];
  }
  cells[cell * 2] = tag;
  cells[cell * 2 + 1] = ref;
  return true;
}
