/**
 * server/node-cards.ts: how clients reach the other members: asked of each when its link comes up, and again now and then, since a
 * member may have been started anew with other options without this node seeing it go.
 * Invariants: one question per member at a time; an answer is kept while its member is down.
 */
import { type Cluster, QUESTION_NODE } from "../cluster/work.js";
import { type NodeCard, readCard } from "./node-card.js";

/** A question that found no answer is asked again so soon, and one that did so much later. */
const RETRY_MS = 500;
const REFRESH_MS = 10_000;
const NOTHING: Buffer = Buffer.alloc(0);

export class NodeCards {
  private readonly cluster: Pick<Cluster, "members" | "ask">;
  private readonly cards: (NodeCard | undefined)[] = [];
  /** When to ask, by the steady clock; Infinity while a question is under way. */
  private readonly dueMs: number[] = [];

  constructor(cluster: Pick<Cluster, "members" | "ask">) {
    this.cluster = cluster;
  }

  of(member: number): NodeCard | undefined {
    return this.cards[member];
  }

  /** Several times a second. @param nowMs steady clock. @param clock the same, read when an answer comes. */
  tick(nowMs: number, clock: () => number): void {
    for (const { index, isSelf, state } of this.cluster.members()) {
      if (isSelf) continue;
      // One that comes up is asked at once.
      if (state === "down" && this.dueMs[index] !== Number.POSITIVE_INFINITY) this.dueMs[index] = 0;
      if (state === "down" || (this.dueMs[index] ?? 0) > nowMs) continue;
      this.dueMs[index] = Number.POSITIVE_INFINITY;
      this.cluster.ask(index, QUESTION_NODE, NOTHING, (answer) => {
        const card = answer === undefined ? undefined : readCard(answer);
        if (card !== undefined) this.cards[index] = card;
        this.dueMs[index] = clock() + (card === undefined ? RETRY_MS : REFRESH_MS);
      });
    }
  }
}
