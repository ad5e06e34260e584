/**
 * test/unit/server/slot-map.test.ts: every slot has a node that can be reached, whichever members are down; dead ones are left out; the
 * health of slots is what the quorum says.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../../src/lib/random.js";
import { SLOTS, type SlotRange, shardsOf, slotHealth, slotRanges } from "../../../src/server/slot-map.js";
import { ShownCluster } from "../../lib/shown-cluster.js";

const everywhere = (): boolean => true;

/** Each slot once, in order, and neighbours differ. */
function checkRanges(ranges: readonly SlotRange[]): void {
  let next = 0;
  for (const [i, { from, to, nodes }] of ranges.entries()) {
    assert.is(from, next);
    assert.ok(to >= from && nodes.length > 0 && new Set(nodes).size === nodes.length);
    if (i > 0) assert.not.equal(nodes, ranges[i - 1]?.nodes, "neighbours are joined");
    next = to + 1;
  }
  assert.is(next, SLOTS);
}

test("all up: the placement itself, the first replica first", () => {
  const cluster = new ShownCluster({ ids: ["a", "b", "c", "d"], self: "b", partitions: 64 });
  const ranges = slotRanges(cluster, everywhere);
  checkRanges(ranges);
  for (const { from, to, nodes } of ranges) {
    for (const slot of [from, to]) assert.equal(nodes, cluster.replicas(Math.floor((slot * 64) / SLOTS)));
  }
  const shards = shardsOf(ranges);
  assert.is(new Set(shards.map(([range]) => range?.nodes.join())).size, shards.length);
  assert.is(shards.flat().length, ranges.length);
});

test("whoever is down is left out, whoever is suspect comes last, and no slot is without a node", () => {
  const random = new Random(7);
  for (let round = 0; round < 200; round++) {
    const ids = ["a", "b", "c", "d", "e"].slice(0, 2 + random.below(4));
    const cluster = new ShownCluster({ ids, self: "b", n: 1 + random.below(3), partitions: 32 });
    for (const id of ids) {
      if (id !== "b") cluster.set(id, (["up", "suspect", "down"] as const)[random.below(3)] as "up");
    }
    const hidden = random.below(ids.length);
    const ranges = slotRanges(cluster, (member) => member === cluster.selfIndex || member !== hidden);
    checkRanges(ranges);
    const rank = (member: number): number => ["up", "suspect", "down"].indexOf(cluster.states[member] as string);
    for (const { from, nodes } of ranges) {
      const replicas = cluster.replicas(Math.floor((from * 32) / SLOTS));
      const usable = replicas.filter((m) => rank(m) < 2 && (m === cluster.selfIndex || m !== hidden));
      assert.equal([...nodes].sort(), usable.length > 0 ? [...usable].sort() : [cluster.selfIndex]);
      for (let i = 1; i < nodes.length; i++) assert.ok(rank(nodes[i - 1] as number) <= rank(nodes[i] as number));
    }
  }
});

test("health: with two of three up all is well, with one and a suspect it is doubtful, with one alone it fails", () => {
  const cluster = new ShownCluster({ ids: ["a", "b", "c"], self: "a" });
  assert.equal(slotHealth(cluster), { ok: SLOTS, suspect: 0, fail: 0, readOnly: 0 });
  cluster.set("c", "down");
  assert.equal(slotHealth(cluster), { ok: SLOTS, suspect: 0, fail: 0, readOnly: 0 });
  cluster.set("b", "suspect");
  assert.equal(slotHealth(cluster), { ok: 0, suspect: SLOTS, fail: 0, readOnly: 0 });
  cluster.set("b", "down");
  assert.equal(slotHealth(cluster), { ok: 0, suspect: 0, fail: SLOTS, readOnly: 0 });
  const five = new ShownCluster({ ids: ["a", "b", "c", "d", "e"], self: "a", partitions: 64 });
  five.set("d", "down");
  five.set("e", "down");
  const { ok, suspect, fail } = slotHealth(five);
  assert.ok(ok > 0 && fail > 0 && suspect === 0 && ok + fail === SLOTS);
});

test("health: what cannot be written may still be read, when r is below w", () => {
  const cluster = new ShownCluster({ ids: ["a", "b", "c"], self: "a", r: 1, w: 3 });
  cluster.set("c", "down");
  assert.equal(slotHealth(cluster), { ok: 0, suspect: 0, fail: SLOTS, readOnly: SLOTS });
  const reads = new ShownCluster({ ids: ["a", "b", "c"], self: "a", r: 3, w: 1 });
  reads.set("c", "down");
  assert.equal(slotHealth(reads), { ok: 0, suspect: 0, fail: SLOTS, readOnly: 0 });
});

test.run();
