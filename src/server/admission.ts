/**
 * server/admission.ts: who is let in, and as what.
 */
import type { Connection, ConnectionHandler } from "../ports/network.js";
import { ClusterSession } from "./cluster-session.js";
import type { Server } from "./server.js";
import { Session } from "./session.js";
import { PROTECTED_MODE } from "./texts.js";

/** @returns the error with which a new connection is turned away; undefined: it is served. */
export function refusalOf(server: Server, connection: Connection): string | undefined {
  const { config } = server;
  if (!server.accepting) return "ERR the server is going down";
  if (server.sessions.size >= config.maxclients) return "ERR max number of clients reached";
  if (config.protectedMode && config.requirepass === "" && !connection.loopback) return PROTECTED_MODE;
  return undefined;
}

/** All sessions of a server are of one class, so that calls of their methods stay cheap. */
export function newSession(server: Server, id: number, connection: Connection): Session {
  return server.parts.cluster === undefined
    ? new Session(id, connection, server)
    : new ClusterSession(id, connection, server);
}

/** Handler of a connection that was refused. */
export const NOBODY: ConnectionHandler = {
  onBytes: () => {},
  onSent: () => {},
  onEnd: () => {},
  onClosed: () => {},
};
