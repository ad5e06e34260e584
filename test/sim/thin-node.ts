/**
 * test/sim/thin-node.ts: the machines of one key's register without storage, frames and links: messages are values, the disk is a list. It
 * shows that checkers and planted bugs are worth something without everything else, and quickly.
 */
import type { Answer, Work } from "../../src/cluster/work.js";
import { Ceiling, UNLOGGED } from "../../src/core/clock/ceiling.js";
import { Hlc } from "../../src/core/clock/hlc.js";
import { Acceptor } from "../../src/core/register/acceptor.js";
import type { Effect, Surroundings, Timer } from "../../src/core/register/effects.js";
import type { Reply, Request } from "../../src/core/register/messages.js";
import { Proposer } from "../../src/core/register/proposer.js";
import type { ReplicaGroup } from "../../src/core/register/quorum.js";
import { Reader } from "../../src/core/register/reader.js";
import type { Held } from "../../src/core/register/state.js";
import { crc32 } from "../../src/lib/crc.js";
import type { Random } from "../../src/lib/random.js";
import { encodeState, type Value } from "../../src/storage/state-record.js";
import type { Events } from "./events.js";
import type { Host } from "./host.js";
import type { Machine, MachineParts, Store } from "./machine.js";
import type { Plan } from "./plan.js";
import { acceptorRules, proposerRules } from "./plants.js";

type Message = Request<Value> | Reply<Value>;
type Logged = { readonly name: string; readonly held: Held<Value> } | { readonly ceiling: number };

const DEADLINE_MS = 2000;

export class ThinStore implements Store {
  slowness = 1;
  readonly counts: Record<string, number> = {};
  readonly log: Logged[] = [];
  /** How much of the log is on the disk. */
  durable = 0;
  boot = 0;
  stuckUntilMs = 0;
  private readonly plan: Plan;
  private readonly random: Random;

  constructor(_host: Host, random: Random, plan: Plan) {
    this.plan = plan;
    this.random = random;
  }

  syncMs(): number {
    const [least, more] = this.plan.diskMs;
    return (least + this.random.unit() * more) * this.slowness;
  }

  lose(_power: boolean, random: Random): void {
    this.log.length = this.durable + random.below(this.log.length - this.durable + 1);
    this.durable = this.log.length;
  }
  crashSoon(): void {}
  failSoon(): void {}
  stick(): void {}
  fill(): void {}
  heal(): void {
    this.slowness = 1;
  }
}

export class ThinNode implements Machine, Surroundings<Value> {
  private readonly parts: MachineParts;
  private readonly store: ThinStore;
  private readonly events: Events;
  private readonly memory = new Map<string, Held<Value>>();
  private readonly clock = new Hlc();
  private readonly ceiling: Ceiling;
  private readonly acceptor: Acceptor<Value>;
  private readonly proposer: Proposer<Value, Buffer>;
  private readonly reader: Reader<Value, Buffer>;
  private readonly waiting: { readonly lsn: number; readonly send: () => void }[] = [];
  private readonly callers = new Map<number, (answer: Answer) => void>();
  private nextId = 1;
  private syncing = false;

  constructor(parts: MachineParts, store: ThinStore) {
    const { plan, plant, index } = parts;
    this.parts = parts;
    this.store = store;
    this.events = parts.net.events;
    let recovered = 0;
    for (const entry of store.log) {
      if ("ceiling" in entry) recovered = entry.ceiling;
      else this.memory.set(entry.name, { ...entry.held, chosen: false, lsn: 0 });
    }
    if (plant?.node?.losesCeiling) recovered = 0;
    store.boot = plant?.node?.keepsBoot ? 1 : store.boot + 1;
    this.ceiling = new Ceiling(recovered);
    if (!plant?.node?.clockAnew) this.clock.witness(recovered);
    const rules = proposerRules(plant);
    const surroundings = this;
    this.acceptor = new Acceptor({
      restartFloor: recovered,
      promisesMax: plan.promisesMax,
      rules: acceptorRules(plant),
    });
    this.proposer = new Proposer({ node: index, clock: this.clock, surroundings, rules, ownedMax: plan.ownedMax });
    this.reader = new Reader({ boot: store.boot, clock: this.clock, surroundings, proposer: this.proposer, rules });
  }

  start(ready: () => void): void {
    ready();
  }

  perform(work: Work, done: (answer: Answer) => void): void {
    const { name } = work;
    const id = this.nextId++;
    const { host } = this.parts;
    const deadline = host.nowMs() + DEADLINE_MS;
    this.callers.set(id, done);
    this.clock.observe(host.nowMs());
    const out: Effect<Value, Buffer>[] = [];
    const operation = { id, deadline, apply: work.apply.bind(work) };
    let read = 0;
    if (work.writes) this.proposer.submit(name, operation, host.nowMs(), out);
    else read = this.reader.read(name, operation, out);
    host.after(DEADLINE_MS + 1, () => {
      const late: Effect<Value, Buffer>[] = [];
      if (read !== 0) this.reader.expire(read, late);
      this.proposer.expire(name, deadline + 1, late);
      this.carryOut(late);
    });
    this.carryOut(out);
  }

  held(name: string): Held<Value> | undefined {
    return this.memory.get(name);
  }
  random(): number {
    return this.parts.unit();
  }
  expires(): boolean {
    return true;
  }
  replicas(name: string): readonly number[] {
    const { nodes, n, partitions } = this.parts.plan;
    const partition = (name.charCodeAt(name.length - 1) * 7) % partitions;
    return Array.from({ length: n }, (_, i) => (partition + i) % nodes);
  }
  group(name: string): ReplicaGroup {
    const { r, w } = this.parts.plan;
    const { index } = this.parts;
    const all = this.replicas(name);
    const nodes = all.includes(index) ? [index, ...all.filter((node) => node !== index)] : all;
    return { epoch: 1, nodes, r, w };
  }
  loads(): Readonly<Record<string, readonly [number, number]>> {
    return { operations: [this.callers.size, 10_000] };
  }

  private carryOut(out: readonly Effect<Value, Buffer>[]): void {
    const { host } = this.parts;
    for (const effect of out) {
      if (effect.type === "settle") {
        this.callers.get(effect.id)?.(effect.outcome);
        this.callers.delete(effect.id);
      } else if (effect.type === "timer") {
        const { timer } = effect;
        host.after(effect.delayMs, () => this.timer(timer));
      } else {
        const { to, message, underCeiling } = effect;
        this.send(to, message, underCeiling > 0 ? this.cover(underCeiling) : 0);
      }
    }
  }

  private timer(timer: Timer): void {
    const out: Effect<Value, Buffer>[] = [];
    const now = this.parts.host.nowMs();
    this.clock.observe(now);
    if (timer.what === "read") this.reader.timer(timer.id, now, out);
    else this.proposer.timer(timer, now, out);
    this.carryOut(out);
  }

  private send(to: number, message: Message, lsn: number): void {
    const { index, hosts, net, unit } = this.parts;
    if (lsn > this.store.durable) {
      this.waiting.push({ lsn, send: () => this.send(to, message, 0) });
      return;
    }
    const host = hosts[to];
    if (to !== index && (net.isBlocked(index, to) || unit() < net.lossShare)) return;
    const ticks = to === index ? 1 : net.travel(index, to);
    this.events.at(host.nextTurn(this.events.now + ticks), host, () => {
      MACHINES.get(host)?.receive(index, message);
    });
  }

  private receive(from: number, message: Message): void {
    const now = this.parts.host.nowMs();
    this.clock.observe(now);
    switch (message.type) {
      case "read":
      case "prepare":
      case "accept":
      case "learn":
      case "chosen":
      case "ask":
      case "purge":
        return this.request(from, message);
      default: {
        const out: Effect<Value, Buffer>[] = [];
        this.proposer.receive(from, message, now, out);
        this.reader.receive(from, message, now, out);
        this.carryOut(out);
      }
    }
  }

  private request(from: number, request: Request<Value>): void {
    const held = this.memory.get(request.key);
    const effects = this.acceptor.receive(request, held, { epoch: 1, floor: 0, floorLsn: 0 });
    const { accepted, reply, afterLsn, afterWrites, underCeiling, marks } = effects;
    if (accepted !== undefined) {
      this.append({ name: request.key, held: { ...accepted, lsn: this.store.log.length + 1 } });
      const hash = crc32(encodeState(request.key, accepted.ballot, accepted.state));
      const { evidence, index } = this.parts;
      evidence.accepted(index, request.key, accepted.ballot, hash, accepted.state);
    }
    if (marks && held !== undefined) this.memory.set(request.key, { ...held, chosen: true });
    if (reply === undefined) return;
    let lsn = afterWrites ? this.store.log.length : afterLsn;
    if (underCeiling > 0) lsn = Math.max(lsn, this.cover(underCeiling));
    this.send(from, reply, lsn);
  }

  private append(entry: Logged): void {
    this.store.log.push(entry);
    if (!("ceiling" in entry)) this.memory.set(entry.name, entry.held);
    if (this.syncing) return;
    this.syncing = true;
    this.parts.host.endOfTurn(() => this.sync());
  }

  private sync(): void {
    const upTo = this.store.log.length;
    this.parts.host.after(this.store.syncMs(), () => {
      this.store.durable = upTo;
      this.ceiling.durable(upTo);
      this.syncing = this.store.log.length > upTo;
      while (this.waiting.length > 0 && this.waiting[0].lsn <= upTo) this.waiting.shift()?.send();
      if (this.syncing) this.sync();
    });
  }

  private cover(hlc: number): number {
    const lsn = this.ceiling.gate(hlc);
    if (lsn !== UNLOGGED) return lsn;
    const ceiling = this.ceiling.ahead(hlc);
    this.append({ ceiling });
    this.ceiling.appended(ceiling, this.store.log.length);
    return this.store.log.length;
  }
}

/** The node that runs on a host now. */
const MACHINES = new Map<Host, ThinNode>();

export const THIN_MAKERS = {
  store: (host: Host, random: Random, plan: Plan): Store => new ThinStore(host, random, plan),
  machine: (parts: MachineParts, store: Store): Machine => {
    const node = new ThinNode(parts, store as ThinStore);
    MACHINES.set(parts.host, node);
    return node;
  },
};

