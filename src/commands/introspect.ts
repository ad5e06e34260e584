/**
 * commands/introspect.ts: COMMAND and its subcommands, ACL CAT and every HELP, written from the command table.
 * Shapes are those of Redis 7.2, because redis-cli dies of others: names and documentation as bulk strings, flags as simple
 * strings, maps and sets in RESP3.
 * The server room binds these handlers by full name, as it binds its own.
 */
import type { Args } from "../codec/resp/args.js";
import { globMatches } from "../lib/glob.js";
import type { Context } from "./context.js";
import { arityOk, writeUnknownSubcommand } from "./execute.js";
import { isWord } from "./numbers.js";
import { type ArgDoc, CATEGORIES, type CommandSpec, type Handler } from "./spec.js";
import type { KeySpec } from "./syntax.js";
import { ALL_SPECS, COMMANDS, resolve, specByName } from "./table.js";
import { SYNTAX, upToNul } from "./texts.js";

/** Handlers by full name, "command|docs". */
export const INTROSPECTION: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ["command", (c) => writeAll(c, COMMANDS)],
  ["command|count", (c) => c.reply.int(COMMANDS.length)],
  ["command|info", commandInfo],
  ["command|list", commandList],
  ["command|docs", commandDocs],
  ["command|getkeys", (c) => getKeys(c, false)],
  ["command|getkeysandflags", (c) => getKeys(c, true)],
  ["acl|cat", aclCat],
  ...ALL_SPECS.filter((spec) => spec.subcommands !== undefined).map((container): [string, Handler] => [
    `${container.name}|help`,
    (c) => writeHelp(c, container),
  ]),
]);

function writeAll(c: Context, specs: readonly CommandSpec[]): void {
  c.reply.array(specs.length);
  for (const spec of specs) writeInfo(c, spec);
}

/** The ten elements of COMMAND's entry. */
function writeInfo(c: Context, spec: CommandSpec): void {
  const { reply } = c;
  reply.array(10);
  reply.bulkText(spec.fullName);
  reply.int(spec.arity);
  reply.set(spec.flags.length);
  for (const flag of spec.flags) reply.simple(flag);
  reply.int(spec.firstKey);
  reply.int(spec.lastKey);
  reply.int(spec.step);
  reply.set(spec.categories.length);
  for (const category of spec.categories) reply.simple(`@${category}`);
  reply.set(spec.tips.length);
  for (const tip of spec.tips) reply.bulkText(tip);
  reply.set(spec.keySpecs.length);
  for (const keySpec of spec.keySpecs) writeKeySpec(c, keySpec);
  writeAll(c, spec.subcommands ?? []);
}

function writeKeySpec(c: Context, keySpec: KeySpec): void {
  const { reply } = c;
  reply.map(3);
  reply.bulkText("flags");
  reply.set(keySpec.flags.length);
  for (const flag of keySpec.flags) reply.simple(flag);
  reply.bulkText("begin_search");
  reply.map(2);
  reply.bulkText("type");
  reply.bulkText("index");
  reply.bulkText("spec");
  reply.map(1);
  reply.bulkText("index");
  reply.int(keySpec.first);
  reply.bulkText("find_keys");
  reply.map(2);
  reply.bulkText("type");
  reply.bulkText("range");
  reply.bulkText("spec");
  reply.map(3);
  reply.bulkText("lastkey");
  // Here the last key is counted from the first.
  reply.int(keySpec.last < 0 ? keySpec.last : keySpec.last - keySpec.first);
  reply.bulkText("keystep");
  reply.int(keySpec.step);
  reply.bulkText("limit");
  reply.int(0);
}

function commandInfo(c: Context): void {
  const { args, reply } = c;
  if (args.count === 2) {
    writeAll(c, COMMANDS);
    return;
  }
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    if (reply.tooLong) return; // there may be a million names
    const spec = specByName(args.lower(i));
    if (spec === undefined) reply.nullBulk();
    else writeInfo(c, spec);
  }
}

function commandList(c: Context): void {
  const { args, reply } = c;
  // Subcommands too, unlike COMMAND itself.
  let chosen: readonly CommandSpec[] = ALL_SPECS;
  if (args.count > 2) {
    const filtered = args.count === 5 && isWord(args, 2, "filterby") ? filterBy(c, 3) : undefined;
    if (filtered === undefined) {
      reply.error(SYNTAX);
      return;
    }
    chosen = filtered;
  }
  reply.array(chosen.length);
  for (const spec of chosen) reply.bulkText(spec.fullName);
}

function filterBy(c: Context, index: number): CommandSpec[] | undefined {
  const { args } = c;
  if (isWord(args, index, "module")) return [];
  if (isWord(args, index, "aclcat")) return inCategory(args.lower(index + 1));
  if (!isWord(args, index, "pattern")) return undefined;
  const pattern = args.view(index + 1);
  return ALL_SPECS.filter(({ fullName }) => globMatches(pattern, Buffer.from(fullName), 0, fullName.length, true));
}

function inCategory(category: string): CommandSpec[] {
  return ALL_SPECS.filter((spec) => spec.categories.includes(category));
}

function aclCat(c: Context): void {
  const { args, reply } = c;
  if (args.count > 3) {
    reply.error(`ERR unknown subcommand or wrong number of arguments for '${upToNul(args.text(1))}'. Try ACL HELP.`);
    return;
  }
  if (args.count === 2) {
    reply.array(CATEGORIES.length);
    for (const category of CATEGORIES) reply.bulkText(category);
    return;
  }
  const category = args.lower(2);
  if (!CATEGORIES.includes(category)) {
    reply.error(`ERR Unknown category '${upToNul(args.text(2))}'`);
    return;
  }
  const specs = inCategory(category);
  reply.array(specs.length);
  for (const spec of specs) reply.bulkText(spec.fullName);
}

function commandDocs(c: Context): void {
  const { args } = c;
  const specs: CommandSpec[] = [];
  for (let i = 2; i < args.count; i++) {
    const spec = specByName(args.lower(i));
    if (spec !== undefined) specs.push(spec);
  }
  writeDocsOf(c, args.count === 2 ? COMMANDS : specs);
}

function writeDocsOf(c: Context, specs: readonly CommandSpec[]): void {
  c.reply.map(specs.length);
  for (const spec of specs) {
    // There may be a million names.
    if (c.reply.tooLong) return;
    c.reply.bulkText(spec.fullName);
    writeDocs(c, spec);
  }
}

function writeDocs(c: Context, spec: CommandSpec): void {
  const { reply } = c;
  const { deprecated, subcommands, args } = spec;
  const fields: [name: string, value: string][] = [
    ["summary", spec.summary],
    ["since", spec.since],
    ["group", spec.group],
    ["complexity", spec.complexity],
  ];
  if (deprecated !== undefined) fields.push(["deprecated_since", deprecated[0]], ["replaced_by", deprecated[1]]);
  const flags = deprecated === undefined ? 0 : 1;
  reply.map(fields.length + flags + (args.length > 0 ? 1 : 0) + (subcommands === undefined ? 0 : 1));
  for (const [name, value] of fields) {
    reply.bulkText(name);
    reply.bulkText(value);
    if (name !== "complexity" || flags === 0) continue;
    reply.bulkText("doc_flags");
    reply.set(1);
    reply.simple("deprecated");
  }
  if (args.length > 0) {
    reply.bulkText("arguments");
    writeArgs(c, args);
  }
  if (subcommands !== undefined) {
    reply.bulkText("subcommands");
    writeDocsOf(c, subcommands);
  }
}

function writeArgs(c: Context, args: readonly ArgDoc[]): void {
  c.reply.array(args.length);
  for (const arg of args) writeArg(c, arg);
}

function writeArg(c: Context, arg: ArgDoc): void {
  const { reply } = c;
  const texts: [name: string, value: string | undefined][] = [
    ["name", arg.name],
    ["type", arg.type],
    ["display_text", arg.args === undefined ? arg.name : undefined],
    ["token", arg.token],
    ["since", arg.since],
  ];
  const written = texts.filter(([, value]) => value !== undefined) as [string, string][];
  const others = [arg.keySpecIndex, arg.flags, arg.args].filter((value) => value !== undefined);
  reply.map(written.length + others.length);
  for (const [name, value] of written) {
    reply.bulkText(name);
    reply.bulkText(value);
  }
  if (arg.keySpecIndex !== undefined) {
    reply.bulkText("key_spec_index");
    reply.int(arg.keySpecIndex);
  }
  if (arg.flags !== undefined) {
    reply.bulkText("flags");
    reply.set(arg.flags.length);
    for (const flag of arg.flags) reply.simple(flag);
  }
  if (arg.args !== undefined) {
    reply.bulkText("arguments");
    writeArgs(c, arg.args);
  }
}

/** One key of a command: which argument it is, and what the command does to it. */
export interface KeyUse {
  readonly index: number;
  readonly flags: readonly string[];
}

/**
 * The keys among a command's arguments, which begin at `from`; what is missing at the end is left out.
 * @returns in the order of the arguments.
 */
export function keysOf(spec: CommandSpec, args: Args, from = 0): KeyUse[] {
  const uses: KeyUse[] = [];
  const count = args.count - from;
  for (const keySpec of spec.keySpecs) {
    const last = keySpec.last < 0 ? count + keySpec.last : keySpec.last;
    const flags = keySpec.flags.includes("variable_flags") ? flagsInUse(spec, args, from) : keySpec.flags;
    for (let i = keySpec.first; i <= last && i < count; i += keySpec.step) uses.push({ index: from + i, flags });
  }
  return uses;
}

const READS = ["RO", "access"];
const READS_AND_WRITES = ["RW", "access", "update"];
const WRITES = ["OW", "update"];

/** SET reads only with GET (or a comparison), BITFIELD writes only with SET or INCRBY. */
function flagsInUse(spec: CommandSpec, args: Args, from: number): readonly string[] {
  const has = (first: number, ...words: string[]): boolean => {
    for (let i = from + first; i < args.count; i++) if (words.some((word) => isWord(args, i, word))) return true;
    return false;
  };
  if (spec.name === "set") return has(3, "get", "ifeq", "ifne") ? READS_AND_WRITES : WRITES;
  return has(2, "set", "incrby") ? READS_AND_WRITES : READS;
}

function getKeys(c: Context, withFlags: boolean): void {
  const { args, reply } = c;
  const spec = resolve(args, 2);
  if (spec === undefined) reply.error("ERR Invalid command specified");
  else if (spec.keySpecs.length === 0) reply.error("ERR The command has no key arguments");
  else if (!arityOk(spec, args.count - 2)) reply.error("ERR Invalid number of arguments specified for command");
  else {
    const uses = keysOf(spec, args, 2);
    reply.array(uses.length);
    for (const { index, flags } of uses) {
      if (withFlags) reply.array(2);
      reply.bulk(args.bytes, args.start[index], args.length[index]);
      if (!withFlags) continue;
      reply.set(flags.length);
      for (const flag of flags) reply.simple(flag);
    }
  }
}

/** What the subcommands of a container are, as lines for people. */
function writeHelp(c: Context, container: CommandSpec): void {
  const subcommands = container.subcommands ?? [];
  if (c.args.count !== 2) {
    writeUnknownSubcommand(c.reply, container, c.args);
    return;
  }
  const name = container.name.toUpperCase();
  const lines = [`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  for (const spec of subcommands) {
    const usage = usageOf(spec.args);
    lines.push(`${spec.name.toUpperCase()}${usage === "" ? "" : ` ${usage}`}`, `    ${spec.summary}`);
  }
  c.reply.array(lines.length);
  for (const line of lines) c.reply.simple(line);
}

/** The arguments as one writes them in a manual: "key [NX|XX] [EX seconds]". */
export function usageOf(args: readonly ArgDoc[]): string {
  return args.map(usage).join(" ");
}

function usage(arg: ArgDoc): string {
  const flags = arg.flags ?? [];
  let text = arg.type === "pure-token" ? "" : arg.name;
  if (arg.type === "oneof") text = (arg.args ?? []).map(usage).join("|");
  else if (arg.type === "block") text = usageOf(arg.args ?? []);
  else if (arg.type !== "pure-token") text = `<${arg.name}>`;
  if (arg.token !== undefined) text = text === "" ? arg.token : `${arg.token} ${text}`;
  if (flags.includes("multiple")) text = `${text} [${text} ...]`;
  return flags.includes("optional") ? `[${text}]` : text;
}
