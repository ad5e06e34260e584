/**
 * server/client-line.ts: one client as CLIENT LIST and CLIENT INFO describe it: Redis 7.2's fields in Redis's order.
 */
import type { Session } from "./session.js";

export function clientLine(session: Session): string {
  const { connection, server, transaction } = session;
  const seconds = (ms: number): number => Math.max(0, Math.floor((server.nowMs - ms) / 1000));
  const unsent = session.unsentBytes;
  const fields: Record<string, string | number> = {
    id: session.id,
    addr: connection.remote,
    laddr: connection.local,
    fd: connection.fd,
    name: session.name,
    age: seconds(session.createdMs),
    idle: seconds(session.activeMs),
    flags: flagsOf(session),
    db: session.db,
    sub: 0,
    psub: 0,
    ssub: 0,
    multi: transaction?.open === true ? transaction.queue.count : -1,
    watch: transaction === undefined ? 0 : transaction.watched.size + transaction.seen.size,
    qbuf: session.queryBytes,
    "qbuf-free": 0,
    "argv-mem": 0,
    "multi-mem": transaction?.bytes ?? 0,
    rbs: 0,
    rbp: 0,
    obl: 0,
    oll: unsent > 0 ? 1 : 0,
    omem: unsent,
    "tot-mem": unsent + session.queryBytes + (transaction?.bytes ?? 0),
    events: unsent > 0 ? "rw" : "r",
    cmd: session.lastCommand?.fullName ?? "NULL",
    user: "default",
    redir: -1,
    resp: session.proto,
    "lib-name": session.libName,
    "lib-ver": session.libVersion,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function flagsOf(session: Session): string {
  let flags = "";
  if (session.monitor) flags += "O";
  if (session.transaction?.open === true) flags += "x";
  if (session.blocked || session.server.pausedSessions.has(session)) flags += "b";
  if (session.closing) flags += "c";
  if (session.connection.remote.startsWith("/")) flags += "U";
  if (session.noEvict) flags += "e";
  if (session.noTouch) flags += "T";
  return flags === "" ? "N" : flags;
}
