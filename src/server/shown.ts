/**
 * server/shown.ts: a command's arguments for people and logs: quoted as Redis quotes them, secrets left out.
 * Invariant: what AUTH and HELLO ... AUTH carry is never shown, nor passwords set by CONFIG SET.
 */
import type { Args } from "../codec/resp/args.js";
import { findOption } from "../config/options.js";

export const REDACTED = "(redacted)";

/** The argument as text, or REDACTED. */
function shownArg(args: Args, index: number): string {
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

export function isSecret(args: Args, index: number): boolean {
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

const NAMED: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
};

/** How each byte is shown, in ESCAPE_BYTES_MAX bytes of a table, and how many of them it takes. */
export const ESCAPE_BYTES_MAX = 4;
const ESCAPES: Buffer = Buffer.alloc(256 * ESCAPE_BYTES_MAX);
const ESCAPE_BYTES: Uint8Array = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte);
  const plain = byte >= 0x20 && byte <= 0x7e;
  const shown = NAMED[char] ?? (plain ? char : `\\x${byte.toString(16).padStart(2, "0")}`);
  ESCAPE_BYTES[byte] = ESCAPES.latin1Write(shown, byte * ESCAPE_BYTES_MAX);
}

/** Write bytes[from .. to) with escapes for what is not printable. @returns where it ends in `target`, which has room. */
export function escapeInto(target: Buffer, at: number, bytes: Buffer, from: number, to: number): number {
  let end = at;
  for (let i = from; i < to; i++) {
    const entry = bytes[i] * ESCAPE_BYTES_MAX;
    const length = ESCAPE_BYTES[bytes[i]];
    for (let j = 0; j < length; j++) target[end++] = ESCAPES[entry + j];
  }
  return end;
}
