/**
 * test/sim/simulation.ts: one seed from beginning to end: nodes, clients and faults for a while; then everything is healed, what is pending
 * ends, every key is read through every replica, and the checkers say what they think of it.
 */
import type { Answer } from "../../src/cluster/work.js";
import { compareDots } from "../../src/core/clock/dot.js";
import { DiskError } from "../../src/lib/errors.js";
import { Random } from "../../src/lib/random.js";
import { nameOf } from "../../src/storage/state-record.js";
import { isLinearizable } from "./check-linearizable.js";
import { OrderChecker } from "./check-order.js";
import { Clients, hear, workOf } from "./clients.js";
import { ClockJudge } from "./clock-judge.js";
import { Events } from "./events.js";
import { Evidence } from "./evidence.js";
import { Faults } from "./faults.js";
import { dotText, Entry, History, textOf, Violation } from "./history.js";
import { Host } from "./host.js";
import { Ledger, type WallClocks } from "./ledger.js";
import type { Machine, MachineParts, Store } from "./machine.js";
import { SimNet } from "./network.js";
import type { Plan } from "./plan.js";
import type { Plant } from "./plants.js";

/** Nothing takes longer than this to be answered on a node that runs, ms: two seconds, and timers that come late. */
const ANSWER_MS_MAX = 2500;
const HEAL_MS_MAX = 120_000;
/** Longer than anything that is in flight once nobody waits for it. */
const QUIET_MS = 4000;
/** A node that goes by its peers' clocks is off by no more than what is let pass of a clock (cluster/peer-clocks.ts), ms. */
const CLOCK_PLAY_MS = 500;
/**
 * It goes by its own clock as long as that is not half a second from the median, as a round trip tells it that may itself take as long, and drifts while
 * it sees no majority. Where clocks jump every half second, a node that sees one of two follows each of that one's small jumps, which add up, ms.
 */
const MEDIAN_PLAY_MS = 1000;
const MEDIAN_PLAY_WITH_JUMPS_MS = 4000;
/** Operations of a key that the black box looks at, and how hard. */
const BLACK_BOX_OPS = 120;
const BLACK_BOX_STEPS = 20_000;
const LOADS_EVERY = 512;
/** A tenth of a second apart: what cannot be reached yet is refused at once, and links come back within seconds. */
const READ_TRIES = 400;
const READS_AT_A_TIME = 8;
const READ_PASSES_MAX = 10;

export type Makers = {
  readonly store: (host: Host, random: Random, plan: Plan, nowTick: () => number) => Store;
  readonly machine: (parts: MachineParts, store: Store) => Machine;
};

export interface Report {
  readonly violation: string | undefined;
  readonly hash: string;
  readonly counts: Readonly<Record<string, number>>;
}

export class Simulation {
  readonly plan: Plan;
  readonly events: Events;
  readonly hosts: Host[] = [];
  readonly net: SimNet;
  readonly stores: Store[] = [];
  readonly machines: (Machine | undefined)[] = [];
  readonly history: History = new History();
  readonly evidence: Evidence = new Evidence();
  readonly names: string[] = [];
  readonly ledger: Ledger = new Ledger();
  readonly counts: Record<string, number> = {};
  private readonly plant: Plant | undefined;
  private readonly makers: Makers;
  private readonly random: Random;
  private readonly clients: Clients;
  private readonly faults: Faults;
  /** By node: operations under way, and who waits for them. */
  private readonly open: Map<Entry, (answer: Answer | undefined) => void>[] = [];
  private healing = false;
  private violation: string | undefined;
  private readonly clockJudge: ClockJudge;
  /** Acknowledged writes since all nodes last lost power. */
  private writes = 0;

  constructor(plan: Plan, makers: Makers, plant?: Plant) {
    this.plan = plan;
    this.plant = plant;
    this.makers = makers;
    this.events = new Events(plan.seed);
    this.random = new Random(plan.seed + 1);
    for (let i = 0; i < plan.nodes; i++) {
      const host = new Host(i, this.events, plan.quantumTicks, plan.lookMs, plan.clocks[i]);
      host.onPowerLoss = () => this.crash(i, true);
      host.onError = (error) => {
        if (error instanceof DiskError) this.exit(i, "disk");
        else this.failed(error);
      };
      this.hosts.push(host);
      this.machines.push(undefined);
      this.open.push(new Map());
    }
    this.net = new SimNet(this.events, this.hosts, plan.links);
    const nowTick = (): number => this.events.now;
    // Of more than three a node may see most, and half of these be wrong where most of all are right. And a clock that stands tells no time.
    const medianCounts = plan.nodes === 3 && plan.clocks.every(({ wallRate }) => Math.abs(wallRate - 1) < 0.1);
    this.clockJudge = new ClockJudge(this.hosts, this.machines, nowTick, {
      medianCounts,
      jumps: plan.faults.jump !== undefined,
    });
    for (const host of this.hosts) this.stores.push(makers.store(host, this.random, plan, nowTick));
    for (let i = 0; i < plan.keys; i++) {
      const bytes = Buffer.from(`key:${i}`);
      this.names.push(nameOf(0, bytes, 0, bytes.length));
    }
    this.clients = new Clients(this, new Random(plan.seed + 2));
    this.faults = new Faults(this, new Random(plan.seed + 3));
  }

  run(): Report {
    try {
      for (let i = 0; i < this.plan.nodes; i++) this.boot(i);
      this.clients.start();
      this.faults.start();
      this.until(() => this.clients.asked >= this.plan.ops, Number.POSITIVE_INFINITY);
      this.heal();
      this.judge();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.violation ??= error.message;
    }
    this.count("operations", this.history.nextId - 1);
    for (const entry of this.history.entries) if (entry !== undefined) this.count(entry.heard, 1);
    this.count("events", this.events.count);
    this.count("simulated ms", Math.round(this.events.nowMs));
    this.count("connects", this.net.connects);
    for (const [kind, times] of this.faults.counts) this.count(`fault ${kind}`, times);
    for (const store of this.stores) for (const [name, times] of Object.entries(store.counts)) this.count(name, times);
    return { violation: this.violation, hash: this.events.hash, counts: this.counts };
  }

  get clockPlayMs(): number {
    const { faults, clocks } = this.plan;
    const apart = clocks.some(({ offsetMs, wallRate }) => Math.abs(offsetMs) > 5 || Math.abs(wallRate - 1) > 0.001);
    return apart || faults.jump !== undefined ? CLOCK_PLAY_MS : 0;
  }

  get medianPlayMs(): number {
    return this.plan.faults.jump === undefined ? MEDIAN_PLAY_MS : MEDIAN_PLAY_WITH_JUMPS_MS;
  }

  private count(name: string, more: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + more;
  }

  private failed(error: Error): void {
    if (this.violation !== undefined) return;
    this.violation = error instanceof Violation ? error.message : `a node threw: ${error.stack}`;
  }

  private until(done: () => boolean, mostMs: number): void {
    const { events } = this;
    const untilTick = events.now + mostMs * 64;
    for (let i = 0; !done() && events.now < untilTick; i++) {
      if (!events.step()) throw new Error("nothing more happens");
      if (this.violation !== undefined) throw new Violation(this.violation);
      if (i % LOADS_EVERY === 0) this.checkLoads();
    }
  }

  private checkLoads(): void {
    for (const machine of this.machines) {
      for (const [name, [now, most]] of Object.entries(machine?.loads() ?? {})) {
        if (now > most) throw new Violation(`bounds: ${name} is ${now}, may be ${most}`);
      }
    }
  }

  whenBusy(mostMs: number, run: () => void): void {
    let told = false;
    const once = (): void => {
      if (!told) run();
      told = true;
    };
    this.clients.whenBusy(once);
    this.events.after(mostMs, once);
  }

  // Nodes.

  private boot(index: number): void {
    const host = this.hosts[index];
    host.powered = true;
    host.up = true;
    const { plan, plant, net, hosts, evidence, ledger } = this;
    const wallClocks = (): WallClocks => this.clockJudge.now();
    const exit = (why: string): void => this.exit(index, why);
    const unit = (): number => this.random.unit();
    const life = host.life;
    host.enter(() => {
      const parts = { index, host, hosts, net, plan, plant, evidence, ledger, wallClocks, unit, exit };
      try {
        const machine = this.makers.machine(parts, this.stores[index]);
        machine.start(() => {
          if (host.life === life) this.machines[index] = machine;
        });
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        exit("disk at start");
      }
    });
  }

  /** The process ends itself: its disk has failed it. */
  private exit(index: number, why: string): void {
    this.count(`exit: ${why}`, 1);
    this.events.at(this.hosts[index].nextTurn(this.events.now + 64 * 20 * this.random.unit()), this.hosts[index], () =>
      this.crash(index, false),
    );
  }

  /** @param power the machine loses power, else the process is killed. */
  crash(index: number, power: boolean): void {
    const host = this.hosts[index];
    if (!host.up) {
      host.powered &&= !power;
      return;
    }
    this.count("crashes", 1);
    this.events.note(index + 16);
    host.end();
    host.powered = !power;
    this.machines[index] = undefined;
    this.net.crashed(host, !power);
    this.stores[index].lose(power, this.random);
    const open = [...this.open[index]];
    this.open[index].clear();
    for (const [entry, done] of open) {
      hear(entry, undefined, this.events.now, this.ledger);
      done(undefined);
    }
    this.events.after(this.healing ? 1 : this.awayMs(), () => {
      if (!host.up) this.boot(index);
    });
  }

  /** Most are back soon, some at once. */
  private awayMs(): number {
    const { awayMs } = this.plan;
    const most = awayMs[this.random.below(awayMs.length)];
    return 1 + most * this.random.unit() ** 2;
  }

  powerCut(): void {
    this.count("power cuts of all", 1);
    this.count("writes before power cuts", this.writes);
    this.writes = 0;
    for (let i = 0; i < this.plan.nodes; i++) this.crash(i, true);
  }

  // Operations.

  perform(entry: Entry, done: (answer: Answer | undefined) => void): void {
    const { events } = this;
    const host = this.hosts[entry.at];
    const machine = this.machines[entry.at] as Machine;
    const { life } = host;
    const pausedBefore = host.pausedUntil;
    this.open[entry.at].set(entry, done);
    host.enter(() =>
      machine.perform(workOf(entry, this.ledger), (answer) => {
        if (host.life !== life) return;
        if (!this.open[entry.at].delete(entry)) throw new Violation(`answered twice: ${textOf(entry)}`);
        events.note(entry.ask.id);
        hear(entry, answer, events.now, this.ledger);
        if (entry.heard === "yes" && entry.ask.kind !== "get") this.writes++;
        const tookMs = (events.now - entry.invoked) / 64;
        if (tookMs > ANSWER_MS_MAX && host.pausedUntil === pausedBefore)
          throw new Violation(`late: ${tookMs} ms for ${textOf(entry)}`);
        done(answer);
      }),
    );
  }

  jump(index: number, ms: number): void {
    this.clockJudge.now();
    this.hosts[index].jump(ms);
  }

  // The end.

  private heal(): void {
    this.faults.stop();
    this.clients.stop();
    this.healing = true;
    if (this.random.below(3) > 0) this.powerCut();
    this.net.heal();
    for (const store of this.stores) store.heal();
    // A pause is not cut short: what became due in it was put off to its end, and would come behind what is asked now.
    const runs = (host: Host): boolean =>
      this.machines[host.index] !== undefined && this.events.now >= host.pausedUntil;
    this.until(() => this.hosts.every(runs), HEAL_MS_MAX);
    if (this.machines.some((machine) => machine === undefined)) throw new Violation("a node does not come back");
    this.durable();
    this.until(() => this.open.every(({ size }) => size === 0), HEAL_MS_MAX);
    // Rounds go on that nobody waits for any more.
    this.rest(QUIET_MS);
    this.readAll();
  }

  /** Every acknowledged state, or a later one, is held by W replicas, before anybody has repaired anything. */
  private durable(): void {
    for (const [name, entries] of this.history.byName) {
      let last: Entry | undefined;
      for (const entry of entries) {
        if (entry.heard !== "yes" || entry.ballot === undefined) continue;
        if (last?.ballot === undefined || compareDots(entry.ballot, last.ballot) > 0) last = entry;
      }
      if (last?.ballot === undefined) continue;
      let holders = 0;
      for (const node of (this.machines[0] as Machine).replicas(name)) {
        const held = this.machines[node]?.held(name);
        if (held !== undefined && compareDots(held.ballot, last.ballot) >= 0) holders++;
      }
      if (holders >= this.plan.w) continue;
      throw new Violation(`durability: ${holders} of ${this.plan.w} replicas hold the state of ${textOf(last)}`);
    }
  }

  private rest(ms: number): void {
    let over = false;
    this.events.after(ms, () => {
      over = true;
    });
    this.until(() => over, HEAL_MS_MAX);
  }

  /**
   * Read every key through every replica, until a pass has no read that failed; then replicas must be equal. A read that did not get through
   * may have had a state accepted by fewer than a quorum, at a replica that was read before: the next read is to find that, and nothing else does.
   */
  private readAll(): void {
    let failed = this.readPass(READS_AT_A_TIME);
    for (let pass = 1; failed > 0; pass++) {
      if (pass === READ_PASSES_MAX) throw new Violation(`not healed: ${failed} reads fail though each is alone`);
      // Its round goes on for a while.
      this.rest(QUIET_MS);
      failed = this.readPass(1);
    }
    this.rest(QUIET_MS);
    for (const name of this.history.byName.keys()) this.equal(name);
  }

  /** @returns how many reads were not answered at first. */
  private readPass(atATime: number): number {
    const replicas = (name: string): readonly number[] => (this.machines[0] as Machine).replicas(name);
    const queue = [...this.history.byName.keys()].flatMap((name) => replicas(name).map((node) => ({ name, node })));
    let pending = queue.length;
    let failed = 0;
    const read = (name: string, node: number, tries: number): void => {
      if (tries === 0) throw new Violation(`not healed: node ${node} does not answer reads`);
      const id = this.history.nextId;
      const entry = new Entry({ kind: "get", id, text: "", expected: "", ttlMs: 0 }, name, node, this.events.now);
      this.history.add(entry);
      this.perform(entry, () => {
        if (entry.heard !== "yes") {
          if (tries === READ_TRIES) failed++;
          return this.events.after(100, () => read(name, node, tries - 1));
        }
        pending--;
        return next();
      });
    };
    const next = (): unknown => {
      const wanted = queue.pop();
      return wanted && this.events.after(0, () => read(wanted.name, wanted.node, READ_TRIES));
    };
    // Few at a time: where hardly any promise is kept, many rounds side by side only get into each other's way.
    for (let i = 0; i < atATime; i++) next();
    this.until(() => pending === 0, HEAL_MS_MAX);
    if (pending > 0) throw new Violation("not healed: reads are not answered");
    return failed;
  }

  private equal(name: string): void {
    const dots = (this.machines[0] as Machine).replicas(name).map((node) => {
      const held = this.machines[node]?.held(name);
      return held === undefined ? "nothing" : dotText(held.ballot);
    });
    if (new Set(dots).size > 1)
      throw new Violation(`convergence: replicas of ${JSON.stringify(name)} hold ${dots.join(", ")}`);
  }

  private judge(): void {
    for (const [name, entries] of this.history.byName) {
      this.count("checked", new OrderChecker(this, name).check());
      this.evidence.check(name, this.history, this.plan.w);
      if (entries.some(({ ask }) => ask.kind === "setex")) continue;
      const first = entries.slice(0, BLACK_BOX_OPS).map((entry) => asOf(entry, entries[BLACK_BOX_OPS]?.invoked));
      const verdict = isLinearizable(first, BLACK_BOX_STEPS);
      this.count(`black box: ${verdict}`, 1);
      if (verdict === "no")
        throw new Violation(`black box: ${JSON.stringify(name)}\n  ${first.map(textOf).join("\n  ")}`);
    }
  }
}

/** An operation as it was known before the first one that is left out was asked: what was answered later may have come after that one. */
function asOf(entry: Entry, tick: number | undefined): Entry {
  if (tick === undefined || entry.responded < tick) return entry;
  const open = new Entry(entry.ask, entry.name, entry.at, entry.invoked);
  open.heard = entry.heard === "no" ? "no" : "maybe";
  return open;
}
