/**
 * test/explore/config.ts: what one exploration consists of: operations, and bounds on everything else.
 */
import type { ReplicaGroup } from "../../src/core/register/quorum.js";
import type { Planned } from "./history.js";

export interface Config {
  readonly name: string;
  readonly about: string;
  readonly group: ReplicaGroup;
  readonly plan: readonly Planned[];
  /** Replicas, and after them nodes that only propose and read. */
  readonly nodeCount: 3 | 4;
  /** Issued by all proposers together. */
  readonly ballots: number;
  readonly crashes: number;
  readonly crashing: readonly number[];
  readonly doubles: number;
  /** Round and read timers that fire; retries are free. */
  readonly timeouts: number;
  /** "at once": the disk never lags. "any time": syncs are steps of their own, and a crash loses what was not synced. */
  readonly sync: "at once" | "any time";
  /** Are CHOSEN and LEARN messages carried, or all lost? */
  readonly notices: boolean;
  readonly lessons: boolean;
  /** Do operations reach their deadline? */
  readonly givesUp: boolean;
  /** Does the deadline of a value written by "once" pass at some time? */
  readonly expiry: boolean;
  readonly promisesMax: number;
  readonly ceilingLead: number;
  /** What the nodes' clocks start at: clocks that differ make some orders of ballots cheap to reach. */
  readonly clocks: readonly number[];
  /** Who may ask whether its tombstone can go for good, and how often in all. */
  readonly purging: readonly number[];
  readonly purges: number;
  /** "from>to": links that carry nothing before a replica was told to purge. A bound: it leaves out the other orders. */
  readonly slow: readonly string[];
  /** The test suite runs the quick ones; "all" are these and the usual ones; the large ones are run by hand. */
  readonly by: "test" | "all" | "hand";
}

export function quorums(r: number, w: number): ReplicaGroup {
  return { epoch: 0, nodes: [0, 1, 2], r, w };
}

export const BASE: Omit<Config, "name" | "about" | "plan"> = {
  group: quorums(2, 2),
  ballots: 3,
  crashes: 0,
  crashing: [0, 1, 2],
  doubles: 0,
  timeouts: 1,
  sync: "at once",
  notices: false,
  lessons: false,
  givesUp: false,
  expiry: false,
  promisesMax: 8,
  ceilingLead: 0,
  clocks: [0, 0, 0, 0],
  nodeCount: 3,
  purging: [0],
  purges: 0,
  slow: [],
  by: "all",
};

export const append = (at: number, waitsFor?: number): Planned => ({
  kind: "append",
  at,
  ...(waitsFor === undefined ? {} : { waitsFor }),
});
export const get = (at: number, waitsFor?: number): Planned => ({
  kind: "get",
  at,
  ...(waitsFor === undefined ? {} : { waitsFor }),
});
