/**
 * server/host-debug.ts: the parts of DEBUG that test suites of Redis clients use. Off unless enable-debug-command allows it.
 */
import type { Context } from "../commands/context.js";
import { NO_SUCH_KEY } from "../commands/texts.js";
import { KeyState } from "../ports/keyspace.js";
import type { HostHandler } from "./hosts.js";
import { parseInteger } from "./numbers.js";
import { putOff } from "./put-off.js";
import type { Session } from "./session.js";
import { STILL_LOADING } from "./texts.js";

const NOT_ALLOWED =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.';

const HELP: readonly string[] = [
  "DEBUG <subcommand> [<arg> ...]. Subcommands are:",
  "CHANGE-REPL-ID",
  "    Answer OK: there is no replication.",
  "LOADAOF",
  "    Answer when the log is on the disk.",
  "OBJECT <key>",
  "    Show what is known of the value of <key>.",
  "PROTOCOL <type>",
  "    Reply with a value of the type. <type> can be: string, integer, double, bignum, null, array, set, map, attrib, push, verbatim, true, false.",
  "RELOAD",
  "    Answer when a snapshot is written.",
  "SET-ACTIVE-EXPIRE <0|1>",
  "    Setting it to 0 disables expiring keys in the background when they are not accessed.",
  "SLEEP <seconds>",
  "    Answer after <seconds>. Decimals allowed.",
  "STRINGMATCH-LEN <length> <pattern>",
  "    Answer <length>.",
  "HELP",
  "    Print this help.",
];

/** Nothing is matched, so that nothing takes long. */
const STRINGMATCH_LENGTH_MAX: number = 1 << 20;

const SLEEP_SECONDS_MAX = 3600;

const state: KeyState = new KeyState();

function debug(session: Session, c: Context): void {
  const { args, reply } = c;
  const { server } = session;
  const allowed = server.config.enableDebugCommand;
  if (allowed === "no" || (allowed === "local" && !session.connection.loopback)) {
    reply.error(NOT_ALLOWED);
    return;
  }
  const word = args.lower(1);
  switch (`${word} ${args.count}`) {
    case "help 2":
      reply.array(HELP.length);
      for (const line of HELP) reply.simple(line);
      return;
    case "sleep 3":
      sleep(session, c);
      return;
    case "object 3":
      object(session, c);
      return;
    case "set-active-expire 3":
      server.storage.setActiveExpire(args.text(2) !== "0");
      reply.ok();
      return;
    case "reload 2":
    case "loadaof 2":
      whenSaved(session, c, word === "reload");
      return;
    case "change-repl-id 2":
      reply.ok();
      return;
    case "stringmatch-len 4": {
      const length = parseInteger(args, 2) ?? 0;
      reply.int(Math.max(0, Math.min(length, STRINGMATCH_LENGTH_MAX)));
      return;
    }
    case "quicklist-packed-threshold 3":
    case "set-disable-deny-scripts 3":
    case "replicate 3":
      reply.ok();
      return;
    case "protocol 3":
      protocol(c);
      return;
    default:
      reply.error(`ERR unknown subcommand or wrong number of arguments for '${args.text(1)}'. Try DEBUG HELP.`);
      return;
  }
}

/**
 * What a start would load is made to be all there is, by a snapshot (RELOAD) or in the log (LOADAOF). It is not loaded over what is in
 * memory: that is the same.
 */
function whenSaved(session: Session, c: Context, snapshot: boolean): void {
  const { storage } = session.server;
  if (storage.loading !== undefined) {
    c.reply.error(STILL_LOADING);
    return;
  }
  if (session.inExec) {
    c.reply.ok();
    return;
  }
  const answer = putOff(session, c);
  const saved = (error?: Error): void =>
    answer(() => {
      if (error === undefined) c.reply.ok();
      else c.reply.error(`ERR ${error.message}`);
    });
  if (!snapshot || !storage.snapshot(saved)) storage.sync(saved);
}

/** Redis's DEBUG SLEEP stops the whole server; here only this client waits; for statistics, slow log and latency events it takes as long. */
function sleep(session: Session, c: Context): void {
  // As strtod: what begins with no number is 0. And Redis sleeps for no negative time, nor for an infinite one.
  const number = Number.parseFloat(c.args.text(2));
  const seconds = number > 0 && number < Number.POSITIVE_INFINITY ? number : 0;
  if (seconds > SLEEP_SECONDS_MAX) {
    c.reply.error(`ERR value is out of range, must be at most ${SLEEP_SECONDS_MAX}`);
    return;
  }
  if (session.inExec) {
    c.reply.ok();
    return;
  }
  const answer = putOff(session, c);
  session.server.after(seconds * 1000, () => answer(() => c.reply.ok()));
}

function object(session: Session, c: Context): void {
  const { args, space, reply } = c;
  if (!space.find(session.db, args.bytes, args.start[2], args.length[2], state, false)) {
    reply.error(NO_SUCH_KEY);
    return;
  }
  const text = state.bytes.latin1Slice(state.valueAt, state.valueAt + Math.min(state.valueBytes, 20));
  const integer = state.valueBytes <= 20 && /^(0|-?[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text));
  const encoding = state.raw ? "raw" : integer ? "int" : state.valueBytes <= 44 ? "embstr" : "raw";
  const idle = Math.max(0, space.idleSeconds(session.db, args.bytes, args.start[2], args.length[2]));
  reply.simple(
    `Value at:0x0 refcount:1 encoding:${encoding} serializedlength:${state.valueBytes + 1} lru:0 lru_seconds_idle:${idle}`,
  );
}

/** One reply of each RESP type, for tests of client libraries. */
function protocol(c: Context): void {
  const { args, reply } = c;
  switch (args.lower(2)) {
    case "string":
      reply.bulkText("Hello World");
      return;
    case "integer":
      reply.int(12345);
      return;
    case "double":
      reply.double("3.141");
      return;
    case "bignum":
      reply.bigNumber("1234567999999999999999999999999999999");
      return;
    case "null":
      reply.nullBulk();
      return;
    case "array":
      reply.array(3);
      break;
    case "set":
      reply.set(3);
      break;
    case "map":
      reply.map(3);
      for (let i = 0; i < 3; i++) {
        reply.int(i);
        reply.bool(i === 1);
      }
      return;
    case "attrib":
      if (c.reply.proto === 3) {
        reply.attribute(1);
        reply.bulkText("key-popularity");
        reply.array(2);
        reply.bulkText("key:123");
        reply.int(90);
      }
      reply.bulkText("Some real reply following the attribute");
      return;
    case "push":
      // A push is nobody's reply: the reply comes after it.
      if (c.reply.proto !== 3) {
        reply.error("ERR RESP2 is not supported by this command");
        return;
      }
      reply.push(2);
      reply.bulkText("server-cpu-usage");
      reply.int(42);
      reply.bulkText("Some real reply following the push reply");
      return;
    case "verbatim":
      reply.verbatim("This is a verbatim\nstring");
      return;
    case "true":
      reply.bool(true);
      return;
    case "false":
      reply.bool(false);
      return;
    default:
      reply.error(
        "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
      );
      return;
  }
  for (let i = 0; i < 3; i++) reply.int(i);
}

export const debugHosts: Readonly<Record<string, HostHandler>> = { debug };
