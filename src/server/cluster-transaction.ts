/**
 * server/cluster-transaction.ts: WATCH and EXEC on a node of a cluster.
 * All that an EXEC writes must be one key: then what it does to it is one work, that is one operation of the key's register, which compares
 * the watched version first. Keys that it only reads are read before, each by a linearizable read; commands that ask no key run on this
 * node afterwards, when it is known that the transaction was not broken off. An EXEC that only reads goes key by key.
 * WATCH is a linearizable read that remembers the key's version, a deleted key's too.
 * Invariants: a refused EXEC has done nothing; the session runs nothing else until an EXEC of more than one work is over, and one that has
 * commands for this node is over when its reply leaves: then they run.
 */
import { nameOf } from "../cluster/work.js";
import { Args } from "../codec/resp/args.js";
import { ReplyWriter } from "../codec/resp/reply-writer.js";
import type { Context } from "../commands/context.js";
import { type CommandSpec, KIND_KEY } from "../commands/spec.js";
import { Call, countError, fetchAll } from "./call.js";
import { queryTooLong } from "./client-limits.js";
import { GUARD_MULTI, REPLY_OFF, REPLY_ON, REPLY_SKIP_NEXT } from "./client-state.js";
import type { Surroundings } from "./cluster-dispatch.js";
import type { ClusterSession } from "./cluster-session.js";
import { GUARD_MONITORED } from "./dispatch.js";
import { Gathered } from "./gathered.js";
import { ASKERS, type Asker, EMPTYING } from "./keyspace-calls.js";
import { performSteps, readOnly, severalError, split } from "./several-call.js";
import { hasChanged, type Seen } from "./steps-work.js";
import { FLUSH_IN_MULTI } from "./texts.js";
import { endTransaction, refusalOf, type Transaction, transactionOf, watchedBytes } from "./transaction.js";
import type { KnownState } from "./work-bytes.js";
import type { Stage } from "./works.js";

const OK: Buffer = Buffer.from("+OK\r\n");
const ABORTED_2: Buffer = Buffer.from("*-1\r\n");
const ABORTED_3: Buffer = Buffer.from("_\r\n");
const MINUS = 45;

export function watchInCluster(_around: Surroundings, session: ClusterSession, spec: CommandSpec, c: Context): void {
  if ((session.guards & GUARD_MULTI) !== 0) {
    c.reply.error("ERR WATCH inside MULTI is not allowed");
    return;
  }
  const transaction = transactionOf(session);
  const own = c.args.clone();
  const names = new Set<string>();
  for (let i = 1; i < own.count; i++) {
    const name = nameOf(session.db, own.bytes, own.start[i], own.length[i]);
    if (!transaction.seen.has(name)) names.add(name);
  }
  let bytes = 0;
  for (const name of names) bytes += watchedBytes(name);
  if (queryTooLong(session, bytes)) return;
  const call = new Call(session, spec, () => own);
  // A command that came later could be what it has to notice.
  session.hold();
  fetchAll(session, [...names], true, (states, failure) => {
    if (failure === undefined)
      for (const [name, { present, version, versionNode }] of states)
        transaction.watchInCluster(name, { present, version, versionNode });
    call.answer(failure ?? OK);
    session.letGo();
  });
}

/** A queued command, and how it is answered. */
interface Part {
  readonly spec: CommandSpec;
  readonly args: Args;
  readonly db: number;
  /** "keys": a step of the work; "asked": of the whole keyspace; "here": by this node. */
  readonly how: "keys" | "asked" | "here";
}

interface Plan {
  readonly parts: readonly Part[];
  /** The key that is written; undefined: none. */
  readonly key: string | undefined;
  /** Keys to be read before. */
  readonly read: readonly string[];
  readonly seen: ReadonlyMap<string, Seen>;
}

export function execInCluster(around: Surroundings, session: ClusterSession, spec: CommandSpec, c: Context): void {
  const { transaction } = session;
  if (transaction?.open !== true) {
    c.reply.error("ERR EXEC without MULTI");
    return;
  }
  const refusal = refusalOf(session, transaction);
  endTransaction(session);
  if (refusal !== undefined) {
    c.reply.error(`EXECABORT Transaction discarded because of${refusal}`);
    return;
  }
  const plan = planOf(around, session, transaction);
  if (typeof plan === "string") {
    c.reply.error(plan);
    return;
  }
  new Exec(around, new Call(session, spec, () => Args.of(["exec"])), plan).start();
}

/** @returns an error when it cannot be done on several nodes. */
function planOf(around: Surroundings, session: ClusterSession, transaction: Transaction): Plan | string {
  const { stage, server } = around;
  const names = new Map<string, boolean>();
  const parts: Part[] = [];
  let { db } = session;
  const queued = new Args();
  for (let spec = transaction.queue.read(queued); spec !== undefined; spec = transaction.queue.read(queued)) {
    const args = queued.clone();
    if (EMPTYING.has(spec.fullName)) return FLUSH_IN_MULTI;
    const how = ASKERS[spec.fullName] !== undefined ? "asked" : hasKeys(spec) ? "keys" : "here";
    parts.push({ spec, args, db, how });
    if (how === "keys")
      for (const [name, written] of keysOf(stage, spec, args, db, server.nowMs))
        names.set(name, written || names.get(name) === true);
    else if (spec.name === "select") db = selected(args, db, stage.context);
  }
  const { written, read } = split(names);
  if (written.length > 1) return severalError(around, written);
  const [key] = written;
  const { seen } = transaction;
  if (key !== undefined) {
    for (const name of seen.keys()) if (name !== key) return severalError(around, [key, ...seen.keys()]);
  }
  return { parts, key, read, seen };
}

function hasKeys(spec: CommandSpec): boolean {
  return spec.run !== undefined && (spec.kind === "key" || spec.kind === "each" || spec.kind === "keys");
}

function keysOf(stage: Stage, spec: CommandSpec, args: Args, db: number, now: number): ReadonlyMap<string, boolean> {
  if (spec.kindCode !== KIND_KEY) return stage.rehearse(spec, args, db, 2, now).names;
  return new Map([[nameOf(db, args.bytes, args.start[spec.firstKey], args.length[spec.firstKey]), spec.write]]);
}

/** The database that a queued SELECT will choose. */
function selected(args: Args, db: number, { databases, oneDatabase }: Context): number {
  const text = args.text(1);
  return /^(0|[1-9]\d?)$/.test(text) && Number(text) < (oneDatabase ? 1 : databases) ? Number(text) : db;
}

function turnsOn({ spec, args }: Part): boolean {
  return spec.fullName === "client|reply" && args.lower(2) === "on";
}

class Exec {
  private readonly around: Surroundings;
  private readonly call: Call;
  private readonly plan: Plan;
  private readonly session: ClusterSession;
  /** By place in plan.parts; those that are run here stay undefined. */
  private readonly replies: (Buffer | undefined)[];
  private readonly holds: boolean;

  constructor(around: Surroundings, call: Call, plan: Plan) {
    this.around = around;
    this.call = call;
    this.plan = plan;
    this.session = call.session;
    this.replies = new Array(plan.parts.length).fill(undefined);
    this.holds = plan.key === undefined || plan.read.length > 0 || plan.parts.some(({ how }) => how !== "keys");
  }

  start(): void {
    const { parts } = this.plan;
    if (this.holds) this.session.hold();
    for (const { spec, how, args } of parts) if (how !== "here") this.note(spec, args);
    if (!parts.some(({ how }) => how === "asked")) this.read();
    else this.session.afterAll(() => this.ask(0, this.firstWrite(), () => this.read()));
  }

  /** What is asked of the whole keyspace is asked before what is written, or after it, as it was queued. */
  private firstWrite(): number {
    const { parts } = this.plan;
    const first = parts.findIndex(({ how, spec }) => how === "keys" && spec.write);
    return first < 0 ? parts.length : first;
  }

  private note(spec: CommandSpec, args: Args): void {
    const { server } = this.around;
    server.statistics.begun(spec.index);
    if ((server.guards & GUARD_MONITORED) !== 0) server.dispatcher.show(this.session, spec, args);
  }

  /** Those of parts[from .. to) that ask of the whole keyspace, one after the other. */
  private ask(from: number, to: number, done: () => void): void {
    const { parts } = this.plan;
    let next = from;
    while (next < to && parts[next].how !== "asked") next++;
    if (next >= to) {
      done();
      return;
    }
    const { spec, args, db } = parts[next];
    (ASKERS[spec.fullName] as Asker)(this.around, { args, db, proto: this.call.proto }, (reply) => {
      this.replies[next] = reply;
      this.ask(next + 1, to, done);
    });
  }

  /** Read the keys that are not written. */
  private read(): void {
    fetchAll(this.session, this.plan.read, false, (known, failure) => {
      if (failure !== undefined) this.end(failure);
      else if (this.plan.key === undefined) this.compare(known);
      else this.run(known);
    });
  }

  /** Nothing is written, so no work compares versions. What was both watched and read is compared as it was read. */
  private compare(known: ReadonlyMap<string, KnownState>): void {
    const { seen } = this.plan;
    const others = [...seen.keys()].filter((name) => !known.has(name));
    fetchAll(this.session, others, true, (more, failure) => {
      const differs = ([name, before]: [string, Seen]): boolean => {
        const now = known.get(name) ?? (more.get(name) as KnownState);
        return hasChanged(before, now);
      };
      if (failure !== undefined) this.end(failure);
      else if ([...seen].some(differs)) this.abort();
      else this.run(known);
    });
  }

  private run(known: ReadonlyMap<string, KnownState>): void {
    const { stage, server } = this.around;
    const { key, seen } = this.plan;
    const commands = this.plan.parts.filter(({ how }) => how === "keys");
    const steps = { commands, known, seen: key === undefined ? undefined : seen.get(key), proto: this.call.proto };
    if (key === undefined) this.done(readOnly(stage, steps, server.nowMs));
    else
      performSteps(this.session, stage, key, steps, (replies, refusal) => {
        if (refusal !== undefined) this.end(refusal);
        else if (replies === undefined) this.abort();
        else this.done(replies);
      });
  }

  private done(replies: readonly Buffer[]): void {
    const { parts } = this.plan;
    let next = 0;
    for (let i = 0; i < parts.length; i++) if (parts[i].how === "keys") this.replies[i] = replies[next++];
    this.ask(this.firstWrite(), parts.length, () => this.finish());
  }

  private finish(): void {
    const { parts } = this.plan;
    for (let i = 0; i < parts.length; i++) {
      const reply = this.replies[i];
      if (reply !== undefined && reply[0] === MINUS) countError(this.session, parts[i].spec, reply);
    }
    if (parts.some(({ how }) => how === "here")) {
      // What comes behind has to find what they did: the database, the protocol, what is watched.
      this.call.answerBy((c) => {
        this.write(c);
        this.session.letGo();
      });
      return;
    }
    const head = new ReplyWriter(16);
    head.array(parts.length);
    const gathered = new Gathered();
    const replies = (this.replies as Buffer[]).map((reply) => gathered.take(reply));
    this.end(Buffer.concat([head.buf.subarray(0, head.at), ...replies]));
  }

  /** Its place among the replies has come: the commands that this node runs are run. */
  private write(c: Context): void {
    const { session } = this;
    const { parts } = this.plan;
    const { args } = c;
    const from = c.reply.at;
    c.reply.array(parts.length);
    session.inExec = true;
    parts.forEach(({ spec, args: own }, i) => {
      const reply = this.replies[i];
      c.args = own;
      if (reply === undefined) session.server.dispatcher.run(session, spec);
      else c.reply.raw(reply);
    });
    session.inExec = false;
    c.args = args;
    // CLIENT REPLY OFF or SKIP was among them: an array that lacks elements would be filled by the next replies.
    const skip = session.replyMode === REPLY_SKIP_NEXT;
    if (skip) session.skipping = true;
    if (skip || session.replyMode === REPLY_OFF) c.reply.at = from;
    else if (session.replyMode === REPLY_ON && parts.some(turnsOn)) this.call.unmute();
  }

  private abort(): void {
    this.end(this.call.proto === 3 ? ABORTED_3 : ABORTED_2);
  }

  private end(reply: Buffer): void {
    this.call.answer(reply);
    if (this.holds) this.session.letGo();
  }
}
