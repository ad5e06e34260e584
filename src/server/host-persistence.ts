/**
 * server/host-persistence.ts: SAVE BGSAVE LASTSAVE WAITAOF SHUTDOWN, and our own KV.BACKUP.
 * Answers that take time are put off (putOff); the other clients go on meanwhile.
 */
import type { Context } from "../commands/context.js";
import { NOT_INTEGER, SYNTAX } from "../commands/texts.js";
import type { HostHandler } from "./hosts.js";
import { parseLong, timeoutArg } from "./numbers.js";
import type { ServerParts, ShutdownRequest } from "./ports.js";
import { putOff, putOffUntil } from "./put-off.js";
import type { Session } from "./session.js";

const BUSY = "ERR Background save already in progress";

function save(session: Session, c: Context): void {
  const { reply } = c;
  const began = putOffUntil(session, c, (answered) =>
    session.server.storage.snapshot((error) =>
      answered(() => {
        if (error === undefined) reply.ok();
        else reply.error(`ERR ${error.message}`);
      }),
    ),
  );
  if (!began) reply.error(BUSY);
}

function bgsave(session: Session, c: Context): void {
  const { args, reply } = c;
  const { storage, parts } = session.server;
  if (args.count > 2 || (args.count === 2 && args.lower(1) !== "schedule")) {
    reply.error(SYNTAX);
    return;
  }
  if (storage.snapshot((error) => warn(parts, "background save", error))) reply.simple("Background saving started");
  else if (args.count === 2) {
    storage.snapshotNext();
    reply.simple("Background saving scheduled");
  } else reply.error(BUSY);
}

/** The log is made shorter by snapshots, all the time: what there is to rewrite is done by making one now. */
function bgrewriteaof(session: Session, c: Context): void {
  const { storage, parts } = session.server;
  if (storage.snapshot((error) => warn(parts, "log rewrite", error))) {
    c.reply.simple("Background append only file rewriting started");
    return;
  }
  storage.snapshotNext();
  c.reply.simple("Background append only file rewriting scheduled");
}

function warn(parts: ServerParts, what: string, error: Error | undefined): void {
  if (error !== undefined) parts.log("warning", `${what} failed: ${error.message}`);
}

function lastsave(session: Session, c: Context): void {
  c.reply.int(Math.floor(session.server.storage.figures().lastSaveMs / 1000));
}

/** WAITAOF numlocal numreplicas timeout: [1 when everything written so far is on this disk, replicas that have it]. */
/** The arguments of WAITAOF. @returns undefined after having written an error. */
export function waitaofArgs(c: Context): { local: number; timeoutMs: number } | undefined {
  const { args, reply } = c;
  const local = parseLong(args, 1);
  if (local === undefined || local < 0n || local > 1n) {
    reply.error(local === undefined ? NOT_INTEGER : "ERR value is out of range, must be between 0 and 1");
    return undefined;
  }
  const replicas = parseLong(args, 2);
  if (replicas === undefined || replicas < 0n) {
    reply.error(replicas === undefined ? NOT_INTEGER : "ERR value is out of range, must be positive");
    return undefined;
  }
  const timeoutMs = timeoutArg(c, 3);
  return timeoutMs < 0 ? undefined : { local: Number(local), timeoutMs };
}

function waitaof(session: Session, c: Context): void {
  const { reply } = c;
  const asked = waitaofArgs(c);
  if (asked === undefined) return;
  const { local, timeoutMs } = asked;
  const { server } = session;
  const { storage } = server;
  const wanted = storage.appendedLsn;
  const write = (): void => {
    reply.array(2);
    reply.int(storage.syncedLsn >= wanted ? 1 : 0);
    reply.int(0);
  };
  if (local === 0 || storage.syncedLsn >= wanted || session.inExec) {
    write();
    return;
  }
  const answer = putOff(session, c);
  const done = (): void => {
    cancel();
    waitNoMore();
    answer(write);
  };
  const cancel = timeoutMs > 0 ? server.after(timeoutMs, done) : (): void => {};
  const waitNoMore = storage.sync(done);
}

function shutdown(session: Session, c: Context): void {
  const { args, reply } = c;
  let save: ShutdownRequest["save"] = "default";
  let now = false;
  let force = false;
  let abort = false;
  for (let i = 1; i < args.count; i++) {
    const word = args.lower(i);
    if (word === "nosave" || word === "save") {
      if (save !== "default" && save !== word) {
        reply.error(SYNTAX);
        return;
      }
      save = word;
    } else if (word === "now") now = true;
    else if (word === "force") force = true;
    else if (word === "abort") abort = true;
    else {
      reply.error(SYNTAX);
      return;
    }
  }
  if (abort) {
    if (args.count > 2) {
      reply.error(SYNTAX);
      return;
    }
    reply.error("ERR No shutdown in progress.");
    return;
  }
  const answer = putOff(session, c);
  session.server.parts.shutdown({ save, now, force }, (error) => answer(() => reply.error(error)));
}

/** KV.BACKUP directory: the last LSN in the backup. The directory is one of this machine. */
function backup(session: Session, c: Context): void {
  const { args, reply } = c;
  const { storage, parts } = session.server;
  const directory = args.view(1).toString();
  // Relative to what? The client cannot know where the server was started. A byte that is not UTF-8 would be another name.
  if (!/^(\/|[A-Za-z]:[\\/])/.test(directory) || directory.includes("\0") || directory.includes("\ufffd")) {
    reply.error("ERR the directory must be an absolute path");
    return;
  }
  if (storage.backup === undefined) {
    reply.error("ERR nothing to back up: this server keeps its data in memory only");
    return;
  }
  const begin = storage.backup;
  const began = putOffUntil(session, c, (answered) =>
    begin(directory, (error, lsn) => {
      if (error === undefined) parts.log("notice", `backup up to LSN ${lsn} is in ${directory}`);
      else parts.log("warning", `backup failed: ${error.message}`);
      answered(() => {
        if (error === undefined) reply.int(lsn);
        else reply.error(`ERR backup failed: ${error.message}`);
      });
    }),
  );
  if (!began) reply.error("ERR Backup already in progress");
}

export const persistenceHosts: Readonly<Record<string, HostHandler>> = {
  save,
  bgsave,
  bgrewriteaof,
  lastsave,
  waitaof,
  shutdown,
  "kv.backup": backup,
};
