/**
 * storage/partition-index.ts: the index of one partition of one database: 32-bit hash -> references of records.
 *
 * Extendible hashing over small blocks, so that growth is always a step of a few microseconds, whatever the size (one hash tag
 * can put fifty million keys into one partition): the directory maps the hash's leading bits to a block; a block grows in
 * steps up to CELLS_MAX cells and then splits in two by the next bit. Inside a block: linear probing that keeps hash order.
 *
 *   block.cells: Int32Array of pairs { tag, ref }; ref 0 = empty. tag = hash ^ 0x80000000, so that signed order of tags is
 *   the unsigned order of hashes.
 *
 * Invariants: within a block non-empty cells are in ascending order of tag; a cell lies at or after its home, with no empty
 * cell between; home is monotone in the hash. So the whole partition can be walked in hash order, and a walk can resume
 * at a hash after any growth: that is SCAN's cursor.
 * Price: a block is 72 to 90 % full, about 10 bytes a key. Source: Fagin et al., "Extendible Hashing", 1979; sorted linear
 * probing: Amble and Knuth, "Ordered hash tables", 1974.
 */
import { assert } from "../lib/assert.js";

const SIZES: readonly number[] = [
  4, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024,
];
const CELLS_MAX = 1024;
/** Beyond it a block no longer splits but grows: only equal hashes can get here, and a directory must stay small. */
const DEPTH_MAX = 22;
const FILL_MAX = 0.9;
const SIGN = 0x80000000 | 0;

export class Block {
  /** Cells that hash to a home; `slack` more stand behind them for what is pushed past the end. */
  slots: number;
  cells: Int32Array;
  count = 0;
  /** Leading bits that all hashes in the block share. */
  depth: number;
  /** No key of the block has a deadline before this one: what the sweep looks at. Infinity = none has. */
  expireAtMin: number = Number.POSITIVE_INFINITY;

  constructor(slots: number, depth: number) {
    this.slots = slots;
    this.depth = depth;
    this.cells = new Int32Array((slots + slackOf(slots)) * 2);
  }
}

function slackOf(slots: number): number {
  return slots < 64 ? 4 : 4 + (slots >>> 5);
}

// HOT: the home of a hash within a block: its bits after the shared ones, scaled to the block's slots.
function homeOf(hash: number, depth: number, slots: number): number {
  return slots <= CELLS_MAX
    ? (((hash << depth) >>> 16) * slots) >>> 16
    : Math.floor((((hash << depth) >>> 0) * slots) / 4_294_967_296);
}

export class PartitionIndex {
  /** Directory: 2^depth entries, a block stands in as many as its own depth leaves open. */
  directory: Block[] = [new Block(SIZES[0], 0)];
  depth = 0;
  count = 0;
  /** Keys with a deadline. */
  expiring = 0;
  /** LSN of the last removal: an answer "absent" waits for it. */
  removedLsn = 0;
  /** Lower bound of all blocks' expireAtMin. */
  expireAtMin: number = Number.POSITIVE_INFINITY;

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
    let cell = homeOf(hash, block.depth, block.slots);
    const end = cells.length >> 1;
    while (cell < end && cells[cell * 2 + 1] !== 0) {
      const seen = cells[cell * 2];
      if (seen === tag) return cell;
      if (seen > tag) return -1;
      cell++;
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

  /** Add a reference. Amortised O(1); at worst one block of CELLS_MAX cells is laid anew. */
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
    if (block.count < block.slots >> 2 && block.slots > SIZES[0]) this.shrink(block);
  }

  noteDeadline(block: Block, expireAt: number): void {
    if (expireAt < block.expireAtMin) block.expireAtMin = expireAt;
    if (expireAt < this.expireAtMin) this.expireAtMin = expireAt;
  }

  private makeRoom(block: Block): void {
    if (block.slots < CELLS_MAX || block.depth >= DEPTH_MAX) {
      relay(block, nextSize(block.slots));
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

  private split(block: Block): void {
    const depth = block.depth + 1;
    const halves = [new Block(CELLS_MAX >> 1, depth), new Block(CELLS_MAX >> 1, depth)];
    const cells = block.cells;
    for (let i = 0; i < cells.length; i += 2) {
      if (cells[i + 1] === 0) continue;
      const hash = cells[i] ^ SIGN;
      const half = halves[(hash >>> (32 - depth)) & 1];
      // Equal leading bits can fill one half: it grows as any block does.
      while (half.count + 1 > half.slots * FILL_MAX || !place(half, hash, cells[i + 1]))
        relay(half, nextSize(half.slots));
      half.count++;
    }
    for (const half of halves) half.expireAtMin = block.expireAtMin;
    const directory = this.directory;
    const start = this.directoryStart(block);
    const span = 1 << (this.depth - block.depth);
    for (let i = 0; i < span; i++) directory[start + i] = halves[i < span >> 1 ? 0 : 1];
  }

  /** First directory entry of a block. O(log) would need its prefix stored; a block knows a hash of its own instead. */
  private directoryStart(block: Block): number {
    const cells = block.cells;
    let i = 0;
    while (cells[i + 1] === 0) i += 2;
    const hash = cells[i] ^ SIGN;
    const span = this.depth - block.depth;
    const entry = this.depth === 0 ? 0 : hash >>> (32 - this.depth);
    return (entry >>> span) << span;
  }

  /** Fewer cells after many removals, so that memory follows the data. Blocks are not joined again: they become tiny. */
  private shrink(block: Block): void {
    let slots = SIZES[0];
    while (block.count > slots * FILL_MAX * 0.8) slots = nextSize(slots);
    if (slots < block.slots) relay(block, slots);
  }
}

function nextSize(slots: number): number {
  for (const size of SIZES) if (size > slots) return size;
  return Math.floor(slots * 1.25);
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

/** Lay a block's cells anew over `slots` slots, or more when they do not fit. O(cells). */
function relay(block: Block, slots: number): void {
  const old = block.cells;
  let size = slots;
  for (;;) {
    block.slots = size;
    block.cells = new Int32Array((size + slackOf(size)) * 2);
    if (relayInto(block, old)) break;
    size = nextSize(size);
  }
  assert(block.count <= block.slots + slackOf(block.slots), "block overfull");
}

function relayInto(block: Block, old: Int32Array): boolean {
  const cells = block.cells;
  const end = cells.length >> 1;
  let free = 0;
  for (let i = 0; i < old.length; i += 2) {
    if (old[i + 1] === 0) continue;
    const home = homeOf(old[i] ^ SIGN, block.depth, block.slots);
    const cell = home > free ? home : free;
    if (cell >= end) return false;
    cells[cell * 2] = old[i];
    cells[cell * 2 + 1] = old[i + 1];
    free = cell + 1;
  }
  return true;
}
