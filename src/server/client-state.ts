/**
 * server/client-state.ts: what a client has chosen or begun: database, protocol, names, transaction, whether it is answered,
 * whether it goes.
 * Invariant: `guards` is 0 for the usual client: logged in or needing no password, no transaction open, replies wanted, no monitor.
 */
import type { CommandSpec } from "../commands/spec.js";
import type { Transaction } from "./transaction.js";

// What the dispatcher has to look at before a command because of the client; the server's own guards begin at 16.
export const GUARD_UNAUTHENTICATED = 1;
export const GUARD_MULTI = 2;
/** CLIENT REPLY OFF or SKIP. */
export const GUARD_SILENT = 4;
/** MONITOR: as to Redis, it is a kind of replica, and does nothing with keys. */
export const GUARD_WATCHING = 8;

export const REPLY_ON = 0;
export const REPLY_OFF = 1;
/** The next command is not answered, whatever it is. */
export const REPLY_SKIP_NEXT = 2;

export class ClientState {
  db = 0;
  proto = 2;
  guards = 0;
  closed = false;
  /** No further command runs; the connection ends when all replies have left. */
  closing = false;
  name = "";
  libName = "";
  libVersion = "";
  noEvict = false;
  noTouch = false;
  monitor = false;
  replyMode: number = REPLY_ON;
  /** A command of an EXEC runs: it may not put its answer off. */
  inExec = false;
  /** CLIENT REPLY SKIP: the next command is the one. */
  skipping = false;
  /** Where the current command's reply begins in the shared writer. */
  replyFrom = 0;
  /** It may do more than log in, whatever password is set from now on. */
  letIn = true;
  /** When it came, ms since the epoch. */
  readonly createdMs: number;
  /** When the last bytes came or left, ms since the epoch: for timeout and CLIENT LIST. */
  activeMs: number;
  /** Since when more than the soft output limit waits; 0: not. */
  overSoftMs = 0;
  /** Bytes of replies that were unsent when its times were last looked at (checkTimes). */
  unsentSeen = 0;
  /** It is on the server's list of those that wait for the log. */
  waitsForLog = false;
  /** In a cluster: what was asked of it and not answered yet. */
  worksInFlight = 0;
  transaction: Transaction | undefined = undefined;
  lastCommand: CommandSpec | undefined = undefined;

  constructor(nowMs: number) {
    this.createdMs = nowMs;
    this.activeMs = nowMs;
  }

  /** An answer is due that others have to give, or the log: it is not idle. */
  get awaits(): boolean {
    return this.worksInFlight > 0 || this.waitsForLog;
  }
}
