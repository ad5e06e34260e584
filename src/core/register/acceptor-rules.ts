/**
 * core/register/acceptor-rules.ts: what a replica may and may not do with one key, each rule a function with its reason. The acceptor asks them
 * through an object, so that the explorer can take out one at a time and must then find a broken history.
 * Production always uses ACCEPTOR_RULES. Price: one call through a constant object for each rule asked.
 * Sources: Lamport, "Paxos Made Simple", 2001; Rystsov, "CASPaxos", 2018; Howard et al., "Flexible Paxos", 2016.
 */
import { compareDots, type Dot, maxDot, nextDot, sameDot } from "../clock/dot.js";
import type { Held } from "./state.js";

export interface AcceptorRules {
  implicitPromise(accepted: Dot): Dot;
  effective(promised: Dot | undefined, implicit: Dot, evictFloor: Dot, epoch: number): Dot;
  aboveFloors(ballot: Dot, absent: boolean, partitionFloor: number, restartFloor: number): boolean;
  mayPromise(ballot: Dot, effective: Dot): boolean;
  mayAccept(ballot: Dot, effective: Dot): boolean;
  promisedAfterPrepare(ballot: Dot): Dot | undefined;
  evictFloorAfter(evictFloor: Dot, dropped: Dot): Dot;
  knows(ballot: Dot, held: Held<unknown> | undefined): boolean;
  marks(ballot: Dot, held: Held<unknown> | undefined): boolean;
  learns(ballot: Dot, held: Held<unknown> | undefined, partitionFloor: number): boolean;
  promisedAfterLearn(promised: Dot | undefined, ballot: Dot): Dot | undefined;
  promiseUnderCeiling(ballot: Dot): number;
  answersAfter(lsn: number): number;
  answersAfterOwnWrite(): boolean;
  epochMatches(own: number, request: number): boolean;
  purgeableWhenHeld(ballot: Dot, effective: Dot, restartFloor: number): boolean;
  purgeableWhenAbsent(ballot: Dot, partitionFloor: number): boolean;
  purgeFloor(ballot: Dot): number;
  purgeRemoves(ballot: Dot, held: Held<unknown>): boolean;
  promisedAfterPurge(promised: Dot | undefined): Dot | undefined;
}

export const ACCEPTOR_RULES: AcceptorRules = {
  /** Whoever wrote the accepted state holds a promise for the next ballot: its fast path. It survives a crash as the record does. */
  implicitPromise: nextDot,

  /** Nothing below the result is accepted, and nothing at or below it promised. */
  effective(promised, implicit, evictFloor, epoch) {
    let bound = maxDot(implicit, evictFloor);
    if (promised !== undefined) bound = maxDot(bound, promised);
    return bound.epoch < epoch ? { epoch, hlc: 0, node: 0 } : bound;
  },

  /**
   * The restart floor always counts: promises from before the crash are forgotten. The partition's floor counts where nothing is held: what
   * arrives late for a key that was deleted for good must not bring it back.
   */
  aboveFloors(ballot, absent, partitionFloor, restartFloor) {
    return ballot.hlc > restartFloor && (!absent || ballot.hlc > partitionFloor);
  },

  /** Strictly above: at the bound itself somebody holds a promise already. */
  mayPromise: (ballot, effective) => compareDots(ballot, effective) > 0,

  /** At the bound too: that is the ballot which the promise is for. */
  mayAccept: (ballot, effective) => compareDots(ballot, effective) >= 0,

  promisedAfterPrepare: (ballot) => ballot,

  /** A promise that is dropped for room goes on to bind, for every key. */
  evictFloorAfter: maxDot,

  /** A doubled ACCEPT is answered like the first, whatever was promised meanwhile: it says what was done, not what will be. */
  knows: (ballot, held) => held !== undefined && sameDot(ballot, held.ballot),

  /** The mark belongs to one ballot. On a later state it would call something chosen that is not. */
  marks: (ballot, held) => held !== undefined && sameDot(ballot, held.ballot),

  /**
   * A chosen state may come at any time, below promises too: it is part of every later history. It never replaces a later one, and
   * it does not bring back a key that was deleted for good after it.
   */
  learns(ballot, held, partitionFloor) {
    return held === undefined ? ballot.hlc > partitionFloor : compareDots(ballot, held.ballot) > 0;
  },

  /** Learning is no promise and takes none back. */
  promisedAfterLearn: (promised) => promised,

  /** A promise leaves when a ceiling at or above it is durable: that is what makes a restart refuse what it ruled out. */
  promiseUnderCeiling: (ballot) => ballot.hlc,

  /** An answer leaves when the record that it tells of is durable: a crash must not take back what others built on. */
  answersAfter: (lsn) => lsn,
  answersAfterOwnWrite: () => true,

  /** Neither an older nor a newer epoch: quorums of two configurations need not meet. */
  epochMatches: (own, request) => own === request,

  /**
   * Yes to "is this tombstone all you have?" only when nothing else was promised, not even in a life before a crash: a proposer with
   * such a promise may bring an older base.
   */
  purgeableWhenHeld(ballot, effective, restartFloor) {
    return compareDots(effective, nextDot(ballot)) <= 0 && ballot.hlc > restartFloor;
  },

  /** Purged here already; the asker did not hear of it. */
  purgeableWhenAbsent: (ballot, partitionFloor) => partitionFloor > ballot.hlc,

  /** One above the tombstone: its writer's fast path may still send the next ballot. */
  purgeFloor: (ballot) => ballot.hlc + 1,

  /** What was accepted between the question and the purge stays. */
  purgeRemoves: (ballot, held) => sameDot(ballot, held.ballot),

  promisedAfterPurge: (promised) => promised,
};
