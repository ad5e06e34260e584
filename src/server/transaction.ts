/**
 * server/transaction.ts: MULTI, EXEC, DISCARD, WATCH, UNWATCH of one client.
 * EXEC runs its commands one after the other without giving way, so that everything they write lies in one batch of the
 * log: after a crash all of it is there or none.
 * Invariants: queued commands own their bytes; a watched key is remembered by its version, which changes with every write, and one that
 * is absent by whether it went away again (ports/absences.ts).
 */
import type { Args } from "../codec/resp/args.js";
import type { Context } from "../commands/context.js";
import type { CommandSpec } from "../commands/spec.js";
import type { Absence } from "../ports/absences.js";
import { KeyState } from "../ports/keyspace.js";
import { LARGE_BYTES, queryTooLong } from "./client-limits.js";
import { GUARD_MULTI } from "./client-state.js";
import type { HostHandler } from "./hosts.js";
import type { Session } from "./session.js";
import type { Seen } from "./steps-work.js";

interface Watched extends Absence {
  /** 0 = it was absent. */
  readonly version: number;
}

/** What an argument costs beyond its bytes, roughly: there is a limit on what a client may make us hold. */
const OVERHEAD_BYTES = 64;
const NO_ROOM = "No space left on device";

/** What a client has queued or watched; made when first needed. */
export class Transaction {
  /** Between MULTI and EXEC. */
  open = false;
  /** A command was refused while queueing: EXEC will refuse all. */
  broken = false;
  readonly queue: { readonly spec: CommandSpec; readonly args: Args }[] = [];
  /** By database and key, so that watching a key again costs nothing. */
  readonly watched: Map<string, Watched> = new Map();
  /** The same in a cluster, by the names of keys. */
  readonly seen: Map<string, Seen> = new Map();
  /** Bytes that queue and watched keys hold. */
  bytes = 0;

  add(spec: CommandSpec, args: Args): void {
    const copy = args.clone();
    this.queue.push({ spec, args: copy });
    this.bytes += copy.bytes.length + copy.count * OVERHEAD_BYTES;
  }

  watch(id: string, watched: Watched): void {
    this.watched.set(id, watched);
    this.bytes += watched.key.length + OVERHEAD_BYTES;
  }

  watchInCluster(name: string, seen: Seen): void {
    this.seen.set(name, seen);
    this.bytes += name.length + OVERHEAD_BYTES;
  }
}

const state: KeyState = new KeyState();

/** End a transaction, whatever its state: nothing queued, nothing watched. Also when the client is gone. */
export function endTransaction(session: Session): void {
  forgetWatched(session);
  session.transaction = undefined;
  session.guards &= ~GUARD_MULTI;
}

function forgetWatched(session: Session): void {
  const watched = session.transaction?.watched;
  if (watched === undefined || watched.size === 0) return;
  for (const each of watched.values()) if (each.version === 0) session.server.space.absences.drop(each);
  watched.clear();
}

function multi(session: Session, c: Context): void {
  if ((session.guards & GUARD_MULTI) !== 0) {
    c.reply.error("ERR MULTI calls can not be nested");
    return;
  }
  session.transaction ??= new Transaction();
  session.transaction.open = true;
  session.guards |= GUARD_MULTI;
  c.reply.ok();
}

/** Why EXEC does nothing, whatever the keys are; undefined: it may go on. */
export function refusalOf(session: Session, transaction: Transaction): string | undefined {
  if (transaction.broken) return " previous errors.";
  const { config, storage } = session.server;
  const { bytes, queue } = transaction;
  // There may have been room when they were queued.
  const limited = config.maxmemory > 0 || storage.full === true;
  if (limited && queue.some(({ spec }) => spec.denyOom) && !storage.makeRoom())
    return ": OOM command not allowed when used memory > 'maxmemory'.";
  if (!queue.some(({ spec }) => spec.write)) return undefined;
  // Each command may have been small; all of them lie in one batch of the log, which must find room.
  const refusal = storage.refusal ?? (bytes <= LARGE_BYTES || storage.roomFor(bytes) ? undefined : NO_ROOM);
  return refusal === undefined ? undefined : `: MISCONF Errors writing to the log: ${refusal}`;
}

/** Was any watched key written to? The gate is then that of all that was looked at. */
function hasChanged(transaction: Transaction, space: Context["space"]): boolean {
  let { gate } = space;
  let changed = false;
  for (const watched of transaction.watched.values()) {
    const { db, key, version } = watched;
    space.gate = 0;
    const now = space.find(db, key, 0, key.length, state, false) ? state.version : 0;
    gate = Math.max(gate, space.gate);
    // Looking for it may be what removed it: it has expired.
    changed = now !== version || watched.gone;
    if (changed) break;
  }
  space.gate = gate;
  return changed;
}

function exec(session: Session, c: Context): void {
  const transaction = session.transaction;
  if (transaction?.open !== true) {
    c.reply.error("ERR EXEC without MULTI");
    return;
  }
  const refusal = refusalOf(session, transaction);
  const changed = refusal === undefined && hasChanged(transaction, c.space);
  endTransaction(session);
  if (refusal !== undefined) {
    c.reply.error(`EXECABORT Transaction discarded because of${refusal}`);
    return;
  }
  if (changed) {
    c.reply.nullArray();
    return;
  }
  const { space } = c;
  let gate = space.gate;
  c.reply.array(transaction.queue.length);
  const { args } = c;
  session.inExec = true;
  c.transactionBytes = transaction.bytes;
  for (const queued of transaction.queue) {
    space.gate = 0;
    c.args = queued.args;
    session.server.dispatcher.run(session, queued.spec);
    gate = Math.max(gate, space.gate);
  }
  session.inExec = false;
  c.transactionBytes = -1;
  c.args = args;
  space.gate = gate;
}

function discard(session: Session, c: Context): void {
  if (session.transaction?.open !== true) {
    c.reply.error("ERR DISCARD without MULTI");
    return;
  }
  endTransaction(session);
  c.reply.ok();
}

function watch(session: Session, c: Context): void {
  if ((session.guards & GUARD_MULTI) !== 0) {
    c.reply.error("ERR WATCH inside MULTI is not allowed");
    return;
  }
  const transaction = (session.transaction ??= new Transaction());
  const { args, space } = c;
  if (queryTooLong(session, 0)) return;
  let { gate } = space;
  for (let i = 1; i < args.count; i++) {
    const id = `${session.db} ${args.text(i)}`;
    if (transaction.watched.has(id)) continue;
    const key = Buffer.from(args.view(i));
    space.gate = 0;
    const version = space.find(session.db, key, 0, key.length, state, false) ? state.version : 0;
    gate = Math.max(gate, space.gate);
    const watched = { db: session.db, key, version, gone: false };
    if (version === 0) space.absences.add(watched);
    transaction.watch(id, watched);
  }
  space.gate = gate;
  c.reply.ok();
}

function unwatch(session: Session, c: Context): void {
  forgetWatched(session);
  const { transaction } = session;
  if (transaction !== undefined) {
    transaction.seen.clear();
    // Nothing is queued: between MULTI and EXEC this is a queued command itself.
    transaction.bytes = 0;
  }
  c.reply.ok();
}

export const transactionHosts: Readonly<Record<string, HostHandler>> = { multi, exec, discard, watch, unwatch };
