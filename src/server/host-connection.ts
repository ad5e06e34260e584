/**
 * server/host-connection.ts: HELLO AUTH PING ECHO QUIT RESET SELECT READONLY READWRITE: what a client does to its own connection.
 * Invariant: passwords are compared by their digests in constant time, so that neither length nor content shows in time.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context } from "../commands/context.js";
import { selectArg } from "../commands/keys.js";
import { lock, unlock } from "./access.js";
import { GUARD_SILENT, GUARD_UNAUTHENTICATED, REPLY_ON } from "./client-state.js";
import { setClientName } from "./host-client.js";
import type { HostHandler } from "./hosts.js";
import type { Session } from "./session.js";
import { HELLO_NEEDS_AUTH, NO_PASSWORD_SET, WRONG_PASSWORD } from "./texts.js";
import { endTransaction } from "./transaction.js";

/** Redis's version that the commands follow. */
export const REDIS_VERSION = "7.2.4";

function digest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** Does (user, password) open the door? Without requirepass the default user's any password does. */
function matches(session: Session, user: string, password: Uint8Array): boolean {
  const { requirepass } = session.server.config;
  const right = requirepass === "" || timingSafeEqual(digest(Buffer.from(requirepass)), digest(password));
  return right && user === "default";
}

function auth(session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.count > 3) {
    reply.error("ERR syntax error");
    return;
  }
  if (args.count === 2 && session.server.config.requirepass === "") {
    reply.error(NO_PASSWORD_SET);
    return;
  }
  const user = args.count === 3 ? args.text(1) : "default";
  if (!matches(session, user, args.view(args.count - 1))) {
    reply.error(WRONG_PASSWORD);
    return;
  }
  unlock(session);
  reply.ok();
}

function hello(session: Session, c: Context): void {
  const { args, reply } = c;
  let proto = session.proto;
  let at = 1;
  if (args.count > 1) {
    const text = args.text(1);
    if (!/^-?(0|[1-9]\d{0,17})$/.test(text)) {
      reply.error("ERR Protocol version is not an integer or out of range");
      return;
    }
    proto = Number(text);
    if (proto !== 2 && proto !== 3) {
      reply.error("NOPROTO unsupported protocol version");
      return;
    }
    at = 2;
  }
  let name: string | undefined;
  let login = -1;
  for (; at < args.count; at++) {
    const option = args.lower(at);
    const more = args.count - 1 - at;
    if (option === "auth" && more >= 2) {
      login = at + 1;
      at += 2;
    } else if (option === "setname" && more >= 1) name = args.text(++at);
    else {
      reply.error(`ERR Syntax error in HELLO option '${args.text(at)}'`);
      return;
    }
  }
  if (login >= 0) {
    if (!matches(session, args.text(login), args.view(login + 1))) {
      reply.error(WRONG_PASSWORD);
      return;
    }
    unlock(session);
  }
  if ((session.guards & GUARD_UNAUTHENTICATED) !== 0) {
    reply.error(HELLO_NEEDS_AUTH);
    return;
  }
  if (name !== undefined && !setClientName(session, c, name)) return;
  session.proto = proto;
  reply.proto = proto;
  reply.map(7);
  reply.bulkText("server");
  reply.bulkText("redis");
  reply.bulkText("version");
  reply.bulkText(REDIS_VERSION);
  reply.bulkText("proto");
  reply.int(proto);
  reply.bulkText("id");
  reply.int(session.id);
  reply.bulkText("mode");
  reply.bulkText(session.server.config.clusterEnabled ? "cluster" : "standalone");
  reply.bulkText("role");
  reply.bulkText("master");
  reply.bulkText("modules");
  reply.array(0);
}

function ping(_session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.count === 1) reply.pong();
  else if (args.count === 2) reply.bulk(args.bytes, args.start[1], args.length[1]);
  else reply.error("ERR wrong number of arguments for 'ping' command");
}

function echo(_session: Session, c: Context): void {
  c.reply.bulk(c.args.bytes, c.args.start[1], c.args.length[1]);
}

function quit(session: Session, c: Context): void {
  c.reply.ok();
  session.closing = true;
}

function reset(session: Session, c: Context): void {
  endTransaction(session);
  session.server.monitors.remove(session);
  session.db = 0;
  c.db = 0;
  session.proto = 2;
  c.reply.proto = 2;
  session.name = "";
  session.noEvict = false;
  session.noTouch = false;
  c.space.touching = true;
  session.replyMode = REPLY_ON;
  session.skipping = false;
  session.guards &= ~GUARD_SILENT;
  lock(session);
  c.reply.simple("RESET");
}

function select(session: Session, c: Context): void {
  const db = selectArg(c, 1);
  if (db < 0) return;
  session.db = db;
  c.db = db;
  c.reply.ok();
}

export const connectionHosts: Readonly<Record<string, HostHandler>> = {
  auth,
  hello,
  ping,
  echo,
  quit,
  reset,
  select,
};
