/**
 * test/unit/core/ring/placement.test.ts: tables of replicas: even on every node, for 3 to 100 of them; no more moves than the loads ask
 * for; zones spread; the same whatever the order of members.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { place, rebalance } from "../../../../src/core/ring/balance.js";
import {
  checkPlacement,
  clusterIdOf,
  loadsOf,
  type Member,
  movesBetween,
  type Placement,
  placementHash,
} from "../../../../src/core/ring/placement.js";
import { Ring } from "../../../../src/core/ring/ring.js";
import { keySlot } from "../../../../src/core/ring/slot.js";
import { memberSeed } from "../../../../src/core/ring/tokens.js";
import { viewed } from "../../../../src/lib/view.js";

const nodes = (count: number, zones = 0, from = 0): Member[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `node-${from + i}`,
    zone: zones === 0 ? "" : `zone-${(from + i) % zones}`,
  }));

const spread = (counts: Uint32Array): number => Math.max(...counts) - Math.min(...counts);

/** All that must hold of any table. */
function checkEven(placement: Placement, what: string): void {
  checkPlacement(placement);
  const { replicas, firsts } = loadsOf(placement);
  assert.ok(spread(replicas) <= 1, `${what}: replicas ${Math.min(...replicas)} to ${Math.max(...replicas)}`);
  assert.ok(spread(firsts) <= 1, `${what}: firsts ${Math.min(...firsts)} to ${Math.max(...firsts)}`);
}

/** The fewest moves that can make loads even: what must be gained by those who stay or come. Counted here, apart from the code. */
function leastMoves(old: Placement, members: readonly Member[], n: number): number {
  const load = new Map(members.map(({ id }) => [id, 0]));
  for (let at = 0; at < old.table.length; at++) {
    const { id } = old.members[old.table[at]] as Member;
    if (load.has(id)) load.set(id, (load.get(id) as number) + 1);
  }
  const total = old.partitions * Math.min(n, members.length);
  const floor = Math.floor(total / members.length);
  let extras = total % members.length;
  let gains = 0;
  for (const held of [...load.values()].sort((a, b) => b - a)) {
    const target = floor + (extras-- > 0 ? 1 : 0);
    gains += Math.max(0, target - held);
  }
  return gains;
}

/** Replicas above their zone's share of a row, counted over all rows. */
function crowding(placement: Placement): number {
  const { members, n, table } = placement;
  const share = Math.ceil(n / new Set(members.map(({ zone }) => zone)).size);
  let total = 0;
  for (let row = 0; row < table.length; row += n) {
    const zones = Array.from(table.subarray(row, row + n), (m) => (members[m] as Member).zone);
    for (const zone of new Set(zones)) total += Math.max(0, zones.filter((other) => other === zone).length - share);
  }
  return total;
}

test("3 to 100 nodes, n 1 to 5: replicas and first replicas within one of even", () => {
  for (let count = 3; count <= 100; count++) {
    for (const n of [1, 2, 3, 4, 5]) {
      const partitions = count % 10 === 0 ? 1024 : 256;
      checkEven(place(nodes(count), partitions, n), `${count} nodes, n ${n}, ${partitions} partitions`);
    }
  }
});

test("every partition count, also fewer partitions than nodes", () => {
  for (let partitions = 1; partitions <= 16384; partitions *= 2) {
    for (const count of [1, 2, 3, 7, 33]) checkEven(place(nodes(count), partitions, 3), `${count} on ${partitions}`);
  }
});

test("nodes join and leave, one or several at once: even, and not one move more than the loads ask for", () => {
  let moves = 0;
  let least = 0;
  const change = fc.record({ join: fc.nat(3), leave: fc.nat(3), seed: fc.nat(1000) });
  fc.assert(
    fc.property(
      fc.integer({ min: 3, max: 40 }),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(16, 64, 256),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      (count, n, partitions, changes) => {
        let placement = place(nodes(count), partitions, n);
        let next = count;
        for (const { join, leave, seed } of changes) {
          const stay = placement.members.slice();
          for (let i = 0; i < leave && stay.length > 1; i++) stay.splice((seed + i * 7) % stay.length, 1);
          const members = [...stay, ...nodes(join, 0, next)];
          next += join;
          const after = rebalance(placement, members, n);
          const bound = leastMoves(placement, members, n);
          const made = movesBetween(placement, after);
          checkEven(after, `${placement.members.length} to ${members.length}`);
          // A row can be full of those who should gain. Then, and only in small clusters, one more replica must make way.
          assert.ok(
            made >= bound && made <= bound + (members.length > 2 * n ? 0 : leave),
            `${made} moves, least ${bound}`,
          );
          moves += made;
          least += bound;
          placement = after;
        }
      },
    ),
    { numRuns: 150, seed: 1 },
  );
  console.log(`moves ${moves}, least possible by loads ${least}`);
});

test("one node joins or leaves, 3 to 100 nodes: the least possible, exactly", () => {
  for (let count = 3; count <= 100; count++) {
    const members = nodes(count);
    const before = place(members, 256, 3);
    const more = rebalance(before, nodes(count + 1), 3);
    checkEven(more, `${count} and one more`);
    assert.is(movesBetween(before, more), leastMoves(before, nodes(count + 1), 3), `one joins ${count}`);
    assert.is(
      movesBetween(before, more),
      loadsOf(more).replicas[more.members.findIndex(({ id }) => id === `node-${count}`)],
    );
    const rest = members.filter((_, i) => i !== count >> 1);
    const less = rebalance(before, rest, 3);
    checkEven(less, `${count} without one`);
    assert.is(movesBetween(before, less), leastMoves(before, rest, 3), `one leaves ${count}`);
  }
});

test("nothing changes when nothing has to", () => {
  for (const count of [1, 3, 10, 100]) {
    const before = place(nodes(count, 3), 128, 3);
    const after = rebalance(before, before.members.slice().reverse(), 3);
    assert.equal(after, before);
    assert.is(placementHash(after), placementHash(before));
  }
});

test("a cluster that grows from one node to n has all replicas as soon as it can", () => {
  let placement = place(nodes(1), 64, 3);
  for (const count of [2, 3, 4]) {
    const before = placement;
    placement = rebalance(before, nodes(count), 3);
    assert.is(placement.n, Math.min(3, count));
    checkEven(placement, `grown to ${count}`);
    assert.is(movesBetween(before, placement), leastMoves(before, nodes(count), 3));
  }
  const shrunk = rebalance(rebalance(placement, nodes(3), 3), nodes(2), 3);
  assert.is(shrunk.n, 2);
  checkEven(shrunk, "shrunk to 2");
});

test("the order of members changes nothing; every member, n and table changes the hash", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 3, max: 30 }),
      fc.integer({ min: 1, max: 5 }),
      fc.infiniteStream(fc.nat()),
      (count, n, draws) => {
        const members = nodes(count, 4);
        const placement = place(members, 64, n);
        const shuffled = members
          .map((member) => ({ member, draw: draws.next().value as number }))
          .sort((a, b) => a.draw - b.draw)
          .map(({ member }) => member);
        assert.equal(place(shuffled, 64, n), placement);
        const without = shuffled.slice(1);
        assert.equal(rebalance(placement, without, n), rebalance(placement, without.slice().reverse(), n));
        const others = [
          place([...members, { id: "x", zone: "" }], 64, n),
          place(
            members.map((member, i) => (i === 0 ? { ...member, zone: "elsewhere" } : member)),
            64,
            n,
          ),
          place(members, 128, n),
          { ...placement, table: placement.table.map((m, i) => (i === 0 ? (m + 1) % count : m)) },
        ];
        const hashes = [placement, ...others].map(placementHash);
        assert.is(new Set(hashes).size, hashes.length);
      },
    ),
    { numRuns: 60, seed: 2 },
  );
});

test("these tables and hashes are for ever: other versions must compute the same", () => {
  assert.is(placementHash(place(nodes(3), 1024, 3)), "ec8e0f3387457814");
  assert.is(placementHash(place(nodes(5, 3), 256, 3)), "f20d052505a1f8fc");
  assert.is(clusterIdOf("kvorum", ["b", "a", "c"]), clusterIdOf("kvorum", ["c", "b", "a"]));
  assert.is(clusterIdOf("kvorum", ["a", "b", "c"]), "d129207aee7b0574");
  const different = [
    ["kvorum", ["a", "b"]],
    ["kvoru", ["a", "b"]],
    ["kvorum", ["a,b"]],
    ["kvorum", ["a"]],
  ] as const;
  assert.is(new Set(different.map(([name, ids]) => clusterIdOf(name, ids))).size, different.length);
});

test("zones as large as one another: no row has two replicas in one, before and after nodes come and go", () => {
  for (const zones of [3, 4, 5]) {
    for (const perZone of [1, 2, 5, 20]) {
      const members = nodes(zones * perZone, zones);
      const before = place(members, 256, 3);
      checkEven(before, `${zones} zones of ${perZone}`);
      assert.is(crowding(before), 0, `${zones} zones of ${perZone}`);
      const more = [...members, ...nodes(zones, zones, members.length)];
      const after = rebalance(before, more, 3);
      checkEven(after, `${zones} zones of ${perZone + 1}`);
      assert.is(crowding(after), 0, `${zones} zones of ${perZone + 1}`);
      const back = rebalance(after, members, 3);
      checkEven(back, `${zones} zones of ${perZone} again`);
      assert.is(crowding(back), 0, `${zones} zones of ${perZone} again`);
    }
  }
});

/** What zones hold above their share of all rows: no table with these loads is less crowded. */
function unavoidable(placement: Placement): number {
  const { members, n, partitions } = placement;
  const share = Math.ceil(n / new Set(members.map(({ zone }) => zone)).size);
  const { replicas } = loadsOf(placement);
  const held = new Map<string, number>();
  for (const [i, { zone }] of members.entries()) held.set(zone, (held.get(zone) ?? 0) + (replicas[i] as number));
  return [...held.values()].reduce((sum, load) => sum + Math.max(0, load - share * partitions), 0);
}

test("zones of any sizes: crowded only as far as even loads make it so; the moves stay near the least", () => {
  let moves = 0;
  let least = 0;
  let found = 0;
  let bound = 0;
  const check = (placement: Placement, what: string): void => {
    checkEven(placement, what);
    const must = unavoidable(placement);
    if (must === 0) assert.is(crowding(placement), 0, what);
    found += crowding(placement);
    bound += must;
  };
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      fc.nat(100),
      (sizes, n, seed) => {
        const members = sizes.flatMap((size, z) =>
          Array.from({ length: size }, (_, i) => ({ id: `n-${z}-${i}`, zone: `zone-${z}` })),
        );
        const before = place(members, 64, n);
        check(before, `zones ${sizes}, n ${n}`);
        const rest = members.filter((_, i) => i !== seed % members.length);
        if (rest.length === 0) return;
        const after = rebalance(before, rest, n);
        check(after, `zones ${sizes}, n ${n}, one left`);
        moves += movesBetween(before, after);
        least += leastMoves(before, rest, n);
      },
    ),
    { numRuns: 300, seed: 3 },
  );
  console.log(`with zones: moves ${moves}, least possible by loads alone ${least}; crowded ${found}, bound ${bound}`);
  assert.ok(moves <= least * 1.25, "moves");
  assert.ok(found <= bound * 1.05, "crowding");
});

test("a lost node's load goes to many: no other takes over more than a third of what it was first for", () => {
  for (const count of [10, 30, 100]) {
    const { table, n } = place(nodes(count), 4096, 3);
    const takers = new Map<string, number>();
    for (let row = 0; row < table.length; row += n) {
      const pair = `${table[row]} ${table[row + 1]}`;
      takers.set(pair, (takers.get(pair) ?? 0) + 1);
    }
    const most = Math.max(...takers.values()) / (4096 / count);
    console.log(`${count} nodes: at most ${(most * 100).toFixed(0)} % of a node's first replicas have the same second`);
    assert.ok(most < 0.34);
  }
});

test("what breaks an invariant is refused", () => {
  const good = place(nodes(4), 16, 3);
  const bad: Placement[] = [
    { ...good, partitions: 12 },
    { ...good, n: 5 },
    { ...good, n: 0 },
    { ...good, table: good.table.subarray(1) },
    { ...good, table: good.table.map((member, i) => (i === 7 ? 4 : member)) },
    { ...good, table: good.table.map((member, i) => (i === 0 ? (good.table[1] as number) : member)) },
    { ...good, members: good.members.slice().reverse() },
  ];
  for (const [i, placement] of bad.entries()) {
    assert.throws(() => checkPlacement(placement), /./, `bad ${i}`);
    assert.throws(() => new Ring(placement), /./, `bad ${i}`);
  }
  assert.throws(() => place([], 16, 3));
  assert.throws(() => place([...nodes(2), ...nodes(1)], 16, 3), /used twice/);
  assert.throws(() => place(nodes(2), 3, 3), /power of two/);
  assert.throws(() => place(nodes(2), 32768, 3), /power of two/);
});

test("the ring finds a key's row; keys with one hash tag have the same", () => {
  for (const partitions of [1, 16, 1024, 16384]) {
    const ring = new Ring(place(nodes(7), partitions, 3));
    const seen = new Set<number>();
    for (let i = 0; i < 500; i++) {
      const key = viewed(Buffer.from(`..key:${i}`));
      const row = ring.rowOfKey(key, 2, key.length - 2);
      const slot = keySlot(key, 2, key.length - 2);
      const partition = Math.floor((slot * partitions) / 16384);
      assert.is(ring.partitionOfSlot(slot), partition);
      assert.is(row, partition * 3);
      for (let member = 0; member < 7; member++) {
        assert.is(ring.isReplica(partition, member), ring.table.subarray(row, row + 3).includes(member));
      }
      seen.add(row);
    }
    assert.ok(partitions === 1 ? seen.size === 1 : seen.size > Math.min(partitions, 500) / 3);
    const tagged = [Buffer.from("{tag}a"), Buffer.from("b{tag}")].map((key) =>
      ring.rowOfKey(viewed(key), 0, key.length),
    );
    assert.is(tagged[0], tagged[1]);
  }
});

/** Two ids whose 64 tokens lie on the same places, all of them: found by a birthday search. */
function colliding(): [string, string] {
  const seen = new Map<number, string>();
  for (let i = 0; ; i++) {
    const id = `node-${i}`;
    const other = seen.get(memberSeed(id));
    if (other !== undefined) return [other, id];
    seen.set(memberSeed(id), id);
  }
}

test("two nodes whose tokens lie on the same places are two nodes: rows are distinct and even, and one may go", () => {
  const [a, b] = colliding();
  const members = [...nodes(3, 0, 5_000_000), { id: a, zone: "" }, { id: b, zone: "" }];
  const made = place(members, 1024, 3);
  checkEven(made, `${a} and ${b}`);
  assert.is(placementHash(made), placementHash(place([...members].reverse(), 1024, 3)), "whatever the order");
  const left = members.filter(({ id }) => id !== a);
  const after = rebalance(made, left, 3);
  checkEven(after, "one of them has gone");
  assert.ok(after.members.some(({ id }) => id === b));
  assert.not.ok(after.members.some(({ id }) => id === a));
  checkEven(place(left, 1024, 3), "as if it had never been");
});

test.run();
