/**
 * server/transaction.ts: MULTI, EXEC, DISCARD, WATCH, UNWATCH of one client.
 * EXEC runs its commands one after the other without giving way, so that everything they write lies in one batch of the
 * log: after a crash all of it is there or none.
 * Invariants: queued commands own their bytes; `bytes` is no less than what a transaction takes of memory, in the heap and outside, since
 * it is what client-query-buffer-limit bounds; a watched key is remembered by its version, which changes with every write, and one that
 * is absent by whether it went away again (ports/absences.ts).
 */
import { Args } from "../codec/resp/args.js";
import type { Context } from "../commands/context.js";
import { viewed } from "../lib/view.js";
import type { Absence } from "../ports/absences.js";
import { KeyState } from "../ports/keyspace.js";
import { LARGE_BYTES, queryTooLong } from "./client-limits.js";
import { GUARD_MULTI } from "./client-state.js";
import type { HostHandler } from "./hosts.js";
import { Queued } from "./queued.js";
import type { Session } from "./session.js";
import type { Seen } from "./steps-work.js";

interface Watched extends Absence {
  /** 0 = it was absent. */
  readonly version: number;
}

/** What a watched key costs with all its objects, measured, and how often its bytes are kept. */
const WATCHED_BYTES = 720;
const WATCHED_COPIES = 3;
/** In a cluster EXEC makes objects of all commands before the first one runs: what one command takes then, roughly (a copy of its arguments alone: 820). */
const PART_BYTES = 1500;
const NO_ROOM = "No space left on device";

/** What a client has queued or watched; made when first needed. */
export class Transaction {
  /** Between MULTI and EXEC. */
  open = false;
  /** A command was refused while queueing: EXEC will refuse all. */
  broken = false;
  readonly queue: Queued = new Queued();
  /** By database and key, so that watching a key again costs nothing. */
  readonly watched: Map<string, Watched> = new Map();
  /** The same in a cluster, by the names of keys. */
  readonly seen: Map<string, Seen> = new Map();
  private watchedBytes = 0;
  private readonly commandBytes: number;

  /** @param commandBytes that EXEC takes for each command before it runs the first. */
  constructor(commandBytes: number) {
    this.commandBytes = commandBytes;
  }

  /** That queue and watched keys hold. */
  get bytes(): number {
    return this.queue.bytes + this.queue.count * this.commandBytes + this.watchedBytes;
  }

  watch(id: string, watched: Watched): void {
    this.watched.set(id, watched);
    this.watchedBytes += watchedBytes(id);
  }

  watchInCluster(name: string, seen: Seen): void {
    this.seen.set(name, seen);
    this.watchedBytes += watchedBytes(name);
  }

  /** Nothing is watched any more. */
  unwatch(): void {
    this.seen.clear();
    this.watchedBytes = 0;
  }
}

/** What watching a key takes. */
export function watchedBytes(id: string): number {
  return WATCHED_BYTES + WATCHED_COPIES * id.length;
}

/** The client's, made when it has none. */
export function transactionOf(session: Session): Transaction {
  return (session.transaction ??= new Transaction(session.server.parts.cluster === undefined ? 0 : PART_BYTES));
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
  transactionOf(session).open = true;
  session.guards |= GUARD_MULTI;
  c.reply.ok();
}

/** Why EXEC does nothing, whatever the keys are; undefined: it may go on. */
export function refusalOf(session: Session, transaction: Transaction): string | undefined {
  if (transaction.broken) return " previous errors.";
  const { memoryBounded, storage } = session.server;
  const { queue } = transaction;
  // There may have been room when they were queued.
  if (memoryBounded && queue.denyOom && !storage.makeRoom())
    return ": OOM command not allowed when used memory > 'maxmemory'.";
  if (!queue.writes) return undefined;
  // Each command may have been small; all of them lie in one batch of the log, which must find room.
  const bytes = queue.unreadBytes;
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
  const { queue } = transaction;
  c.reply.array(queue.count);
  const { args } = c;
  session.inExec = true;
  const own = new Args();
  for (let spec = queue.read(own); spec !== undefined; spec = queue.read(own)) {
    space.gate = 0;
    c.args = own;
    // What ran before lies in the batch of the log already.
    c.transactionBytes = queue.unreadBytes;
    session.server.dispatcher.run(session, spec);
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
  const transaction = transactionOf(session);
  const { args, space } = c;
  let { gate } = space;
  for (let i = 1; i < args.count; i++) {
    const id = `${session.db} ${args.text(i)}`;
    if (transaction.watched.has(id)) continue;
    if (queryTooLong(session, watchedBytes(id))) return;
    const key = viewed(Buffer.from(args.view(i)));
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
  transaction?.unwatch();
  c.reply.ok();
}

export const transactionHosts: Readonly<Record<string, HostHandler>> = { multi, exec, discard, watch, unwatch };
