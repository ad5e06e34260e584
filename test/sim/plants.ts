/**
 * test/sim/plants.ts: bugs put in on purpose, to see whether the checkers find them. Most take one rule out of the machines of a register
 * (core/register/*-rules.ts), which production asks through the same object; others replace a method of a node (test/sim/node-bugs.ts).
 */
import { compareDots } from "../../src/core/clock/dot.js";
import { ACCEPTOR_RULES, type AcceptorRules } from "../../src/core/register/acceptor-rules.js";
import { PROPOSER_RULES, type ProposerRules } from "../../src/core/register/proposer-rules.js";
import type { ClockFaults } from "./host.js";
import type { LinkTimes } from "./network.js";
import type { NodeBug } from "./node-bugs.js";
import * as bugs from "./node-bugs.js";
import type { Plan } from "./plan.js";

export interface Plant {
  readonly name: string;
  readonly about: string;
  readonly acceptor?: Partial<AcceptorRules>;
  readonly proposer?: Partial<ProposerRules>;
  readonly bug?: NodeBug;
  /** What seeds are to have in common where it is looked for: some need what is rare. */
  readonly plan?: Partial<Plan>;
}

/** Proposers compete for a few keys, and nothing is forwarded. */
const RIVALS: Partial<Plan> = { nodes: 3, n: 3, r: 2, w: 2, keys: 2, forwards: false, thinkMs: 0, promisesMax: 65_536 };
const CLOCK: ClockFaults = { offsetMs: 0, wallRate: 1, steadyRate: 1 };
/** The same, with many clients; nodes that crash are back at once, so that what was under way meets their next life. */
const BACK_AT_ONCE: Partial<Plan> = {
  ...RIVALS,
  partitions: 1,
  clientsPerNode: 32,
  pipeline: 1,
  plainEvery: 1,
  weights: {
    get: 4,
    set: 3,
    setnx: 0,
    del: 0,
    getdel: 0,
    getset: 1,
    incr: 1,
    append: 2,
    cas: 0,
    setex: 0,
    persist: 0,
  },
  clocks: [CLOCK, CLOCK, CLOCK, CLOCK, CLOCK],
  quantumTicks: 8,
  burstMs: 80,
  restMs: 20,
  backoffMs: 3,
  awayMs: [2],
};
const CALM_LINKS: LinkTimes = {
  delayMs: 0.1,
  spreadMs: 0.1,
  lateShare: 0,
  lateMs: 0,
  cutShare: 0.005,
  windowBytes: 262_144,
};
const STANDS: ClockFaults = { offsetMs: 0, wallRate: 0, steadyRate: 1 };
/** One promise is enough, and wall clocks stand, so that only counts tell dots apart: the time that has passed hides what was forgotten. */
const COUNTED: Partial<Plan> = {
  ...BACK_AT_ONCE,
  r: 1,
  w: 3,
  clocks: [STANDS, STANDS, STANDS, STANDS, STANDS],
  links: CALM_LINKS,
};
/** Five nodes in two halves that both need the one between them, and messages that are often late. */
const HALVES: Partial<Plan> = {
  ...BACK_AT_ONCE,
  nodes: 5,
  n: 5,
  r: 3,
  w: 3,
  keys: 16,
  links: { delayMs: 0.2, spreadMs: 0.3, lateShare: 0.2, lateMs: 100, cutShare: 0.005, windowBytes: 262_144 },
  diskMs: [5, 5],
  faults: { bridge: 300, power: 150 },
};

export const PLANTS: readonly Plant[] = [
  // Acceptor.
  {
    name: "forget-promise",
    about: "a replica forgets what it promised",
    acceptor: { promisedAfterPrepare: () => undefined },
  },
  {
    name: "accept-below-promise",
    about: "a replica accepts any ballot",
    acceptor: { mayAccept: () => true },
  },
  {
    name: "no-implicit-promise",
    about: "the writer of the accepted state has no promise for the next ballot",
    acceptor: { implicitPromise: (accepted) => accepted },
    plan: { ...RIVALS, faults: { "slow-link": 200, reset: 200, partition: 500 } },
  },
  {
    name: "ack-older",
    about: "a replica acknowledges a ballot below the one it holds",
    acceptor: { knows: (ballot, held) => held !== undefined && compareDots(ballot, held.ballot) <= 0 },
  },
  {
    name: "evict-silently",
    about: "a promise dropped for room binds nobody",
    acceptor: { evictFloorAfter: (evictFloor) => evictFloor },
  },
  {
    name: "promise-above-ceiling",
    about: "a promise leaves before its ceiling is durable",
    acceptor: { promiseUnderCeiling: () => 0 },
    // Ceilings have lapsed after a rest, and must be late at one node only: the others' ballots wait for theirs.
    plan: {
      ...HALVES,
      keys: 32,
      diskMs: [3, 2],
      burstMs: 60,
      restMs: 2500,
      faults: { bridge: 800, power: 500, "slow-disk": 150 },
    },
  },
  {
    name: "ack-before-persist",
    about: "an acknowledgement does not wait for the disk",
    acceptor: { answersAfterOwnWrite: () => false },
  },
  {
    name: "read-before-persist",
    about: "a read tells of a state that is not durable",
    acceptor: { answersAfter: () => 0 },
  },
  {
    name: "no-restart-floor",
    about: "promises from before a crash bind nobody",
    acceptor: { aboveFloors: () => true },
    plan: HALVES,
  },
  {
    name: "mark-anything",
    about: "a chosen mark is set on whatever is held",
    acceptor: { marks: (_ballot, held) => held !== undefined },
    bug: bugs.MARKS_ANYTHING,
  },
  {
    name: "learn-lowers",
    about: "LEARN replaces a later state",
    acceptor: { learns: () => true },
  },
  {
    name: "learn-touches-promise",
    about: "LEARN takes a promise back",
    acceptor: { promisedAfterLearn: () => undefined },
  },
  // Proposer and reader.
  {
    name: "issue-above-ceiling",
    about: "a ballot leaves before its ceiling is durable",
    proposer: { issueUnderCeiling: () => 0 },
    // Where two quorums of promises meet, that a promise is strictly above covers it.
    plan: {
      ...BACK_AT_ONCE,
      r: 1,
      w: 3,
      links: CALM_LINKS,
      diskMs: [50, 10],
      faults: { power: 100 },
    },
  },
  {
    name: "count-doubles",
    about: "a doubled reply is two votes",
    proposer: { isNewVote: () => true },
  },
  {
    name: "w-minus-1",
    about: "one acknowledgement less",
    proposer: { acceptQuorum: ({ w }) => Math.max(1, w - 1) },
  },
  {
    name: "r-minus-1",
    about: "one promise less",
    proposer: { promiseQuorum: ({ r }) => Math.max(1, r - 1) },
  },
  {
    name: "first-base",
    about: "the base is any promise's state, not the highest",
    proposer: { isBetterBase: (_accepted, base) => base === undefined },
  },
  {
    name: "fast-on-read",
    about: "the fast path from a dot that another proposer issued",
    proposer: { fastBase: (_owned, held) => held?.ballot },
  },
  {
    name: "prepare-at-next",
    about: "a prepared ballot may be the one that the fast path used",
    acceptor: { mayPromise: (ballot, effective) => compareDots(ballot, effective) >= 0 },
    proposer: { fastBallot: ({ epoch, hlc, node }) => ({ epoch, hlc: hlc + 1, node }), prepareAbove: () => 0 },
    bug: bugs.CLOCK_APART,
    // A fast round is late while its record lies on no disk, so that it is not shipped either, and one node has missed it.
    plan: {
      ...COUNTED,
      keys: 4,
      forwards: true,
      clientsPerNode: 1,
      thinkMs: 50,
      diskMs: [0, 0],
      faults: { cut: 300, "stuck-disk": 600 },
    },
  },
  {
    name: "own-after-failure",
    about: "a fast round that failed is tried again at the same ballot",
    proposer: { ownedAfterFailure: (before) => before, fastBase: (owned) => owned?.ballot },
  },
  {
    name: "retry-blindly",
    about: "an operation of unclear outcome is applied again",
    proposer: { verdict: () => "apply" },
  },
  {
    name: "answer-happened-early",
    about: "a remembered result is answered at the promises",
    proposer: { answersAtPromises: (reason) => reason === "happened" },
  },
  {
    name: "answer-unchanged-early",
    about: "a result that changes nothing is answered at the promises",
    proposer: { answersAtPromises: (reason) => reason === "unchanged" },
  },
  {
    name: "skip-relay",
    about: "a read answers before its state is known to be chosen",
    proposer: { answersRead: () => true },
  },
  {
    name: "any-mark",
    about: "a mark on an older state counts for the highest",
    proposer: { marksHighest: () => true },
  },
  // Nodes.
  {
    name: "amnesia",
    about: "a node comes back without its ceiling: its promises are forgotten",
    bug: bugs.LOSES_CEILING,
  },
  {
    name: "clock-anew",
    about: "a node's clock begins anew after a crash",
    bug: bugs.CLOCK_ANEW,
    // Where two quorums of promises meet, the node's own restart floor covers it.
    plan: { ...COUNTED, keys: 1, clientsPerNode: 4, diskMs: [50, 10], faults: { power: 100 } },
  },
  { name: "boot-not-raised", about: "a node comes back under the boot that it had", bug: bugs.BOOT_NOT_RAISED },
  { name: "ack-before-sync", about: "what is written counts as durable", bug: bugs.ACKS_BEFORE_SYNC },
  { name: "no-sync", about: "the log is written and not synced", bug: bugs.NO_SYNC },
  {
    name: "sync-errors-ignored",
    about: "a sync that failed is taken for one that did not",
    bug: bugs.SYNC_ERRORS_IGNORED,
  },
  { name: "directory-not-synced", about: "names of new segments are not synced", bug: bugs.DIRECTORY_NOT_SYNCED },
  {
    name: "batches-out-of-order",
    about: "batches of the log are acknowledged before those in front of them",
    bug: bugs.BATCHES_OUT_OF_ORDER,
  },
  {
    name: "snapshot-forgets-ceiling",
    about: "the ceiling goes with the log before a snapshot",
    bug: bugs.SNAPSHOT_FORGETS_CEILING,
  },
  { name: "loses-tombstones", about: "tombstones are not recovered", bug: bugs.LOSES_TOMBSTONES },
  { name: "all-is-chosen", about: "whatever is held counts as chosen", bug: bugs.ALL_IS_CHOSEN },
  { name: "some-not-logged", about: "one accepted state in sixteen is not logged", bug: bugs.SOME_NOT_LOGGED },
  {
    name: "tells-of-unchanged",
    about: "a work that changed nothing is answered by its asker, and applied anew when the round failed",
    proposer: { tellsAsker: () => true },
  },
  { name: "closes-unheld", about: "a work is answered without this node's own copy", bug: bugs.CLOSES_UNHELD },
  { name: "closes-unsynced", about: "a work is answered before this node's own sync", bug: bugs.CLOSES_UNSYNCED },
  { name: "forwards-twice", about: "a work whose link broke is done once more", bug: bugs.FORWARDS_TWICE },
  { name: "reads-locally", about: "a read is answered from what the node itself holds", bug: bugs.READS_LOCALLY },
  {
    name: "expires-locally",
    about: "a key past its deadline is answered as absent without a round",
    bug: bugs.EXPIRES_LOCALLY,
  },
  { name: "maybe-is-no", about: "what may have been applied is said not to have been", bug: bugs.MAYBE_IS_NO },
  { name: "never-gives-up", about: "an operation has no deadline", bug: bugs.NEVER_GIVES_UP },
  { name: "ships-nothing", about: "a replica that was away is not brought up to date", bug: bugs.SHIPS_NOTHING },
];

export function acceptorRules(plant: Plant | undefined): AcceptorRules {
  return { ...ACCEPTOR_RULES, ...plant?.acceptor };
}

export function proposerRules(plant: Plant | undefined): ProposerRules {
  return { ...PROPOSER_RULES, ...plant?.proposer };
}
