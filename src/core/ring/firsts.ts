/**
 * core/ring/firsts.ts: which of a partition's replicas is its first, so that every member is first in floor or ceil of
 * partitions / members rows. Only the order within rows changes: no data moves.
 *
 * That it can always be done: give each replica 1/n of being first. Loads are even, so each member gets between floor and
 * ceil of partitions / members; a flow that keeps whole bounds in fractions can be had in whole numbers. So while someone is
 * first too often, a chain leads to someone who is not often enough: u lets v be first in a row they share, v lets w...
 * Invariants: rows keep their members; who was first becomes second. Price: O(partitions) a step of a chain.
 */
import { assert } from "../../lib/assert.js";

const NONE = -1;
const SOURCE = -2;

/** @param table even in replicas; rows are reordered in place. */
export function balanceFirsts(table: Int16Array, n: number, members: number): void {
  const floor = Math.floor(table.length / n / members);
  const firsts = new Int32Array(members);
  for (let row = 0; row < table.length; row += n) firsts[table[row]]++;
  // Most can be done within one row; only what is left needs a search.
  within(table, n, firsts, floor + 1, floor - 1);
  within(table, n, firsts, floor + 1, floor);
  within(table, n, firsts, floor, floor - 1);
  // Those two or more above the floor must give; to whom is still open, so anybody up to the floor may take.
  for (let member = 0; member < members; member++) {
    while (firsts[member] > floor + 1) handOn(table, n, firsts, [member], floor);
  }
  // Now all are at most one above it. Those below it must get; which of those above give is open.
  while (firsts.some((count) => count < floor)) {
    const above = Array.from(firsts.keys()).filter((member) => firsts[member] > floor);
    handOn(table, n, firsts, above, floor - 1);
  }
}

/** In each row whose first is that more than `least` times, let the one of its members that is it the least, and at most `most` times, be first. */
function within(table: Int16Array, n: number, firsts: Int32Array, least: number, most: number): void {
  for (let row = 0; row < table.length; row += n) {
    if (firsts[table[row]] <= least) continue;
    let best = row;
    for (let i = row + 1; i < row + n; i++) if (firsts[table[i]] < firsts[table[best]]) best = i;
    if (firsts[table[best]] > most) continue;
    firsts[table[row]]--;
    firsts[table[best]]++;
    promote(table, row, best);
  }
}

/**
 * Let one of `sources` be first once less, by the shortest chain to a member that is first at most `most` times.
 * The bounds say that there is one.
 */
function handOn(table: Int16Array, n: number, firsts: Int32Array, sources: readonly number[], most: number): void {
  /** By member: the start of the row in which it would become first; NONE = not reached, SOURCE = it gives. */
  const via = new Int32Array(firsts.length).fill(NONE);
  const queue = sources.slice();
  for (const source of sources) via[source] = SOURCE;
  for (let head = 0; head < queue.length; head++) {
    const member = queue[head];
    if (via[member] !== SOURCE && firsts[member] <= most) {
      firsts[member]++;
      firsts[promoteAlong(table, via, member)]--;
      return;
    }
    for (let row = 0; row < table.length; row += n) {
      if (table[row] !== member) continue;
      for (let i = row + 1; i < row + n; i++) {
        if (via[table[i]] !== NONE) continue;
        via[table[i]] = row;
        queue.push(table[i]);
      }
    }
  }
  assert(false, "first replicas cannot be made even", sources[0]);
}

/** Back along the chain: who is first of a row is the one before the member that becomes it. @returns the source. */
function promoteAlong(table: Int16Array, via: Int32Array, last: number): number {
  let member = last;
  while (via[member] !== SOURCE) {
    const row = via[member];
    const before = table[row];
    promote(table, row, table.indexOf(member, row));
    member = before;
  }
  return member;
}

/** Move the replica at `place` to the front of its row; those before it move back by one. */
function promote(table: Int16Array, row: number, place: number): void {
  const member = table[place];
  table.copyWithin(row + 1, row, place);
  table[row] = member;
}
