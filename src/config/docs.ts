/**
 * config/docs.ts: the option table in words: `kvorum serve --help` and docs/OPTIONS.md. A test holds the file against the
 * table. Nothing is said here that the table does not say.
 */
import { formatBytes } from "../lib/units.js";
import { envName } from "./env.js";
import { OPTIONS, REDIS_NAMES } from "./options.js";
import type { Option } from "./row.js";
import { formatValue } from "./value.js";

const GROUPS: readonly string[] = [...new Set(OPTIONS.map(({ group }) => group))];

function optionsOf(group: string): Option[] {
  return OPTIONS.filter((option) => option.group === group);
}

/** What may be given, for people: `bytes, 1kb to 512mb`. */
function typeText({ kind, unit, min, max, values, separator }: Option): string {
  switch (kind) {
    case "bool":
      return "yes or no";
    case "enum":
      return (values as readonly string[]).join(", ");
    case "bytes":
      return `bytes${rangeText(min, max, formatBytes)}`;
    case "duration":
      return `duration${rangeText(min, max, (ms) => (ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`))}`;
    case "octal":
      return `${unit}${rangeText(min, max, (mode) => mode.toString(8))}`;
    case "int":
      return `${UNITS[unit ?? ""] ?? unit}${rangeText(min, max, String)}`;
    case "list":
      return separator === "," ? "words, with commas" : "words";
    case "limits":
      return "class, hard, soft, seconds";
    case "words":
      return "words";
    default:
      return "text";
  }
}

const UNITS: Readonly<Record<string, string>> = { "": "number", s: "seconds", ms: "milliseconds", us: "microseconds" };

function rangeText(min: number | undefined, max: number | undefined, text: (value: number) => string): string {
  if (min === undefined) return "";
  // Limits this high are those of the arithmetic, not anybody's choice.
  return max === undefined || max >= 2147483647 * 2 ? `, from ${text(min)}` : `, ${text(min)} to ${text(max)}`;
}

function defaultText(option: Option): string {
  if (option.derived !== undefined) return option.derived;
  if (option.kind === "bytes") return formatBytes(option.default as number);
  if (option.kind === "duration") return `${formatValue(option, option.default)}s`;
  return formatValue(option, option.default);
}

/**
 * The sections of `kvorum serve --help`, without a heading.
 * @param width columns to wrap at.
 */
export function helpText(width: number): string {
  const lines: string[] = [];
  for (const group of GROUPS) {
    if (group === REDIS_NAMES) continue;
    lines.push("", `${group}:`);
    for (const option of optionsOf(group)) {
      const preset = defaultText(option);
      const shown = `${option.doc} (${typeText(option)}${preset === "" ? "" : `; default ${preset}`})`;
      lines.push(...wrap(shown, `  --${option.name}`, width));
      if (option.unsafe !== undefined) lines.push(...wrap(option.unsafe, "", width));
    }
  }
  const names = optionsOf(REDIS_NAMES).filter(({ refuse, hidden }) => refuse === undefined && hidden !== true);
  const more = `${names.length} more are accepted with a warning; docs/OPTIONS.md lists them.`;
  lines.push("", ...wrap(more, `${REDIS_NAMES}:`, width));
  return lines.slice(1).join("\n");
}

const INDENT = 30;

/** Text in a column of its own, its label left of the first line. */
function wrap(text: string, label: string, width: number): string[] {
  const lines: string[] = [];
  let line = label.length < INDENT - 1 ? label.padEnd(INDENT) : `${label}  `;
  let filled = line.length;
  for (const word of text.split(" ")) {
    if (line.length + word.length + 1 > width && line.length > filled) {
      lines.push(line.trimEnd());
      line = " ".repeat(INDENT);
      filled = INDENT;
    }
    line += line.length > filled ? ` ${word}` : word;
  }
  lines.push(line.trimEnd());
  return lines;
}

/** All of docs/OPTIONS.md. */
export function optionsMarkdown(): string {
  const parts = [INTRODUCTION];
  for (const group of GROUPS) {
    if (group !== REDIS_NAMES) parts.push(`## ${group}\n\n${optionsOf(group).map(optionMarkdown).join("\n\n")}`);
  }
  parts.push(redisNamesMarkdown());
  return `${parts.join("\n\n")}\n`;
}

const INTRODUCTION = `# Options

This file is made from the option table in \`src/config/\`; change that and run its test with \`UPDATE=1\`.

Every option can be given four ways. A flag wins over the environment, the environment over the file, the file over the default:

| way | example |
|---|---|
| flag | \`kvorum serve --maxmemory 2gb\` |
| environment | \`KVORUM_MAXMEMORY=2gb\`; for secrets also \`KVORUM_REQUIREPASS_FILE=/run/secrets/pass\` |
| file | \`maxmemory 2gb\` in the file of \`kvorum serve FILE\`; the grammar is redis.conf's, \`-\` is standard input |
| default | as below |

\`kvorum config --show-origin\` says what holds and where it came from. \`CONFIG GET\` shows every option; \`CONFIG SET\` changes those
marked *changes at run time*; \`CONFIG REWRITE\` writes changes back to the file, keeping its comments and order.
A name that is no option is an error (exit code 64) with file, line and the nearest name, and so is an unknown \`KVORUM_\` variable; an
empty variable counts as not given.

Sizes: \`k\` is 1000 and \`kb\` 1024 bytes, likewise \`m\`, \`mb\`, \`g\`, \`gb\`. Durations: \`500ms\`, \`5s\`, \`2m\`, \`1h\`, \`1d\`; a bare number counts
in the unit given. Booleans: \`yes\` and \`no\`.`;

function optionMarkdown(option: Option): string {
  const facts = [typeText(option)];
  const preset = defaultText(option);
  facts.push(preset === "" ? "default empty" : `default \`${preset}\``);
  if (option.change === "reloadable") facts.push("changes at run time");
  if (option.scope === "cluster") facts.push("the same on all nodes");
  if (option.secret === true) facts.push("secret");
  if (option.aliases !== undefined) facts.push(`also ${option.aliases.map((name) => `\`${name}\``).join(", ")}`);
  const lines = [`### ${option.name}`, "", option.doc, "", `${facts.join("; ")}. \`${envName(option.name)}\``];
  if (option.unsafe !== undefined) lines.push("", `**${option.unsafe}**`);
  if (option.refuse !== undefined) lines.push("", `Any other value is refused: ${option.refuse}.`);
  return lines.join("\n");
}

function redisNamesMarkdown(): string {
  const options = optionsOf(REDIS_NAMES);
  const lines = [
    `## ${REDIS_NAMES}`,
    "",
    "A redis.conf loads as it stands. These names do nothing here; those that are given are told in one warning for each reason, and one that is given another value than Redis's default in one of its own.",
    "",
    "### Always the same",
    "",
    "Any value is accepted, with a warning when it asks for something else.",
    "",
    "| name | reads | why |",
    "|---|---|---|",
  ];
  for (const option of options.filter(({ fixed }) => fixed !== undefined)) {
    lines.push(`| \`${option.name}\` | \`${defaultText(option) || '""'}\` | ${option.fixed} |`);
  }
  lines.push("", "### Refused", "", "An error at start: to pass over these silently would be dangerous.", "");
  lines.push("| name | why |", "|---|---|");
  for (const option of options.filter(({ refuse }) => refuse !== undefined)) {
    lines.push(`| ${namesText(option)} | ${option.refuse} |`);
  }
  lines.push("", "### Without effect", "", "Stored, and shown by CONFIG GET.", "", "| names | why |", "|---|---|");
  const reasons = new Set(options.flatMap(({ noEffect }) => (noEffect === undefined ? [] : [noEffect])));
  for (const why of reasons) {
    const names = options.filter(({ noEffect }) => noEffect === why).map(namesText);
    lines.push(`| ${names.join(", ")} | ${why} |`);
  }
  return lines.join("\n");
}

function namesText({ name, aliases }: Option): string {
  return [name, ...(aliases ?? [])].map((text) => `\`${text}\``).join(", ");
}
