/**
 * test/explore/node.ts: one node as the explorer has it: the real acceptor, proposer, reader, clock and ceiling, around a disk that loses what
 * was not synced. It does what a server will do with effects: log, hold in memory, send what may leave.
 *
 * The disk is a log: a sync makes all of it durable, a crash keeps any beginning of what was not synced. Messages that wait for the log
 * stand in `waiting` and are lost with the process.
 */
import { Ceiling, UNLOGGED } from "../../src/core/clock/ceiling.js";
import { Hlc } from "../../src/core/clock/hlc.js";
import { Acceptor, type AcceptorEffects } from "../../src/core/register/acceptor.js";
import type { AcceptorRules } from "../../src/core/register/acceptor-rules.js";
import type { Surroundings, Timer } from "../../src/core/register/effects.js";
import type { Reply, Request } from "../../src/core/register/messages.js";
import { Proposer } from "../../src/core/register/proposer.js";
import type { ProposerRules } from "../../src/core/register/proposer-rules.js";
import { Purger } from "../../src/core/register/purger.js";
import type { ReplicaGroup } from "../../src/core/register/quorum.js";
import { Reader } from "../../src/core/register/reader.js";
import type { Held, PartitionView } from "../../src/core/register/state.js";
import type { Answer } from "./history.js";

export const KEY = "k";

export type Message = Request<string> | Reply<string>;
export interface Letter {
  readonly from: number;
  readonly to: number;
  readonly message: Message;
}

type Logged =
  | { readonly what: "held"; readonly held: Held<string> }
  | { readonly what: "removed" }
  | { readonly what: "floor"; readonly floor: number }
  | { readonly what: "ceiling"; readonly ceiling: number };

interface Waiting {
  readonly lsn: number;
  readonly letter: Letter;
}

/** What makes nodes of one run alike. */
export interface NodeOptions {
  readonly group: ReplicaGroup;
  readonly acceptorRules: AcceptorRules;
  readonly proposerRules: ProposerRules;
  readonly promisesMax: number;
  readonly clocks: readonly number[];
  /** How far ahead of use the ceiling is logged, in counts of the clock. */
  readonly ceilingLead: number;
  /** false: a planted bug, a node that comes back without its ceiling. */
  readonly recoversCeiling: boolean;
  /** false: a planted bug, its clock begins anew. */
  readonly recoversClock: boolean;
}

/** All that survives a crash. */
export interface Durable {
  readonly held: Held<string> | undefined;
  readonly floor: number;
  readonly ceiling: number;
  /** Counted up before the process does anything else. */
  readonly boot: number;
}
export const EMPTY: Durable = { held: undefined, floor: 0, ceiling: 0, boot: 1 };

export class ExploredNode implements Surroundings<string> {
  readonly index: number;
  durable: Durable;
  log: Logged[] = [];
  memory: Held<string> | undefined;
  floor: number;
  floorLsn = 0;
  waiting: Waiting[] = [];
  timers: Timer[] = [];
  readonly accepting: Acceptor<string>;
  readonly proposing: Proposer<string, Answer>;
  readonly reading: Reader<string, Answer>;
  readonly purging: Purger<string>;
  readonly ceiling: Ceiling;
  readonly time: Hlc = new Hlc();
  /** Fingerprint of the node as it stands; set when a step is over. */
  one = 0;
  two = 0;
  private readonly replicas: ReplicaGroup;

  constructor(index: number, durable: Durable, options: NodeOptions) {
    this.index = index;
    this.durable = durable;
    this.memory = durable.held;
    this.floor = durable.floor;
    const recovered = options.recoversCeiling ? durable.ceiling : 0;
    this.ceiling = new Ceiling(recovered, options.ceilingLead);
    this.time.witness(options.clocks[index]);
    this.time.witness(options.recoversClock ? durable.ceiling : 0);
    const { acceptorRules, proposerRules: rules, promisesMax } = options;
    this.accepting = new Acceptor({ restartFloor: recovered, promisesMax, rules: acceptorRules });
    this.proposing = new Proposer({ node: index, clock: this.time, surroundings: this, rules });
    this.reading = new Reader({
      boot: durable.boot,
      clock: this.time,
      surroundings: this,
      proposer: this.proposing,
      rules,
    });
    this.purging = new Purger(this, rules);
    const { nodes: replicas } = options.group;
    const nodes = replicas.includes(index) ? [index, ...replicas.filter((node) => node !== index)] : replicas;
    this.replicas = { ...options.group, nodes };
  }

  group(): ReplicaGroup {
    return this.replicas;
  }
  held(): Held<string> | undefined {
    return this.memory;
  }
  random(): number {
    return 0;
  }
  answers(): boolean {
    return true;
  }
  expires(): boolean {
    return true;
  }

  /** The replica's part: @returns the reply as a letter if it may leave at once. One that may not waits for the log. */
  request(from: number, request: Request<string>): Letter | undefined {
    const view: PartitionView = { epoch: this.replicas.epoch, floor: this.floor, floorLsn: this.floorLsn };
    const effects = this.accepting.receive(request, this.memory, view);
    this.perform(effects);
    const { reply, afterLsn, afterWrites, underCeiling } = effects;
    effects.clear();
    if (reply === undefined) return undefined;
    let lsn = afterWrites ? this.log.length : afterLsn;
    if (underCeiling > 0) lsn = Math.max(lsn, this.cover(underCeiling));
    return this.leaves({ from: this.index, to: from, message: reply }, lsn);
  }

  private perform(effects: AcceptorEffects<string>): void {
    if (effects.accepted !== undefined) {
      this.memory = { ...effects.accepted, lsn: this.log.length + 1 };
      this.log.push({ what: "held", held: this.memory });
    }
    if (effects.floor > this.floor) {
      this.floor = effects.floor;
      this.log.push({ what: "floor", floor: this.floor });
      this.floorLsn = this.log.length;
    }
    if (effects.removes) {
      this.memory = undefined;
      this.log.push({ what: "removed" });
      this.floorLsn = this.log.length;
    }
    if (effects.marks && this.memory !== undefined) this.memory = { ...this.memory, chosen: true };
  }

  /** @returns the log position that a message under this hlc waits for, a ceiling having been logged if it must be. */
  cover(hlc: number): number {
    const lsn = this.ceiling.gate(hlc);
    if (lsn !== UNLOGGED) return lsn;
    const ceiling = this.ceiling.ahead(hlc);
    this.log.push({ what: "ceiling", ceiling });
    this.ceiling.appended(ceiling, this.log.length);
    return this.log.length;
  }

  /** @returns the letter if it may leave now. */
  leaves(letter: Letter, lsn: number): Letter | undefined {
    if (lsn === 0) return letter;
    this.waiting.push({ lsn, letter });
    return undefined;
  }

  /** The log is durable now. @returns what may leave. */
  sync(): Letter[] {
    for (const entry of this.log) this.durable = durableAfter(this.durable, entry);
    this.ceiling.durable(this.log.length);
    this.log = [];
    // Positions begin again at 1: only what is not durable has one that matters.
    this.floorLsn = 0;
    if (this.memory !== undefined && this.memory.lsn > 0) this.memory = { ...this.memory, lsn: 0 };
    const letters = this.waiting.map(({ letter }) => letter);
    this.waiting = [];
    return letters;
  }

  /** What is on the disk after a crash that kept the first `kept` unsynced records. */
  survivors(kept: number): Durable {
    let durable = this.durable;
    for (let i = 0; i < kept; i++) durable = durableAfter(durable, this.log[i]);
    return { ...durable, boot: durable.boot + 1 };
  }
}

function durableAfter(durable: Durable, entry: Logged): Durable {
  switch (entry.what) {
    case "held":
      // Marks are not logged, and positions end with the process.
      return { ...durable, held: { ...entry.held, chosen: false, lsn: 0 } };
    case "removed":
      return { ...durable, held: undefined };
    case "floor":
      return { ...durable, floor: entry.floor };
    case "ceiling":
      return { ...durable, ceiling: entry.ceiling };
  }
}
