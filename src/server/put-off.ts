/**
 * server/put-off.ts: a command whose answer comes later and which holds its client up meanwhile (SAVE, WAITAOF, DEBUG SLEEP...). Its time is
 * told with the answer: statistics, slow log and latency events have the waiting too.
 */
import type { Context } from "../commands/context.js";
import { assert } from "../lib/assert.js";
import { GUARD_SILENT } from "./client-state.js";
import type { Session } from "./session.js";

const MINUS = 45;

/**
 * The current command's answer comes later: nothing further of the session runs until then.
 * @returns takes what writes the answer; called again, and after the client went, it does nothing.
 */
export function putOff(session: Session, c: Context): (answer: () => void) => void {
  const { server, lastCommand } = session;
  assert(lastCommand !== undefined, "an answer is put off and there is no command");
  const { reply } = c;
  // What holds now, as for every command: CLIENT REPLY ON may come before the answer does.
  const silent = (session.guards & GUARD_SILENT) !== 0;
  const args = c.args.clone();
  const startMs = server.monotonicMs();
  const token = session.block();
  return (answer) =>
    session.unblock(token, () => {
      const before = reply.at;
      answer();
      const usec = (server.monotonicMs() - startMs) * 1000;
      server.statistics.took(lastCommand.index, usec);
      if (reply.buf[before] === MINUS) server.dispatcher.countError(lastCommand);
      server.noteSlow(session, lastCommand, args, usec);
      if (silent) reply.at = before;
    });
}

/**
 * As putOff(), for work that may not begin at all, or end within the call that begins it: then the answer is written at once.
 * @param begin is given what takes the answer. @returns what it returns: false, nothing began and nothing will be answered.
 */
export function putOffUntil(
  session: Session,
  c: Context,
  begin: (answered: (write: () => void) => void) => boolean,
): boolean {
  const early: (() => void)[] = [];
  let later: ((write: () => void) => void) | undefined;
  const began = begin((write) => {
    if (later === undefined) early.push(write);
    else later(write);
  });
  if (!began) return false;
  if (early.length === 0) later = putOff(session, c);
  else early[0]();
  return true;
}
