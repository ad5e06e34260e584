/**
 * cluster/reach.ts: can a quorum of a key's replicas be reached at all? What is sure to come to nothing is refused before anything of it is sent:
 * its client hears at once, and for sure, that nothing was done, in place of waiting its time out for -UNCERTAIN.
 *
 * Known to be out of reach: no connection to the node has been open for SETTLE_MS; both sides dial all that time. A node that is silent on an open
 * connection may still answer, and one whose connection has just broken is as a rule back in a moment.
 * Nothing is remembered: with the first connection that opens it is over.
 */
import type { Scheduler } from "../ports/scheduler.js";
import type { PeerLink } from "./peer-link.js";
import type { Routing } from "./routing.js";

const SETTLE_MS = 500;

export class Reach {
  private readonly routing: Routing;
  private readonly links: readonly (PeerLink | undefined)[];
  private readonly scheduler: Scheduler;
  private readonly selfIndex: number;

  /** @param links by index. */
  constructor(routing: Routing, links: readonly (PeerLink | undefined)[], scheduler: Scheduler, selfIndex: number) {
    this.routing = routing;
    this.links = links;
    this.scheduler = scheduler;
    this.selfIndex = selfIndex;
  }

  // HOT: once per work.
  /** Are there fewer replicas of a key that could answer than a read needs, or a write? */
  lacks(name: string, writes: boolean): boolean {
    const { nodes, r, w } = this.routing.group(this.routing.partitionOf(name));
    let missing = writes ? Math.max(r, w) : r;
    for (let i = 0; i < nodes.length && missing > 0; i++) if (this.mayAnswer(nodes[i])) missing--;
    return missing > 0;
  }

  /** Is no connection to it open? A question would not even leave. */
  isDown(node: number): boolean {
    return node !== this.selfIndex && (this.links[node]?.state ?? "down") === "down";
  }

  private mayAnswer(node: number): boolean {
    if (node === this.selfIndex) return true;
    const link = this.links[node];
    if (link === undefined) return false;
    return link.state !== "down" || this.scheduler.monotonicMs() - link.sinceMs < SETTLE_MS;
  }
}
