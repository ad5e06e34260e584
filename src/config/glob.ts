/**
 * config/glob.ts: Redis's patterns on option names and file names, which are text: lib/glob.ts does the matching.
 */
import { globMatches } from "../lib/glob.js";

export function hasGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/** Does the whole text match? Compares UTF-8 bytes, so `?` is one byte of a character beyond ASCII. */
export function matchGlob(pattern: string, text: string): boolean {
  const bytes = Buffer.from(text);
  return globMatches(Buffer.from(pattern), bytes, 0, bytes.length);
}
