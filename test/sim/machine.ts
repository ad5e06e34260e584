/**
 * test/sim/machine.ts: what the simulator asks of a node: one life of its process, from start to crash. And what a node is given.
 */
import type { Answer, Work } from "../../src/cluster/work.js";
import type { Dot } from "../../src/core/clock/dot.js";
import type { RegisterState } from "../../src/core/register/state.js";
import type { Random } from "../../src/lib/random.js";
import type { Value } from "../../src/storage/state-record.js";
import type { Evidence } from "./evidence.js";
import type { Host } from "./host.js";
import type { Ledger, WallClocks } from "./ledger.js";
import type { SimNet } from "./network.js";
import type { Plan } from "./plan.js";
import type { Plant } from "./plants.js";

export interface Machine {
  /** @param ready when it serves. @throws what a start fails with. */
  start(ready: () => void): void;
  perform(work: Work, done: (answer: Answer) => void): void;
  /** What it holds in memory. */
  held(name: string): { readonly ballot: Dot; readonly state: RegisterState<Value> } | undefined;
  /** Members that hold the key. */
  replicas(name: string): readonly number[];
  /** It compares its clock with those of all others. */
  readonly seesAll: boolean;
  /** Everything that is in flight or waits, each with its bound. */
  loads(): Readonly<Record<string, readonly [now: number, most: number]>>;
}

export interface MachineParts {
  readonly index: number;
  readonly host: Host;
  readonly hosts: readonly Host[];
  readonly net: SimNet;
  readonly plan: Plan;
  readonly plant: Plant | undefined;
  readonly evidence: Evidence;
  readonly ledger: Ledger;
  readonly wallClocks: () => WallClocks;
  /** Draws 0 <= x < 1. */
  readonly unit: () => number;
  /** The process ends itself. */
  readonly exit: (why: string) => void;
}

/** What outlives a process: its disk. */
export interface Store {
  /** How many times slower than planned. */
  slowness: number;
  readonly counts: Readonly<Record<string, number>>;
  /** The process ends. @param power what was not synced is kept, lost or torn; else the system still writes it. */
  lose(power: boolean, random: Random): void;
  /** The power goes at so many syncs from now, within the call. */
  crashSoon(syncs: number): void;
  failSoon(what: "sync" | "write"): void;
  /** Nothing is done for so long. */
  stick(ms: number): void;
  /** So many bytes are left. */
  fill(bytes: number): void;
  /** Faults end. */
  heal(): void;
}
