/**
 * server/host-client.ts: CLIENT: who is connected, and what they may do. LIST and KILL share their filters.
 */
import type { Args } from "../codec/resp/args.js";
import type { Context } from "../commands/context.js";
import { NOT_INTEGER, SYNTAX } from "../commands/texts.js";
import { clientLine } from "./client-line.js";
import { GUARD_SILENT, REPLY_OFF, REPLY_ON, REPLY_SKIP_NEXT } from "./client-state.js";
import type { HostHandler } from "./hosts.js";
import { parseInteger, parseLong } from "./numbers.js";
import type { Session } from "./session.js";
import { BAD_CLIENT_NAME, NO_SUCH_CLIENT } from "./texts.js";

/** @returns false after an error reply. An empty name takes the name away. */
export function setClientName(session: Session, c: Context, name: string): boolean {
  if (!printable(name)) {
    c.reply.error(BAD_CLIENT_NAME);
    return false;
  }
  if (tooLong(c, "Client names", name)) return false;
  session.name = name;
  return true;
}

/** Every client keeps three of them, and CLIENT LIST makes one text of all. */
const NAME_BYTES_MAX = 1024;

/** @returns true after an error reply. */
function tooLong(c: Context, what: string, text: string): boolean {
  if (text.length <= NAME_BYTES_MAX) return false;
  c.reply.error(`ERR ${what} cannot have more than ${NAME_BYTES_MAX} bytes.`);
  return true;
}

function printable(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

function setname(session: Session, c: Context): void {
  if (setClientName(session, c, c.args.text(2))) c.reply.ok();
}

function getname(session: Session, c: Context): void {
  if (session.name === "") c.reply.nullBulk();
  else c.reply.bulkText(session.name);
}

function setinfo(session: Session, c: Context): void {
  const { args, reply } = c;
  const attribute = args.lower(2);
  const value = args.text(3);
  if (attribute !== "lib-name" && attribute !== "lib-ver") {
    reply.error(`ERR Unrecognized option '${args.text(2)}'`);
    return;
  }
  if (!printable(value)) {
    reply.error(`ERR ${attribute} cannot contain spaces, newlines or special characters.`);
    return;
  }
  if (tooLong(c, attribute, value)) return;
  if (attribute === "lib-name") session.libName = value;
  else session.libVersion = value;
  reply.ok();
}

function id(session: Session, c: Context): void {
  c.reply.int(session.id);
}

function info(session: Session, c: Context): void {
  c.reply.verbatim(`${clientLine(session)}\n`);
}

const TYPES = ["normal", "master", "replica", "slave", "pubsub"];

function list(session: Session, c: Context): void {
  const { args, reply } = c;
  let chosen = [...session.server.sessions.values()];
  if (args.count === 4 && args.lower(2) === "type") {
    const type = args.lower(3);
    if (!TYPES.includes(type)) {
      reply.error(`ERR Unknown client type '${args.text(3)}'`);
      return;
    }
    if (type !== "normal") chosen = [];
  } else if (args.count > 3 && args.lower(2) === "id") {
    // As in Redis: in the order of the arguments, and one that is named twice is shown twice.
    chosen = [];
    for (let i = 3; i < args.count; i++) {
      const number = parseLong(args, i);
      if (number === undefined) {
        reply.error("ERR Invalid client ID");
        return;
      }
      const named = session.server.sessions.get(Number(number));
      if (named !== undefined) chosen.push(named);
    }
  } else if (args.count !== 2) {
    reply.error(SYNTAX);
    return;
  }
  const lines = new Map<Session, string>();
  for (const each of chosen) if (!lines.has(each)) lines.set(each, `${clientLine(each)}\n`);
  reply.verbatimOf(chosen.map((each) => lines.get(each) as string));
}

/** CLIENT KILL's filters; all that are given must hold. Of one that is given twice the last counts, as in Redis. */
interface Filters {
  id?: bigint;
  maxAgeSeconds?: number;
  type?: string;
  remote?: string;
  local?: string;
  skipMe: boolean;
}

/** @returns an error text when they are wrong. */
function filters(args: Args): Filters | string {
  const given: Filters = { skipMe: true };
  if (args.count % 2 !== 0) return SYNTAX;
  for (let i = 2; i < args.count; i += 2) {
    const value = args.text(i + 1);
    switch (args.lower(i)) {
      case "id": {
        const number = parseLong(args, i + 1);
        if (number === undefined || number < 1n) return "ERR client-id should be greater than 0";
        given.id = number;
        break;
      }
      case "maxage": {
        const seconds = parseInteger(args, i + 1);
        if (seconds === undefined || seconds < 1) return "ERR maxage is not an integer or out of range";
        given.maxAgeSeconds = seconds;
        break;
      }
      case "type":
        if (!TYPES.includes(value.toLowerCase())) return `ERR Unknown client type '${value}'`;
        given.type = value.toLowerCase();
        break;
      case "addr":
        given.remote = value;
        break;
      case "laddr":
        given.local = value;
        break;
      case "user":
        if (value !== "default") return `ERR No such user '${value}'`;
        break;
      case "skipme":
        if (!/^(yes|no)$/i.test(value)) return SYNTAX;
        given.skipMe = value.toLowerCase() === "yes";
        break;
      default:
        return SYNTAX;
    }
  }
  return given;
}

function passes(
  session: Session,
  other: Session,
  { id, maxAgeSeconds, type, remote, local, skipMe }: Filters,
): boolean {
  if (skipMe && other === session) return false;
  if (id !== undefined && BigInt(other.id) !== id) return false;
  if (maxAgeSeconds !== undefined && session.server.nowMs - other.createdMs < maxAgeSeconds * 1000) return false;
  if (type !== undefined && type !== "normal") return false;
  if (remote !== undefined && other.connection.remote !== remote) return false;
  return local === undefined || other.connection.local === local;
}

function kill(session: Session, c: Context): void {
  const { args, reply } = c;
  const sessions = [...session.server.sessions.values()];
  if (args.count === 3) {
    const remote = args.text(2);
    const victim = sessions.find(({ connection }) => connection.remote === remote);
    if (victim === undefined) {
      reply.error(NO_SUCH_CLIENT);
      return;
    }
    reply.ok();
    end(session, victim);
    return;
  }
  const chosen = filters(args);
  if (typeof chosen === "string") {
    reply.error(chosen);
    return;
  }
  const victims = sessions.filter((other) => passes(session, other, chosen));
  reply.int(victims.length);
  for (const victim of victims) end(session, victim);
}

/** One's own connection still gets the reply. */
function end(session: Session, victim: Session): void {
  if (victim === session) session.closing = true;
  else victim.destroy();
}

function replyMode(session: Session, c: Context): void {
  switch (c.args.lower(2)) {
    case "on":
      session.replyMode = REPLY_ON;
      session.skipping = false;
      session.guards &= ~GUARD_SILENT;
      c.reply.ok();
      break;
    case "off":
      session.replyMode = REPLY_OFF;
      session.guards |= GUARD_SILENT;
      break;
    case "skip":
      if (session.replyMode === REPLY_OFF) break;
      session.replyMode = REPLY_SKIP_NEXT;
      session.skipping = false;
      session.guards |= GUARD_SILENT;
      break;
    default:
      c.reply.error(SYNTAX);
  }
}

function tooMany(c: Context): void {
  c.reply.error(`ERR unknown subcommand or wrong number of arguments for '${c.args.text(1)}'. Try CLIENT HELP.`);
}

function pause(session: Session, c: Context): void {
  const { args, reply } = c;
  const mode = args.count === 4 ? args.lower(3) : "all";
  if (args.count > 4) return tooMany(c);
  if (mode !== "all" && mode !== "write") {
    reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    return;
  }
  const ms = parseLong(args, 2);
  if (ms === undefined) {
    reply.error("ERR timeout is not an integer or out of range");
    return;
  }
  if (ms < 0) {
    reply.error("ERR timeout is negative");
    return;
  }
  const endMs = BigInt(Math.floor(session.server.nowMs)) + ms;
  // As in Redis: an end beyond 64 bits is one in the past, and nobody is held.
  session.server.startPause(Number(BigInt.asIntN(64, endMs)), mode === "all");
  reply.ok();
}

function unpause(session: Session, c: Context): void {
  session.server.endPause();
  c.reply.ok();
}

/** No command here blocks in the sense of BLPOP, so nobody can be woken. */
function unblock(_session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.count > 4) return tooMany(c);
  if (args.count === 4 && !/^(timeout|error)$/i.test(args.text(3))) {
    reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    return;
  }
  if (parseInteger(args, 2) === undefined) {
    reply.error(NOT_INTEGER);
    return;
  }
  reply.int(0);
}

/** The argument as ON or OFF; undefined after an error reply. */
function onOff(c: Context): boolean | undefined {
  const text = c.args.lower(2);
  if (text === "on" || text === "off") {
    c.reply.ok();
    return text === "on";
  }
  c.reply.error(SYNTAX);
  return undefined;
}

/** Shown by CLIENT LIST. No client is ever evicted: each is bounded by itself (client-limits.ts). */
function noEvict(session: Session, c: Context): void {
  session.noEvict = onOff(c) ?? session.noEvict;
}

function noTouch(session: Session, c: Context): void {
  session.noTouch = onOff(c) ?? session.noTouch;
  c.space.touching = !session.noTouch;
}

export const clientHosts: Readonly<Record<string, HostHandler>> = {
  "client|setname": setname,
  "client|getname": getname,
  "client|setinfo": setinfo,
  "client|id": id,
  "client|info": info,
  "client|list": list,
  "client|kill": kill,
  "client|reply": replyMode,
  "client|pause": pause,
  "client|unpause": unpause,
  "client|unblock": unblock,
  "client|no-evict": noEvict,
  "client|no-touch": noTouch,
};
