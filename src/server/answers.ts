/**
 * server/answers.ts: clients whose commands were answered by the cluster in this turn. They are served together when it ends, just before
 * replies depart: a pipeline's answers come in one stretch, and no client runs in the midst of what brought the answers.
 * Invariant: a client is on the list at most once.
 */
import type { ClusterSession } from "./cluster-session.js";
import type { Turns } from "./turns.js";

export class Answers {
  private readonly list: ClusterSession[] = [];
  private readonly turns: Turns;
  private readonly monotonicMs: () => number;

  constructor(turns: Turns, monotonicMs: () => number) {
    this.turns = turns;
    this.monotonicMs = monotonicMs;
  }

  // HOT: once per turn and client.
  add(session: ClusterSession): void {
    session.listed = true;
    this.list.push(session);
    this.turns.begin(this.monotonicMs());
  }

  /** When a turn ends. Those that are added meanwhile are served too. */
  serve(): void {
    const { list } = this;
    for (let i = 0; i < list.length; i++) list[i].serve();
    list.length = 0;
  }
}
