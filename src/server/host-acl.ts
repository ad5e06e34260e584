/**
 * server/host-acl.ts: ACL, as far as there is one: the user "default", who may do everything once logged in.
 */
import { createHash } from "node:crypto";
import type { Context } from "../commands/context.js";
import type { HostHandler } from "./hosts.js";
import type { Session } from "./session.js";

function whoami(_session: Session, c: Context): void {
  c.reply.bulkText("default");
}

function users(_session: Session, c: Context): void {
  c.reply.array(1);
  c.reply.bulkText("default");
}

function list(session: Session, c: Context): void {
  const { requirepass } = session.server.config;
  const login = requirepass === "" ? "nopass" : `#${createHash("sha256").update(requirepass).digest("hex")}`;
  c.reply.array(1);
  c.reply.bulkText(`user default on ${login} ~* &* +@all`);
}

export const aclHosts: Readonly<Record<string, HostHandler>> = {
  "acl|whoami": whoami,
  "acl|users": users,
  "acl|list": list,
};
