/**
 * server/shown.ts: a command's arguments for people and logs: quoted as Redis quotes them, secrets left out.
 * Invariant: what AUTH and HELLO ... AUTH carry is never shown, nor passwords set by CONFIG SET.
 */
import type { Args } from "../codec/resp/args.js";
import { findOption } from "../config/options.js";

const REDACTED = "(redacted)";

/** The argument as text, or REDACTED. */
export function shownArg(args: Args, index: number): string {
  return isSecret(args, index) ? REDACTED : args.text(index);
}

/**
 * The same, cut to `charsMax` with a word about the rest.
 * Cut before it becomes text: a part of a string keeps all of it in memory, and an argument may have 64 MiB.
 */
export function shownPart(args: Args, index: number, charsMax: number): string {
  const more = args.length[index] - charsMax;
  if (more <= 0 || isSecret(args, index)) return shownArg(args, index);
  const start = args.start[index];
  return `${args.bytes.latin1Slice(start, start + charsMax)}... (${more} more bytes)`;
}

function isSecret(args: Args, index: number): boolean {
  if (index === 0) return false;
  switch (args.lower(0)) {
    case "auth":
      return true;
    case "hello":
      return (index > 1 && args.lower(index - 1) === "auth") || (index > 2 && args.lower(index - 2) === "auth");
    case "config":
      return (
        index > 2 && index % 2 === 1 && args.lower(1) === "set" && findOption(args.lower(index - 1))?.secret === true
      );
    default:
      return false;
  }
}

/** In double quotes, with escapes for what is not printable. */
export function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]|["\\]/g, escapeOf)}"`;
}

const NAMED: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
};

function escapeOf(char: string): string {
  return NAMED[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
