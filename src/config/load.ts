/**
 * config/load.ts: from a command line, an environment and a file to a Config. Flags win over the environment, that over the
 * file, that over the defaults. Everything that is wrong is found before the first word is said: one ConfigError names all.
 * The world comes in as arguments: this file reads no environment and no file by itself.
 * Invariants: throws nothing but ConfigError; no secret is in a message; an unknown name is never passed over.
 */
import { resolve } from "node:path";
import { type Config, ConfigStore, type Files, type Origin, type OriginKind, type Setting } from "./config.js";
import { type Directive, meant, type Sources } from "./directive.js";
import { envDirectives } from "./env.js";
import { ConfigError } from "./error.js";
import { nearest } from "./nearest.js";
import { type ConfigValues, findOption, OPTIONS, optionNames } from "./options.js";
import type { Option, OptionValue } from "./row.js";
import { type BrokenRule, brokenRule, brokenServerRule, derivedPort, doubtfulLines } from "./rules.js";
import { readFile, readFlags, readStdin } from "./sources.js";
import { formatValue, parseValue, WRONG_NUMBER } from "./value.js";
import { Warnings } from "./warnings.js";

const PROBLEMS_MAX = 20;

/**
 * The configuration of a server.
 * @throws {ConfigError} naming every problem, each with file and line, variable or flag.
 */
export function loadConfig(sources: Sources): Config {
  const problems: string[] = [];
  const { file, flags } = readFlags(sources.argv, problems);
  const directives: Directive[] = [];
  let path: string | undefined;
  if (file === "-") directives.push(...readStdin(sources, problems));
  else if (file !== undefined) {
    path = resolve(sources.cwd, file);
    readFile(
      { sources, problems, into: directives, open: [], included: { count: 0 } },
      path,
      `cannot read the config file ${path}`,
    );
  }
  directives.push(...envDirectives(sources, problems), ...flags);
  return build(directives, problems, { cwd: sources.cwd, file: path, files: sources.files, server: true });
}

/** Options of the library: the same ones by camelCase key; numbers, booleans and lists, or the text a file would have. */
export type ConfigInput = { readonly [K in keyof ConfigValues]?: ConfigValues[K] | string | undefined };

/**
 * The configuration of an embedded node: no environment and no file. `port: 0` means any free port, no `port` no TCP, no `httpPort` no HTTP.
 * @throws {ConfigError}
 */
export function configFromOptions(input: ConfigInput, cwd: string): Config {
  const problems: string[] = [];
  const directives: Directive[] = [];
  const keys = new Map(OPTIONS.flatMap((option) => (option.key === undefined ? [] : [[option.key, option] as const])));
  for (const [key, value] of Object.entries(input)) {
    if (value === undefined) continue;
    const option = keys.get(key);
    if (option === undefined) problems.push(`unknown option "${key}"${meant(nearest(key, keys.keys()))}`);
    else {
      try {
        directives.push({ name: option.name, words: inputWords(option, value), kind: "options", where: key });
      } catch {
        problems.push(`${key}: the value cannot be read as text`); // an object whose toString is not what it should be
      }
    }
  }
  for (const name of ["port", "http-port"] as const) {
    const given = name === "port" ? input.port : input.httpPort;
    if (given === undefined) directives.push({ name, words: ["0"], kind: "options", where: `no ${name}` });
  }
  return build(directives, problems, { cwd, anyPort: input.port !== undefined });
}

function inputWords(option: Option, value: unknown): string[] {
  if (Array.isArray(value)) return value.length === 0 ? [""] : value.map(String);
  if (typeof value === "boolean") return [value ? "yes" : "no"];
  if (typeof value === "number" && option.kind === "duration") return [`${value}ms`];
  if (typeof value === "number" && option.kind === "octal") return [value.toString(8)];
  if (option.kind === "limits" && typeof value === "object" && value !== null) {
    return Object.entries(value as Record<string, Record<string, unknown>>).flatMap(([name, limit]) =>
      [name, limit?.["hardBytes"], limit?.["softBytes"], limit?.["softSeconds"]].map(String),
    );
  }
  return [String(value)];
}

interface Circumstances {
  readonly cwd: string;
  readonly file?: string | undefined;
  readonly files?: Files;
  /** A server's port 0 is no TCP, and it needs something to listen on. Absent for the library. */
  readonly server?: boolean;
  /** Port 0 means any free port. */
  readonly anyPort?: boolean;
}

/** Directives in order of precedence, the weakest first, on top of the defaults. */
function build(directives: readonly Directive[], problems: string[], circumstances: Circumstances): Config {
  const warnings = new Warnings();
  const settings = new Map<string, Setting>();
  for (const option of OPTIONS) {
    settings.set(option.name, { option, value: option.default, origin: { kind: "default", where: "default" } });
  }
  const repeated = new Map<string, { kind: OriginKind; words: string[] }>();
  for (const directive of directives) {
    const option = findOption(directive.name);
    if (option === undefined) {
      const hint = nearest(directive.name, optionNames());
      const dashes = directive.kind === "flag" && hint !== undefined ? `--${hint}` : hint;
      problems.push(`${directive.where}: unknown option "${directive.name}"${meant(dashes)}`);
      continue;
    }
    const value = accept(option, directive, repeated, problems, warnings);
    if (value !== undefined) {
      settings.set(option.name, { option, value, origin: { kind: directive.kind, where: directive.where } });
    }
  }
  return finish(settings, problems, warnings.lines(), circumstances);
}

/** @returns the value, or undefined when there is none to take over: it is wrong (a problem), refused, or not followed. */
function accept(
  option: Option,
  directive: Directive,
  repeated: Map<string, { kind: OriginKind; words: string[] }>,
  problems: string[],
  warnings: Warnings,
): OptionValue | undefined {
  const { name, kind } = directive;
  let { words } = directive;
  if (words.length === 0 && option.bare !== true) {
    const hint = kind === "flag" ? " (it needs a value)" : "";
    problems.push(`${at(directive)}: ${WRONG_NUMBER}${hint}`);
    return undefined;
  }
  if (option.harmless?.(words) === true) return undefined;
  if (option.repeat === true) {
    const before = repeated.get(option.name);
    if (before?.kind === kind) words = [...before.words, ...words];
    repeated.set(option.name, { kind, words: [...words] });
  }
  const parsed = parseValue(option, words, name);
  if (parsed.error !== undefined) {
    problems.push(`${at(directive)}: ${parsed.error}${given(option, words)}`);
    return undefined;
  }
  if (parsed.adapted !== undefined) warnings.set(option.name, `${at(directive)} ${parsed.adapted}`);
  else if (option.redis !== undefined) warnings.delete(option.name); // of an earlier value
  const asDefault = formatValue(option, parsed.value) === formatValue(option, option.default);
  if (option.refuse !== undefined && !asDefault) {
    problems.push(`${at(directive)} is not supported: ${option.refuse}`);
    return undefined;
  }
  if (option.fixed !== undefined) {
    if (!asDefault) warnings.set(option.name, `${at(directive)} is not followed: ${option.fixed}`);
    return undefined;
  }
  if (option.noEffect !== undefined) {
    const line = `${at(directive)} has no effect here: ${option.noEffect}`;
    if (asDefault) warnings.setIdle(option.name, option.noEffect, name, line);
    else warnings.set(option.name, line);
  }
  return parsed.value;
}

/** A flag or a variable spells the option's name already; a line of a file does not. */
function at({ kind, where, name }: Pick<Directive, "kind" | "where" | "name">): string {
  return kind === "file" ? `${where}: ${name}` : where;
}

function given(option: Option, words: readonly string[]): string {
  if (words.some((word) => word.startsWith("#"))) return " (a comment needs a line of its own)";
  const text = words.join(" ");
  return option.secret === true || text.length > 80 ? "" : ` (given: "${text.replace(/[\x00-\x1f\x7f]/g, "?")}")`;
}

function finish(
  settings: Map<string, Setting>,
  problems: string[],
  warnings: readonly string[],
  { cwd, file, files, server, anyPort }: Circumstances,
): Config {
  const current = (name: string): OptionValue => (settings.get(name) as Setting).value;
  const put = (name: string, value: OptionValue, origin?: Origin): void => {
    const old = settings.get(name) as Setting;
    settings.set(name, { ...old, value, origin: origin ?? old.origin });
  };
  for (const { option, value } of [...settings.values()]) {
    if (option.path === true && value !== "") put(option.name, resolve(cwd, value as string));
  }
  const [peers, bind] = [current("peers") as string[], current("bind") as string[]];
  for (const name of ["http-port", "peer-port"] as const) {
    if ((settings.get(name) as Setting).origin.kind !== "default") continue;
    const { port, where } = derivedPort(name, current("port") as number, current("tls-port") as number);
    // Nobody connects to a node without peers, so no port has to be found for it.
    const wanted = name === "http-port" || peers.length > 0 || port <= 65535;
    put(name, wanted ? port : 0, { kind: "derived", where });
  }
  const config = new ConfigStore(settings.values(), {
    warnings: [...warnings, ...doubtfulLines(peers, bind, current("zone") as string)],
    file,
    files,
    anyPort: anyPort === true && current("port") === 0,
  }) as Config;
  if (problems.length === 0) {
    const broken = brokenRule(config) ?? (server === true ? brokenServerRule(config) : undefined);
    if (broken !== undefined) problems.push(ruleText(config, broken));
  }
  if (problems.length > 0) throw new ConfigError(atMost(problems));
  return config;
}

/** A broken rule, at the place where one of its options was given. */
function ruleText(config: Config, { names, text }: BrokenRule): string {
  const guilty = names.find((name) => !["default", "derived"].includes(config.origin(name).kind));
  const name = names[0] as string;
  if (guilty === undefined) return `${name}: ${text}`;
  const { kind, where } = config.origin(guilty);
  return guilty === name ? `${at({ name, kind, where })}: ${text}` : `${where}: ${name}: ${text}`;
}

function atMost(problems: readonly string[]): string[] {
  if (problems.length <= PROBLEMS_MAX) return [...problems];
  return [...problems.slice(0, PROBLEMS_MAX), `... and ${problems.length - PROBLEMS_MAX} more`];
}
