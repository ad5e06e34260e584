/**
 * server/slot-map.ts: which node a client does best to send a slot's commands to, as Redis Cluster clients are told it. Any node serves any
 * key, so this is advice, and a wrong guess costs a hop: what may not be is a slot without a node, or a node that cannot be reached.
 *
 * Of a partition's replicas those that are up come first, in order of preference, then those that are suspect; those that are down are
 * left out. So clients that ask anew go round a dead node at once, and come back to it when it is back: there is no failover.
 * Pure. Invariants: every slot is in exactly one range; neighbours with the same nodes are one range; no range is without a node.
 */
import type { Cluster } from "../cluster/work.js";

export const SLOTS = 16384;

/** What is needed of a cluster here; a node alone is one of one. */
export type ClusterView = Pick<
  Cluster,
  "members" | "selfIndex" | "partitions" | "n" | "r" | "w" | "clusterId" | "replicas"
>;

export interface SlotRange {
  readonly from: number;
  /** The last one. */
  readonly to: number;
  /** By index; the first is the master, as Redis calls it. */
  readonly nodes: readonly number[];
}

/** @param reachable is it known how clients reach the member? Of this node it must be. O(partitions * n). */
export function slotRanges(view: ClusterView, reachable: (member: number) => boolean): SlotRange[] {
  const states = view.members().map(({ state }) => state);
  const perPartition = SLOTS / view.partitions;
  const ranges: SlotRange[] = [];
  for (let partition = 0; partition < view.partitions; partition++) {
    const all = view.replicas(partition).filter(reachable);
    const up = all.filter((member) => states[member] === "up");
    const nodes = [...up, ...all.filter((member) => states[member] === "suspect")];
    if (nodes.length === 0) nodes.push(view.selfIndex);
    const from = partition * perPartition;
    const last = ranges.at(-1);
    if (last !== undefined && same(last.nodes, nodes))
      ranges[ranges.length - 1] = { ...last, to: last.to + perPartition };
    else ranges.push({ from, to: from + perPartition - 1, nodes });
  }
  return ranges;
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((member, i) => member === b[i]);
}

/** Ranges by the nodes that serve them: a shard, in Redis's words. In order of their first slot. */
export function shardsOf(ranges: readonly SlotRange[]): SlotRange[][] {
  const shards = new Map<string, SlotRange[]>();
  for (const range of ranges) {
    const key = range.nodes.join(" ");
    const shard = shards.get(key);
    if (shard === undefined) shards.set(key, [range]);
    else shard.push(range);
  }
  return [...shards.values()];
}

export interface SlotHealth {
  /** Slots with so many replicas up that they can be read and written. */
  readonly ok: number;
  /** Slots that need a replica that is suspect. */
  readonly suspect: number;
  /** Slots without quorum. */
  readonly fail: number;
  /** Those of them that have still enough for reads: with r below w. */
  readonly readOnly: number;
}

/** How many slots have a quorum, as far as this node can see. O(partitions * n). */
export function slotHealth(view: ClusterView): SlotHealth {
  const states = view.members().map(({ state }) => state);
  const needed = Math.max(view.r, view.w);
  const perPartition = SLOTS / view.partitions;
  const health = { ok: 0, suspect: 0, fail: 0, readOnly: 0 };
  for (let partition = 0; partition < view.partitions; partition++) {
    const replicas = view.replicas(partition);
    const up = replicas.filter((member) => states[member] === "up").length;
    const notDown = replicas.filter((member) => states[member] !== "down").length;
    health[up >= needed ? "ok" : notDown >= needed ? "suspect" : "fail"] += perPartition;
    if (notDown < needed && notDown >= view.r) health.readOnly += perPartition;
  }
  return health;
}
