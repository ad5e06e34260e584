/**
 * cli/verbs/config.ts: `kvorum config [--show-origin] [--json] [FILE] [--option value ...]`: what `kvorum serve` with the
 * same arguments would run with. Secrets are shown as stars.
 */
import type { Setting } from "../../config/config.js";
import { formatValue } from "../../config/value.js";
import { EXIT_OK, EXIT_USAGE, exitCodeOf } from "../exit.js";
import { complain, loadHere, takeFlags } from "../load.js";

export function showConfig(argv: readonly string[]): number {
  const { found, rest } = takeFlags(argv, ["--show-origin", "--json", "--help", "-h"]);
  if (found.has("--help") || found.has("-h")) {
    process.stdout.write("Usage: kvorum config [--show-origin] [--json] [FILE | -] [--option value ...]\n");
    return EXIT_OK;
  }
  let settings: Setting[];
  try {
    settings = loadHere(rest).all();
  } catch (error) {
    complain(error);
    return exitCodeOf(error, EXIT_USAGE);
  }
  const rows = settings
    // Names that do nothing are of interest only to somebody who gave them.
    .filter(({ option, origin }) => option.noEffect === undefined || origin.kind !== "default")
    .map((setting) => ({ name: setting.option.name, value: shown(setting), origin: setting.origin.where }));
  const text = found.has("--json") ? json(rows) : lines(rows, found.has("--show-origin"));
  process.stdout.write(text);
  return EXIT_OK;
}

interface Row {
  readonly name: string;
  readonly value: string;
  readonly origin: string;
}

function shown({ option, value }: Setting): string {
  const text = formatValue(option, value);
  return option.secret === true && text !== "" ? "********" : text;
}

function json(rows: readonly Row[]): string {
  return `${JSON.stringify(Object.fromEntries(rows.map(({ name, value, origin }) => [name, { value, origin }])), null, 2)}\n`;
}

function lines(rows: readonly Row[], withOrigin: boolean): string {
  const width = Math.max(...rows.map(({ origin }) => origin.length));
  return rows
    .map(({ name, value, origin }) => {
      const line = `${name} ${value === "" ? '""' : value}\n`;
      return withOrigin ? `${origin.padEnd(width)}  ${line}` : line;
    })
    .join("");
}
