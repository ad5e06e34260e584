/**
 * commands/spec.ts: the shape of one row of the command table. COMMAND, COMMAND DOCS, HELP, ACL categories, arity
 * checks, key extraction and the documentation are all derived from these rows.
 * A CommandRow is what people write (rows/*.ts); a CommandSpec is the same with everything worked out once, at start.
 * Invariant: all CommandSpecs have the same hidden class, so that reading one on the hot path is one load.
 */
import { assert } from "../lib/assert.js";
import type { Context } from "./context.js";
import { type KeySpec, parseKeySpecs, parseSyntax } from "./syntax.js";

export type Handler = (c: Context) => void;

/**
 * How a command reaches keys, which decides where it may run:
 * - "key": one key, the argument at `firstKey`; the executor finds the key, calls the handler, applies its outcome.
 * - "each": the same single-key handler once per key (args of one step are re-presented as [name, key, (value)]);
 *   `reduce` joins the replies. In a cluster each key is decided on its own.
 * - "keys": several keys that belong together (RENAME, COPY, MSETNX, BITOP...): uses Context.space directly.
 * - "space": the whole keyspace (SCAN, KEYS, DBSIZE...): uses Context.space.
 * - "host": connection and server commands: the server room binds the handler by name.
 */
export type Kind = "key" | "each" | "keys" | "space" | "host";

export const KIND_KEY = 0;
export const KIND_EACH = 1;
const KINDS: readonly Kind[] = ["key", "each", "keys", "space", "host"];

/** How "each" joins per-key results: integers added up, replies collected as an array, or one +OK. */
export type Reduce = "sum" | "array" | "ok";

/** Redis's command flags; they are what COMMAND prints. */
export type Flag =
  | "write"
  | "readonly"
  | "denyoom"
  | "admin"
  | "pubsub"
  | "noscript"
  | "blocking"
  | "loading"
  | "stale"
  | "skip_monitor"
  | "skip_slowlog"
  | "asking"
  | "fast"
  | "no_auth"
  | "no_async_loading"
  | "no_multi"
  | "movablekeys"
  | "allow_busy";

/** In the order in which COMMAND prints them. */
const FLAGS: readonly Flag[] = [
  "write",
  "readonly",
  "denyoom",
  "admin",
  "pubsub",
  "noscript",
  "blocking",
  "loading",
  "stale",
  "skip_monitor",
  "skip_slowlog",
  "asking",
  "fast",
  "no_auth",
  "no_async_loading",
  "no_multi",
  "movablekeys",
  "allow_busy",
];

/** ACL categories, in the order in which ACL CAT and COMMAND print them. */
export const CATEGORIES: readonly string[] = [
  "keyspace",
  "read",
  "write",
  "set",
  "sortedset",
  "list",
  "hash",
  "string",
  "bitmap",
  "hyperloglog",
  "geo",
  "stream",
  "pubsub",
  "admin",
  "fast",
  "slow",
  "blocking",
  "dangerous",
  "connection",
  "transaction",
  "scripting",
];

/** One argument of a command for COMMAND DOCS (Redis 7.2's vocabulary). */
export interface ArgDoc {
  readonly name: string;
  readonly type: "string" | "integer" | "double" | "key" | "pattern" | "unix-time" | "pure-token" | "oneof" | "block";
  readonly token?: string;
  readonly flags?: readonly ("optional" | "multiple" | "multiple_token")[];
  readonly since?: string;
  readonly keySpecIndex?: number;
  readonly args?: readonly ArgDoc[];
}

/** A command as it is written down. */
export interface CommandRow {
  /** Lower case. A subcommand is named by its last word only ("get" under "config"). */
  readonly name: string;
  readonly summary: string;
  readonly since: string;
  /** generic string server connection transactions cluster bitmap ... (COMMAND DOCS group). */
  readonly group: string;
  readonly complexity: string;
  /** Positive: exactly so many arguments, name included; negative: at least. For a container's subcommand: both words count. */
  readonly arity: number;
  /** Flags, separated by spaces. */
  readonly flags?: string;
  /** ACL categories beyond those that flags and group imply, separated by spaces, without the @; one with a "-" is not implied. */
  readonly acl?: string;
  /** Key positions and what happens to the keys there, see syntax.ts: "1..-1 RM delete". */
  readonly keys?: string;
  /** Arguments after the name, see syntax.ts: "key value [condition=NX|XX]". */
  readonly args?: string;
  /** "host" when absent. */
  readonly kind?: Kind;
  readonly reduce?: Reduce;
  /** Absent for kind "host" (bound by the server) and for containers. */
  readonly run?: Handler;
  readonly subcommands?: readonly CommandRow[];
  readonly tips?: readonly string[];
  /** A read that is not a use: LRU, LFU and keyspace_hits do not see it (TTL, TYPE, OBJECT). */
  readonly untouched?: boolean;
  /** A write that reads its key first, as a reader does: a use of the key, a hit or a miss. */
  readonly touched?: boolean;
  /** With exactly this many arguments the handler does not look at the key, which is then not looked up (plain SET). */
  readonly blindCount?: number;
  /** Deprecated since, and what to use in its place. */
  readonly deprecated?: readonly [since: string, replacedBy: string];
}

/** Groups whose name differs from the ACL category they imply; the others imply their own name, when it is a category. */
const GROUP_CATEGORY: Readonly<Record<string, string>> = { generic: "keyspace", transactions: "transaction" };

export class CommandSpec {
  /** Dense, from 0, subcommands included: an index for arrays of counters. */
  readonly index: number;
  readonly name: string;
  /** As statistics, ACLs and arity errors name it: "config|get". */
  readonly fullName: string;
  readonly summary: string;
  readonly since: string;
  readonly group: string;
  readonly complexity: string;
  readonly arity: number;
  readonly flags: readonly Flag[];
  /** ACL categories without the @, in the order of CATEGORIES. */
  readonly categories: readonly string[];
  /** COMMAND's key positions: first, last (negative from the end), step; 0 0 0 for none. */
  readonly firstKey: number;
  readonly lastKey: number;
  readonly step: number;
  readonly keySpecs: readonly KeySpec[];
  readonly kind: Kind;
  /** `kind` as a small integer: its place in KINDS. */
  readonly kindCode: number;
  readonly reduce: Reduce | undefined;
  readonly run: Handler | undefined;
  readonly subcommands: readonly CommandSpec[] | undefined;
  /** The arguments as written in the row. */
  readonly syntax: string;
  readonly tips: readonly string[];
  /** Does looking its key up count as a use? */
  readonly touch: boolean;
  readonly blindCount: number;
  readonly deprecated: readonly [since: string, replacedBy: string] | undefined;
  readonly write: boolean;
  readonly denyOom: boolean;
  private parsedArgs: readonly ArgDoc[] | undefined = undefined;

  /** @param take gives the next index. */
  constructor(row: CommandRow, parent: string, take: () => number) {
    this.index = take();
    this.name = row.name;
    this.fullName = parent === "" ? row.name : `${parent}|${row.name}`;
    this.summary = row.summary;
    this.since = row.since;
    this.group = row.group;
    this.complexity = row.complexity;
    this.arity = row.arity;
    this.flags = flagsOf(row);
    this.categories = categoriesOf(row, this.flags);
    this.keySpecs = parseKeySpecs(row.keys ?? "");
    const first = this.keySpecs[0];
    this.firstKey = first === undefined ? 0 : first.first;
    this.lastKey = first === undefined ? 0 : this.keySpecs[this.keySpecs.length - 1].last;
    this.step = first === undefined ? 0 : first.step;
    this.kind = row.kind ?? "host";
    this.kindCode = KINDS.indexOf(this.kind);
    this.reduce = row.reduce;
    this.run = row.run;
    this.subcommands = row.subcommands?.map((sub) => new CommandSpec(sub, row.name, take));
    this.syntax = row.args ?? "";
    this.tips = row.tips ?? [];
    this.write = this.flags.includes("write");
    this.denyOom = this.flags.includes("denyoom");
    this.touch = row.touched === true || (this.flags.includes("readonly") && row.untouched !== true);
    this.blindCount = row.blindCount ?? 0;
    this.deprecated = row.deprecated;
  }

  /** The arguments for COMMAND DOCS; parsed when first asked for. */
  get args(): readonly ArgDoc[] {
    this.parsedArgs ??= parseSyntax(this.syntax);
    return this.parsedArgs;
  }
}

function flagsOf(row: CommandRow): Flag[] {
  const words = (row.flags ?? "").split(" ").filter((word) => word !== "");
  const flags = FLAGS.filter((flag) => words.includes(flag));
  assert(flags.length === words.length, "unknown flag in the command table", row.name, row.flags);
  return flags;
}

function categoriesOf(row: CommandRow, flags: readonly Flag[]): string[] {
  const all = new Set((row.acl ?? "").split(" ").filter((word) => word !== ""));
  // A container itself does nothing, so nothing follows from its group.
  if (row.subcommands === undefined) all.add(GROUP_CATEGORY[row.group] ?? row.group);
  if (flags.includes("write")) all.add("write");
  if (flags.includes("readonly")) all.add("read");
  if (flags.includes("admin")) all.add("admin").add("dangerous");
  if (flags.includes("pubsub")) all.add("pubsub");
  if (flags.includes("blocking")) all.add("blocking");
  all.add(flags.includes("fast") ? "fast" : "slow");
  return CATEGORIES.filter((category) => all.has(category) && !all.has(`-${category}`));
}
