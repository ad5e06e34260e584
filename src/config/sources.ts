/**
 * config/sources.ts: the directives of a command line and of files, `include` followed, in the order they count.
 * Problems are collected, never thrown. Invariant: reading ends, whatever files include each other.
 */
import { basename, dirname, join, resolve } from "node:path";
import type { OriginKind } from "./config.js";
import { type Directive, reason, type Sources } from "./directive.js";
import { FILE_BYTES_MAX, parseFile } from "./file.js";
import { hasGlob, matchGlob } from "./glob.js";
import { WRONG_NUMBER } from "./value.js";

const INCLUDE_DEPTH_MAX = 16;
const DIRECTIVES_MAX = 100_000;
/** Files that all include a directory they lie in would otherwise be read in every order there is. */
const INCLUDES_MAX = 1000;
const STDIN = "standard input";

/** Flags in Redis's manner: each word after `--name` up to the next `--` belongs to it; `--name=value` works too. */
export function readFlags(
  argv: readonly string[],
  problems: string[],
): { file: string | undefined; flags: Directive[] } {
  const flags: { name: string; words: string[]; kind: OriginKind; where: string }[] = [];
  let rest = argv;
  let file: string | undefined;
  if (rest[0] !== undefined && (rest[0] === "-" || !rest[0].startsWith("-"))) {
    file = rest[0];
    rest = rest.slice(1);
  }
  for (const word of rest) {
    const last = flags.at(-1);
    if (word.startsWith("--")) {
      const equals = /^--([A-Za-z0-9_-]+)=/.exec(word);
      const name = equals === null ? word.slice(2) : (equals[1] as string);
      const words = equals === null ? [] : [word.slice(equals[0].length)];
      flags.push({ name: name.toLowerCase(), words, kind: "flag", where: `--${name}` });
    } else if (last !== undefined) last.words.push(word);
    else problems.push(`unexpected "${word}": options start with two dashes, as in --port 6379`);
  }
  return { file, flags };
}

export function readStdin({ stdin }: Sources, problems: string[]): Directive[] {
  if (stdin === undefined) {
    problems.push("the configuration cannot come from standard input here");
    return [];
  }
  try {
    return linesOf(stdin(), STDIN, problems);
  } catch (error) {
    problems.push(`cannot read the configuration from standard input: ${reason(error)}`);
    return [];
  }
}

function linesOf(bytes: Uint8Array, file: string, problems: string[]): Directive[] {
  if (bytes.length > FILE_BYTES_MAX) {
    problems.push(`${file}: too large for a config file`);
    return [];
  }
  const directives: Directive[] = [];
  for (const { number, name, words, error } of parseFile(bytes)) {
    const where = `${file}:${number}`;
    if (error !== undefined) problems.push(`${where}: ${error}`);
    else if (name === "include" && file === STDIN) problems.push(`${where}: include works in files only`);
    else directives.push({ name, words, kind: "file", where });
  }
  return directives;
}

interface Reading {
  readonly sources: Sources;
  readonly problems: string[];
  readonly into: Directive[];
  /** Files being read now, the outermost first: an include of one of them would never end. */
  readonly open: readonly string[];
  /** Files taken in by includes so far, shared by all that are open. */
  readonly included: { count: number };
}

export function readFile(reading: Reading, path: string, failure: string): void {
  const { sources, problems, into, open } = reading;
  let bytes: Uint8Array;
  try {
    bytes = sources.files.read(path);
  } catch (error) {
    problems.push(`${failure}: ${reason(error)}`);
    return;
  }
  for (const directive of linesOf(bytes, path, problems)) {
    if (into.length >= DIRECTIVES_MAX) return void problems.push(`${directive.where}: too many directives`);
    if (directive.name === "include") include({ ...reading, open: [...open, path] }, directive);
    else into.push(directive);
  }
}

/** As Redis: a path relative to the working directory, with wildcards in its last part; files come in order of name. */
function include(reading: Reading, { words, where }: Directive): void {
  const { sources, problems, open } = reading;
  if (words.length !== 1 || words[0] === "") return void problems.push(`${where}: include: ${WRONG_NUMBER}`);
  const path = resolve(sources.cwd, words[0] as string);
  let paths = [path];
  if (hasGlob(basename(path))) {
    try {
      const names = sources.files.list(dirname(path)).filter((name) => !name.startsWith("."));
      paths = names
        .filter((name) => matchGlob(basename(path), name))
        .sort()
        .map((name) => join(dirname(path), name));
    } catch (error) {
      return void problems.push(`${where}: include: cannot list ${dirname(path)}: ${reason(error)}`);
    }
  }
  for (const target of paths) {
    if (open.includes(target)) problems.push(`${where}: include: ${target} includes itself`);
    else if (open.length >= INCLUDE_DEPTH_MAX) problems.push(`${where}: include: nested too deep`);
    else if (++reading.included.count > INCLUDES_MAX) return void problems.push(`${where}: include: too many files`);
    else readFile(reading, target, `${where}: include: cannot read ${target}`);
  }
}
