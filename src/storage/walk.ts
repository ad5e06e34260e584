/**
 * storage/walk.ts: walking a database in hash order, resumable at any point, whatever happened to the table meanwhile.
 * A cursor is partition * 2^32 + hash: a place in the order of hashes, not a place in memory, so it means the same on every
 * replica, after growth and after a restart. 0 = the start, and, as a result, done.
 * Invariant: a key present throughout a walk is visited at least once; all keys of one hash are visited in one step.
 */
import type { Block, PartitionIndex } from "./partition-index.js";
import type { Table } from "./table.js";

const TWO_32 = 4_294_967_296;
const SIGN = 0x80000000 | 0;

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
    const resume = walkPartition(index, hash, left, visit);
    if (resume.next >= 0) return partition * TWO_32 + resume.next;
    left -= resume.visited;
    if (left <= 0) return partition + 1 < table.partitions ? (partition + 1) * TWO_32 : 0;
  }
  return 0;
}

/** @returns next: the hash to resume at, -1 when the partition is done. */
function walkPartition(
  index: PartitionIndex,
  from: number,
  count: number,
  visit: (ref: number) => void,
): { next: number; visited: number } {
  let visited = 0;
  let entry = index.depth === 0 ? 0 : from >>> (32 - index.depth);
  while (entry < index.directory.length) {
    const block = index.directory[entry];
    const cells = block.cells;
    let lastTag = 0;
    for (let i = 0; i < cells.length; i += 2) {
      if (cells[i + 1] === 0) continue;
      const tag = cells[i];
      if ((tag ^ SIGN) >>> 0 < from) continue;
      if (visited >= count && tag !== lastTag) return { next: (tag ^ SIGN) >>> 0, visited };
      visit(cells[i + 1]);
      visited++;
      lastTag = tag;
    }
    entry = index.entryAfter(entry);
  }
  return { next: -1, visited };
}

/** The blocks of an index, each once, in hash order. */
export function* blocksOf(index: PartitionIndex): Generator<Block> {
  for (let entry = 0; entry < index.directory.length; ) {
    yield index.directory[entry];
    entry = index.entryAfter(entry);
  }
}

/**
 * A record chosen about evenly: a random partition that has keys, then a random place in it.
 * @param draw 0 .. bound - 1. @param expiringOnly only partitions that have keys with a deadline. @returns a reference, or 0.
 */
export function randomRef(table: Table, db: number, draw: (bound: number) => number, expiringOnly: boolean): number {
  const start = draw(table.partitions);
  for (let i = 0; i < table.partitions; i++) {
    const index = table.indexOf(db, (start + i) & (table.partitions - 1));
    if (index === undefined || index.count === 0 || (expiringOnly && index.expiring === 0)) continue;
    return randomIn(index, draw);
  }
  return 0;
}

function randomIn(index: PartitionIndex, draw: (bound: number) => number): number {
  const entries = index.directory.length;
  const start = draw(entries);
  for (let i = 0; i < entries; i++) {
    const block = index.directory[(start + i) % entries];
    if (block.count === 0) continue;
    const cells = block.cells.length >> 1;
    const from = draw(cells);
    for (let j = 0; j < cells; j++) {
      const ref = block.cells[((from + j) % cells) * 2 + 1];
      if (ref !== 0) return ref;
    }
  }
  return 0;
}
