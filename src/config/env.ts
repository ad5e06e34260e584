/**
 * config/env.ts: KVORUM_* variables as directives. KVORUM_MAXMEMORY_POLICY is maxmemory-policy; for a secret,
 * KVORUM_REQUIREPASS_FILE names a file that holds it, as container platforms hand secrets out.
 * An empty variable counts as not given, because compose files pass them on empty. An unknown name is an error: a slip in
 * KVORUM_REQUIREPASS would leave the store open. Left alone are the variables that Kubernetes makes for a service called
 * kvorum, and those of the project's own tools.
 */
import { resolve } from "node:path";
import { type Directive, meant, reason, type Sources } from "./directive.js";
import { splitWords } from "./file.js";
import { nearest } from "./nearest.js";
import { OPTIONS } from "./options.js";
import type { Option } from "./row.js";

const PREFIX = "KVORUM_";
const SECRET_BYTES_MAX = 64 * 1024;
const OTHERS =
  /^KVORUM_(SERVICE_.*|PORT_[0-9]+_.*|NO_SKIP|SERVER|CLI|SEED|COMMANDS|FUZZ_SECONDS|(TEST|TESTS|BENCH|SIM|CI)_.*)$/;

/** KVORUM_MAXMEMORY_POLICY for maxmemory-policy. */
export function envName(option: string): string {
  return PREFIX + option.toUpperCase().replaceAll("-", "_");
}

/** Every variable name that says something, with the option it is for. */
function knownVariables(): Map<string, Option> {
  const known = new Map<string, Option>();
  for (const option of OPTIONS) {
    if (option.hidden === true) continue;
    for (const name of [option.name, ...(option.aliases ?? [])]) known.set(envName(name), option);
  }
  return known;
}

export function envDirectives({ env, files, cwd }: Sources, problems: string[]): Directive[] {
  // The usual case is none at all, which should cost nothing at start.
  const names = Object.keys(env).filter((name) => name.startsWith(PREFIX) && env[name] !== "");
  if (names.length === 0) return [];
  const known = knownVariables();
  const directives: Directive[] = [];
  for (const name of names.sort()) {
    const text = env[name];
    if (text === undefined) continue;
    const option = known.get(name);
    if (option !== undefined) {
      if (name === "KVORUM_PORT" && /^(tcp|udp):\/\//.test(text)) continue; // Kubernetes again
      directives.push({
        name: optionNameOf(name, option),
        words: words(option, text),
        kind: "environment",
        where: name,
      });
      continue;
    }
    const secret = name.endsWith("_FILE") ? known.get(name.slice(0, -"_FILE".length)) : undefined;
    if (secret?.secret === true) {
      const value = secretOf(name, resolve(cwd, text), { files, env }, problems);
      if (value !== undefined) directives.push({ name: secret.name, words: [value], kind: "environment", where: name });
    } else if (!OTHERS.test(name)) problems.push(`${name}: ${unknown(name, known)}`);
  }
  return directives;
}

function unknown(name: string, known: ReadonlyMap<string, Option>): string {
  const plain = name.slice(0, -"_FILE".length);
  if (name.endsWith("_FILE") && known.has(plain)) {
    return `unknown variable: only a secret is read from a file; give the value itself by ${plain}`;
  }
  return `unknown variable${meant(nearest(name, known.keys()))}`;
}

/** The option's name or the alias that the variable spells. */
function optionNameOf(variable: string, option: Option): string {
  return option.aliases?.find((alias) => envName(alias) === variable) ?? option.name;
}

/** A variable holds one text; options that take several words find them in it as in a line of the file. */
function words(option: Option, text: string): readonly string[] {
  const several = option.kind === "words" || option.kind === "limits";
  return several ? (splitWords(text) ?? [text]) : [text];
}

function secretOf(
  name: string,
  path: string,
  { files, env }: Pick<Sources, "files" | "env">,
  problems: string[],
): string | undefined {
  const plain = name.slice(0, -"_FILE".length);
  if (env[plain] !== undefined && env[plain] !== "") {
    problems.push(`${name}: ${plain} is set too; keep one of them`);
    return undefined;
  }
  try {
    const bytes = files.read(path);
    if (bytes.length > SECRET_BYTES_MAX) problems.push(`${name}: ${path} is too large for a secret`);
    // The line feed that editors and echo leave is not part of the secret.
    else return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch (error) {
    problems.push(`${name}: cannot read ${path}: ${reason(error)}`);
  }
  return undefined;
}
