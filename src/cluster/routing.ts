/**
 * cluster/routing.ts: who holds a key, and who is to propose changes of it. Routing only: a wrong answer costs time, never safety.
 * Invariants: a partition's group is one object for as long as the epoch lasts, this node first where it is a replica, so that votes
 * may be counted by place.
 */
import type { ReplicaGroup } from "../core/register/quorum.js";
import type { Ring } from "../core/ring/ring.js";
import { keySlot } from "../core/ring/slot.js";
import { type Viewed, viewedOf } from "../lib/view.js";

/** Static members: the first configuration is the only one. */
export const EPOCH = 0;

export class Routing {
  readonly ring: Ring;
  private readonly selfIndex: number;
  private readonly r: number;
  private readonly w: number;
  private readonly groups: (ReplicaGroup | undefined)[];
  private scratch: Viewed = viewedOf(1024);
  /** The last name asked for: the same one is asked for several times in a row. */
  private lastName = "";
  private lastPartition = 0;

  constructor(ring: Ring, selfIndex: number, r: number, w: number) {
    this.ring = ring;
    this.selfIndex = selfIndex;
    this.r = r;
    this.w = w;
    this.groups = new Array(ring.placement.partitions).fill(undefined);
  }

  // HOT: several times an operation.
  partitionOf(name: string): number {
    if (name === this.lastName) return this.lastPartition;
    if (this.scratch.length < name.length) this.scratch = viewedOf(name.length * 2);
    const bytes = this.scratch.latin1Write(name, 0);
    this.lastName = name;
    this.lastPartition = this.ring.partitionOfSlot(keySlot(this.scratch, 1, bytes - 1));
    return this.lastPartition;
  }

  /** In order of preference. */
  replicas(partition: number): readonly number[] {
    const row = partition * this.ring.n;
    return Array.from(this.ring.table.subarray(row, row + this.ring.n));
  }

  group(partition: number): ReplicaGroup {
    const known = this.groups[partition];
    if (known !== undefined) return known;
    const replicas = this.replicas(partition);
    const own = replicas.filter((node) => node === this.selfIndex);
    const nodes = own.concat(replicas.filter((node) => node !== this.selfIndex));
    const group = { epoch: EPOCH, nodes, r: this.r, w: this.w };
    this.groups[partition] = group;
    return group;
  }

  isReplica(partition: number, node: number): boolean {
    return this.ring.isReplica(partition, node);
  }

  /** The first replica that is to be relied on; this node when none is. @param usable is that one? */
  preferred(partition: number, usable: (node: number) => boolean): number {
    const { table, n } = this.ring;
    for (let at = partition * n; at < (partition + 1) * n; at++) {
      if (usable(table[at])) return table[at];
    }
    return this.selfIndex;
  }
}
