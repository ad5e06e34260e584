/**
 * core/register/quorum.ts: the replicas of a key and counting their votes.
 * Invariants: r + w > n; a replica counts once; a node that is no replica never counts.
 */
import { assert } from "../../lib/assert.js";
import type { ProposerRules } from "./proposer-rules.js";

/**
 * Who holds a key, in the order in which they are asked (oneself first), and how many must agree. Votes are counted by place, so the
 * order stays the same as long as the epoch does.
 */
export interface ReplicaGroup {
  readonly epoch: number;
  readonly nodes: readonly number[];
  readonly r: number;
  readonly w: number;
}

/** Votes are bits of a small integer. */
const REPLICAS_MAX = 31;

/** @throws {InvariantError} when quorums of this group would not meet. */
export function assertGroup({ nodes, r, w }: ReplicaGroup): void {
  const n = nodes.length;
  assert(n >= 1 && n <= REPLICAS_MAX, "replicas out of range", n);
  assert(r >= 1 && r <= n && w >= 1 && w <= n && r + w > n, "quorums do not meet", n, r, w);
}

export class Votes {
  count = 0;
  private mask = 0;
  private readonly rules: ProposerRules;

  constructor(rules: ProposerRules) {
    this.rules = rules;
  }

  /** @param index of the replica in its group; -1: not a replica. */
  add(index: number): void {
    if (index < 0 || !this.rules.isNewVote(this.mask, 1 << index)) return;
    this.mask |= 1 << index;
    this.count++;
  }

  has(index: number): boolean {
    return index >= 0 && (this.mask & (1 << index)) !== 0;
  }
}
