/**
 * core/clock/version-vector.ts: for each node its last modifying dot in the history of a value.
 * Invariants: at most one dot a node, in the order of nodes; immutable, so a vector is shared between states without copying.
 * Merging is commutative, associative and idempotent.
 * Price: a change copies the list. It has as many entries as nodes ever proposed on the key: a few.
 * Source: Parker et al., "Detection of Mutual Inconsistency in Distributed Systems", 1983.
 */
import { assert } from "../../lib/assert.js";
import { compareDots, type Dot } from "./dot.js";

export class VersionVector {
  static readonly EMPTY: VersionVector = new VersionVector([]);

  /** In the order of nodes. */
  readonly dots: readonly Dot[];

  private constructor(dots: readonly Dot[]) {
    this.dots = dots;
  }

  /** @param dots in the order of nodes, one a node: as `dots` of another vector gave them. */
  static of(dots: readonly Dot[]): VersionVector {
    for (let i = 1; i < dots.length; i++) assert(dots[i - 1].node < dots[i].node, "a vector out of order");
    return new VersionVector(dots);
  }

  /** The last dot of `node`, or undefined: it never modified this value. */
  get(node: number): Dot | undefined {
    for (const dot of this.dots) if (dot.node === node) return dot;
    return undefined;
  }

  /** This vector with `dot` as its node's entry, unless that is later already. */
  with(dot: Dot): VersionVector {
    if (this.covers(dot)) return this;
    const dots = this.dots.filter(({ node }) => node < dot.node);
    dots.push(dot);
    for (const other of this.dots) if (other.node > dot.node) dots.push(other);
    return new VersionVector(dots);
  }

  /** Pointwise maximum. */
  merge(other: VersionVector): VersionVector {
    let merged: VersionVector = this;
    for (const dot of other.dots) merged = merged.with(dot);
    return merged;
  }

  /** Is `dot` part of the history? */
  covers(dot: Dot): boolean {
    const own = this.get(dot.node);
    return own !== undefined && compareDots(own, dot) >= 0;
  }

  /** Is all of the other's history part of this one's? Equal vectors descend from each other. */
  descends(other: VersionVector): boolean {
    return other.dots.every((dot) => this.covers(dot));
  }
}
