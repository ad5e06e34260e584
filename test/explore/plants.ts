/**
 * test/explore/plants.ts: bugs put in on purpose: each takes one rule out of the real code. The explorer must find every one of them;
 * what it says about the code as it is, is worth as much as that.
 */
import { compareDots } from "../../src/core/clock/dot.js";
import { ACCEPTOR_RULES, type AcceptorRules } from "../../src/core/register/acceptor-rules.js";
import { PROPOSER_RULES, type ProposerRules } from "../../src/core/register/proposer-rules.js";
import type { Config } from "./config.js";
import { configNamed } from "./configs.js";
import type { Run } from "./world.js";

export interface Plant {
  readonly name: string;
  readonly about: string;
  /** Where it is looked for. */
  readonly config: string;
  readonly acceptor?: Partial<AcceptorRules>;
  readonly proposer?: Partial<ProposerRules>;
  readonly node?: { readonly recoversCeiling?: boolean; readonly recoversClock?: boolean };
  /** false: requests that are refused and replies that nobody waits for are kept in play, since without this rule they may count later. */
  readonly prunes?: false;
  /** Found within a second or two: part of the test suite. */
  readonly quick?: boolean;
}

export const PLANTS: readonly Plant[] = [
  // Acceptor.
  {
    name: "forget-promise",
    about: "a replica forgets what it promised",
    config: "two-writes",
    quick: true,
    acceptor: { promisedAfterPrepare: () => undefined },
  },
  {
    name: "accept-below-promise",
    about: "a replica accepts any ballot",
    config: "two-writes",
    quick: true,
    acceptor: { mayAccept: () => true },
  },
  {
    name: "no-implicit-promise",
    about: "the writer of the accepted state has no promise for the next ballot",
    config: "fast",
    quick: true,
    acceptor: { implicitPromise: (accepted) => accepted },
  },
  {
    name: "ack-older",
    about: "a replica acknowledges a ballot below the one it holds",
    config: "two-writes",
    quick: true,
    acceptor: { knows: (ballot, held) => held !== undefined && compareDots(ballot, held.ballot) <= 0 },
  },
  {
    name: "boot-number",
    about: "a replica comes back without its ceiling: its promises are forgotten",
    config: "crash",
    quick: true,
    node: { recoversCeiling: false },
  },
  {
    name: "clock-anew",
    about: "a node's clock begins anew after a crash",
    config: "reissue",
    quick: true,
    node: { recoversClock: false },
  },
  {
    name: "promise-above-ceiling",
    about: "a promise leaves before its ceiling is durable",
    config: "crash-unsynced",
    acceptor: { promiseUnderCeiling: () => 0 },
  },
  {
    name: "issue-above-ceiling",
    about: "a ballot leaves before its ceiling is durable",
    config: "reissue",
    quick: true,
    proposer: { issueUnderCeiling: () => 0 },
  },
  {
    name: "evict-silently",
    about: "a promise dropped for room binds nobody",
    config: "evicted",
    quick: true,
    acceptor: { evictFloorAfter: (evictFloor) => evictFloor },
  },
  {
    name: "ack-before-persist",
    about: "an acknowledgement does not wait for the disk",
    config: "unsynced",
    quick: true,
    acceptor: { answersAfterOwnWrite: () => false },
  },
  {
    name: "read-before-persist",
    about: "a read tells of a state that is not durable",
    config: "unsynced-read",
    acceptor: { answersAfter: () => 0 },
  },
  {
    name: "mark-anything",
    about: "a chosen mark is set on whatever is held",
    config: "marks",
    acceptor: { marks: (_ballot, held) => held !== undefined },
  },
  {
    name: "learn-lowers",
    about: "LEARN replaces a later state",
    config: "lessons",
    acceptor: { learns: () => true },
  },
  {
    name: "learn-touches-promise",
    about: "LEARN takes a promise back",
    config: "lesson-promise",
    acceptor: { promisedAfterLearn: () => undefined },
  },
  // Proposer.
  {
    name: "count-doubles",
    about: "a doubled reply is two votes",
    config: "doubled",
    quick: true,
    proposer: { isNewVote: () => true },
  },
  {
    name: "w-minus-1",
    about: "one acknowledgement less",
    config: "two-writes",
    quick: true,
    proposer: { acceptQuorum: ({ w }) => w - 1 },
  },
  {
    name: "r-minus-1",
    about: "one promise less",
    quick: true,
    config: "two-writes",
    proposer: { promiseQuorum: ({ r }) => r - 1 },
  },
  {
    name: "first-base",
    about: "the base is any promise's state, not the highest",
    config: "bases",
    proposer: { isBetterBase: (_accepted, base) => base === undefined },
  },
  {
    name: "fast-on-read",
    about: "the fast path from a dot that another proposer issued",
    config: "fast",
    quick: true,
    proposer: { fastBase: (_owned, held) => held?.ballot },
  },
  {
    name: "prepare-at-next",
    about: "a prepared ballot may be the one that the fast path used",
    config: "fast-retry",
    quick: true,
    acceptor: { mayPromise: (ballot, effective) => compareDots(ballot, effective) >= 0 },
    proposer: { fastBallot: ({ epoch, hlc, node }) => ({ epoch, hlc: hlc + 1, node }), prepareAbove: () => 0 },
  },
  {
    name: "own-after-failure",
    about: "a fast round that failed is tried again at the same ballot",
    config: "fast-retry",
    quick: true,
    proposer: { ownedAfterFailure: (before) => before, fastBase: (owned) => owned?.ballot },
  },
  {
    name: "retry-blindly",
    about: "an operation of unclear outcome is applied again",
    config: "retry",
    quick: true,
    proposer: { verdict: () => "apply" },
  },
  {
    name: "answer-happened-early",
    about: "a remembered result is answered at the promises",
    config: "settle",
    quick: true,
    proposer: { answersAtPromises: (reason) => reason === "happened" },
  },
  {
    name: "answer-unchanged-early",
    about: "a result that changes nothing is answered at the promises",
    config: "unchanged",
    quick: true,
    proposer: { answersAtPromises: (reason) => reason === "unchanged" },
  },
  {
    name: "skip-relay",
    about: "a read answers before its state is known to be chosen",
    config: "two-reads",
    quick: true,
    proposer: { answersRead: () => true },
  },
  {
    name: "reply-of-a-life-before",
    about: "a reply to a read of the process before its crash counts",
    config: "read-again",
    quick: true,
    proposer: { isReplyOfThisLife: () => true },
    prunes: false,
  },
  {
    name: "any-mark",
    about: "a mark on an older state counts for the highest",
    config: "marks",
    proposer: { marksHighest: () => true },
  },
  // Deleting for good.
  {
    name: "purge-at-quorum",
    about: "a purge without a yes from every replica",
    config: "purge-late",
    proposer: { purgeQuorum: ({ nodes }) => nodes.length - 1 },
  },
  {
    name: "no-partition-floor",
    about: "a late ACCEPT brings a purged key back",
    config: "purge-late",
    acceptor: { aboveFloors: (ballot, _absent, _floor, restartFloor) => ballot.hlc > restartFloor },
    prunes: false,
  },
  {
    name: "absent-votes",
    about: "an absent reply counts as a vote, whatever its floor",
    config: "purge-read",
    proposer: { isReadVote: () => true },
  },
  {
    name: "purge-anything",
    about: "a purge drops what was written after the question",
    config: "purge-write",
    acceptor: { purgeRemoves: () => true },
  },
  {
    name: "floor-without-next",
    about: "the floor is the tombstone's own hlc, not one above",
    config: "purge-next",
    acceptor: { purgeFloor: ({ hlc }) => hlc },
  },
  {
    name: "purge-forgets-promise",
    about: "a purge takes promises back",
    config: "purge-promise",
    acceptor: { promisedAfterPurge: () => undefined },
  },
  {
    name: "ignore-cut",
    about: "a vector with gaps is taken for a whole one",
    config: "purge-retry",
    proposer: {
      verdict: (attempts, mine) => PROPOSER_RULES.verdict(attempts, mine, 0),
    },
  },
  {
    name: "no-cut",
    about: "a state on an absent base does not say what is missing from its vector",
    config: "purge-retry",
    proposer: { cutOfAbsent: () => 0 },
  },
  {
    name: "purgeable-though-promised",
    about: "yes to a purge with another promise given",
    config: "purge-outsider",
    acceptor: { purgeableWhenHeld: (ballot, _effective, restartFloor) => ballot.hlc > restartFloor },
  },
  {
    name: "purgeable-after-crash",
    about: "yes to a purge with a promise forgotten in a crash",
    config: "purge-crash",
    acceptor: {
      purgeableWhenHeld: (ballot, effective) => compareDots(effective, { ...ballot, hlc: ballot.hlc + 1 }) <= 0,
    },
  },
  {
    name: "learn-under-floor",
    about: "LEARN brings a purged key back",
    config: "purge-lesson",
    acceptor: { learns: (ballot, held) => held === undefined || compareDots(ballot, held.ballot) > 0 },
  },
];

/** A configuration with the real rules, or with one of them taken out. */
export function runOf(config: Config, plant?: Plant): Run {
  return {
    config,
    planted: plant !== undefined,
    prunes: plant?.prunes ?? true,
    options: {
      group: config.group,
      promisesMax: config.promisesMax,
      clocks: config.clocks,
      ceilingLead: config.ceilingLead,
      acceptorRules: { ...ACCEPTOR_RULES, ...plant?.acceptor },
      proposerRules: { ...PROPOSER_RULES, ...plant?.proposer },
      recoversCeiling: plant?.node?.recoversCeiling ?? true,
      recoversClock: plant?.node?.recoversClock ?? true,
    },
  };
}

export function plantNamed(name: string): Plant {
  const plant = PLANTS.find((other) => other.name === name);
  if (plant === undefined) throw new Error(`no plant ${name}; there are ${PLANTS.map((p) => p.name).join(", ")}`);
  return plant;
}

export function runOfPlant(plant: Plant): Run {
  return runOf(configNamed(plant.config), plant);
}
