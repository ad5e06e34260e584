/**
 * commands/table.ts: the one command table. Everything that lists, checks, documents or looks up commands starts here.
 * Invariants: names are unique within their level; a command of any kind but "host" has a handler or subcommands; a spec's
 * index is its place in ALL_SPECS.
 */
import type { Args } from "../codec/resp/args.js";
import { assert } from "../lib/assert.js";
import { NameTable } from "./lookup.js";
import { BIT_ROWS } from "./rows/bits.js";
import { CLUSTER_ROWS } from "./rows/cluster.js";
import { CONNECTION_ROWS } from "./rows/connection.js";
import { DATABASE_ROWS } from "./rows/databases.js";
import { EXPIRY_ROWS } from "./rows/expiry.js";
import { KEY_ROWS } from "./rows/keys.js";
import { KV_ROWS } from "./rows/kv.js";
import { OBSERVE_ROWS } from "./rows/observe.js";
import { SERVER_ROWS } from "./rows/server.js";
import { STRING_ROWS } from "./rows/strings.js";
import { TRANSACTION_ROWS } from "./rows/transactions.js";
import { CommandSpec } from "./spec.js";

const ROWS = [
  ...STRING_ROWS,
  ...KV_ROWS,
  ...BIT_ROWS,
  ...KEY_ROWS,
  ...EXPIRY_ROWS,
  ...DATABASE_ROWS,
  ...TRANSACTION_ROWS,
  ...CONNECTION_ROWS,
  ...SERVER_ROWS,
  ...OBSERVE_ROWS,
  ...CLUSTER_ROWS,
];

let count = 0;
const take = (): number => count++;

/** The commands, without subcommands. */
export const COMMANDS: readonly CommandSpec[] = ROWS.map((row) => new CommandSpec(row, "", take));

/** Commands and subcommands, by their index. */
export const ALL_SPECS: readonly CommandSpec[] = COMMANDS.flatMap((spec) => [spec, ...(spec.subcommands ?? [])]);

for (const [index, spec] of ALL_SPECS.entries()) {
  assert(spec.index === index, "a command's index is not its place", spec.fullName);
  const bound = spec.run !== undefined || spec.kind === "host";
  assert(bound, "a command without a handler", spec.fullName);
}

const commandNames = new NameTable(COMMANDS);
const noNames = new NameTable([]);
/** By index; empty for what has no subcommands. */
const subcommandNames: readonly NameTable[] = ALL_SPECS.map((spec) =>
  spec.subcommands === undefined ? noNames : new NameTable(spec.subcommands),
);

// HOT: once per command. No allocation, no string. Guard: bench/micro/commands.ts
/** The command that argument 0 names, in any case; a container is returned itself. undefined when there is none. */
export function lookup(args: Args): CommandSpec | undefined {
  return commandNames.find(args, 0);
}

/** The subcommand that argument `index` (usually 1) names. */
export function lookupSubcommand(container: CommandSpec, args: Args, index = 1): CommandSpec | undefined {
  return subcommandNames[container.index].find(args, index);
}

/**
 * The command that the arguments from `index` on name: a container's subcommand when there is a second word, else the
 * command itself. undefined when either word is unknown.
 */
export function resolve(args: Args, index = 0): CommandSpec | undefined {
  const spec = commandNames.find(args, index);
  if (spec === undefined || spec.subcommands === undefined || index + 1 >= args.count) return spec;
  return lookupSubcommand(spec, args, index + 1);
}

const byName = new Map(ALL_SPECS.map((spec) => [spec.fullName, spec]));

/** By its full lower-case name, "config|get". */
export function specByName(fullName: string): CommandSpec | undefined {
  return byName.get(fullName);
}
