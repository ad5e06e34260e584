/**
 * server/dispatch.ts: from a parsed command to its reply: the checks before a command, in the order of Redis's processCommand, its
 * run, and what is counted afterwards.
 * It must never: leave a command without exactly one reply (unless the client asked for silence, or for MONITOR again), or build a string for a
 * command that is well formed.
 * Invariants: a refused command has changed nothing, and breaks the transaction it was to be queued in. The usual client
 * on the usual server (no guard set) pays one comparison for all checks but name and number of arguments.
 */
import type { Args } from "../codec/resp/args.js";
import { ABSENT_NAMES } from "../commands/absent.js";
import type { Context } from "../commands/context.js";
import { arityOk, execute, writeArityError, writeUnknownCommand, writeUnknownSubcommand } from "../commands/execute.js";
import { nearest } from "../commands/lookup.js";
import type { CommandSpec } from "../commands/spec.js";
import { ALL_SPECS, COMMANDS, lookup, lookupSubcommand } from "../commands/table.js";
import { assert } from "../lib/assert.js";
import { queryTooLong } from "./client-limits.js";
import {
  GUARD_MULTI,
  GUARD_SILENT,
  GUARD_UNAUTHENTICATED,
  GUARD_WATCHING,
  REPLY_OFF,
  REPLY_ON,
  REPLY_SKIP_NEXT,
} from "./client-state.js";
import { HOSTS, type HostHandler } from "./hosts.js";
import type { Server } from "./server.js";
import type { Session } from "./session.js";
import { STILL_LOADING } from "./texts.js";
import { endTransaction } from "./transaction.js";

// What the dispatcher has to look at because of the server's state.
export const GUARD_LOADING = 16;
export const GUARD_READ_ONLY = 32;
export const GUARD_MAXMEMORY = 64;
export const GUARD_PAUSED = 128;
export const GUARD_MONITORED = 256;

// A command's flags that the checks need, as bits.
const NO_AUTH = 1;
const LOADING = 2;
const WRITE = 4;
const DENY_OOM = 8;
const NO_MULTI = 16;
/** Never queued by MULTI. */
const AT_ONCE = 32;
const HIDDEN_FROM_MONITOR = 64;
const HIDDEN_FROM_SLOWLOG = 128;
/** May take long: timed by itself. Everything else is short, and shares the time of its read with its neighbours. */
const TIMED = 256;
/** Not held back by CLIENT PAUSE. */
const NEVER_PAUSED = 512;
/** Reads keys, or writes them. */
const KEYSPACE = 1024;

const AT_ONCE_NAMES = ["exec", "discard", "multi", "watch", "quit", "reset"];
/** Not flagged "fast", because Redis's are not, and yet short. */
const SHORT_NAMES = ["set", "setex", "psetex", "getset", "del", "unlink", "exists"];
/**
 * With these the one who has to end a pause can do so, see what is going on, and stop the server. Redis holds them back too while all
 * commands are paused, and CLIENT UNPAUSE with them.
 */
const NEVER_PAUSED_PREFIX = [
  "client|",
  "client",
  "config|",
  "debug",
  "shutdown",
  "info",
  "hello",
  "auth",
  "quit",
  "reset",
];
const MINUS = 45;
/** A command with so much to read or to answer is timed by itself. */
const LARGE_BYTES = 64 * 1024;
/** What an unknown name may be meant to be. */
const SUGGESTED_NAMES: readonly string[] = [...COMMANDS.map(({ name }) => name), ...ABSENT_NAMES];

export class Dispatcher {
  protected readonly server: Server;
  protected readonly context: Context;
  private readonly bits: Uint16Array;
  private readonly hosts: readonly (HostHandler | undefined)[];

  constructor(server: Server) {
    this.server = server;
    this.context = server.context;
    this.bits = Uint16Array.from(ALL_SPECS, bitsOf);
    this.hosts = ALL_SPECS.map(({ fullName, run, kind, subcommands }) => {
      if (kind !== "host" || run !== undefined) return undefined;
      const host = HOSTS[fullName];
      // A container by itself is only ever answered with an error about the number of its arguments.
      assert(host !== undefined || subcommands !== undefined, "a command that no room handles", fullName);
      return host;
    });
  }

  // HOT: once per command. No allocation, closure or string. Guard: bench/compare.ts
  /** Answer one command of `session`. The reply is appended to the shared writer. */
  command(session: Session, args: Args): void {
    const c = this.context;
    c.args = args;
    let spec = lookup(args);
    if (spec === undefined) {
      this.unknown(session, args);
      return;
    }
    if (spec.subcommands !== undefined && args.count > 1) {
      const sub = lookupSubcommand(spec, args);
      if (sub === undefined) {
        this.unknownSubcommand(session, spec);
        return;
      }
      spec = sub;
    }
    session.lastCommand = spec;
    if (!arityOk(spec, args.count)) {
      this.wrongArity(session, spec);
      return;
    }
    if ((session.guards | this.server.guards) !== 0 && !this.allowed(session, spec, args)) return;
    this.run(session, spec);
    if ((session.guards & GUARD_SILENT) !== 0) this.silence(session);
  }

  // HOT: once per command, and once per command of an EXEC.
  /** Run a command that passed the checks, and count it. */
  run(session: Session, spec: CommandSpec): void {
    const { server, context: c } = this;
    const { reply, args } = c;
    const { index } = spec;
    const errors = reply.errors;
    const before = reply.at;
    const timed = (this.bits[index] & TIMED) !== 0 || server.timeAll;
    // What ran before it is not its doing.
    if (timed && server.statistics.pending > 0) server.measure();
    const host = this.hosts[index];
    let later = false;
    if (host === undefined) execute(c, spec);
    else {
      host(session, c);
      later = session.blocked;
    }
    // Counted when it is over, as in Redis: INFO does not show itself, CONFIG RESETSTAT is what is shown after it.
    if (later) server.statistics.begun(index);
    else server.statistics.count(index);
    // An array with errors in it (EXEC) is no failure of its own: those were counted where they arose.
    if (reply.errors !== errors && reply.buf[before] === MINUS) this.countError(spec);
    if ((server.guards & GUARD_MONITORED) !== 0) this.show(session, spec, args);
    if (!later && (timed || reply.at - before > LARGE_BYTES || largeArgs(args))) server.measureOne(spec, args);
  }

  /** To those who watch. */
  show(session: Session, spec: CommandSpec, args: Args): void {
    if ((this.bits[spec.index] & HIDDEN_FROM_MONITOR) === 0) this.server.monitors.feed(session, args);
  }

  /** May the command's time go to the slow log? */
  slowlogged(spec: CommandSpec): boolean {
    return (this.bits[spec.index] & HIDDEN_FROM_SLOWLOG) === 0;
  }

  /** The checks that concern few. @returns false when the command was answered, queued or put off. */
  private allowed(session: Session, spec: CommandSpec, args: Args): boolean {
    const { server } = this;
    const bits = this.bits[spec.index];
    const guards = session.guards | server.guards;
    if ((guards & GUARD_UNAUTHENTICATED) !== 0 && (bits & NO_AUTH) === 0)
      return this.refuse(session, spec, "NOAUTH Authentication required.");
    if ((guards & GUARD_MAXMEMORY) !== 0 && !this.roomFor(session, bits))
      return this.refuse(session, spec, "OOM command not allowed when used memory > 'maxmemory'.");
    if ((guards & GUARD_READ_ONLY) !== 0 && (bits & WRITE) !== 0)
      return this.refuse(
        session,
        spec,
        `MISCONF Errors writing to the log: ${server.storage.refusal ?? "No space left on device"}`,
      );
    if ((guards & GUARD_LOADING) !== 0 && (bits & LOADING) === 0) return this.refuse(session, spec, STILL_LOADING);
    if ((guards & GUARD_WATCHING) !== 0 && (bits & KEYSPACE) !== 0)
      return this.refuse(session, spec, "ERR Replica can't interact with the keyspace");
    const multi = (guards & GUARD_MULTI) !== 0;
    if (multi && (bits & NO_MULTI) !== 0)
      return this.refuse(session, spec, "ERR Command not allowed inside a transaction");
    if ((guards & GUARD_PAUSED) !== 0 && this.held(session, spec, bits)) {
      session.postpone(args);
      return false;
    }
    if (multi && (bits & AT_ONCE) === 0) {
      this.queue(session, spec, args);
      return false;
    }
    return true;
  }

  private queue(session: Session, spec: CommandSpec, args: Args): void {
    const { transaction } = session;
    if (transaction === undefined || queryTooLong(session, 0)) return;
    transaction.queue.add(spec, args);
    this.context.reply.queued();
    if ((session.guards & GUARD_SILENT) !== 0) this.silence(session);
  }

  /** In a transaction every command counts as one that needs memory, as in Redis: EXEC must not fail halfway. */
  private roomFor(session: Session, bits: number): boolean {
    if ((bits & DENY_OOM) === 0 && ((session.guards & GUARD_MULTI) === 0 || (bits & AT_ONCE) !== 0)) return true;
    return this.server.storage.makeRoom();
  }

  private held(session: Session, spec: CommandSpec, bits: number): boolean {
    const { pause } = this.server;
    if (pause.endMs <= this.server.nowMs) {
      this.server.endPause();
      return false;
    }
    // A monitor goes on watching, as in Redis.
    if ((bits & NEVER_PAUSED) !== 0 || session.monitor) return false;
    if (pause.all) return true;
    // Only writes are held, also one that would be queued; and EXEC, if anything in it writes.
    if (spec.name === "exec") return session.transaction?.queue.writes ?? false;
    return (bits & WRITE) !== 0;
  }

  /** Answer with an error instead of running. @returns false, for the caller to return. */
  private refuse(session: Session, spec: CommandSpec | undefined, error: string): false {
    this.context.reply.error(error);
    this.refused(session, spec);
    return false;
  }

  private refused(session: Session, spec: CommandSpec | undefined): void {
    if (spec !== undefined) this.server.statistics.rejected[spec.index]++;
    this.server.statistics.error(this.context.reply.lastErrorCode, 1);
    if (session.transaction?.open === true) session.transaction.broken = true;
    if ((session.guards & GUARD_SILENT) !== 0) this.silence(session);
  }

  private unknown(session: Session, args: Args): void {
    const name = args.text(0);
    // Requests of another protocol: an attacker may have made a browser send them. Nothing of them is run.
    if (/^(post|host:)$/i.test(name)) {
      this.server.parts.log(
        "warning",
        `possible security attack: ${session.connection.remote} sends POST or Host: commands, as a browser tricked into it would; closed`,
      );
      session.destroy();
      return;
    }
    const near = nearest(name, SUGGESTED_NAMES);
    const hint = near === undefined || ABSENT_NAMES.includes(near) ? "" : `(did you mean '${near}'?)`;
    writeUnknownCommand(this.context.reply, args, hint);
    this.refused(session, undefined);
  }

  private unknownSubcommand(session: Session, container: CommandSpec): void {
    writeUnknownSubcommand(this.context.reply, container, this.context.args);
    this.refused(session, undefined);
  }

  private wrongArity(session: Session, spec: CommandSpec): void {
    const { reply } = this.context;
    if (spec.name === "exec") {
      // As Redis: an EXEC that cannot be run ends the transaction, if there is one.
      endTransaction(session);
      reply.error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command");
    } else writeArityError(reply, spec);
    this.refused(session, spec);
  }

  countError(spec: CommandSpec): void {
    const { statistics } = this.server;
    statistics.failed[spec.index]++;
    statistics.error(this.context.reply.lastErrorCode, 1);
  }

  /** CLIENT REPLY OFF and SKIP: take the reply back. */
  private silence(session: Session): void {
    if (session.replyMode === REPLY_SKIP_NEXT) {
      // The skipping begins with the next command; CLIENT REPLY itself is not answered either.
      if (session.skipping) {
        session.replyMode = REPLY_ON;
        session.skipping = false;
        session.guards &= ~GUARD_SILENT;
      } else session.skipping = true;
    } else if (session.replyMode !== REPLY_OFF) return;
    this.takeBack(session);
  }

  /** The command that ran is not to be answered. */
  protected takeBack(session: Session): void {
    this.context.reply.at = session.replyFrom;
    session.gate.owe(this.server.space.gate);
  }
}

function bitsOf(spec: CommandSpec): number {
  const { flags, fullName } = spec;
  let bits = 0;
  if (flags.includes("no_auth")) bits |= NO_AUTH;
  if (flags.includes("loading")) bits |= LOADING;
  if (spec.write) bits |= WRITE;
  if (spec.write || flags.includes("readonly")) bits |= KEYSPACE;
  if (spec.denyOom) bits |= DENY_OOM;
  if (flags.includes("no_multi")) bits |= NO_MULTI;
  if (AT_ONCE_NAMES.includes(fullName)) bits |= AT_ONCE;
  if (flags.includes("skip_monitor") || flags.includes("admin")) bits |= HIDDEN_FROM_MONITOR;
  if (flags.includes("skip_slowlog")) bits |= HIDDEN_FROM_SLOWLOG;
  if (!flags.includes("fast") && !SHORT_NAMES.includes(fullName)) bits |= TIMED;
  if (NEVER_PAUSED_PREFIX.some((name) => (name.endsWith("|") ? fullName.startsWith(name) : fullName === name)))
    bits |= NEVER_PAUSED;
  return bits;
}

function largeArgs(args: Args): boolean {
  const last = args.count - 1;
  return args.start[last] + args.length[last] - args.start[0] > LARGE_BYTES;
}
