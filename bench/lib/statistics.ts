/**
 * bench/lib/statistics.ts: several runs of one measurement as median, least and most.
 * Invariants: least <= median <= most; the runs are kept in the order taken.
 */

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly runs: readonly number[];
}

/** @param runs at least one. */
export function spreadOf(runs: readonly number[]): Spread {
  if (runs.length === 0) throw new Error("no runs");
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
  return { median, least: sorted[0] as number, most: sorted.at(-1) as number, runs };
}

/** Three significant digits, or whole above a thousand. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return String(Math.round(value));
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
