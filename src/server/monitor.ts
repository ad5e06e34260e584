/**
 * server/monitor.ts: MONITOR: shows the clients that asked for it every command as it is run.
 * Invariant: it costs nothing while nobody watches: the dispatcher's guard is set only while there is a monitor.
 */
import type { Args } from "../codec/resp/args.js";
import type { Server } from "./server.js";
import type { Session } from "./session.js";
import { quoted, shownArg } from "./shown.js";

export class Monitors {
  private readonly sessions = new Set<Session>();
  private readonly server: Server;

  constructor(server: Server) {
    this.server = server;
  }

  get count(): number {
    return this.sessions.size;
  }

  add(session: Session): void {
    session.monitor = true;
    this.sessions.add(session);
    this.server.setMonitored(true);
  }

  remove(session: Session): void {
    if (!this.sessions.delete(session)) return;
    session.monitor = false;
    if (this.sessions.size === 0) this.server.setMonitored(false);
  }

  /** Show a command of `session` to all monitors. */
  feed(session: Session, args: Args): void {
    let line = `+${(this.server.nowMs / 1000).toFixed(6)} [${session.db} ${session.connection.remote}]`;
    for (let i = 0; i < args.count; i++) line += ` ${quoted(shownArg(args, i))}`;
    const bytes = Buffer.from(`${line}\r\n`, "latin1");
    for (const monitor of this.sessions) monitor.push(bytes);
  }
}
