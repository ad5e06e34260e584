/**
 * bench/compare/scenario.ts: what a scenario is given and what it hands back, so that the driver can print, store and draw
 * every one alike.
 * Invariants: a row's bar is judged on `measured`, which is derived from medians; a row without a limit is information.
 */
import type { RunningServer, ServerSpec } from "../lib/servers.js";
import type { Spread } from "../lib/statistics.js";

export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly kvorum: Spread;
  /** Redis's figure, and in which configuration. */
  readonly redis?: Spread;
  readonly redisAs?: string;
  /** The number that is held against the bar: a ratio to Redis's median, or kvorum's own median. */
  readonly measured: number;
  readonly limit?: number;
  readonly sense?: "at most" | "at least";
}

export interface Context {
  readonly quick: boolean;
  readonly runs: number;
  /** Start a server that is ended, at the latest, with the scenario. */
  start(spec: Omit<ServerSpec, "entry">): Promise<RunningServer>;
  /** The built command line under test. */
  readonly entry: string;
  /** A line of progress. */
  say(text: string): void;
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  run(context: Context): Promise<Row[]>;
}

/** What a measured number must be to be good enough. */
export interface Bar {
  readonly sense: "at most" | "at least";
  readonly limit: number;
}

export function atMost(limit: number): Bar {
  return { sense: "at most", limit };
}

export function atLeast(limit: number): Bar {
  return { sense: "at least", limit };
}

/** A figure of Redis's, and the configuration it was taken in. */
export interface Rival {
  readonly spread: Spread;
  readonly as: string;
}

/** A row whose measured number is kvorum's median over Redis's. Without a bar it is information. */
export function ratioRow(what: string, unit: string, kvorum: Spread, redis: Rival, bar?: Bar): Row {
  const measured = kvorum.median / redis.spread.median;
  return { what, unit, kvorum, redis: redis.spread, redisAs: redis.as, measured, ...bar };
}

/** A row whose measured number is kvorum's own median; Redis's stands beside it when it was measured. */
export function plainRow(what: string, unit: string, kvorum: Spread, bar?: Bar, redis?: Rival): Row {
  const beside = redis === undefined ? {} : { redis: redis.spread, redisAs: redis.as };
  return { what, unit, kvorum, measured: kvorum.median, ...beside, ...bar };
}

/** undefined: there is no bar. */
export function met(row: Row): boolean | undefined {
  if (row.limit === undefined) return undefined;
  return row.sense === "at least" ? row.measured >= row.limit : row.measured <= row.limit;
}
