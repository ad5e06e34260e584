/**
 * server/admission.ts: who is let in, and as what.
 */
import type { Connection, ConnectionHandler } from "../ports/network.js";
import { ClusterSession } from "./cluster-session.js";
import type { Server } from "./server.js";
import { Session } from "./session.js";
import { PROTECTED_MODE } from "./texts.js";

/** Descriptors that are not for clients: log, snapshots, backups, listeners, peers, the loop's own. */
export const RESERVED_DESCRIPTORS = 64;

/** How many are served at once: as many as `maxclients` says and the process has descriptors for. */
export function clientsMax({ config, parts }: Pick<Server, "config" | "parts">): number {
  return Math.min(config.maxclients, Math.max(1, parts.system.descriptorsMax - RESERVED_DESCRIPTORS));
}

/** @returns what is to be said where that is fewer than wanted. */
export function clampWarning(server: Pick<Server, "config" | "parts">): string | undefined {
  const most = clientsMax(server);
  const { maxclients } = server.config;
  if (most === maxclients) return undefined;
  const { descriptorsMax } = server.parts.system;
  return `maxclients is ${maxclients}, and the process may have ${descriptorsMax} descriptors (ulimit -n): ${most} clients are served at once`;
}

/** @returns the error with which a new connection is turned away; undefined: it is served. */
export function refusalOf(server: Server, connection: Connection): string | undefined {
  const { config } = server;
  if (!server.accepting) return "ERR the server is going down";
  if (server.sessions.size >= clientsMax(server)) return "ERR max number of clients reached";
  if (config.protectedMode && config.requirepass === "" && !connection.loopback) return PROTECTED_MODE;
  return undefined;
}

/**
 * May what runs write so many bytes more? What an EXEC does is done whole, or waits for room on the disk whole; but a batch of the log has
 * a size that it cannot pass. What is left of the transaction comes into it too, and is counted.
 */
export function roomFor({ context, current, storage }: Server, bytes: number): boolean {
  if (current?.inExec !== true) return storage.roomFor(bytes);
  return storage.batchTakes(bytes + Math.max(0, context.transactionBytes));
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
