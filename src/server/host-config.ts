/**
 * server/host-config.ts: CONFIG GET SET REWRITE RESETSTAT, on the option table.
 */
import type { Context } from "../commands/context.js";
import type { HostHandler } from "./hosts.js";
import type { Session } from "./session.js";

/** Option values are text of any language, replies are bytes. */
function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").latin1Slice();
}

function textOf(bytes: Buffer): string {
  return bytes.toString("utf8");
}

function get(session: Session, c: Context): void {
  const { args, reply } = c;
  const patterns: string[] = [];
  for (let i = 2; i < args.count; i++) patterns.push(textOf(args.view(i)));
  const found = session.server.config.matching(patterns);
  reply.map(found.length);
  for (const [name, value] of found) {
    reply.bulkText(bytesOf(name));
    reply.bulkText(bytesOf(value));
  }
}

function set(session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.count % 2 !== 0) {
    reply.error("ERR wrong number of arguments for 'config|set' command");
    return;
  }
  const pairs: [string, string][] = [];
  for (let i = 2; i < args.count; i += 2) pairs.push([textOf(args.view(i)), textOf(args.view(i + 1))]);
  const error = session.server.config.setAll(pairs);
  if (error === undefined) reply.ok();
  else reply.error(bytesOf(error));
}

function rewrite(session: Session, c: Context): void {
  const error = session.server.config.rewrite();
  if (error === undefined) c.reply.ok();
  else c.reply.error(bytesOf(error));
}

function resetstat(session: Session, c: Context): void {
  session.server.statistics.reset();
  session.server.traffic.reset();
  session.server.parts.storage.resetFigures();
  c.reply.ok();
}

export const configHosts: Readonly<Record<string, HostHandler>> = {
  "config|get": get,
  "config|set": set,
  "config|rewrite": rewrite,
  "config|resetstat": resetstat,
};
