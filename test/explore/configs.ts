/**
 * test/explore/configs.ts: what is explored: which operations, how many ballots, crashes, doubled messages and time-outs. Every search is
 * complete within its configuration, or says that it ended at a bound. Nodes 0 and 1 propose, all three are replicas.
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

function quorums(r: number, w: number): ReplicaGroup {
  return { epoch: 0, nodes: [0, 1, 2], r, w };
}

const BASE: Omit<Config, "name" | "about" | "plan"> = {
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

const append = (at: number, waitsFor?: number): Planned => ({
  kind: "append",
  at,
  ...(waitsFor === undefined ? {} : { waitsFor }),
});
const get = (at: number, waitsFor?: number): Planned => ({
  kind: "get",
  at,
  ...(waitsFor === undefined ? {} : { waitsFor }),
});

export const CONFIGS: readonly Config[] = [
  { ...BASE, name: "two-writes", about: "a write on each proposer", plan: [append(0), append(1)] },
  { ...BASE, name: "write-read", about: "a write, and a read elsewhere", plan: [append(0), get(1)], by: "test" },
  {
    ...BASE,
    name: "fast",
    by: "test",
    about: "an owner's second write meets the other proposer",
    plan: [append(1), append(1, 0), append(0, 0)],
    timeouts: 0,
    clocks: [11, 10, 0],
  },
  {
    ...BASE,
    name: "retry",
    about: "a write whose outcome is unclear is settled on the next base",
    plan: [append(1), append(0)],
    timeouts: 2,
    clocks: [0, 4, 0],
  },
  {
    ...BASE,
    name: "settle",
    about: "a write is late, another proposer writes after its answer",
    plan: [append(0), append(1, 0)],
    clocks: [0, 10, 0],
  },
  {
    ...BASE,
    name: "bases",
    about: "promises with three different states",
    plan: [append(0), append(1, 0), append(2, 1)],
    timeouts: 0,
    clocks: [0, 5, 10],
  },
  {
    ...BASE,
    name: "doubled",
    by: "test",
    about: "doubled messages, where all three must acknowledge",
    plan: [append(0), get(2, 0)],
    group: quorums(1, 3),
    doubles: 2,
    timeouts: 0,
  },
  {
    ...BASE,
    name: "crash",
    about: "a replica crashes between its promise and the ACCEPT",
    plan: [append(0), append(1)],
    crashes: 1,
    timeouts: 0,
    clocks: [0, 10, 0],
  },
  {
    ...BASE,
    name: "crash-unsynced",
    about: "a replica crashes after a promise, its log behind",
    plan: [append(0), append(1)],
    crashes: 1,
    crashing: [2],
    timeouts: 0,
    ballots: 2,
    sync: "any time",
    clocks: [0, 10, 0],
  },
  {
    ...BASE,
    name: "unsynced",
    by: "test",
    about: "a crash takes what was not synced",
    plan: [append(0), get(1, 0)],
    crashes: 1,
    crashing: [0],
    timeouts: 0,
    ballots: 1,
    sync: "any time",
  },
  {
    ...BASE,
    name: "unsynced-read",
    about: "a crash takes what a reader was shown",
    plan: [append(0), get(2), get(1, 1)],
    crashes: 1,
    crashing: [0],
    timeouts: 0,
    ballots: 1,
    sync: "any time",
  },
  {
    ...BASE,
    name: "reissue",
    about: "a proposer comes back and goes on issuing ballots",
    plan: [append(0), append(0)],
    group: quorums(1, 3),
    crashes: 1,
    crashing: [0],
    timeouts: 0,
    ballots: 2,
    sync: "any time",
  },
  {
    ...BASE,
    name: "fast-retry",
    by: "test",
    about: "an owner's second write is late and is tried again",
    plan: [append(1), append(1, 0), append(1)],
    timeouts: 1,
  },
  {
    ...BASE,
    name: "two-reads",
    by: "test",
    about: "a read shows a half-done write, and the next one must too",
    plan: [append(1), get(0), get(2, 1)],
    timeouts: 0,
    ballots: 2,
  },
  {
    ...BASE,
    name: "marks",
    about: "chosen marks are carried, while a second write is half done",
    plan: [append(0), append(1, 0), get(1), get(2, 2)],
    timeouts: 0,
    ballots: 2,
    notices: true,
    clocks: [0, 5, 0],
  },
  {
    ...BASE,
    name: "lessons",
    about: "a reader teaches a replica that lags, and the lesson is late",
    plan: [append(0), get(0, 0), append(1, 1), get(0, 2)],
    timeouts: 0,
    ballots: 2,
    lessons: true,
    clocks: [0, 5, 0],
  },
  {
    ...BASE,
    name: "lesson-promise",
    about: "a late lesson reaches a replica that has promised more",
    plan: [append(0), get(0, 0), append(2, 1), append(0, 1)],
    timeouts: 0,
    ballots: 3,
    lessons: true,
    clocks: [0, 0, 10],
  },
  {
    ...BASE,
    name: "evicted",
    about: "no room for any promise",
    plan: [append(0), append(1)],
    timeouts: 0,
    promisesMax: 0,
    clocks: [0, 10, 0],
  },
  {
    ...BASE,
    name: "unchanged",
    about: "an operation that changes nothing, beside one that does",
    plan: [append(1), { kind: "setnx", at: 0 }, get(2, 1)],
    timeouts: 0,
    clocks: [10, 0, 0],
  },
  {
    ...BASE,
    name: "r1w3",
    about: "one reply is a read",
    plan: [append(0), get(1), get(2, 1)],
    group: quorums(1, 3),
    ballots: 2,
  },
  {
    ...BASE,
    name: "r3w1",
    by: "test",
    about: "one acknowledgement is a write",
    plan: [append(1), append(1, 0), append(0)],
    group: quorums(3, 1),
    timeouts: 0,
    clocks: [11, 10, 0],
  },
  {
    ...BASE,
    name: "purge-late",
    about: "a key is deleted for good while a late ACCEPT and a reader are under way",
    plan: [append(0), { kind: "delete", at: 0, waitsFor: 0 }, get(2, 1)],
    timeouts: 0,
    ballots: 3,
    purges: 1,
    clocks: [0, 0, 5, 0],
  },
  {
    ...BASE,
    name: "purge-read",
    about: "a key is deleted for good between the replies to one read",
    plan: [append(0), { kind: "delete", at: 0, waitsFor: 0 }, get(2, 1)],
    timeouts: 0,
    ballots: 2,
    purges: 1,
    notices: true,
  },
  {
    ...BASE,
    name: "purge-lesson",
    about: "a key is deleted for good while a lesson is under way",
    plan: [append(0), get(0, 0), { kind: "delete", at: 0, waitsFor: 1 }, get(1, 2)],
    timeouts: 0,
    purges: 1,
    lessons: true,
    clocks: [0, 5, 0, 0],
  },
  {
    ...BASE,
    name: "purge-write",
    about: "a write meets a purge",
    plan: [append(0), { kind: "delete", at: 0, waitsFor: 0 }, append(0, 1), get(1, 2)],
    timeouts: 0,
    ballots: 3,
    purges: 1,
  },
  {
    ...BASE,
    name: "purge-next",
    about: "the fast path after a tombstone meets its purge, and another proposer",
    plan: [{ kind: "delete", at: 1 }, append(1, 0), append(0, 0)],
    timeouts: 0,
    ballots: 4,
    purging: [1],
    purges: 1,
    clocks: [11, 10, 0, 0],
  },
  {
    ...BASE,
    name: "purge-promise",
    about: "promises made between the question and the purge",
    plan: [{ kind: "delete", at: 0 }, append(1, 0), append(2, 0)],
    timeouts: 0,
    ballots: 3,
    purges: 1,
    clocks: [0, 20, 10],
  },
  {
    ...BASE,
    name: "purge-retry",
    about: "a write of unclear outcome, deleted for good, is settled",
    plan: [append(0), { kind: "delete", at: 1 }],
    ballots: 4,
    purging: [1],
    purges: 1,
    clocks: [0, 1, 0, 0],
  },
  {
    ...BASE,
    name: "purge-outsider",
    about: "a proposer that is no replica has an old base while the key is deleted for good",
    plan: [append(0), append(3, 0), { kind: "delete", at: 0, waitsFor: 0 }, get(2, 2)],
    nodeCount: 4,
    timeouts: 0,
    ballots: 3,
    purges: 1,
    lessons: true,
    clocks: [0, 0, 0, 20],
    slow: ["3>0", "3>1"],
  },
  {
    ...BASE,
    name: "purge-crash",
    about: "the same, and the promise is forgotten in a crash",
    plan: [append(0), append(3, 0), { kind: "delete", at: 0, waitsFor: 0 }, get(2, 2)],
    nodeCount: 4,
    timeouts: 0,
    ballots: 3,
    crashes: 1,
    crashing: [2],
    purges: 3,
    lessons: true,
    clocks: [0, 0, 0, 20],
    slow: ["3>0", "3>1"],
  },
  {
    ...BASE,
    name: "gives-up",
    about: "operations reach their deadline, one that was surely not applied never is",
    plan: [append(0), append(1)],
    givesUp: true,
    clocks: [0, 4, 0, 0],
  },
  {
    ...BASE,
    name: "expiry",
    about: "a value's deadline passes: it expires once, for everyone",
    plan: [{ kind: "once", at: 0 }, get(1, 0), get(2, 0), append(1, 2)],
    timeouts: 0,
    expiry: true,
    ballots: 4,
  },
  {
    ...BASE,
    name: "large-three",
    about: "three writes on two proposers, late and doubled messages. By hand",
    plan: [append(0), append(1), append(0)],
    ballots: 4,
    doubles: 1,
    timeouts: 2,
    by: "hand",
  },
  {
    ...BASE,
    name: "large-crash",
    about: "two writes and a read, two crashes. By hand",
    plan: [append(0), append(1), get(0, 1)],
    ballots: 4,
    crashes: 2,
    by: "hand",
  },
  {
    ...BASE,
    name: "large-unsynced",
    about: "two writes and a read, a crash that takes what was not synced, marks and lessons. By hand",
    plan: [append(0), append(1), get(2, 0)],
    crashes: 1,
    sync: "any time",
    notices: true,
    lessons: true,
    by: "hand",
  },
  {
    ...BASE,
    name: "large-purge",
    about: "a write, its deletion for good by both proposers, a retry and a read. By hand",
    plan: [append(0), { kind: "delete", at: 1 }, append(1), get(2, 1)],
    ballots: 4,
    timeouts: 1,
    purging: [0, 1],
    purges: 2,
    notices: true,
    lessons: true,
    by: "hand",
  },
];

export function configNamed(name: string): Config {
  const config = CONFIGS.find((other) => other.name === name);
  if (config === undefined)
    throw new Error(`no configuration ${name}; there are ${CONFIGS.map((c) => c.name).join(", ")}`);
  return config;
}
