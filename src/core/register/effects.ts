/**
 * core/register/effects.ts: what proposer and reader want done, as data, in order. The caller sends, answers and sets timers.
 */
import type { Dot } from "../clock/dot.js";
import type { Request } from "./messages.js";
import type { Outcome } from "./operation.js";
import type { ReplicaGroup } from "./quorum.js";
import type { Held } from "./state.js";

export interface Send<V> {
  readonly type: "send";
  /** A node, oneself too: the own acceptor is one of N and its answer waits for the own disk like any other. */
  readonly to: number;
  readonly message: Request<V>;
  /** Must not leave before a ceiling at or above this hlc is durable (core/clock/ceiling.ts); 0: leaves at once. */
  readonly underCeiling: number;
}

/** Answer the caller's operation. Each one is settled exactly once. */
export interface Settle<R> {
  readonly type: "settle";
  readonly id: number;
  readonly outcome: Outcome<R>;
}

/**
 * One acknowledgement is missing, and the operation's asker, a replica, has not given its own: as soon as it holds `ballot` durably, a quorum has
 * accepted, and the operation has taken effect. So the asker need not wait until its acknowledgement was here and the answer is back.
 * Settled all the same, later: the asker's replica may have refused. At most once a round and operation.
 */
export interface Nearly<R> {
  readonly type: "nearly";
  readonly id: number;
  readonly result: R;
  readonly ballot: Dot;
}

/**
 * Wake up after so long. A timer that comes late, or twice, or for something that is over, does no harm; one that never comes leaves an
 * operation to its deadline.
 */
export interface SetTimer {
  readonly type: "timer";
  readonly delayMs: number;
  readonly timer: Timer;
}
export type Timer =
  | { readonly what: "round"; readonly key: string; readonly ballot: Dot; readonly phase: "prepare" | "accept" }
  | { readonly what: "retry"; readonly key: string }
  | { readonly what: "read"; readonly id: number }
  | { readonly what: "purge"; readonly key: string; readonly ballot: Dot };

export type Effect<V, R> = Send<V> | Settle<R> | Nearly<R> | SetTimer;

/** What proposer and reader ask of the node they run on. Answers must not change anything. */
export interface Surroundings<V> {
  /** The key's replicas now. */
  group(key: string): ReplicaGroup;
  /** What this node itself holds; undefined: absent, or not a replica. The state must stay as it is while it is referred to. */
  held(key: string): Held<V> | undefined;
  /** 0 <= x < 1. */
  random(): number;
  /** Is the node likely to answer soon? A hint: it decides who is asked first, and nothing else. */
  answers(node: number): boolean;
  /** Whether a deadline that has passed counts: not while this node does not know that its clock is right. */
  expires(expireAt: number): boolean;
}

/** One message to all replicas of a group. */
export function sendAll<V, R>(
  out: Effect<V, R>[],
  group: ReplicaGroup,
  message: Request<V>,
  underCeiling: number,
): void {
  for (const to of group.nodes) out.push({ type: "send", to, message, underCeiling });
}
