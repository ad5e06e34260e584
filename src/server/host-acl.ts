/**
 * server/host-acl.ts: ACL, as far as there is one: the user "default", who may do everything once logged in.
 */
import { createHash } from "node:crypto";
import type { Context } from "../commands/context.js";
import { arityOk, writeArityError } from "../commands/execute.js";
import { resolve } from "../commands/table.js";
import { NOT_INTEGER, upToNul } from "../commands/texts.js";
import type { HostHandler } from "./hosts.js";
import { parseLong } from "./numbers.js";
import type { Session } from "./session.js";

function whoami(_session: Session, c: Context): void {
  c.reply.bulkText("default");
}

function users(_session: Session, c: Context): void {
  c.reply.array(1);
  c.reply.bulkText("default");
}

/** @returns undefined where none is asked for. */
function passwordHash(session: Session): string | undefined {
  const { requirepass } = session.server.config;
  return requirepass === "" ? undefined : createHash("sha256").update(requirepass).digest("hex");
}

function list(session: Session, c: Context): void {
  const hash = passwordHash(session);
  c.reply.array(1);
  c.reply.bulkText(`user default on ${hash === undefined ? "nopass" : `#${hash}`} ~* &* +@all`);
}

function getuser(session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.text(2) !== "default") {
    reply.nullBulk();
    return;
  }
  const hash = passwordHash(session);
  reply.map(6);
  reply.bulkText("flags");
  reply.set(hash === undefined ? 2 : 1);
  reply.bulkText("on");
  if (hash === undefined) reply.bulkText("nopass");
  reply.bulkText("passwords");
  reply.array(hash === undefined ? 0 : 1);
  if (hash !== undefined) reply.bulkText(hash);
  for (const [what, rule] of [
    ["commands", "+@all"],
    ["keys", "~*"],
    ["channels", "&*"],
  ] as const) {
    reply.bulkText(what);
    reply.bulkText(rule);
  }
  reply.bulkText("selectors");
  reply.array(0);
}

function tooMany(c: Context): void {
  c.reply.error(`ERR unknown subcommand or wrong number of arguments for '${upToNul(c.args.text(1))}'. Try ACL HELP.`);
}

/** Nobody is ever refused for want of rights, so the log stays empty. Refused logins, which Redis notes there too, are in INFO errorstats. */
function log(_session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.count > 3) tooMany(c);
  else if (args.count === 3 && args.lower(2) === "reset") reply.ok();
  else if (args.count === 3 && parseLong(args, 2) === undefined) reply.error(NOT_INTEGER);
  else reply.array(0);
}

const PASSWORD_BITS = 256;
const PASSWORD_BITS_MAX = 4096;
const BITS_PER_DIGIT = 4;

function genpass(session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.count > 3) {
    tooMany(c);
    return;
  }
  const bits = args.count === 3 ? parseLong(args, 2) : BigInt(PASSWORD_BITS);
  if (bits === undefined) {
    reply.error(NOT_INTEGER);
    return;
  }
  if (bits <= 0 || bits > PASSWORD_BITS_MAX) {
    reply.error(
      `ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${PASSWORD_BITS_MAX}`,
    );
    return;
  }
  reply.bulkText(session.server.parts.system.randomHex(Math.ceil(Number(bits) / BITS_PER_DIGIT)));
}

/** The one user there is may do everything, so that only the command's form can be wrong. */
function dryrun(_session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.text(2) !== "default") {
    reply.error(`ERR User '${upToNul(args.text(2))}' not found`);
    return;
  }
  const spec = resolve(args, 3);
  if (spec === undefined) reply.error(`ERR Command '${upToNul(args.text(3))}' not found`);
  else if (!arityOk(spec, args.count - 3)) writeArityError(reply, spec);
  else reply.ok();
}

export const aclHosts: Readonly<Record<string, HostHandler>> = {
  "acl|whoami": whoami,
  "acl|users": users,
  "acl|list": list,
  "acl|getuser": getuser,
  "acl|log": log,
  "acl|genpass": genpass,
  "acl|dryrun": dryrun,
};
