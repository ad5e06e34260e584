/**
 * cluster/work.ts: what the server asks of the cluster, and what it hears; cluster/coordinator.ts does it. With the few words of core and
 * storage that the server needs to say it.
 *
 *   Work      one operation on one key: a command, or an EXEC whose writes are all on it. It is a function from the key's state to a reply
 *             and perhaps a new state; the preferred proposer runs it, which may be another node: then its encoding travels.
 *   Question  about the whole keyspace, or about a node: asked of one member, answered at once from what that member has.
 */
import type { Change, Outcome } from "../core/register/operation.js";
import type { RegisterState } from "../core/register/state.js";
import { VALUE_BYTES_MOST } from "../lib/limits.js";
import type { Value } from "../storage/state-record.js";
import type { LinkState } from "./link-health.js";

export { compareDots, type Dot, NO_DOT } from "../core/clock/dot.js";
export { EXPIRING, WITHIN_ROUND } from "../core/register/operation.js";
export { keyOf, nameOf } from "../storage/state-record.js";

/** What a work is shown, and what it makes of it. */
export type KeyRegister = RegisterState<Value>;
export type KeyChange = Change<Value, Buffer>;

/** The result is for whoever made the work; it travels as it is. */
export interface Work {
  /** storage/state-record.ts: nameOf(). */
  readonly name: string;
  /** May it change the key? One that may not is answered by a read: one trip, no sync. */
  readonly writes: boolean;
  /** A function of its arguments: it may run several times, on different states. @param now wall clock, ms. */
  apply(state: KeyRegister, now: number): KeyChange;
  /** As bytes, for Performer.decode on another node. */
  encode(): Buffer;
  /**
   * Of one that reads and tells the key's version: does this result tell one that no chosen state has (WITHIN_ROUND)? Whoever made the work asks, not the
   * cluster. Absent: it tells none.
   */
  readonly isPassing?: ((result: Buffer) => boolean) | undefined;
  /** Can that be what the work came to on another node? What no node can have said is worth no more than no answer. Absent: anything can. */
  readonly isResult?: (result: Buffer) => boolean;
  /** The same, where its end is large and need not be copied. */
  readonly parts?: WorkParts;
}

export interface WorkParts {
  readonly head: Buffer;
  /** Nobody changes it. */
  readonly tail: Buffer;
}

export type Answer = Outcome<Buffer>;

/** What the server gives to the cluster. */
export interface Performer {
  /** A work that another node forwarded. @param bytes nobody changes them. @returns undefined: it is malformed. */
  decode(name: string, bytes: Buffer): Work | undefined;
  /** Answer a question of another node (or this one's own). @returns undefined: it cannot be answered. Synchronous. */
  answer(kind: number, bytes: Buffer): Buffer | undefined;
}

/**
 * A key and its value together: no state that is longer may be made, or no message could carry it to the others, and the log be shipped no further than to
 * there. Not by max-value-bytes: that changes at run time, and what was accepted under another limit, here or at a peer, has to get through.
 */
export const STATE_BYTES_MOST: number = VALUE_BYTES_MOST + 1024 * 1024;

/** Kinds of questions: 0 to 15. */
export const QUESTION_NODE = 0;
export const QUESTION_PAGE = 1;
export const QUESTION_COUNT = 2;

export interface MemberView {
  /** Position in the sorted ids: the node index of its dots, and its place in tables of placement. */
  readonly index: number;
  readonly id: string;
  readonly isSelf: boolean;
  /** Of itself: up. */
  readonly state: LinkState;
  /** Where its peer port is, as configured; "" and 0 of itself. */
  readonly host: string;
  readonly peerPort: number;
  /** -1: not measured, or down; then the offset means nothing either. */
  readonly roundTripMs: number;
  readonly clockOffsetMs: number;
}

/** The cluster, as the server and HTTP see it. */
export interface Cluster {
  /** In the order of ids. */
  members(): readonly MemberView[];
  readonly selfIndex: number;
  readonly partitions: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly clusterId: string;
  partitionOf(name: string): number;
  /** Members that hold a partition, in order of preference; the first that is up is the preferred proposer of its keys. */
  replicas(partition: number): readonly number[];
  /** `done` is called exactly once, perhaps before this returns. Within the command deadline (2 s). */
  perform(work: Work, done: (answer: Answer) => void): void;
  /**
   * Ask a member, which may be this one. `done` with undefined: no answer came in time, or it cannot be given. Exactly once; with an answer never before
   * this returns, without one perhaps.
   */
  ask(member: number, kind: number, bytes: Buffer, done: (answer: Buffer | undefined) => void): void;
  /** What each replica of a key says, for KV.EXPLAIN. */
  explain(name: string, done: (text: string) => void): void;
  /** Keys whose deadline is not after it are gone, ms; 0: no deadline counts yet, since this node's clock was not compared with its peers'. */
  expiryMs(): number;
  /** Counters for INFO, by name. */
  figures(): Readonly<Record<string, number>>;
}
