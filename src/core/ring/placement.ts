/**
 * core/ring/placement.ts: the explicit table that says which members hold which partition, in order of preference.
 * The table is the truth: it is stored and compared, never computed anew from the members, so no two versions of the code
 * that makes it can disagree about where a key lies.
 *
 *   slot 0..16383 (core/ring/slot.ts) --shift--> partition 0..P-1 --row of n--> members[table[partition * n + i]]
 *
 * Invariants (checkPlacement): members are sorted by id and differ; P is a power of two up to 16384; a row holds n distinct members;
 * n is never more than there are members. The first of a row is the partition's first replica: the preferred proposer of its keys.
 * Price: 2 bytes a replica; 16384 partitions of 7 replicas are 224 KiB.
 */
import { assert } from "../../lib/assert.js";
import { halfSipHash } from "../../lib/half-siphash.js";
import { type Viewed, viewed } from "../../lib/view.js";
import { SLOTS } from "./slot.js";

/** The node index of a dot has 11 bits. */
const MEMBERS_MAX = 2048;

export interface Member {
  readonly id: string;
  /** Rack, room or region; "" = not given: then it is taken to share no zone with anybody. */
  readonly zone: string;
}

export interface Placement {
  /** Sorted by id (by UTF-16 code units: the same on every machine, unlike localeCompare). */
  readonly members: readonly Member[];
  readonly partitions: number;
  /** Replicas of a partition: the option n, or the number of members where that is less. */
  readonly n: number;
  /** partitions * n positions in `members`. */
  readonly table: Uint16Array;
}

/** How many replicas each member holds, and of how many partitions it is the first. By position in `members`. */
export interface Loads {
  readonly replicas: Uint32Array;
  readonly firsts: Uint32Array;
}

/** Members in the one order that everything here works in. @throws {InvariantError} when there are none, too many, or an id occurs twice. */
export function sortedMembers(members: readonly Member[]): Member[] {
  assert(members.length > 0 && members.length <= MEMBERS_MAX, "number of members out of range", members.length);
  const sorted = members.slice().sort((a, b) => (a.id < b.id ? -1 : 1));
  for (let i = 1; i < sorted.length; i++)
    assert(sorted[i - 1].id !== sorted[i].id, "member id used twice", sorted[i].id);
  return sorted;
}

export function checkPartitions(partitions: number): void {
  const powerOfTwo = Number.isInteger(partitions) && partitions > 0 && (partitions & (partitions - 1)) === 0;
  assert(powerOfTwo && partitions <= SLOTS, "partitions: a power of two up to 16384", partitions);
}

/** Check all invariants. To be asked of a table that was read from outside. @throws {InvariantError}. O(partitions * n). */
export function checkPlacement({ members, partitions, n, table }: Placement): void {
  checkPartitions(partitions);
  assert(n >= 1 && n <= members.length, "n out of range", n, members.length);
  assert(table.length === partitions * n, "table of another size", table.length);
  for (let i = 1; i < members.length; i++) assert(members[i - 1].id < members[i].id, "members unsorted", members[i].id);
  /** Partition + 1 where a member was last seen. */
  const seen = new Uint32Array(members.length);
  for (let at = 0; at < table.length; at++) {
    const partition = Math.floor(at / n);
    assert(table[at] < members.length, "replica that is no member", partition, table[at]);
    assert(seen[table[at]] !== partition + 1, "replica named twice", partition, table[at]);
    seen[table[at]] = partition + 1;
  }
}

export function loadsOf({ members, n, table }: Placement): Loads {
  const replicas = new Uint32Array(members.length);
  const firsts = new Uint32Array(members.length);
  for (let at = 0; at < table.length; at++) replicas[table[at]]++;
  for (let at = 0; at < table.length; at += n) firsts[table[at]]++;
  return { replicas, firsts };
}

/**
 * A hash of everything in the placement, 16 hex digits, for peers to compare before they talk. Equal placements have equal
 * hashes whatever order their members were given in. Not for use against forgery: peers that are to be trusted prove a secret.
 */
export function placementHash({ members, partitions, n, table }: Placement): string {
  const head = Buffer.from(JSON.stringify([partitions, n, members.map(({ id, zone }) => [id, zone])]));
  const bytes = viewed(Buffer.alloc(head.length + table.length * 2));
  head.copy(bytes);
  // Byte by byte: the machine's own order of bytes must not count.
  for (let i = 0; i < table.length; i++) bytes.writeUInt16LE(table[i], head.length + i * 2);
  return hash64(bytes);
}

/**
 * The identity of a cluster: a hash of its name and of the ids of its first members, 16 hex digits. Addresses are not in it: they are
 * routing, and may change.
 */
export function clusterIdOf(clusterName: string, ids: readonly string[]): string {
  return hash64(viewed(Buffer.from(JSON.stringify([clusterName, ids.slice().sort()]))));
}

/** Two keyed hashes of 32 bits with fixed keys. The keys are part of the format: with others no two versions would agree. */
function hash64(bytes: Viewed): string {
  const halves = [halfSipHash(bytes, 0, bytes.length, 1, 2), halfSipHash(bytes, 0, bytes.length, 3, 4)];
  return halves.map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Replicas that a partition has in `to` and had not in `from`: what must be copied. Same partitions in both. O(partitions * n^2). */
export function movesBetween(from: Placement, to: Placement): number {
  assert(from.partitions === to.partitions, "placements of different partitions", from.partitions, to.partitions);
  const positions = new Map(from.members.map(({ id }, i) => [id, i]));
  const old = Int32Array.from(to.members, ({ id }) => positions.get(id) ?? -1);
  let moves = 0;
  for (let at = 0; at < to.table.length; at++) {
    const row = Math.floor(at / to.n) * from.n;
    const place = from.table.subarray(row, row + from.n).indexOf(old[to.table[at]]);
    if (place < 0) moves++;
  }
  return moves;
}
