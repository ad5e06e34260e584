/**
 * codec/resp/split-line.ts: the words of an inline command, with the quotes and escapes of Redis's sdssplitargs.
 */
import type { Args } from "./args.js";

const LF = 10;
const CR = 13;
const SPACE = 32;
const DOUBLE_QUOTE = 34;
const SINGLE_QUOTE = 39;
const BACKSLASH = 92;

/**
 * Split a line into arguments as a shell does, undoing quotes and escapes in place.
 * @returns false for a quote that is not closed, or closed in the middle of a word.
 */
export function splitLine(args: Args, bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  for (;;) {
    while (at < end && isSpace(bytes[at])) at++;
    // A NUL ends the line, because the original works on C strings.
    if (at >= end || bytes[at] === 0) return true;
    const begin = at;
    let to = at;
    let quote = 0;
    for (;;) {
      const byte = at < end ? bytes[at] : 0;
      if (quote === 0) {
        if (byte === 0 || byte === SPACE || byte === LF || byte === CR || byte === 9) break;
        if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) quote = byte;
        else bytes[to++] = byte;
        at++;
        continue;
      }
      if (byte === 0) return false;
      if (byte === quote) {
        const after = at + 1 < end ? bytes[at + 1] : 0;
        if (after !== 0 && !isSpace(after)) return false;
        at++;
        break;
      }
      if (byte !== BACKSLASH || at + 1 >= end || bytes[at + 1] === 0) {
        bytes[to++] = byte;
        at++;
      } else if (quote === SINGLE_QUOTE) {
        // Only the quote itself can be escaped here.
        if (bytes[at + 1] === SINGLE_QUOTE) at++;
        bytes[to++] = bytes[at++];
      } else {
        const high = at + 3 < end && bytes[at + 1] === 120 ? hexDigit(bytes[at + 2]) : -1;
        const low = high >= 0 ? hexDigit(bytes[at + 3]) : -1;
        if (low >= 0) {
          bytes[to++] = high * 16 + low;
          at += 4;
        } else {
          bytes[to++] = unescaped(bytes[at + 1]);
          at += 2;
        }
      }
    }
    args.push(begin, to - begin);
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 9 && byte <= 13);
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 97 && byte <= 102) return byte - 87;
  if (byte >= 65 && byte <= 70) return byte - 55;
  return -1;
}

/** The byte that a backslash and `byte` stand for within double quotes. */
function unescaped(byte: number): number {
  switch (byte) {
    case 110: // n
      return 10;
    case 114: // r
      return 13;
    case 116: // t
      return 9;
    case 98: // b
      return 8;
    case 97: // a
      return 7;
    default:
      return byte;
  }
}
