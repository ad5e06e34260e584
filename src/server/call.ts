/**
 * server/call.ts: one command of a client in a cluster, from the moment it runs to its answer, which comes later; and what becomes of the
 * outcomes of works.
 * Invariants: a call is answered once; a refusal says no less than what may have happened: "surely not" only if nothing of it did.
 */
import type { Answer } from "../cluster/work.js";
import type { Args } from "../codec/resp/args.js";
import type { Context } from "../commands/context.js";
import type { CommandSpec } from "../commands/spec.js";
import type { ClusterSession } from "./cluster-session.js";
import { inWindow } from "./listing.js";
import type { Place } from "./replies.js";
import { CLUSTER_DOWN, NO_REPLICAS, TRY_AGAIN, UNCERTAIN_PARTLY, UNCERTAIN_QUORUM } from "./texts.js";
import { decodeState, type KnownState } from "./work-bytes.js";
import { FetchWork } from "./works.js";

const MINUS = 45;
const SPACE = 32;

/** What a call may cost beside its arguments, for the bounds of a session. */
const FETCH_BYTES = 64;
/** Keys that one call reads at a time. */
const READS_MAX = 128;

export class Call {
  readonly session: ClusterSession;
  readonly spec: CommandSpec;
  readonly db: number;
  readonly proto: number;
  private readonly place: Place;
  private readonly args: () => Args;
  private readonly startMs: number;

  /** @param args the command's, for the slow log; they own their bytes. */
  constructor(session: ClusterSession, spec: CommandSpec, args: () => Args) {
    this.session = session;
    this.spec = spec;
    this.db = session.db;
    this.proto = session.proto;
    this.args = args;
    this.place = session.expect();
    this.startMs = session.server.monotonicMs();
  }

  /** @param reply kept. */
  answer(reply: Buffer): void {
    this.note(reply);
    this.session.answer(this.place, reply);
  }

  /** The reply is written when all before it have left: by what has to run as the client's own. */
  answerBy(write: (c: Context) => void): void {
    const { server } = this.session;
    this.note(undefined);
    this.session.answerBy(this.place, () => write(server.context));
  }

  /** The client wants the answer after all (CLIENT REPLY ON in an EXEC). */
  unmute(): void {
    this.place.muted = false;
  }

  private note(reply: Buffer | undefined): void {
    const { session, spec } = this;
    const { server } = session;
    const usec = (server.monotonicMs() - this.startMs) * 1000;
    server.statistics.took(spec.index, usec);
    if (reply !== undefined && reply[0] === MINUS) countError(session, spec, reply);
    const { latencyMonitorThreshold, slowlogLogSlowerThan } = server.config;
    if ((slowlogLogSlowerThan >= 0 && usec >= slowlogLogSlowerThan) || latencyMonitorThreshold > 0)
      server.noteSlow(session, spec, this.args(), usec);
  }
}

/** @param reply an error. */
export function countError(session: ClusterSession, spec: CommandSpec, reply: Buffer): void {
  const { statistics } = session.server;
  const end = reply.indexOf(SPACE);
  statistics.failed[spec.index]++;
  statistics.error(reply.latin1Slice(1, end < 0 ? reply.length - 2 : end), 1);
}

/** @returns the reply for a work that was not done; undefined: it was. */
export function failureOf(answer: Answer, writes: boolean): Buffer | undefined {
  if (answer.applied === "yes") return undefined;
  if (answer.applied === "maybe") return writes ? UNCERTAIN_QUORUM : CLUSTER_DOWN;
  if (answer.why === "too many") return TRY_AGAIN;
  return writes ? NO_REPLICAS : CLUSTER_DOWN;
}

/** What becomes of a command's works on several keys, taken together. */
export class Tally {
  /** The worst failure so far. */
  private failure: Buffer | undefined = undefined;
  private applied = 0;
  private readonly writes: boolean;

  constructor(writes: boolean) {
    this.writes = writes;
  }

  add(answer: Answer): void {
    const failure = failureOf(answer, this.writes);
    if (failure === undefined) this.applied++;
    else if (this.failure !== UNCERTAIN_QUORUM) this.failure = failure;
  }

  get failed(): boolean {
    return this.failure !== undefined;
  }

  /** undefined: all were done. Some done and some surely not: that is neither yes nor no. */
  get reply(): Buffer | undefined {
    const { failure } = this;
    if (failure === undefined || !this.writes) return failure;
    return failure === UNCERTAIN_QUORUM || this.applied > 0 ? UNCERTAIN_PARTLY : failure;
  }
}

/**
 * Linearizable reads of keys, each by itself, so many at a time that others find room too. @param brief without their values.
 * @param done hears of all, or the reply that says why not.
 */
export function fetchAll(
  session: ClusterSession,
  names: readonly string[],
  brief: boolean,
  done: (states: Map<string, KnownState>, failure: Buffer | undefined) => void,
): void {
  const states = new Map<string, KnownState>();
  const tally = new Tally(false);
  const read = (index: number, over: (failed: boolean) => void): void => {
    const name = names[index];
    session.perform(new FetchWork(name, brief), FETCH_BYTES, (answer) => {
      tally.add(answer);
      const state = answer.applied === "yes" ? decodeState(answer.result) : undefined;
      if (state !== undefined) states.set(name, state);
      else if (answer.applied === "yes") tally.add({ applied: "no", why: "no quorum" });
      over(state === undefined);
    });
  };
  inWindow(names.length, READS_MAX, read, () => done(states, tally.reply));
}
