/**
 * storage/partition-index.ts: the index of one partition of one database: 32-bit hash -> references of records.
 *
 * Extendible hashing over small blocks (storage/index-block.ts), so that growth is always a step of a few microseconds, whatever the
 * size (one hash tag can put fifty million keys into one partition): the directory maps the hash's leading bits to a block; a full
 * block splits in two by the next bit. Directory and blocks are areas of the cell heap, and a directory's entry is one cell:
 *
 *   { i32 address of the block, i32 its meta (slots << 5 | depth) }      as the block itself has it, so that a lookup need not look there
 *
 * `root` is such a cell too, one per partition, side by side in the table. It stands for the only block, or, with a negative meta
 * (sign bit | depth), for a directory of 2^depth entries. So a lookup reads: root, directory entry if any, cell, record.
 *
 * Invariants: a block stands in as many neighbouring entries as its own depth leaves open, all equal; the whole partition can be
 * walked in hash order, and a walk can resume at a hash after any growth: that is SCAN's cursor.
 *
 * Price: about 12 bytes a key. Blocks of one size would all split at about the same number of keys, and be half empty
 * together; so the size differs from partition to partition (256 to 512 cells), and at any moment they are 65 % full on average.
 * Source: Fagin et al., "Extendible Hashing", 1979.
 */
import { assert } from "../lib/assert.js";
import { type CellHeap, firstInt } from "./cell-heap.js";
import {
  blockCells,
  countLower,
  countOf,
  depthOf,
  earliestDeadline,
  fits,
  gatherCells,
  initBlock,
  layCells,
  metaAt,
  metaOf,
  placeCell,
  removeCell,
  resetBlock,
  setEarliestDeadline,
  slotsOf,
} from "./index-block.js";

/** A partition with few keys has one small block: sizes before the full one. */
const SMALL_SIZES: readonly number[] = [16];
const FULL_MIN = 256;
/** Beyond it a block no longer splits but grows: only equal hashes can get here, and a directory must stay small. */
const DEPTH_MAX = 22;
const GOLDEN = 0.6180339887498949;
/** Marks a root's meta as that of a directory. */
const DIRECTORY: number = 0x80000000 | 0;

export class PartitionIndex {
  count = 0;
  /** Keys with a deadline. */
  expiring = 0;
  /** LSN of the last removal: an answer "absent" waits for it. */
  removedLsn = 0;
  /** Of the records counted, those that a replica keeps of deleted keys. */
  tombstones = 0;
  /** Lower bound of all blocks' earliest deadlines. */
  expireAtMin: number = Number.POSITIVE_INFINITY;
  private readonly heap: CellHeap;
  private root: Int32Array;
  private at: number;
  /** Slots of a full-sized block in this partition. */
  private readonly fullSlots: number;

  /** @param root where its root cell lies: root[at], root[at + 1]. @param partition its number: decides the size of its blocks. */
  constructor(heap: CellHeap, root: Int32Array, at: number, partition: number) {
    this.heap = heap;
    this.root = root;
    this.at = at;
    this.fullSlots = Math.floor(FULL_MIN * 2 ** ((partition * GOLDEN) % 1)) & ~7;
    const meta = metaOf(SMALL_SIZES[0], 0);
    root[at] = this.makeBlock(meta);
    root[at + 1] = meta;
  }

  /** The place of its root is needed for another: keep it by itself. */
  detach(): void {
    this.root = Int32Array.of(this.root[this.at], this.root[this.at + 1]);
    this.at = 0;
  }

  private makeBlock(meta: number): number {
    const block = this.heap.take(blockCells(slotsOf(meta)));
    initBlock(this.heap.ints(block), firstInt(block), meta);
    return block;
  }

  /** Bits of the hash that the directory looks at; 0: there is one block and no directory. */
  get depth(): number {
    const meta = this.root[this.at + 1];
    return meta < 0 ? meta & 31 : 0;
  }

  /** Entries of the directory. */
  get entries(): number {
    return 1 << this.depth;
  }

  /** The entry that a hash belongs to. */
  entryOf(hash: number): number {
    const depth = this.depth;
    return depth === 0 ? 0 : hash >>> (32 - depth);
  }

  /** Address of the block at an entry. */
  blockAt(entry: number): number {
    const root = this.root[this.at];
    if (this.root[this.at + 1] >= 0) return root;
    const cell = (root + entry) | 0;
    return this.heap.ints(cell)[firstInt(cell)];
  }

  /** Directory entry where the block after the one at `entry` begins, wherever in its span `entry` lies. */
  entryAfter(entry: number): number {
    const block = this.blockAt(entry);
    const span = this.depth - depthOf(metaAt(this.heap.ints(block), firstInt(block)));
    return ((entry >>> span) + 1) << span;
  }

  /** Add a reference. At worst one block is laid anew. @returns the address of the block it is in. */
  insert(hash: number, ref: number): number {
    for (;;) {
      const block = this.blockAt(this.entryOf(hash));
      const ints = this.heap.ints(block);
      const base = firstInt(block);
      if (placeCell(ints, base, metaAt(ints, base), hash, ref)) {
        this.count++;
        return block;
      }
      this.makeRoom(block, hash);
    }
  }

  /** Take out the cell at `at` (an index into the block's memory) of the block that has `hash`. O(run of occupied cells). */
  remove(hash: number, block: number, at: number): void {
    const ints = this.heap.ints(block);
    const base = firstInt(block);
    removeCell(ints, base, at);
    this.count--;
    const slots = slotsOf(metaAt(ints, base));
    if (countOf(ints, base) < slots >> 3 && slots > SMALL_SIZES[0]) this.shrink(block, hash);
  }

  noteDeadline(block: number, expireAt: number): void {
    const ints = this.heap.ints(block);
    const base = firstInt(block);
    if (expireAt < earliestDeadline(ints, base)) setEarliestDeadline(ints, base, expireAt);
    if (expireAt < this.expireAtMin) this.expireAtMin = expireAt;
  }

  /** The block's memory goes back; the block is not to be used again. */
  release(block: number): void {
    this.heap.give(block, blockCells(slotsOf(metaAt(this.heap.ints(block), firstInt(block)))));
  }

  /** All blocks were released: so is the directory. The index is not to be used again. */
  releaseDirectory(): void {
    if (this.root[this.at + 1] < 0) this.heap.give(this.root[this.at], this.entries);
  }

  private makeRoom(block: number, hash: number): void {
    const meta = metaAt(this.heap.ints(block), firstInt(block));
    const slots = slotsOf(meta);
    if (slots < this.fullSlots || depthOf(meta) >= DEPTH_MAX) {
      this.relay(block, hash, this.nextSize(slots));
      return;
    }
    if (depthOf(meta) === this.depth) this.growDirectory();
    this.split(block, hash);
  }

  /** Twice the entries. O(entries): 2^18 at fifty million keys, a millisecond. */
  private growDirectory(): void {
    const { heap, root, at } = this;
    const depth = this.depth;
    const old = root[at];
    const grown = heap.take(2 << depth);
    const to = heap.ints(grown);
    let next = firstInt(grown);
    if (root[at + 1] >= 0) {
      for (let i = 0; i < 2; i++, next += 2) {
        to[next] = old;
        to[next + 1] = root[at + 1];
      }
    } else {
      const from = heap.ints(old);
      const end = firstInt(old) + (2 << depth);
      for (let i = firstInt(old); i < end; i += 2, next += 4) {
        to[next] = to[next + 2] = from[i];
        to[next + 1] = to[next + 3] = from[i + 1];
      }
      heap.give(old, 1 << depth);
    }
    root[at] = grown;
    root[at + 1] = DIRECTORY | (depth + 1);
  }

  private nextSize(slots: number): number {
    for (const size of SMALL_SIZES) if (size > slots) return size;
    return slots < this.fullSlots ? this.fullSlots : Math.floor(slots * 1.25);
  }

  /** The block keeps the hashes whose next bit is 0; a new one gets those where it is 1. O(cells). */
  private split(block: number, hash: number): void {
    const ints = this.heap.ints(block);
    const base = firstInt(block);
    const depth = depthOf(metaAt(ints, base));
    const meta = metaOf(slotsOf(metaAt(ints, base)), depth + 1);
    const used = gatherCells(ints, base);
    const middle = countLower(used, depth);
    const earliest = earliestDeadline(ints, base);
    const upper = this.makeBlock(meta);
    setEarliestDeadline(this.heap.ints(upper), firstInt(upper), earliest);
    resetBlock(ints, base, meta);
    const bit = 1 << (31 - depth);
    this.layInto(block, hash & ~bit, 0, middle);
    this.layInto(upper, hash | bit, middle, used);
  }

  /** Lay scratch cells [from, to) into an empty block, or into a larger one when a run reaches its end, and enter it in the directory. */
  private layInto(block: number, hash: number, from: number, to: number): void {
    let target = block;
    while (!layCells(this.heap.ints(target), firstInt(target), from, to)) {
      const meta = metaAt(this.heap.ints(target), firstInt(target));
      target = this.exchange(target, Math.floor(slotsOf(meta) * 1.25));
    }
    this.enter(target, hash);
  }

  /** An empty block of another size in place of one. */
  private exchange(block: number, slots: number): number {
    const ints = this.heap.ints(block);
    const base = firstInt(block);
    const earliest = earliestDeadline(ints, base);
    const meta = metaOf(slots, depthOf(metaAt(ints, base)));
    this.release(block);
    const made = this.makeBlock(meta);
    setEarliestDeadline(this.heap.ints(made), firstInt(made), earliest);
    return made;
  }

  /** Write a block's address and meta into all entries that a hash of it belongs to. */
  private enter(block: number, hash: number): void {
    const { heap, root, at } = this;
    const meta = metaAt(heap.ints(block), firstInt(block));
    if (root[at + 1] >= 0) {
      root[at] = block;
      root[at + 1] = meta;
      return;
    }
    const depth = this.depth;
    const span = 1 << (depth - depthOf(meta));
    const first = (hash >>> (32 - depth)) & -span;
    const directory = heap.ints(root[at]);
    const begin = firstInt(root[at]) + first * 2;
    for (let i = begin; i < begin + span * 2; i += 2) {
      directory[i] = block;
      directory[i + 1] = meta;
    }
  }

  private relay(block: number, hash: number, slots: number): void {
    const ints = this.heap.ints(block);
    const used = gatherCells(ints, firstInt(block));
    assert(used === countOf(ints, firstInt(block)), "a block's count is off", used);
    this.layInto(this.exchange(block, slots), hash, 0, used);
  }

  /** Fewer cells after many removals, so that memory follows the data. Blocks are not joined again: they become small. */
  private shrink(block: number, hash: number): void {
    const ints = this.heap.ints(block);
    const base = firstInt(block);
    let slots = SMALL_SIZES[0];
    while (!fits(slots, countOf(ints, base))) slots = this.nextSize(slots);
    if (slots < slotsOf(metaAt(ints, base))) this.relay(block, hash, slots);
  }
}
