/**
 * server/monitor.ts: MONITOR: shows the clients that asked for it every command as it is run.
 * Invariants: it costs nothing while nobody watches: the dispatcher's guard is set only while there is a monitor. What a line costs is bounded,
 * whatever the command.
 */
import type { Args } from "../codec/resp/args.js";
import { GUARD_WATCHING } from "./client-state.js";
import { GUARD_MONITORED } from "./dispatch.js";
import type { Server } from "./server.js";
import type { Session } from "./session.js";
import { ESCAPE_BYTES_MAX, escapeInto, isSecret, REDACTED } from "./shown.js";

/** More of one argument, or in a line, is only counted: showing a command must not take longer than running it. */
const ARG_BYTES_MAX = 1024;
const LINE_BYTES_MAX: number = 64 * 1024;
/** Of what stands beside the bytes of an argument. */
const WORDS_BYTES_MAX = 1024;

export class Monitors {
  private readonly sessions = new Set<Session>();
  private readonly server: Server;
  /** The line being written; made with the first one. */
  private line: Buffer | undefined = undefined;

  constructor(server: Server) {
    this.server = server;
  }

  get count(): number {
    return this.sessions.size;
  }

  add(session: Session): void {
    session.monitor = true;
    session.guards |= GUARD_WATCHING;
    this.sessions.add(session);
    this.server.setGuard(GUARD_MONITORED, true);
  }

  remove(session: Session): void {
    if (!this.sessions.delete(session)) return;
    session.monitor = false;
    session.guards &= ~GUARD_WATCHING;
    if (this.sessions.size === 0) this.server.setGuard(GUARD_MONITORED, false);
  }

  /** Show a command of `session` to all monitors. */
  feed(session: Session, args: Args): void {
    this.line ??= Buffer.allocUnsafeSlow(LINE_BYTES_MAX + ARG_BYTES_MAX * ESCAPE_BYTES_MAX + WORDS_BYTES_MAX);
    const { line } = this;
    const head = `+${(this.server.nowMs / 1000).toFixed(6)} [${session.db} ${session.connection.remote}]`;
    let at = line.latin1Write(head);
    let i = 0;
    for (; i < args.count && at < LINE_BYTES_MAX; i++) at = quoteInto(line, at, args, i);
    if (i < args.count) at += line.latin1Write(` ... (${args.count - i} more arguments)`, at);
    at += line.latin1Write("\r\n", at);
    const bytes = Buffer.from(line.subarray(0, at));
    for (const monitor of this.sessions) monitor.push(bytes);
  }
}

/** An argument behind a blank, in double quotes. @returns where it ends. */
function quoteInto(line: Buffer, at: number, args: Args, index: number): number {
  let end = at + line.latin1Write(' "', at);
  if (isSecret(args, index)) end += line.latin1Write(REDACTED, end);
  else {
    const start = args.start[index];
    const shownBytes = Math.min(args.length[index], ARG_BYTES_MAX);
    const more = args.length[index] - shownBytes;
    end = escapeInto(line, end, args.bytes, start, start + shownBytes);
    if (more > 0) end += line.latin1Write(`... (${more} more bytes)`, end);
  }
  return end + line.latin1Write('"', end);
}
