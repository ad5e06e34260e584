/**
 * test/sim/plan.ts: what a seed stands for: how many nodes and copies, what clients do, how time, network and disks behave, and which faults
 * come how often. Each seed draws a subset of everything, so that no fault hides behind another.
 */
import { Random } from "../../src/lib/random.js";
import type { ClockFaults } from "./host.js";
import type { Kind } from "./model.js";
import type { LinkTimes } from "./network.js";

export type FaultKind =
  | "crash"
  | "power"
  | "crash-in-disk"
  | "crash-in-recovery"
  | "power-all"
  | "pause"
  | "long-pause"
  | "jump"
  | "partition"
  | "one-way"
  | "bridge"
  | "reset"
  | "cut"
  | "slow-link"
  | "slow-disk"
  | "stuck-disk"
  | "sync-error"
  | "write-error"
  | "full-disk";
export const FAULT_KINDS: readonly FaultKind[] = [
  "crash",
  "power",
  "crash-in-disk",
  "crash-in-recovery",
  "power-all",
  "pause",
  "long-pause",
  "jump",
  "partition",
  "one-way",
  "bridge",
  "reset",
  "cut",
  "slow-link",
  "slow-disk",
  "stuck-disk",
  "sync-error",
  "write-error",
  "full-disk",
];

export interface Plan {
  readonly seed: number;
  /** Operations to be asked for before everything is healed. */
  readonly ops: number;
  readonly nodes: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly partitions: number;
  readonly keys: number;
  /** Share of operations on the first key, beside its fair one. */
  readonly hotShare: number;
  /** Keys whose number modulo this is 0 never have deadlines nor are deleted. */
  readonly plainEvery: number;
  readonly clientsPerNode: number;
  /** Operations that a client has under way at a time. */
  readonly pipeline: number;
  readonly thinkMs: number;
  /** Clients work for so long, all together, and rest for so long, on average. */
  readonly burstMs: number;
  readonly restMs: number;
  readonly weights: Readonly<Record<Kind, number>>;
  readonly ttlMs: number;
  readonly quantumTicks: number;
  readonly lookMs: number;
  readonly clocks: readonly ClockFaults[];
  readonly links: LinkTimes;
  /** Of a write of the log, ms: at least, and how much more. */
  readonly diskMs: readonly [least: number, more: number];
  readonly segmentBytes: number;
  readonly snapshotLogBytes: number;
  /** Do nodes forward works to the key's preferred proposer? They need not: then proposers compete. */
  readonly forwards: boolean;
  /** First wait of a link that broke, ms. */
  readonly backoffMs: number;
  /** How long a node that crashed stays away at most, ms: one of these. */
  readonly awayMs: readonly number[];
  /** Of log, kept for peers that are behind. */
  readonly retainBytes: number;
  readonly askedMax: number;
  readonly promisesMax: number;
  /** How far ahead of use ceilings are logged, ms: what is that short lapses all the time. */
  readonly ceilingLeadMs: number;
  readonly ownedMax: number;
  readonly queueMax: number;
  /** Each with the mean time between two, ms. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
}

const QUORUMS: readonly (readonly [n: number, r: number, w: number])[] = [
  [3, 2, 2],
  [3, 2, 2],
  [3, 2, 2],
  [3, 1, 3],
  [3, 3, 1],
  [3, 2, 3],
  [3, 3, 2],
];

export function planOf(seed: number, ops: number): Plan {
  const random = new Random(seed);
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)];
  const between = (least: number, most: number): number => least + random.unit() * (most - least);
  const chance = (share: number): boolean => random.unit() < share;
  const nodes = pick([3, 3, 3, 4, 5]);
  const [n, r, w] = nodes === 5 && chance(0.4) ? ([5, 3, 3] as const) : pick(QUORUMS);
  const keys = pick([1, 2, 4, 8, 16, 32]);
  const gentle = chance(0.15);
  return {
    seed,
    ops,
    nodes,
    n,
    r,
    w,
    partitions: pick([1, 2, 8, 32]),
    keys,
    hotShare: chance(0.3) ? between(0.1, 0.7) : 0,
    plainEvery: pick([1, 2, 3, 1000]),
    clientsPerNode: pick([4, 16, 32, 64, 128]),
    pipeline: pick([1, 1, 2, 4]),
    thinkMs: pick([0, 0, 0.5, 2]),
    burstMs: pick([10, 30, 80]),
    restMs: pick([20, 100, 400, 3000]),
    weights: weightsOf(random),
    ttlMs: pick([1, 20, 300, 3000]),
    quantumTicks: pick([8, 32, 32, 64]),
    lookMs: pick([0.0001, 0.001, 0.01]),
    clocks: Array.from({ length: nodes }, () => clockOf(random)),
    links: {
      delayMs: pick([0.05, 0.1, 0.3]),
      spreadMs: pick([0.1, 0.3, 1, 4]),
      lateShare: chance(0.4) ? pick([0.001, 0.01, 0.05]) : 0,
      lateMs: pick([5, 50, 500]),
      cutShare: chance(0.3) ? 0.1 : 0.005,
      windowBytes: pick([512, 8192, 262144]),
    },
    diskMs: pick([
      [0, 0],
      [0.05, 0.2],
      [0.2, 2],
      [2, 8],
    ]),
    segmentBytes: pick([65536, 65536, 262144]),
    snapshotLogBytes: pick([20_000, 60_000, 500_000]),
    forwards: chance(0.65),
    backoffMs: pick([3, 50]),
    awayMs: [5, 300, 300, 5000],
    retainBytes: pick([0, 100_000, 10_000_000]),
    askedMax: pick([64, 1024, 4096]),
    promisesMax: pick([1, 4, 65536, 65536]),
    ownedMax: pick([1, 65536, 65536]),
    queueMax: pick([16, 4096, 4096, 4096]),
    faults: gentle ? {} : faultsOf(random),
    ceilingLeadMs: pick([2000, 2000, 2000, 20, 1]),
  };
}

function weightsOf(random: Random): Record<Kind, number> {
  const weights: Record<Kind, number> = {
    get: 4,
    set: 3,
    setnx: 1,
    del: 1,
    getdel: 0.5,
    getset: 1,
    incr: 2,
    append: 2,
    cas: 2,
    setex: 1,
    persist: 0.3,
  };
  // Some are left out, some are frequent.
  for (const kind of Object.keys(weights) as Kind[]) {
    const fate = random.below(6);
    if (fate === 0) weights[kind] = 0;
    if (fate === 1) weights[kind] *= 4;
  }
  weights.get += 0.5;
  weights.set += 0.1;
  return weights;
}

function clockOf(random: Random): ClockFaults {
  const wild = random.below(3) === 0;
  // One that stands: dots are told apart by their counts alone.
  const stands = random.below(16) === 0;
  return {
    offsetMs: wild ? (random.unit() - 0.5) * 600 : (random.unit() - 0.5) * 10,
    wallRate: stands ? 0 : 1 + (random.unit() - 0.5) * (wild ? 0.05 : 0.0002),
    steadyRate: 1 + (random.unit() - 0.5) * (wild ? 0.02 : 0.0002),
  };
}

/** Mean time between two faults of a kind, ms, when it comes often. */
const OFTEN: Readonly<Record<FaultKind, number>> = {
  crash: 1200,
  power: 1200,
  "crash-in-disk": 1500,
  "crash-in-recovery": 4000,
  "power-all": 6000,
  pause: 300,
  "long-pause": 12_000,
  jump: 500,
  partition: 2500,
  "one-way": 2500,
  bridge: 4000,
  reset: 300,
  cut: 300,
  "slow-link": 1000,
  "slow-disk": 1000,
  "stuck-disk": 5000,
  "sync-error": 5000,
  "write-error": 5000,
  "full-disk": 5000,
};

function faultsOf(random: Random): Partial<Record<FaultKind, number>> {
  const faults: Partial<Record<FaultKind, number>> = {};
  const share = 0.1 + random.unit() * 0.4;
  for (const kind of Object.keys(OFTEN) as FaultKind[]) {
    if (random.unit() < share) faults[kind] = OFTEN[kind] * (0.5 + random.unit() * 3);
  }
  return faults;
}
