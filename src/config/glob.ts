/**
 * config/glob.ts: Redis's patterns on option names and file names: * ? [a-z] [^a] and \ before a character.
 * Cost is at most pattern times text: on a mismatch only the last star is tried further, never an earlier one.
 */

export function hasGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/** Does the whole text match? */
export function matchGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      starAt = p++;
      starText = t;
      continue;
    }
    const next = p < pattern.length ? matchOne(pattern, p, text[t] as string) : -1;
    if (next >= 0) {
      p = next;
      t++;
    } else if (starAt >= 0) {
      p = starAt + 1;
      t = ++starText;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p >= pattern.length;
}

/** Where the pattern goes on when its element at `p` matches the character; -1 when it does not. */
function matchOne(pattern: string, p: number, char: string): number {
  const element = pattern[p];
  if (element === "?") return p + 1;
  if (element === "\\" && p + 1 < pattern.length) return pattern[p + 1] === char ? p + 2 : -1;
  if (element !== "[") return element === char ? p + 1 : -1;
  let at = p + 1;
  const negated = pattern[at] === "^";
  if (negated) at++;
  let found = false;
  while (at < pattern.length && pattern[at] !== "]") {
    if (pattern[at] === "\\" && at + 1 < pattern.length) at++;
    const low = pattern[at] as string;
    if (pattern[at + 1] === "-" && at + 2 < pattern.length && pattern[at + 2] !== "]") {
      const high = pattern[at + 2] as string;
      if ((low <= char && char <= high) || (high <= char && char <= low)) found = true;
      at += 3;
    } else {
      if (low === char) found = true;
      at++;
    }
  }
  return found !== negated ? Math.min(at + 1, pattern.length) : -1;
}
