/**
 * core/register/state.ts: what a key is at one moment, as its register decides it, and how a replica holds it.
 * Invariants: a state has one dot and a dot one state; both are plain values that never change. A tombstone has no value and no
 * deadline. Dots with an hlc at or below `cut` may be missing from `vv`: whether they happened cannot be said.
 * The value is opaque here: whoever submits operations gives and reads it.
 */
import { type Dot, sameDot } from "../clock/dot.js";
import { VersionVector } from "../clock/version-vector.js";

export interface RegisterState<V> {
  /** undefined: a tombstone. */
  readonly value: V | undefined;
  /** Absolute ms, 0 = never. */
  readonly expireAt: number;
  /** Of each node its last dot that changed the value. Identity rounds leave no trace in it. */
  readonly vv: VersionVector;
  /** An hlc. */
  readonly cut: number;
}

/** A replica's accepted state of a key, in memory. */
export interface Held<V> {
  readonly ballot: Dot;
  readonly state: RegisterState<V>;
  /** Volatile: this very ballot is known to be chosen. */
  readonly chosen: boolean;
  /** Where it lies in the log; anything at or below the durable position, 0 included, is durable. */
  readonly lsn: number;
}

/** A state with its name: what one needs of a held state later, when the replica may hold another. */
export interface Named<V> {
  readonly ballot: Dot;
  readonly state: RegisterState<V>;
}

export function namedOf<V>(held: Held<V> | undefined): Named<V> | undefined {
  return held === undefined ? undefined : { ballot: held.ballot, state: held.state };
}

/**
 * The state that a reply is about. @param sent with the reply; undefined: left out, because the asker has it. @param ballot of the state.
 * @returns undefined when the asker does not have it either: no reply to what was asked.
 */
export function resolveState<V>(
  sent: RegisterState<V> | undefined,
  ballot: Dot,
  have: Named<V> | undefined,
): RegisterState<V> | undefined {
  if (sent !== undefined) return sent;
  return have !== undefined && sameDot(have.ballot, ballot) ? have.state : undefined;
}

/** What a replica knows of the partition a key lies in. */
export interface PartitionView {
  readonly epoch: number;
  /** An hlc: absent keys refuse ballots at or below it. 0 = nothing was deleted for good. */
  readonly floor: number;
  /** Log position of the last raise of the floor or removal of a key: what an answer "absent" depends on. */
  readonly floorLsn: number;
}

export function tombstoneState<V>(vv: VersionVector, cut: number): RegisterState<V> {
  return { value: undefined, expireAt: 0, vv, cut };
}

/**
 * What an absent key is to the operation that finds it: a tombstone without history.
 * @param floor the highest floor among the promises: below it a key may have been deleted for good, with its vector. Without
 * it a retry finds no trace of its first attempt, and applies twice.
 */
export function absentState<V>(floor: number): RegisterState<V> {
  return tombstoneState(VersionVector.EMPTY, floor);
}

export function isExpired(state: RegisterState<unknown>, now: number): boolean {
  return state.expireAt !== 0 && state.expireAt <= now;
}
