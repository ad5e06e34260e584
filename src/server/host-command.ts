/**
 * server/host-command.ts: COMMAND, ACL CAT, and HELP of every command with subcommands: the commands room answers these
 * from its table.
 */
import { INTROSPECTION } from "../commands/introspect.js";
import type { HostHandler } from "./hosts.js";

export const commandHosts: Readonly<Record<string, HostHandler>> = Object.fromEntries(
  [...INTROSPECTION].map(([name, run]): [string, HostHandler] => [name, (_session, c) => run(c)]),
);
