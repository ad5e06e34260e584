/**
 * core/register/messages.ts: what proposers and acceptors of one key's register say to each other, as values. codec/frame gives them bytes;
 * several of one turn travel in one frame.
 *
 *   request    carries                      reply
 *   read       boot, id, have               state    ballot or absent, the state unless it is `have`, chosen mark, floor
 *   prepare    ballot, have                 promise  accepted ballot or absent, the state unless it is `have`, floor; or nack
 *   accept     ballot, state                ack; or nack
 *   learn      ballot, state (chosen)       learned: it holds this state or needs it no more. No vote for anything
 *   chosen     ballot                       none
 *   ask        ballot (of a tombstone)      purgeable yes or no
 *   purge      ballot (of a tombstone)      none
 *
 * `have` is the ballot of a state that the asker holds: a replica with the same ballot answers without the state, one with another
 * sends it. So agreeing replicas send dots only, and no second trip fetches a state. Price: a replica that lags sends its old state.
 *
 * Replies to prepare and accept name the ballot and no request: "I accepted b", "I promised b" are facts about the replica, true
 * whoever asked, and a ballot is used once. A reply to a read is a fact about its time only, so it names the read, by a number and the
 * life of the process that counts: after a restart the numbers begin again, and an old reply would be taken for a new one.
 */
import type { Dot } from "../clock/dot.js";
import type { RegisterState } from "./state.js";

interface Envelope {
  readonly key: string;
  /** The sender's epoch of the partition. */
  readonly epoch: number;
}

export interface ReadRequest extends Envelope {
  readonly type: "read";
  /** Which life of the asking process: no two have the same. */
  readonly boot: number;
  readonly id: number;
  readonly have: Dot | undefined;
}
export interface PrepareRequest extends Envelope {
  readonly type: "prepare";
  readonly ballot: Dot;
  readonly have: Dot | undefined;
}
export interface AcceptRequest<V> extends Envelope {
  readonly type: "accept";
  readonly ballot: Dot;
  readonly state: RegisterState<V>;
}
export interface LearnRequest<V> extends Envelope {
  readonly type: "learn";
  readonly ballot: Dot;
  readonly state: RegisterState<V>;
}
export interface ChosenNotice extends Envelope {
  readonly type: "chosen";
  readonly ballot: Dot;
}
export interface AskRequest extends Envelope {
  readonly type: "ask";
  readonly ballot: Dot;
}
export interface PurgeNotice extends Envelope {
  readonly type: "purge";
  readonly ballot: Dot;
}
export type Request<V> =
  | ReadRequest
  | PrepareRequest
  | AcceptRequest<V>
  | LearnRequest<V>
  | ChosenNotice
  | AskRequest
  | PurgeNotice;

export interface StateReply<V> {
  readonly type: "state";
  readonly key: string;
  /** Both as in the request. */
  readonly boot: number;
  readonly id: number;
  /** undefined: absent. */
  readonly ballot: Dot | undefined;
  /** undefined: absent, or the asker has it. */
  readonly state: RegisterState<V> | undefined;
  readonly chosen: boolean;
  readonly floor: number;
}
export interface PromiseReply<V> {
  readonly type: "promise";
  readonly key: string;
  readonly ballot: Dot;
  /** The accepted ballot; undefined: absent. */
  readonly accepted: Dot | undefined;
  readonly state: RegisterState<V> | undefined;
  readonly floor: number;
}
export interface AckReply {
  readonly type: "ack";
  readonly key: string;
  readonly ballot: Dot;
}
export interface NackReply {
  readonly type: "nack";
  readonly key: string;
  readonly ballot: Dot;
  readonly phase: "prepare" | "accept";
  /** A ballot above it has a chance. */
  readonly bound: Dot;
}
export interface LearnedReply {
  readonly type: "learned";
  readonly key: string;
  readonly ballot: Dot;
}
export interface PurgeableReply {
  readonly type: "purgeable";
  readonly key: string;
  readonly ballot: Dot;
  readonly yes: boolean;
}
/** Another epoch's request: nothing was done. The newer of the two configurations goes with it on the wire. */
export interface RefusedReply {
  readonly type: "refused";
  readonly key: string;
  readonly request: Request<unknown>["type"];
  /** Of the refused request; undefined for a read, which has `id`. */
  readonly ballot: Dot | undefined;
  readonly id: number;
  readonly epoch: number;
}
export type Reply<V> =
  | StateReply<V>
  | PromiseReply<V>
  | AckReply
  | NackReply
  | LearnedReply
  | PurgeableReply
  | RefusedReply;
