/**
 * lib/glob.ts: does a name match a pattern? On bytes, with exactly the rules of Redis's KEYS, SCAN MATCH, CONFIG GET and
 * PSUBSCRIBE: `*` any bytes, `?` one byte, `[a-z]` `[^a-z]` a class, `\` takes the next byte as it is.
 * Invariant: O(pattern * name) at worst. Only the last `*` is ever tried again, which is enough because what follows an
 * earlier one has matched already; trying all of them is what makes naive matchers exponential.
 * Oddities kept: an unclosed class ends with the pattern; a range may be given backwards; a lone `\` at the end is itself.
 * Not kept: on x86 (and not on ARM) Redis takes bytes from 0x80 on for negative numbers in ranges; here they are 128..255.
 */

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const BACKSLASH = 92;
const CLOSE = 93;
const CARET = 94;
const DASH = 45;

/** Does bytes[at .. at + length) match? @param nocase letters match in either case. */
export function globMatches(
  pattern: Uint8Array,
  bytes: Uint8Array,
  at: number,
  length: number,
  nocase = false,
): boolean {
  const end = at + length;
  const stop = pattern.length;
  let p = 0;
  let s = at;
  // Where to go on when what follows the last star does not match: one byte later.
  let starP = -1;
  let starS = 0;
  while (s < end) {
    if (p < stop && pattern[p] === STAR) {
      while (p < stop && pattern[p] === STAR) p++;
      if (p === stop) return true;
      starP = p;
      starS = s;
      continue;
    }
    const next = p < stop ? matchOne(pattern, p, bytes[s], nocase) : -1;
    if (next >= 0) {
      p = next;
      s++;
    } else if (starP >= 0) {
      p = starP;
      s = ++starS;
    } else return false;
  }
  // A pattern of stars only does not match an empty name: Redis compares nothing when one side is empty.
  if (length > 0) while (p < stop && pattern[p] === STAR) p++;
  return p === stop;
}

/** @returns where the pattern goes on after the element at `p` when it matches `byte`, else -1. */
function matchOne(pattern: Uint8Array, p: number, byte: number, nocase: boolean): number {
  switch (pattern[p]) {
    case QUESTION:
      return p + 1;
    case OPEN:
      return matchClass(pattern, p + 1, nocase ? lower(byte) : byte, nocase);
    case BACKSLASH:
      if (p + 1 < pattern.length) p++;
      break;
  }
  if (nocase) return lower(pattern[p]) === lower(byte) ? p + 1 : -1;
  return pattern[p] === byte ? p + 1 : -1;
}

/** @param p the first byte after the bracket. */
function matchClass(pattern: Uint8Array, p: number, byte: number, nocase: boolean): number {
  const stop = pattern.length;
  const negated = p < stop && pattern[p] === CARET;
  if (negated) p++;
  let matched = false;
  for (; p < stop && pattern[p] !== CLOSE; p++) {
    if (pattern[p] === BACKSLASH && p + 1 < stop) {
      p++;
      // As in Redis, an escaped byte is compared as it is even when case does not matter.
      if (pattern[p] === byte) matched = true;
    } else if (p + 2 < stop && pattern[p + 1] === DASH) {
      const a = nocase ? lower(pattern[p]) : pattern[p];
      const b = nocase ? lower(pattern[p + 2]) : pattern[p + 2];
      p += 2;
      if (byte >= Math.min(a, b) && byte <= Math.max(a, b)) matched = true;
    } else if ((nocase ? lower(pattern[p]) : pattern[p]) === byte) matched = true;
  }
  if (matched === negated) return -1;
  return p < stop ? p + 1 : p;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}
