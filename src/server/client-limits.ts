/**
 * server/client-limits.ts: what ends a connection: too much unsent, too much unparsed, too long silent.
 * Normal replies are held back long before these limits by not reading on (session.ts); they are for pushed messages,
 * for single commands of any size, and for limits that were set low on purpose.
 */
import { STALLED_BLOCKED, STALLED_PAUSED } from "./flow.js";
import type { Server } from "./server.js";
import type { Session } from "./session.js";

/** From here on it is asked whether the disk has room for a command or an EXEC; smaller ones fit into what the log keeps free. */
export const LARGE_BYTES: number = 64 * 1024;

/** An argument may have to become text (a name, an option, part of an error), and the longest string has 24 characters less than 512 MiB. */
export const ARG_BYTES_MAX: number = 512 * 1024 ** 2 - 4096;

/** Replies of one run are written at once when they are so long, so that the shared buffer stays small. */
export const FLUSH_BYTES: number = 64 * 1024;
/** So many bytes of replies unsent: above the first reading stops, below the second it goes on. */
export const UNSENT_HIGH_BYTES: number = 1024 * 1024;
export const UNSENT_LOW_BYTES: number = 256 * 1024;

/**
 * After replies were put behind others: is it too much?
 * @param waitingBefore what waited before them: a single reply of any size is let pass when little did.
 */
export function checkOutput(session: Session, waitingBefore: number): void {
  const { clientOutputBufferLimit, clientOutputBytesMax } = session.server.config;
  const { hardBytes } = clientOutputBufferLimit.normal;
  const tooMuch = waitingBefore > clientOutputBytesMax || (hardBytes > 0 && session.unsentBytes > hardBytes);
  if (tooMuch) cutOff(session);
}

function cutOff(session: Session): void {
  const { parts, traffic } = session.server;
  const { id, connection, unsentBytes } = session;
  parts.log("warning", `client ${id} ${connection.remote}: ${unsentBytes} bytes of replies not taken: closed`);
  traffic.outputLimitDisconnections++;
  session.destroy();
}

/** Would `more` bytes of queries be too many? The connection is then closed. */
export function queryTooLong(session: Session, more: number): boolean {
  const { config, parts, traffic } = session.server;
  // What MULTI queues and WATCH remembers came as queries too.
  const held = session.queryBytes + (session.transaction?.bytes ?? 0);
  if (held + more <= config.clientQueryBufferLimit) return false;
  parts.log("warning", `client ${session.id} ${session.connection.remote}: query buffer limit reached: closed`);
  traffic.queryLimitDisconnections++;
  session.destroy();
  return true;
}

/** Once in a while: the limits that have a time in them. */
export function checkTimes(session: Session, nowMs: number): void {
  const { clientOutputBufferLimit, timeout } = session.server.config;
  const { softBytes, softSeconds } = clientOutputBufferLimit.normal;
  if (softBytes > 0 && session.unsentBytes > softBytes) {
    if (session.overSoftMs === 0) session.overSoftMs = nowMs;
    else if (nowMs - session.overSoftMs > softSeconds * 1000) cutOff(session);
  } else session.overSoftMs = 0;
  // It takes what it was sent, however slowly.
  if (session.unsentBytes < session.unsentSeen) session.activeMs = nowMs;
  session.unsentSeen = session.unsentBytes;
  // One in this process is silent for as long as nothing is asked of it.
  const idle = timeout > 0 && session.connection.inProcess !== true && nowMs - session.activeMs > timeout * 1000;
  // As in Redis one that CLIENT PAUSE holds is not idle either.
  const waits = session.awaits || session.flow.has(STALLED_BLOCKED | STALLED_PAUSED);
  if (idle && !waits && !session.monitor) session.destroy();
}

/**
 * The client that runs is answered more than anybody can be sent at once. Its command runs to its end, and nobody hears of it: `at` goes back
 * to where the replies to the clients before it end.
 */
export function replyTooLong({ context, current, departures, parts, traffic }: Server): void {
  context.reply.at = departures.end;
  if (current === undefined || current.closing) return;
  current.gate.clear();
  parts.log(
    "warning",
    `client ${current.id} ${current.connection.remote}: a reply of more than ${context.reply.bytesMax} bytes: closed`,
  );
  traffic.outputLimitDisconnections++;
  current.destroy();
}
