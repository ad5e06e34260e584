/**
 * server/host-server.ts: TIME ROLE LOLWUT MODULE WAIT, and MEMORY but for USAGE.
 */
import type { Context } from "../commands/context.js";
import { NOT_INTEGER } from "../commands/texts.js";
import type { HostHandler } from "./hosts.js";
import { parseLong, timeoutArg } from "./numbers.js";
import type { Session } from "./session.js";

function time(session: Session, c: Context): void {
  const nowMs = session.server.nowMs;
  c.reply.array(2);
  c.reply.bulkText(String(Math.floor(nowMs / 1000)));
  c.reply.bulkText(String((nowMs % 1000) * 1000));
}

function role(session: Session, c: Context): void {
  c.reply.array(3);
  c.reply.bulkText("master");
  c.reply.int(session.server.storage.appendedLsn);
  c.reply.array(0);
}

function lolwut(session: Session, c: Context): void {
  const { version } = session.server.parts;
  const art = ["   o---o   ", "   |\\ /|   ", "   | o |   k v o r u m", "   |/ \\|   ", "   o---o   "];
  c.reply.verbatim(`${art.join("\n")}\n\nkvorum ver. ${version}\n`);
}

function moduleList(_session: Session, c: Context): void {
  c.reply.array(0);
}

/** Alone there are no replicas that could acknowledge anything, so there is nothing to wait for. */
function wait(_session: Session, c: Context): void {
  if (parseLong(c.args, 1) === undefined) c.reply.error(NOT_INTEGER);
  else if (timeoutArg(c, 2) >= 0) c.reply.int(0);
}

function memoryDoctor(_session: Session, c: Context): void {
  c.reply.verbatim("No memory problem is known. Figures are in INFO memory.\n");
}

/** What can be given back to the system goes by itself, in slices of upkeep. */
function memoryPurge(_session: Session, c: Context): void {
  c.reply.ok();
}

function mallocStats(_session: Session, c: Context): void {
  c.reply.bulkText("The allocator keeps no statistics here. Figures are in INFO memory.\n");
}

export const serverHosts: Readonly<Record<string, HostHandler>> = {
  time,
  role,
  lolwut,
  "module|list": moduleList,
  wait,
  "memory|doctor": memoryDoctor,
  "memory|purge": memoryPurge,
  "memory|malloc-stats": mallocStats,
};
