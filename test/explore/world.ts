/**
 * test/explore/world.ts: three nodes, the messages between them, the clients, and what has been seen so far; and every step that could come
 * next. A world never changes once it is made: a step copies the node it happens on and shares the rest.
 *
 * Messages are a bag: any one may be delivered next, again (while doubles are left), or never, which is the same as lost. A node's
 * messages to itself are delivered at once, as in a server, but its own answers wait for its disk. Timers fire whenever they like.
 * A step that would issue a ballot beyond the bound is not taken: the search is complete up to the bounds of its configuration.
 * What can have no effect is left out: test/explore/interest.ts.
 */
import type { Effect, Timer } from "../../src/core/register/effects.js";
import type { Outcome } from "../../src/core/register/operation.js";
import type { Config } from "./config.js";
import { Evidence, violation } from "./evidence.js";
import { type Answer, DEADLINE, operationOf, type Seen } from "./history.js";
import { alike, isLive, matters } from "./interest.js";
import { EMPTY, ExploredNode, KEY, type Letter, type Message, type NodeOptions } from "./node.js";
import { copyOf, Fingerprint, fingerprintOf } from "./snapshot.js";

/** After the deadline of a value of "once", before that of an operation. */
const LATE = 20;

export type Action =
  | { readonly what: "send"; readonly operation: number }
  | { readonly what: "deliver"; readonly letter: Letter; readonly keep: boolean }
  | { readonly what: "timer"; readonly node: number; readonly timer: Timer }
  | { readonly what: "sync"; readonly node: number }
  | { readonly what: "crash"; readonly node: number; readonly kept: number }
  | { readonly what: "expire"; readonly node: number }
  | { readonly what: "purge"; readonly node: number }
  | { readonly what: "late" };

/** Thrown for a step beyond the bound on ballots. */
const OUT_OF_BALLOTS = Symbol("out of ballots");

export interface Run {
  readonly config: Config;
  readonly options: NodeOptions;
  /** Is a rule taken out? */
  readonly planted: boolean;
  /** May requests be left out that are refused now? */
  readonly prunes: boolean;
}

const UNSEEN: Seen = { status: "new", answer: undefined, after: 0 };

export class World {
  readonly run: Run;
  readonly nodes: ExploredNode[];
  letters: Letter[];
  seen: Seen[];
  evidence: Evidence;
  /** Bounds that are left. */
  crashes: number;
  doubles: number;
  timeouts: number;
  purges: number;
  late = false;

  constructor(run: Run, from?: World) {
    this.run = run;
    const { config, options } = run;
    this.nodes =
      from?.nodes.slice() ?? Array.from({ length: config.nodeCount }, (_, i) => new ExploredNode(i, EMPTY, options));
    this.letters = from?.letters.slice() ?? [];
    this.seen = from?.seen.slice() ?? config.plan.map(() => UNSEEN);
    this.evidence = from?.evidence ?? Evidence.NONE;
    this.crashes = from?.crashes ?? config.crashes;
    this.doubles = from?.doubles ?? config.doubles;
    this.timeouts = from?.timeouts ?? config.timeouts;
    this.purges = from?.purges ?? config.purges;
    this.late = from?.late ?? false;
    if (from === undefined) for (const node of this.nodes) print(node);
  }

  get now(): number {
    return this.late ? LATE : 0;
  }

  /** Of the whole world: messages count as a bag. */
  fingerprint(): Fingerprint {
    const whole = new Fingerprint();
    for (const node of this.nodes) {
      whole.number(node.one);
      whole.number(node.two);
    }
    let one = 0;
    let two = 0;
    for (const letter of this.letters) {
      const { one: a, two: b } = fingerprintOf(letter);
      one = (one + a) | 0;
      two = (two + b) | 0;
    }
    whole.number(one);
    whole.number(two);
    for (const seen of this.seen) whole.value(seen);
    whole.value(this.evidence);
    whole.number(
      (this.purges << 24) | (this.crashes << 16) | (this.doubles << 8) | (this.timeouts << 1) | (this.late ? 1 : 0),
    );
    return whole;
  }

  /** Everything that can happen next. */
  actions(): Action[] {
    const { config } = this.run;
    const actions: Action[] = [];
    const next = this.seen.findIndex(({ status }) => status === "new");
    if (next >= 0 && this.mayStart(next)) actions.push({ what: "send", operation: next });
    const purged = this.nodes.some(({ floor }) => floor > 0);
    const offered = new Set<number>();
    for (const letter of this.letters) {
      const { one } = fingerprintOf(letter);
      if (!purged && config.slow.includes(`${letter.from}>${letter.to}`)) continue;
      if (offered.has(one)) continue;
      offered.add(one);
      actions.push({ what: "deliver", letter, keep: false });
      if (this.doubles > 0) actions.push({ what: "deliver", letter, keep: true });
    }
    for (const node of this.nodes) {
      if (node.log.length > 0) actions.push({ what: "sync", node: node.index });
      if (this.timeouts > 0) for (const timer of node.timers) actions.push({ what: "timer", node: node.index, timer });
      else
        for (const timer of node.timers)
          if (timer.what === "retry") actions.push({ what: "timer", node: node.index, timer });
      if (this.crashes > 0 && config.crashing.includes(node.index)) {
        for (let kept = 0; kept <= node.log.length; kept++) actions.push({ what: "crash", node: node.index, kept });
      }
      const { memory } = node;
      if (
        this.purges > 0 &&
        memory !== undefined &&
        memory.state.value === undefined &&
        config.purging.includes(node.index)
      )
        actions.push({ what: "purge", node: node.index });
      if (config.givesUp && node.proposing.size > 0) actions.push({ what: "expire", node: node.index });
    }
    if (config.expiry && !this.late) actions.push({ what: "late" });
    return actions;
  }

  /** Operations are sent in the order of the plan, each as soon as it likes unless the configuration has it wait. */
  private mayStart(operation: number): boolean {
    const waitsFor = this.run.config.plan[operation].waitsFor;
    return waitsFor === undefined || this.seen[waitsFor].status === "done";
  }

  /** @returns the world after it, or undefined: beyond the bound on ballots. @throws {Violation} */
  after(action: Action): World | undefined {
    const world = new World(this.run, this);
    try {
      world.step(action);
    } catch (error) {
      if (error === OUT_OF_BALLOTS) return undefined;
      throw error;
    }
    world.letters = world.letters.filter((letter) => matters(world, letter));
    return world;
  }

  private step(action: Action): void {
    switch (action.what) {
      case "send": {
        const { operation: index } = action;
        const planned = this.run.config.plan[index];
        let after = 0;
        this.seen.forEach(({ status }, other) => {
          if (status === "done") after |= 1 << other;
        });
        this.seen[index] = { status: "sent", answer: undefined, after };
        this.on(planned.at, (node, out) => {
          const operation = operationOf(index, planned);
          if (planned.kind === "get" && planned.through !== "submit") node.reading.read(KEY, operation, out);
          else node.proposing.submit(KEY, operation, this.now, out);
        });
        break;
      }
      case "deliver": {
        const { letter, keep } = action;
        if (keep) this.doubles--;
        else this.letters.splice(this.letters.indexOf(letter), 1);
        this.touch(letter.to);
        this.arrive(letter);
        this.settled(letter.to);
        break;
      }
      case "timer": {
        const { timer } = action;
        if (timer.what !== "retry") this.timeouts--;
        this.on(action.node, (node, out) => {
          node.timers = node.timers.filter((other) => other !== timer);
          if (timer.what === "read") node.reading.timer(timer.id, this.now, out);
          else node.proposing.timer(timer, this.now, out);
        });
        break;
      }
      case "sync":
        this.touch(action.node);
        this.syncNode(action.node);
        this.settled(action.node);
        break;
      case "crash":
        this.crash(action.node, action.kept);
        break;
      case "expire":
        this.on(action.node, (node, out) => node.proposing.expire(KEY, DEADLINE, out));
        break;
      case "purge":
        this.purges--;
        this.on(action.node, (node, out) => node.purging.start(KEY, out as Effect<string, never>[]));
        break;
      case "late":
        this.late = true;
        break;
    }
  }

  private on(index: number, act: (node: ExploredNode, out: Effect<string, Answer>[]) => void): void {
    const node = this.touch(index);
    const out: Effect<string, Answer>[] = [];
    act(node, out);
    this.perform(node, out);
    this.settled(index);
  }

  /** The node as this step's own copy. */
  private touch(index: number): ExploredNode {
    const node = copyOf(this.nodes[index]);
    this.nodes[index] = node;
    return node;
  }

  /** The step is over on this node. */
  private settled(index: number): void {
    const node = this.nodes[index];
    while (this.run.config.sync === "at once" && node.log.length > 0) this.syncNode(index);
    node.timers = node.timers.filter(
      (timer, at) => isLive(node, timer) && at === node.timers.findIndex((t) => alike(t, timer)),
    );
    print(node);
  }

  private syncNode(index: number): void {
    const node = this.nodes[index];
    for (const entry of node.log) if (entry.what === "held") this.holds(index, entry.held.ballot);
    for (const letter of node.sync()) this.post(letter);
  }

  private crash(index: number, kept: number): void {
    const node = this.nodes[index];
    this.crashes--;
    for (let i = 0; i < kept; i++) {
      const entry = node.log[i];
      if (entry.what === "held") this.holds(index, entry.held.ballot);
    }
    const { plan } = this.run.config;
    this.seen.forEach((seen, i) => {
      if (seen.status === "sent" && plan[i].at === index) this.seen[i] = { ...seen, status: "lost" };
    });
    this.nodes[index] = new ExploredNode(index, node.survivors(kept), this.run.options);
    print(this.nodes[index]);
  }

  private holds(index: number, ballot: Parameters<Evidence["held"]>[1]): void {
    this.evidence = this.evidence.held(index, ballot, this.run.config.group.w);
  }

  /** Sent by its node: to itself it comes at once, to others some time. */
  private post(letter: Letter): void {
    if (!this.carries(letter.message)) return;
    if (letter.from === letter.to) this.arrive(letter);
    else this.letters.push(letter);
  }

  /** Notices and lessons are not needed for anything to be right: a configuration may lose them all. */
  private carries({ type }: Message): boolean {
    const { config } = this.run;
    return type === "chosen" ? config.notices : type === "learn" ? config.lessons : type !== "learned";
  }

  private arrive({ from, to, message }: Letter): void {
    const node = this.nodes[to];
    switch (message.type) {
      case "read":
      case "prepare":
      case "accept":
      case "learn":
      case "chosen":
      case "ask":
      case "purge": {
        const reply = node.request(from, message);
        if (reply !== undefined) this.post(reply);
        break;
      }
      default: {
        const out: Effect<string, Answer>[] = [];
        node.proposing.receive(from, message, this.now, out);
        node.reading.receive(from, message, this.now, out);
        node.purging.receive(from, message, out as Effect<string, never>[]);
        this.perform(node, out);
      }
    }
  }

  private perform(node: ExploredNode, out: readonly Effect<string, Answer>[]): void {
    for (const effect of out) {
      if (effect.type === "settle") this.settle(effect.id, effect.outcome);
      else if (effect.type === "nearly") throw new Error("no operation here has an asker");
      else if (effect.type === "timer") node.timers.push(effect.timer);
      else {
        const { to, message, underCeiling } = effect;
        this.witness(node, message);
        const lsn = underCeiling > 0 ? node.cover(underCeiling) : 0;
        const letter = node.leaves({ from: node.index, to, message }, lsn);
        if (letter !== undefined) this.post(letter);
      }
    }
  }

  /** What a proposer sends is evidence: ballots issued, what each proposal consists of. */
  private witness(node: ExploredNode, message: Message): void {
    if (message.type !== "prepare" && message.type !== "accept") return;
    this.evidence = this.evidence.sent(node, message);
    if (this.evidence.ballots > this.run.config.ballots) throw OUT_OF_BALLOTS;
  }

  private settle(id: number, outcome: Outcome<Answer>): void {
    const before = this.seen[id];
    if (before.status === "lost") return;
    if (before.status !== "sent") throw violation(`operation ${id} is settled twice`);
    if (outcome.applied === "yes") {
      this.seen[id] = { ...before, status: "done", answer: outcome.result };
      this.evidence.judge(this.run.config.plan, this.seen);
    } else this.seen[id] = { ...before, status: outcome.applied === "no" ? "refused" : "lost" };
  }
}

function print(node: ExploredNode): void {
  const whole = new Fingerprint();
  whole.value(node);
  node.one = whole.one;
  node.two = whole.two;
}
