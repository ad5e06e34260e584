/**
 * core/register/proposer-rules.ts: what a proposer and a reader may conclude, each rule a function with its reason. They ask them through an
 * object, so that the explorer can take out one at a time and must then find a broken history.
 * Production always uses PROPOSER_RULES. Price: one call through a constant object for each rule asked.
 * Sources: Lamport, "Paxos Made Simple", 2001; Rystsov, "CASPaxos", 2018; Howard et al., "Flexible Paxos", 2016.
 */
import { compareDots, type Dot, nextDot, sameDot } from "../clock/dot.js";
import type { Hlc } from "../clock/hlc.js";
import type { Owned } from "./ownership.js";
import type { ReplicaGroup } from "./quorum.js";
import type { Held } from "./state.js";

/** Did an operation, sent under these ballots in this order, take effect in the history of a base? */
export type Verdict = "happened" | "apply" | "uncertain";

export interface ProposerRules {
  isNewVote(mask: number, bit: number): boolean;
  promiseQuorum(group: ReplicaGroup): number;
  acceptQuorum(group: ReplicaGroup): number;
  isBetterBase(accepted: Dot, base: Dot | undefined): boolean;
  cutOfAbsent(highestFloor: number): number;
  issueUnderCeiling(ballot: Dot): number;
  fastBase(owned: Owned | undefined, held: Held<unknown> | undefined, group: ReplicaGroup): Dot | undefined;
  fastBallot(base: Dot, clock: Hlc): Dot;
  prepareAbove(held: Held<unknown>): number;
  ownedAfterFailure(before: Owned): Owned | undefined;
  verdict(attempts: readonly Dot[], mine: Dot | undefined, cut: number): Verdict;
  answersAtPromises(reason: "happened" | "unchanged"): boolean;
  tellsAsker(carried: boolean): boolean;
  isReplyOfThisLife(boot: number, own: number): boolean;
  isReadVote(ballot: Dot | undefined, floor: number, highest: Dot | undefined): boolean;
  marksHighest(marked: Dot, highest: Dot): boolean;
  answersRead(known: boolean, holders: number, group: ReplicaGroup): boolean;
  purgeQuorum(group: ReplicaGroup): number;
}

export const PROPOSER_RULES: ProposerRules = {
  /** A replica has one vote, however often its reply arrives. */
  isNewVote: (mask, bit) => (mask & bit) === 0,

  /** R + W > N: a quorum of promises meets every quorum of acknowledgements. */
  promiseQuorum: ({ r }) => r,
  acceptQuorum: ({ w }) => w,

  /** The highest accepted ballot among the promises: its history contains all that was chosen. */
  isBetterBase: (accepted, base) => base === undefined || compareDots(accepted, base) > 0,

  /** Below the floor a key may have been deleted for good, and with it the vector that tells whether a retry happened. */
  cutOfAbsent: (highestFloor) => highestFloor,

  /** A dot leaves when a ceiling at or above it is durable: the next life of this node must not issue it again. */
  issueUnderCeiling: (ballot) => ballot.hlc,

  /**
   * max(W, R) replicas acknowledged a ballot that this process issued, and no later one of it exists on this key: each of them
   * holds an implicit promise for the next ballot, and all of them report this state as the highest. A ballot merely read is another
   * proposer's to go on from: both would send the same next dot, or a dot below which something else was promised.
   */
  fastBase(owned, held, group) {
    if (owned === undefined || owned.acks.count < Math.max(group.w, group.r) || owned.epoch !== group.epoch)
      return undefined;
    return held !== undefined && sameDot(held.ballot, owned.ballot) ? owned.ballot : undefined;
  },

  /** The clock witnesses it: a prepared ballot of this node must lie strictly above, or one dot would have two values. */
  fastBallot(base, clock) {
    const ballot = nextDot(base);
    clock.witness(ballot.hlc);
    return ballot;
  },

  /**
   * An hlc that a prepared ballot must be above: the writer of what is held has the next dot for itself. That may be this very node, and
   * it may have used it.
   */
  prepareAbove: (held) => nextDot(held.ballot).hlc,

  /** The next ballot may be used once. Whether it was accepted anywhere is not known now. */
  ownedAfterFailure: () => undefined,

  /**
   * The vector has this node's last dot: one of the attempts: that one happened. Below the first attempt, and nothing above it can be
   * missing from the vector: none did. Else it cannot be said.
   */
  verdict(attempts, mine, cut) {
    if (attempts.length === 0) return "apply";
    const first = attempts[0];
    if (mine !== undefined) {
      for (const attempt of attempts) if (sameDot(attempt, mine)) return "happened";
      if (compareDots(mine, first) > 0) return "uncertain";
    }
    return cut < first.hlc ? "apply" : "uncertain";
  },

  /**
   * Never before the round is chosen. What a quorum of promises shows may still be abandoned: a base that only a minority accepted can
   * lose to another proposal, and the answer would tell of something that never was.
   */
  answersAtPromises: () => false,

  /**
   * Ahead of its outcome (Nearly), only of an operation that the ballot carries. Should the round fail here although the asker saw it chosen, the next
   * base shows that it happened; what changed nothing leaves no trace, and would be applied anew, to another state.
   */
  tellsAsker: (carried) => carried,

  /** A process that came back counts its reads anew; a reply to its life before tells of a time before. */
  isReplyOfThisLife: (boot, own) => boot === own,

  /** Absent says nothing about a ballot that the floor covers: the key may have been deleted for good after it. */
  isReadVote: (ballot, floor, highest) => ballot !== undefined || highest === undefined || floor < highest.hlc,

  /** A mark on an older state says that a later one may be chosen too, not that it is. */
  marksHighest: sameDot,

  /** Read repair comes before the reply: what one reader was shown, the next one must find. */
  answersRead: (known, holders, group) => known || holders >= group.w,

  /** A tombstone goes only when every replica has it. */
  purgeQuorum: ({ nodes }) => nodes.length,
};
