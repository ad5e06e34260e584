/**
 * core/register/operation.ts: what is asked of a key, and how several operations become one new state.
 *
 * An operation is a function from a state to (result, new value or no change). It is applied as often as needed and takes effect at most
 * once: `attempts` are the dots under which it was sent as part of a change, and the vector of a later base tells which of them
 * happened. One that changed nothing gets no attempt: it is simply asked again.
 *
 * Within a round an operation is shown what those before it made. Such a state was never chosen, and must look like no state that was: whoever
 * compares versions (compare and set) would else take it for the one before the round, or the one after it. So its vector ends with a
 * dot of a node that there is not. Alone in its round, an operation that finds a key expired is shown the tombstone that the round makes:
 * its dot, marked, so that whoever notes the version notes the one that will be there. Beside others it would not know whether that is so when the
 * round ends: it is shown a version that no state has, and whoever notes it has to ask again.
 * Invariants: attempts rise; they are forgotten only with the operation; operations of one round are applied in the order they came in.
 */
import { assert } from "../../lib/assert.js";
import type { Dot } from "../clock/dot.js";
import type { VersionVector } from "../clock/version-vector.js";
import type { ProposerRules } from "./proposer-rules.js";
import { isExpired, type RegisterState, tombstoneState } from "./state.js";

/** Above every node's index, which have 11 bits. */
export const WITHIN_ROUND = 4095;
/** Added to the node of the dot under which a key that has expired is being deleted. Below WITHIN_ROUND for every node. */
export const EXPIRING = 2048;

/** What an operation makes of the key. */
export interface Change<V, R> {
  readonly result: R;
  /** undefined: the key stays as it is. */
  readonly next: { readonly value: V | undefined; readonly expireAt: number } | undefined;
}

export interface Operation<V, R> {
  /** The caller's name for it; its outcome carries it. */
  readonly id: number;
  /** Absolute ms. After it the operation is given up. */
  readonly deadline: number;
  /** The node that asked for it, if another one did: it may hear of its outcome early (Nearly). */
  readonly asker?: number | undefined;
  /**
   * Must be a function of its arguments: it may run several times, on different states. Absent, deleted and expired keys all show as a
   * state without a value.
   */
  apply(state: RegisterState<V>, now: number): Change<V, R>;
}

export type Outcome<R> =
  /** It took effect, or needed none, in the chosen state `ballot`. undefined: the key is absent. */
  | { readonly applied: "yes"; readonly result: R; readonly ballot: Dot | undefined }
  /** Surely not, and it never will. */
  | { readonly applied: "no"; readonly why: "no quorum" | "too many" }
  /** It was sent; whether it took or takes effect is not known. */
  | { readonly applied: "maybe" };

/** FENCE: changes nothing, and once it is answered no earlier proposal on the key can take effect any more. */
export function fence<V>(id: number, deadline: number): Operation<V, undefined> {
  return { id, deadline, apply: () => ({ result: undefined, next: undefined }) };
}

/** An operation that was not answered yet. */
export class Pending<V, R> {
  readonly operation: Operation<V, R>;
  /** Dots under which it was sent as part of a change, and what it said each time. */
  readonly attempts: Dot[] = [];
  readonly results: R[] = [];
  /** Said when the round in flight is chosen. */
  answer: R | undefined;
  /** Given up while its round is in flight. */
  settled = false;

  constructor(operation: Operation<V, R>) {
    this.operation = operation;
  }
}

/** What a round proposes. */
export interface Proposal<V, R> {
  readonly state: RegisterState<V>;
  /** Answered when it is chosen, in order. */
  readonly batch: readonly Pending<V, R>[];
  /** Those that may be answered now: only when a rule is taken out. */
  readonly early: readonly Pending<V, R>[];
  /** Nobody can say whether these happened. */
  readonly uncertain: readonly Pending<V, R>[];
}

/**
 * Apply what waits for a key, in order, to a base.
 * @param ballot the proposal's. @param pendings not empty. @param expires whether the base's deadline, if it has passed, counts on this node.
 * @returns the state to propose: the base itself when nothing changes it (an identity round).
 */
export function combine<V, R>(
  base: RegisterState<V>,
  ballot: Dot,
  pendings: readonly Pending<V, R>[],
  now: number,
  expires: boolean,
  rules: ProposerRules,
): Proposal<V, R> {
  const expired = expires && isExpired(base, now);
  let changed = expired;
  const mine = base.vv.get(ballot.node);
  const shown = pendings.length === 1 ? base.vv : base.vv.with({ ...ballot, node: WITHIN_ROUND });
  let state = expired ? tombstoneState<V>(pendings.length === 1 ? expiring(base.vv, ballot) : shown, base.cut) : base;
  const batch: Pending<V, R>[] = [];
  const early: Pending<V, R>[] = [];
  const uncertain: Pending<V, R>[] = [];
  const carried: Pending<V, R>[] = [];
  for (const pending of pendings) {
    const verdict = rules.verdict(pending.attempts, mine, base.cut);
    if (verdict === "uncertain") {
      uncertain.push(pending);
      continue;
    }
    let unchanged = true;
    if (verdict === "happened") {
      const index = pending.attempts.findIndex((dot) => dot.hlc === mine?.hlc && dot.epoch === mine.epoch);
      assert(index >= 0, "happened under no attempt");
      pending.answer = pending.results[index];
      // The vector will show this round's dot only, so that is another of its attempts.
      carried.push(pending);
    } else {
      const { result, next } = pending.operation.apply(state, now);
      pending.answer = result;
      if (next !== undefined) {
        state = { value: next.value, expireAt: next.expireAt, vv: shown, cut: base.cut };
        changed = true;
        unchanged = false;
        carried.push(pending);
      }
    }
    if (unchanged && rules.answersAtPromises(verdict === "happened" ? "happened" : "unchanged")) early.push(pending);
    else batch.push(pending);
  }
  if (changed) {
    state = { value: state.value, expireAt: state.expireAt, vv: base.vv.with(ballot), cut: base.cut };
    for (const pending of carried) {
      pending.attempts.push(ballot);
      pending.results.push(pending.answer as R);
    }
  }
  return { state, batch, early, uncertain };
}

function expiring(vv: VersionVector, ballot: Dot): VersionVector {
  return vv.with({ ...ballot, node: ballot.node + EXPIRING });
}
