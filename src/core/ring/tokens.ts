/**
 * core/ring/tokens.ts: what the tokens (virtual nodes) propose: a table drawn from the members' ids alone, so every node
 * computes the same one with nobody to ask. It is uneven (about an eighth, with 64 tokens a member); core/ring/balance.ts makes it even.
 *
 * Each member has TOKENS places on a circle of 2^32, hashes of its id and a number. Partition p begins at p / P of the circle;
 * its replicas are the first n distinct members met from there on, passing over members of a zone that has its share already.
 * Why tokens and not one place a member: neighbours on the circle share load and take over from each other, and
 * with one place each a lost member's whole load would fall on a single neighbour.
 *
 * Invariants: a row holds n distinct members; the order in which members are given changes nothing; a member's tokens depend
 * on its id alone. Source: consistent hashing with virtual nodes, "Dynamo", SOSP 2007, section 4.2 and 6.2 (strategy 3).
 */
import { halfSipHash } from "../../lib/half-siphash.js";
import { viewed } from "../../lib/view.js";
import type { Member } from "./placement.js";

const TOKENS = 64;
const CIRCLE = 4_294_967_296;

/** A number of 32 bits that belongs to the member's id and no other thing. */
export function memberSeed(id: string): number {
  const bytes = viewed(Buffer.from(id));
  return halfSipHash(bytes, 0, bytes.length, 5, 6);
}

/** A well mixed 32-bit number out of two. Source: the finaliser of MurmurHash3 (Austin Appleby, public domain). */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  h = Math.imul(h ^ a, 0x27d4eb2f);
  return (h ^ (h >>> 15)) >>> 0;
}

/** Zones as small numbers, by position in `members`; a member without a zone is a zone of its own. */
export interface Zones {
  readonly of: Uint16Array;
  readonly count: number;
}

export function zonesOf(members: readonly Member[]): Zones {
  const numbers = new Map<string, number>();
  const of = new Uint16Array(members.length);
  let count = 0;
  for (const [i, { zone }] of members.entries()) {
    const known = zone === "" ? undefined : numbers.get(zone);
    of[i] = known ?? count++;
    if (zone !== "" && known === undefined) numbers.set(zone, of[i]);
  }
  return { of, count };
}

/** How many replicas of a partition a zone may hold before it is crowded: an even share, rounded up. */
export function zoneShare(n: number, zones: Zones): number {
  return Math.ceil(n / zones.count);
}

/** Positions of members in the order of their tokens on the circle, and those tokens. */
function circle(members: readonly Member[]): { owners: Uint16Array; tokens: Float64Array } {
  // One number a token, place * 2^16 + position: sorting numbers is quick, and equal places are ordered by member.
  const all = new Float64Array(members.length * TOKENS);
  for (const [i, { id }] of members.entries()) {
    const seed = memberSeed(id);
    for (let t = 0; t < TOKENS; t++) all[i * TOKENS + t] = mix(seed, t + 1) * 65536 + i;
  }
  all.sort();
  return {
    owners: Uint16Array.from(all, (token) => token % 65536),
    tokens: all.map((token) => Math.floor(token / 65536)),
  };
}

/**
 * The table that the tokens propose. O(partitions * members) at worst, when zones are few.
 * @param members sorted. @param n at most members.length.
 */
export function propose(members: readonly Member[], partitions: number, n: number, zones: Zones): Int16Array {
  const { owners, tokens } = circle(members);
  const table = new Int16Array(partitions * n);
  const share = zoneShare(n, zones);
  const inZone = new Uint16Array(zones.count);
  const taken = new Uint8Array(members.length);
  let first = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const start = (partition / partitions) * CIRCLE;
    while (first < tokens.length && tokens[first] < start) first++;
    inZone.fill(0);
    taken.fill(0);
    let found = 0;
    // Twice round: once with an eye on zones, and once without, for what a crowded zone left open.
    for (let step = 0; found < n; step++) {
      const owner = owners[(first + step) % owners.length];
      const zone = zones.of[owner];
      if (taken[owner] === 1 || (step < owners.length && inZone[zone] >= share)) continue;
      taken[owner] = 1;
      inZone[zone]++;
      table[partition * n + found++] = owner;
    }
  }
  return table;
}
