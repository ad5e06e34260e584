/**
 * core/ring/balance.ts: makes a table of replicas even, changing as little of it as possible. Two ways in: `place` for the
 * first table of a cluster (out of what the tokens propose), `rebalance` when members join or leave or n changes (out of the table that holds).
 *
 * Result: every member holds floor or ceil of partitions * n / members replicas, and is first in floor or ceil of partitions / members
 * rows (core/ring/firsts.ts). Evenness comes first; zones are spread as well as it allows (a small zone cannot hold a third of
 * everything); moving little comes third.
 *
 * Steps, each of them deterministic:
 *   1. holes (members that left, or a larger n) are filled by those with the least, one move each;
 *   2. members that have too much give to those with too little, one move each. Whoever has more than another has a partition the other has
 *      not, so without zones this always goes, and the moves are as few as the loads allow;
 *   3. rows where a zone is crowded exchange members with other rows (core/ring/chains.ts), loads unchanged.
 * In 1 and 2 a chain over several rows is looked for where no single change will do.
 *
 * Cost: O(partitions * n * members) at worst; 100 members, 1024 partitions: a few milliseconds. Runs at a change of members, on one node.
 */
import { assert } from "../../lib/assert.js";
import { Chains } from "./chains.js";
import { balanceFirsts } from "./firsts.js";
import { checkPartitions, checkPlacement, type Member, type Placement, sortedMembers } from "./placement.js";
import { memberSeed, mix, propose, zonesOf } from "./tokens.js";

/** A search for an exchange between rows looks at the whole table: after so many in a row that found none, the rest is left as it is. */
const FAILED_SEARCHES_MAX = 32;

/**
 * The first table of a cluster: the same on every node, whatever order the members are given in.
 * @param n replicas wanted; the table has fewer when there are not so many members.
 */
export function place(members: readonly Member[], partitions: number, n: number): Placement {
  checkPartitions(partitions);
  const sorted = sortedMembers(members);
  const rows = Math.min(n, sorted.length);
  const table = propose(sorted, partitions, rows, zonesOf(sorted));
  return balanced(sorted, partitions, rows, table, new Uint8Array(table.length).fill(1));
}

/**
 * The table for other members or another n, made from the one that holds. What stays is in its place; survivors of a row move up when
 * one before them left, so that a first replica has the data already.
 */
export function rebalance(old: Placement, members: readonly Member[], n: number): Placement {
  const sorted = sortedMembers(members);
  const rows = Math.min(n, sorted.length);
  const positions = new Map(sorted.map(({ id }, i) => [id, i]));
  const moved = Int16Array.from(old.members, ({ id }) => positions.get(id) ?? -1);
  const table = new Int16Array(old.partitions * rows).fill(-1);
  const fresh = new Uint8Array(table.length);
  for (let partition = 0; partition < old.partitions; partition++) {
    let at = partition * rows;
    const end = at + rows;
    // Where n became smaller the least preferred are dropped.
    for (let i = partition * old.n; i < (partition + 1) * old.n && at < end; i++) {
      if (moved[old.table[i]] >= 0) table[at++] = moved[old.table[i]];
    }
    fresh.fill(1, at, end);
  }
  return balanced(sorted, old.partitions, rows, table, fresh);
}

function balanced(
  members: readonly Member[],
  partitions: number,
  n: number,
  table: Int16Array,
  fresh: Uint8Array,
): Placement {
  const chains = new Chains(table, fresh, n, zonesOf(members));
  const seeds = Uint32Array.from(members, ({ id }) => memberSeed(id));
  fillHoles(chains, seeds);
  shed(chains, seeds);
  if (chains.zones.count < members.length) uncrowd(chains);
  balanceFirsts(table, n, members.length);
  const placement = { members, partitions, n, table: Uint16Array.from(table) };
  checkPlacement(placement);
  return placement;
}

/** Of those with room that fit, the one with the least; between equals the partition's own draw, so that neighbours differ. -1 = none. */
function pick(chains: Chains, seeds: Uint32Array, place: number, strict: boolean): number {
  const { load } = chains;
  const partition = Math.floor(place / chains.n);
  let best = -1;
  let bestDraw = 0;
  for (let member = 0; member < load.length; member++) {
    if (!chains.hasRoom(member) || (best >= 0 && load[member] > load[best])) continue;
    if (!chains.fits(place, member, strict)) continue;
    const draw = mix(seeds[member], partition);
    if (best >= 0 && load[member] === load[best] && draw <= bestDraw) continue;
    best = member;
    bestDraw = draw;
  }
  return best;
}

function fillHoles(chains: Chains, seeds: Uint32Array): void {
  for (let place = 0; place < chains.table.length; place++) {
    if (chains.table[place] >= 0) continue;
    // Among places filled just now a chain moves nothing that lay anywhere; only then is it worth moving something that did.
    const done =
      give(chains, place, pick(chains, seeds, place, true)) ||
      chains.search(place, chains.roomy, true, true) ||
      chains.search(place, chains.roomy, false, true) ||
      give(chains, place, pick(chains, seeds, place, false)) ||
      chains.search(place, chains.roomy, false, false);
    assert(done, "a hole that nobody can fill", place);
  }
}

function give(chains: Chains, place: number, member: number): boolean {
  if (member >= 0) chains.put(place, member);
  return member >= 0;
}

function shed(chains: Chains, seeds: Uint32Array): void {
  const { load, table } = chains;
  // Those with the most first: then those with one too many keep it where the division leaves a rest.
  const order = Array.from(load.keys()).sort((a, b) => load[b] - load[a] || a - b);
  for (const member of order) {
    for (const strict of [true, false]) {
      if (!chains.hasTooMuch(member)) break;
      // From a place of its own on, or all would give away the same partitions.
      const start = mix(seeds[member], 0) % table.length;
      for (let i = 0; i < table.length && chains.hasTooMuch(member); i++) {
        const place = (start + i) % table.length;
        if (table[place] === member) give(chains, place, pick(chains, seeds, place, strict));
      }
      for (let place = 0; strict && place < table.length && chains.hasTooMuch(member); place++) {
        if (table[place] === member && !chains.search(place, chains.roomy, false, true)) break;
      }
    }
    assert(!chains.hasTooMuch(member), "a surplus that nobody can take", member);
  }
}

/** Exchange members between rows until no zone is crowded in any, or no exchange helps. */
function uncrowd(chains: Chains): void {
  const unavoidable = chains.crowdingUnavoidable();
  let crowding = chains.crowding();
  let failed = 0;
  for (let place = 0; place < chains.table.length && crowding > unavoidable; place++) {
    if (!chains.isCrowded(place)) continue;
    const done = chains.exchange(place, true) || chains.exchange(place, false);
    if (done) crowding--;
    failed = done ? 0 : failed + 1;
    if (failed === FAILED_SEARCHES_MAX) return;
  }
}
