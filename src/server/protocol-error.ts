/**
 * server/protocol-error.ts: bytes of a client that are no command: it cannot be told where the next one would begin.
 */
import { GUARD_SILENT } from "./client-state.js";
import type { Session } from "./session.js";

/** The client is told, unless it wants no replies, and no more of it runs. Its connection ends when that has left. */
export function protocolError(session: Session, text: string): void {
  const { context, parts } = session.server;
  const before = context.reply.at;
  if ((session.guards & GUARD_SILENT) === 0) context.reply.error(`ERR ${text}`);
  session.gate.free(before, context.reply.at);
  parts.log("verbose", `client ${session.id} ${session.connection.remote}: ${text}`);
  session.closing = true;
}
