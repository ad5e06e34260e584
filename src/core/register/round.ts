/**
 * core/register/round.ts: one ballot of one key, from its PREPARE (or, on the fast path, its ACCEPT) until it is chosen, refused or late.
 * Volatile. Invariants: the ballot is this round's alone; once an ACCEPT was sent the proposed state never changes; votes are counted
 * separately in the two phases.
 */
import type { Dot } from "../clock/dot.js";
import type { PromiseReply } from "./messages.js";
import type { Pending } from "./operation.js";
import type { ProposerRules } from "./proposer-rules.js";
import { type ReplicaGroup, Votes } from "./quorum.js";
import { type Named, type RegisterState, resolveState } from "./state.js";

export class Round<V, R> {
  readonly group: ReplicaGroup;
  readonly ballot: Dot;
  /** What this node held when the round began: replies may leave that state out. */
  readonly have: Named<V> | undefined;
  phase: "prepare" | "accept" = "prepare";
  /** Promises, then acknowledgements. */
  votes: Votes;
  refusals: Votes;
  /** The highest accepted state among the promises; undefined: all are absent. */
  baseBallot: Dot | undefined;
  baseState: RegisterState<V> | undefined;
  /** The highest floor among the promises. */
  floor = 0;
  /** Operations to answer when it is chosen. Empty before the ACCEPT. */
  batch: readonly Pending<V, R>[] = [];
  private told = false;
  private readonly rules: ProposerRules;

  constructor(group: ReplicaGroup, ballot: Dot, have: Named<V> | undefined, rules: ProposerRules) {
    this.group = group;
    this.ballot = ballot;
    this.have = have;
    this.rules = rules;
    this.votes = new Votes(rules);
    this.refusals = new Votes(rules);
  }

  /** @returns whether the promises are enough. */
  promised(index: number, reply: PromiseReply<V>): boolean {
    const { accepted } = reply;
    if (accepted !== undefined && this.rules.isBetterBase(accepted, this.baseBallot)) {
      const state = resolveState(reply.state, accepted, this.have);
      if (state === undefined) return false;
      this.baseBallot = accepted;
      this.baseState = state;
    }
    this.floor = Math.max(this.floor, reply.floor);
    this.votes.add(index);
    return this.votes.count >= this.rules.promiseQuorum(this.group);
  }

  /** @returns whether the acknowledgements are enough. */
  acknowledged(index: number): boolean {
    this.votes.add(index);
    return this.votes.count >= this.rules.acceptQuorum(this.group);
  }

  /** @returns whether one acknowledgement is missing; true once at most. */
  lacksOne(): boolean {
    if (this.told || this.votes.count !== this.rules.acceptQuorum(this.group) - 1) return false;
    this.told = true;
    return true;
  }

  /** Is a node one of the replicas, with no vote counted yet? */
  awaits(node: number): boolean {
    const index = this.group.nodes.indexOf(node);
    return index >= 0 && !this.votes.has(index);
  }

  /** @returns whether what is left cannot be a quorum any more. */
  refused(index: number): boolean {
    if (this.votes.has(index)) return false; // a doubled request was refused, the first was not
    this.refusals.add(index);
    const needed = this.phase === "prepare" ? this.group.r : this.group.w;
    return this.refusals.count > this.group.nodes.length - needed;
  }

  accepting(batch: readonly Pending<V, R>[]): void {
    this.phase = "accept";
    this.batch = batch;
    this.votes = new Votes(this.rules);
    this.refusals = new Votes(this.rules);
  }
}
