/**
 * storage/index-block.ts: one block of a partition's index: a small table of {hash, reference}, in hash order, by linear probing.
 * Functions over integers: `ints` is the memory a block lies in, `base` where in it the block begins.
 *
 *   base  i32 count      occupied cells
 *     +1  i32 meta       cells that hash to a home << 5 | depth (leading bits that all hashes in the block share)
 *     +2  i32 x 2        earliest deadline: ms, low and high 32 bits; high = -1: none of its keys has one
 *     +4  cells          pairs { tag, ref }; ref 0 = empty. tag = hash ^ 0x80000000, so that signed order of tags is the
 *                        unsigned order of hashes. `slots` homes and SLACK more, for what is pushed past the end
 *
 * Invariants: non-empty cells are in ascending order of tag; a cell lies at or after its home, with no empty cell between; home is
 * monotone in the hash. Source: Amble and Knuth, "Ordered hash tables", 1974.
 */

/** Cells behind the last home. */
const SLACK = 12;
const HEADER_CELLS = 2;
const HEADER_INTS: number = HEADER_CELLS * 2;
const SIGN: number = 0x80000000 | 0;
const TWO_32 = 4_294_967_296;
const FILL_MAX = 0.9;

export function metaOf(slots: number, depth: number): number {
  return (slots << 5) | depth;
}
export function slotsOf(meta: number): number {
  return meta >>> 5;
}
export function depthOf(meta: number): number {
  return meta & 31;
}
/** Cells of memory that a block takes. */
export function blockCells(slots: number): number {
  return HEADER_CELLS + slots + SLACK;
}
/** First integer of the first cell, and one past the last: cells are {tag, ref} pairs between them. */
export function cellsBegin(base: number): number {
  return base + HEADER_INTS;
}
export function cellsEnd(base: number, meta: number): number {
  return base + HEADER_INTS + (slotsOf(meta) + SLACK) * 2;
}
export function countOf(ints: Int32Array, base: number): number {
  return ints[base];
}
export function metaAt(ints: Int32Array, base: number): number {
  return ints[base + 1];
}
/** The hash of a cell, 0 .. 2^32 - 1. */
export function hashOfTag(tag: number): number {
  return (tag ^ SIGN) >>> 0;
}

/** No key of the block has a deadline before this one: what the sweep looks at. Infinity = none has. */
export function earliestDeadline(ints: Int32Array, base: number): number {
  const high = ints[base + 3];
  return high < 0 ? Number.POSITIVE_INFINITY : high * TWO_32 + (ints[base + 2] >>> 0);
}
export function setEarliestDeadline(ints: Int32Array, base: number, ms: number): void {
  if (ms === Number.POSITIVE_INFINITY) {
    ints[base + 3] = -1;
    return;
  }
  ints[base + 2] = ms | 0;
  ints[base + 3] = Math.floor(ms / TWO_32);
}

/** Lay out a new block in zeroed memory. */
export function initBlock(ints: Int32Array, base: number, meta: number): void {
  ints[base + 1] = meta;
  ints[base + 3] = -1;
}

// HOT: the home of a hash within a block: its bits after the shared ones, scaled to the block's slots.
function homeOf(hash: number, meta: number): number {
  const slots = slotsOf(meta);
  const bits = hash << depthOf(meta);
  return slots <= 65536 ? ((bits >>> 16) * slots) >>> 16 : Math.floor(((bits >>> 0) * slots) / TWO_32);
}

/** How many cells behind the block's first one the search for a hash begins. */
export function homeCellOf(hash: number, meta: number): number {
  return HEADER_CELLS + homeOf(hash, meta);
}

// HOT: once per key looked up.
/** First cell with the hash. @returns the index of its tag in ints, or -1. */
export function firstCell(ints: Int32Array, base: number, meta: number, hash: number): number {
  const tag = hash ^ SIGN;
  const end = cellsEnd(base, meta);
  for (let at = base + HEADER_INTS + homeOf(hash, meta) * 2; at < end && ints[at + 1] !== 0; at += 2) {
    const seen = ints[at];
    if (seen >= tag) return seen === tag ? at : -1;
  }
  return -1;
}

/** The next cell with the same tag as that at `at`, or -1. */
export function nextCell(ints: Int32Array, base: number, meta: number, at: number): number {
  const after = at + 2;
  return after < cellsEnd(base, meta) && ints[after + 1] !== 0 && ints[after] === ints[at] ? after : -1;
}

/** Put {hash, ref} where order wants it, and count it. @returns false when there is no room: nothing was changed. O(run of occupied cells). */
export function placeCell(ints: Int32Array, base: number, meta: number, hash: number, ref: number): boolean {
  if (ints[base] + 1 > slotsOf(meta) * FILL_MAX) return false;
  const tag = hash ^ SIGN;
  const end = cellsEnd(base, meta);
  let cell = base + HEADER_INTS + homeOf(hash, meta) * 2;
  while (cell < end && ints[cell + 1] !== 0 && ints[cell] <= tag) cell += 2;
  let empty = cell;
  while (empty < end && ints[empty + 1] !== 0) empty += 2;
  if (empty >= end) return false;
  for (let i = empty; i > cell; i -= 2) {
    ints[i] = ints[i - 2];
    ints[i + 1] = ints[i - 1];
  }
  ints[cell] = tag;
  ints[cell + 1] = ref;
  ints[base]++;
  return true;
}

/** Take out the cell at `at`, closing the gap. O(run of occupied cells). */
export function removeCell(ints: Int32Array, base: number, at: number): void {
  const meta = metaAt(ints, base);
  const end = cellsEnd(base, meta);
  const begin = base + HEADER_INTS;
  let gap = at;
  for (let i = at + 2; i < end && ints[i + 1] !== 0; i += 2) {
    if (begin + homeOf(ints[i] ^ SIGN, meta) * 2 === i) break;
    ints[gap] = ints[i];
    ints[gap + 1] = ints[i + 1];
    gap = i;
  }
  ints[gap] = 0;
  ints[gap + 1] = 0;
  ints[base]--;
}

/** Would a block with so many slots hold `count` keys with room to grow? */
export function fits(slots: number, count: number): boolean {
  return count <= slots * FILL_MAX * 0.7;
}

/** Where a block's cells are put while they are laid anew. One block at a time. */
let scratch: Int32Array = new Int32Array(2048);

/** Copy a block's occupied cells to scratch, in order. @returns how many. */
export function gatherCells(ints: Int32Array, base: number): number {
  const end = cellsEnd(base, metaAt(ints, base));
  if (scratch.length < end - base) scratch = new Int32Array(end - base);
  let used = 0;
  for (let i = base + HEADER_INTS; i < end; i += 2) {
    if (ints[i + 1] === 0) continue;
    scratch[used * 2] = ints[i];
    scratch[used * 2 + 1] = ints[i + 1];
    used++;
  }
  return used;
}

/** Of the first `used` cells in scratch: how many have 0 as their bit after `depth` leading ones? */
export function countLower(used: number, depth: number): number {
  let middle = 0;
  while (middle < used && (((scratch[middle * 2] ^ SIGN) >>> (31 - depth)) & 1) === 0) middle++;
  return middle;
}

/** Lay scratch cells [from, to), which are in order, into a block without cells. @returns false when they do not fit: cells are zeros again. */
export function layCells(ints: Int32Array, base: number, from: number, to: number): boolean {
  const meta = metaAt(ints, base);
  const end = cellsEnd(base, meta);
  const begin = base + HEADER_INTS;
  let free = begin;
  for (let i = from; i < to; i++) {
    const home = begin + homeOf(scratch[i * 2] ^ SIGN, meta) * 2;
    const cell = home > free ? home : free;
    if (cell >= end) {
      ints.fill(0, begin, end);
      return false;
    }
    ints[cell] = scratch[i * 2];
    ints[cell + 1] = scratch[i * 2 + 1];
    free = cell + 2;
  }
  ints[base] = to - from;
  return true;
}

/** Empty a block and say that its hashes share `depth` bits. */
export function resetBlock(ints: Int32Array, base: number, meta: number): void {
  ints.fill(0, base + HEADER_INTS, cellsEnd(base, meta));
  ints[base] = 0;
  ints[base + 1] = meta;
}
