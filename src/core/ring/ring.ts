/**
 * core/ring/ring.ts: who holds a key, asked once per operation: key -> slot -> partition -> row of the table. Three steps
 * of integers in typed arrays, no object made.
 * Invariant: a ring is one placement and never changes; another placement is another ring.
 */
import type { Viewed } from "../../lib/view.js";
import { checkPlacement, type Placement } from "./placement.js";
import { keySlot, SLOTS } from "./slot.js";

export class Ring {
  readonly placement: Placement;
  readonly n: number;
  /** Positions in placement.members; row p begins at p * n. To be read, never written. */
  readonly table: Uint16Array;
  private readonly shift: number;

  /** @throws {InvariantError} when the placement breaks one of its invariants. */
  constructor(placement: Placement) {
    checkPlacement(placement);
    this.placement = placement;
    this.n = placement.n;
    this.table = placement.table;
    this.shift = Math.log2(SLOTS / placement.partitions);
  }

  /** The partition of a slot, as storage/table.ts has it: the slot's leading bits. */
  partitionOfSlot(slot: number): number {
    return slot >>> this.shift;
  }

  // HOT: once per operation. No allocation. Guard: bench/micro/ring.ts
  /** Where the key's row begins in `table`; its n entries are the replicas in order of preference. O(length of the key). */
  rowOfKey(bytes: Viewed, at: number, length: number): number {
    return (keySlot(bytes, at, length) >>> this.shift) * this.n;
  }

  /** Does the member hold a replica of the partition? O(n). */
  isReplica(partition: number, member: number): boolean {
    const row = partition * this.n;
    for (let i = row; i < row + this.n; i++) if (this.table[i] === member) return true;
    return false;
  }
}
