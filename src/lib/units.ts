/**
 * lib/units.ts: numbers with units, read and written the way redis.conf does: memory sizes (k = 1000, kb = 1024, ...),
 * strict decimal integers, and durations. Used by the option table and by command lines.
 * Nothing here throws: text that is no number gives undefined. Invariant: every number returned is a safe integer (or a bigint), so
 * no size is ever rounded on its way in.
 */

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 ** 2,
  mb: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1024 ** 3,
};

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * A decimal integer as Redis accepts it: an optional minus sign, no plus sign, no leading zero, no spaces.
 * @returns undefined for anything else, and for a number that a double cannot hold exactly.
 */
export function parseInteger(text: string): number | undefined {
  if (!/^(0|-?[1-9][0-9]{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * A memory size such as `64mb`, in bytes. Units in any case: b, k (1000), kb (1024), m, mb, g, gb; none means bytes.
 * Unlike Redis, a negative, empty or fractional size and one above 2^53 are refused instead of being reinterpreted.
 */
export function parseBytes(text: string): number | undefined {
  const bytes = parseBytesExactly(text);
  return bytes !== undefined && bytes <= Number.MAX_SAFE_INTEGER ? Number(bytes) : undefined;
}

/** As parseBytes, above 2^53 too: what another program may have been given. Not 64 bits: the caller looks. */
export function parseBytesExactly(text: string): bigint | undefined {
  const match = /^([0-9]{1,20})([a-z]{0,2})$/.exec(text.toLowerCase());
  const unit = match === null ? undefined : BYTES_PER_UNIT[match[2] as string];
  return match === null || unit === undefined ? undefined : BigInt(match[1] as string) * BigInt(unit);
}

/** The shortest exact size in binary units, as CONFIG REWRITE writes it: 65536 is `64kb`, 65537 is `65537`. */
export function formatBytes(bytes: number): string {
  for (const unit of ["gb", "mb", "kb"]) {
    const size = BYTES_PER_UNIT[unit] as number;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

/**
 * A duration such as `250ms`, `5s`, `2m`, `1h` or `1d`; a bare number is in `unitMs`.
 * @param unitMs what a bare number counts, in milliseconds.
 * @returns milliseconds, or undefined.
 */
export function parseDuration(text: string, unitMs: number): number | undefined {
  const match = /^([0-9]{1,15})(ms|s|m|h|d)?$/.exec(text);
  if (match === null) return undefined;
  const unit = match[2] === undefined ? unitMs : (MS_PER_UNIT[match[2]] as number);
  const ms = Number(match[1]) * unit;
  return Number.isSafeInteger(ms) ? ms : undefined;
}
