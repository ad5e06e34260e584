/**
 * storage/walk.ts: walking a database in hash order, resumable at any point, whatever happened to the table meanwhile.
 * A cursor is partition * 2^32 + hash: a place in the order of hashes, not a place in memory, so it means the same on every
 * replica, after growth and after a restart. 0 = the start, and, as a result, done.
 * Invariant: a key present throughout a walk is visited at least once; all keys of one hash are visited in one step.
 */
import { expireAtOf } from "../codec/record/record.js";
import { type CellHeap, firstInt } from "./cell-heap.js";
import {
  cellsBegin,
  cellsEnd,
  countOf,
  earliestDeadline,
  hashOfTag,
  metaAt,
  setEarliestDeadline,
} from "./index-block.js";
import { fetchRecords } from "./lookahead.js";
import type { PartitionIndex } from "./partition-index.js";
import type { Table } from "./table.js";

const TWO_32 = 4_294_967_296;
/** Cells whose records' memory is asked for together: their waits overlap. */
const FETCHED = 32;

/**
 * Visit records from `cursor` on until at least `count` were visited (or the database ends).
 * @param visit given a reference; it must not change the table. @returns the next cursor, 0 = done. O(count + partitions).
 */
export function walk(table: Table, db: number, cursor: number, count: number, visit: (ref: number) => void): number {
  let partition = Math.floor(cursor / TWO_32);
  let hash = cursor - partition * TWO_32;
  let left = count;
  for (; partition < table.partitions; partition++, hash = 0) {
    const index = table.indexOf(db, partition);
    if (index === undefined || index.count === 0) continue;
    const resume = walkPartition(table, index, hash, left, visit);
    if (resume.next >= 0) return partition * TWO_32 + resume.next;
    left -= resume.visited;
    if (left <= 0) return partition + 1 < table.partitions ? (partition + 1) * TWO_32 : 0;
  }
  return 0;
}

/** @returns next: the hash to resume at, -1 when the partition is done. */
function walkPartition(
  table: Table,
  index: PartitionIndex,
  from: number,
  count: number,
  visit: (ref: number) => void,
): { next: number; visited: number } {
  const entries = index.entries;
  let visited = 0;
  for (let entry = index.entryOf(from); entry < entries; entry = index.entryAfter(entry)) {
    const block = index.blockAt(entry);
    const ints = table.heap.ints(block);
    const base = firstInt(block);
    const end = cellsEnd(base, metaAt(ints, base));
    let lastTag = 0;
    let fetchedTo = 0;
    for (let i = cellsBegin(base); i < end; i += 2) {
      if (ints[i + 1] === 0) continue;
      const tag = ints[i];
      if (hashOfTag(tag) < from) continue;
      if (visited >= count && tag !== lastTag) return { next: hashOfTag(tag), visited };
      if (i >= fetchedTo) {
        fetchedTo = Math.min(end, i + 2 * Math.max(1, Math.min(FETCHED, count - visited)));
        table.ahead.sink = fetchRecords(table.arena, ints, i, fetchedTo);
      }
      visit(ints[i + 1]);
      visited++;
      lastTag = tag;
    }
  }
  return { next: -1, visited };
}

/** The addresses of an index's blocks, each once, in hash order. */
export function* blocksOf(index: PartitionIndex): Generator<number> {
  const entries = index.entries;
  for (let entry = 0; entry < entries; ) {
    const next = index.entryAfter(entry);
    yield index.blockAt(entry);
    entry = next;
  }
}

/** All references of an index, in hash order. It must not change meanwhile. */
export function* refsOf(heap: CellHeap, index: PartitionIndex): Generator<number> {
  for (const block of blocksOf(index)) {
    const ints = heap.ints(block);
    const base = firstInt(block);
    const end = cellsEnd(base, metaAt(ints, base));
    for (let i = cellsBegin(base) + 1; i < end; i += 2) if (ints[i] !== 0) yield ints[i];
  }
}

/**
 * A record chosen about evenly: a partition by its share of the keys, then a random place in it.
 * @param draw 0 .. bound - 1. @param expiringOnly a partition by its share of the keys with a deadline. @returns a reference, or 0.
 */
export function randomRef(table: Table, db: number, draw: (bound: number) => number, expiringOnly: boolean): number {
  const index = table.shares.pick(table, db, expiringOnly, draw);
  return index === undefined ? 0 : randomIn(table.heap, index, draw);
}

function randomIn(heap: CellHeap, index: PartitionIndex, draw: (bound: number) => number): number {
  const entries = index.entries;
  const start = draw(entries);
  for (let i = 0; i < entries; i++) {
    const block = index.blockAt((start + i) % entries);
    const ints = heap.ints(block);
    const base = firstInt(block);
    if (countOf(ints, base) === 0) continue;
    const begin = cellsBegin(base);
    const cells = (cellsEnd(base, metaAt(ints, base)) - begin) >> 1;
    const from = draw(cells);
    for (let j = 0; j < cells; j++) {
      const ref = ints[begin + ((from + j) % cells) * 2 + 1];
      if (ref !== 0) return ref;
    }
  }
  return 0;
}

/**
 * A record with a deadline, for when they are too few for randomRef() to meet one: the first from a random place in a partition on. Blocks
 * that have none are passed by without a look at a record. @returns 0 when the database has none.
 * O(blocks of a partition, records of a block).
 */
export function randomExpiring(table: Table, db: number, draw: (bound: number) => number): number {
  const index = table.shares.pick(table, db, true, draw);
  if (index === undefined) return 0;
  const start = draw(index.entries);
  return expiringBetween(table, index, start, index.entries, draw) || expiringBetween(table, index, 0, start, draw);
}

function expiringBetween(
  table: Table,
  index: PartitionIndex,
  from: number,
  to: number,
  draw: (bound: number) => number,
): number {
  for (let entry = from; entry < to; entry = index.entryAfter(entry)) {
    const ref = expiringIn(table, index.blockAt(entry), draw);
    if (ref !== 0) return ref;
  }
  return 0;
}

function expiringIn(table: Table, block: number, draw: (bound: number) => number): number {
  const ints = table.heap.ints(block);
  const base = firstInt(block);
  if (earliestDeadline(ints, base) === Number.POSITIVE_INFINITY) return 0;
  const begin = cellsBegin(base);
  const cells = (cellsEnd(base, metaAt(ints, base)) - begin) >> 1;
  const from = draw(cells);
  for (let j = 0; j < cells; j++) {
    const ref = ints[begin + ((from + j) % cells) * 2 + 1];
    if (ref === 0) continue;
    table.locate(ref);
    if (expireAtOf(table.body, table.bodyAt) !== 0) return ref;
  }
  // They have gone since: the block is not to be looked through again for nothing.
  setEarliestDeadline(ints, base, Number.POSITIVE_INFINITY);
  return 0;
}
