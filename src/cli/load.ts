/**
 * cli/load.ts: the configuration of this process: its arguments, environment, working directory and standard input.
 */
import { readFileSync } from "node:fs";
import type { Config } from "../config/config.js";
import { loadConfig } from "../config/load.js";
import { realFiles } from "./files.js";

const STDIN = 0;

/** @throws {ConfigError} */
export function loadHere(argv: readonly string[]): Config {
  return loadConfig({
    argv,
    env: process.env,
    cwd: process.cwd(),
    files: realFiles,
    stdin: () => readFileSync(STDIN),
  });
}

/** Takes words such as --check-config out of the arguments; says which were there. */
export function takeFlags(argv: readonly string[], names: readonly string[]): { found: Set<string>; rest: string[] } {
  const found = new Set(argv.filter((word) => names.includes(word)));
  return { found, rest: argv.filter((word) => !names.includes(word)) };
}

/** An error for the terminal, one `kvorum:` line for each of its own. */
export function complain(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${text.replace(/^/gm, "kvorum: ")}\n`);
}
