/**
 * config/file.ts: the grammar of redis.conf, from bytes to directives. One directive a line: a name and words; a line that
 * starts with # is a comment; "..." knows \n \r \t \b \a \xHH and \ before any other character, '...' knows only \'.
 * Pure: load.ts follows `include` and says what the names mean.
 * Invariants: never throws, whatever the bytes; splitWords(quoteWord(w)) is [w] for every word.
 */

export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** Directive's name in lower case. */
  readonly name: string;
  readonly words: readonly string[];
  /** Why the line cannot be read; name and words are empty then. */
  readonly error?: string;
}

export const FILE_BYTES_MAX: number = 16 * 1024 * 1024;

const UNBALANCED = "Unbalanced quotes in configuration line";

/** All lines that are directives, and those that cannot be read. */
export function parseFile(bytes: Uint8Array): Line[] {
  const lines: Line[] = [];
  // One char per byte here: words become UTF-8 text after the escapes, which may make up bytes of one character.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).latin1Slice();
  let number = 0;
  for (const raw of text.split("\n")) {
    number++;
    const line = parseLine(number === 1 ? raw.replace(/^\xEF\xBB\xBF/, "") : raw, number);
    if (line !== undefined) lines.push(line);
  }
  return lines;
}

/** @param raw one char per byte, without the line feed. @returns undefined for a blank line or a comment. */
export function parseLine(raw: string, number: number): Line | undefined {
  const trimmed = raw.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
  if (trimmed === "" || trimmed.startsWith("#")) return undefined;
  const words = splitWords(trimmed);
  if (words === undefined) return { number, name: "", words: [], error: UNBALANCED };
  const decoded: string[] = [];
  for (const word of words) {
    const text = utf8(word);
    if (text === undefined) return { number, name: "", words: [], error: "not valid UTF-8 text" };
    decoded.push(text);
  }
  return { number, name: (decoded[0] ?? "").toLowerCase(), words: decoded.slice(1) };
}

function utf8(binary: string): string | undefined {
  if (/^[\x00-\x7F]*$/.test(binary)) return binary;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(binary, "latin1"));
  } catch {
    return undefined;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };
const SPACE = /[ \t\n\r\v\f]/;

/** Words of a line, quotes and escapes undone; undefined when quotes do not balance or text follows a closing one. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line, at)) at++;
    if (at >= line.length) return words;
    let word = "";
    while (at < line.length && !isSpace(line, at)) {
      const quote = line[at] as string;
      if (quote !== '"' && quote !== "'") {
        word += quote;
        at++;
        continue;
      }
      const quoted = readQuoted(line, at);
      if (quoted === undefined) return undefined;
      word += quoted.text;
      at = quoted.end;
      if (at < line.length && !isSpace(line, at)) return undefined;
    }
    words.push(word);
  }
}

function isSpace(line: string, at: number): boolean {
  return SPACE.test(line[at] as string);
}

/** @param at where the opening quote stands. @returns the text inside and where the line goes on. */
function readQuoted(line: string, at: number): { text: string; end: number } | undefined {
  const quote = line[at];
  let text = "";
  for (let i = at + 1; i < line.length; i++) {
    const char = line[i] as string;
    if (char === quote) return { text, end: i + 1 };
    if (char !== "\\" || i + 1 >= line.length) {
      text += char;
      continue;
    }
    const next = line[i + 1] as string;
    if (quote === "'") {
      if (next === "'") i++;
      text += next === "'" ? "'" : char;
      continue;
    }
    const hex = /^x([0-9a-fA-F]{2})/.exec(line.slice(i + 1, i + 4));
    text += hex === null ? (ESCAPES[next] ?? next) : String.fromCharCode(Number.parseInt(hex[1] as string, 16));
    i += hex === null ? 1 : 3;
  }
  return undefined;
}

/** Words of one argument that may hold several; what cannot be split stays whole, for the check to refuse. */
export function wordsOf(text: string): string[] {
  return splitWords(text) ?? [text];
}

/** A word as a file can hold it: bare when it can be, in double quotes otherwise. Any text is possible. */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_./:@%+=,~&*$!?^{}<>|[\]()-]+$/.test(word)) return word;
  let quoted = "";
  for (const char of word) {
    const code = char.codePointAt(0) as number;
    if (char === '"' || char === "\\") quoted += `\\${char}`;
    else if (char === "\n") quoted += "\\n";
    else if (char === "\r") quoted += "\\r";
    else if (char === "\t") quoted += "\\t";
    else if (code < 32 || code === 127) quoted += `\\x${code.toString(16).padStart(2, "0")}`;
    else quoted += char;
  }
  return `"${quoted}"`;
}
