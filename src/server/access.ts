/**
 * server/access.ts: which clients may do nothing but log in. One that came while no password was set, or has logged in, is let in for good;
 * one that has not is let in for as long as no password is set.
 */
import { GUARD_UNAUTHENTICATED } from "./client-state.js";
import type { Server } from "./server.js";
import type { Session } from "./session.js";

/** A session that has not logged in (any more). */
export function lock(session: Session): void {
  session.letIn = session.server.config.requirepass === "";
  apply(session, session.letIn);
}

export function unlock(session: Session): void {
  session.letIn = true;
  apply(session, true);
}

/** The password was changed, set or taken away. */
export function lockAnew(server: Server): void {
  const open = server.config.requirepass === "";
  for (const session of server.sessions.values()) if (!session.letIn) apply(session, open);
}

function apply(session: Session, open: boolean): void {
  // Its bytes count too: before a login a client may send little.
  session.parser.authenticated = open;
  session.guards = open ? session.guards & ~GUARD_UNAUTHENTICATED : session.guards | GUARD_UNAUTHENTICATED;
}
