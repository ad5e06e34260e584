/**
 * test/sim/clients.ts: clients of the nodes. All work in bursts and rest in between, which costs nothing to simulate: so much simulated time passes
 * per operation that faults have their effects, and operations come close together as under load.
 * A client whose node is gone does not learn what became of its operations, waits, and goes on, perhaps at another node.
 */
import type { Answer } from "../../src/cluster/work.js";
import type { Random } from "../../src/lib/random.js";
import { Entry } from "./history.js";
import type { Ledger } from "./ledger.js";
import { type Ask, KINDS, type Kind } from "./model.js";
import type { Simulation } from "./simulation.js";
import { decodeReply, SimWork } from "./works.js";

class Client {
  node: number;
  /** Waits until then, ms. */
  awayUntilMs = 0;
  underWay = 0;
  /** By key: reads under way. What comes behind a read waits for it, as in a session of the server. */
  readonly reads: Map<string, number> = new Map();
  /** What it last saw of a key. */
  readonly seen: Map<string, string> = new Map();

  constructor(node: number) {
    this.node = node;
  }
}

export class Clients {
  /** Are they working? */
  working = false;
  asked = 0;
  private readonly sim: Simulation;
  private readonly random: Random;
  private readonly clients: Client[] = [];
  private readonly kinds: Kind[] = [];
  private readonly shares: number[] = [];
  private waiting: (() => void)[] = [];
  private over = false;

  constructor(sim: Simulation, random: Random) {
    this.sim = sim;
    this.random = random;
    const { nodes, clientsPerNode, weights } = sim.plan;
    for (let i = 0; i < nodes * clientsPerNode; i++) this.clients.push(new Client(i % nodes));
    let total = 0;
    for (const kind of KINDS) {
      total += weights[kind];
      this.kinds.push(kind);
      this.shares.push(total);
    }
  }

  start(): void {
    this.rest();
  }

  stop(): void {
    this.over = true;
    this.working = false;
  }

  /** Call once, at the next burst. */
  whenBusy(run: () => void): void {
    if (this.working) run();
    else this.waiting.push(run);
  }

  private rest(): void {
    this.working = false;
    this.sim.events.after(this.random.unit() * 2 * this.sim.plan.restMs, () => this.burst());
  }

  private burst(): void {
    if (this.over) return;
    this.working = true;
    const { waiting } = this;
    this.waiting = [];
    for (const run of waiting) run();
    for (const client of this.clients) this.go(client);
    this.sim.events.after((0.2 + this.random.unit() * 1.6) * this.sim.plan.burstMs, () => this.rest());
  }

  private go(client: Client): void {
    const { plan } = this.sim;
    while (client.underWay < plan.pipeline) {
      client.underWay++;
      this.soon(client, plan.thinkMs * this.random.unit());
    }
  }

  private soon(client: Client, ms: number): void {
    const { events, hosts } = this.sim;
    const host = hosts[client.node];
    const at = host.nextTurn(events.now + ms * 64);
    events.at(at, undefined, () => this.send(client));
  }

  private send(client: Client): void {
    const { sim } = this;
    const { events, plan } = sim;
    const host = sim.hosts[client.node];
    if (!this.working || this.asked >= plan.ops || events.nowMs < client.awayUntilMs) {
      client.underWay--;
      return;
    }
    if (events.now < host.pausedUntil) {
      // It waits in the socket, or is given up.
      if (this.random.below(4) > 0) events.at(host.pausedUntil, undefined, () => this.send(client));
      else this.leave(client);
      return;
    }
    if (sim.machines[client.node] === undefined || !host.up) return this.leave(client);
    const key = this.key();
    const name = sim.names[key];
    if ((client.reads.get(name) ?? 0) > 0) return this.soon(client, 0.2 + this.random.unit());
    const entry = this.ask(client, name, key % plan.plainEvery === 0);
    sim.perform(entry, (answer) => this.answered(client, entry, answer));
  }

  /** Its node does not answer: go elsewhere, perhaps, after a while. */
  private leave(client: Client): void {
    client.underWay--;
    client.awayUntilMs = this.sim.events.nowMs + this.random.unit() * 50;
    if (this.random.below(2) === 0) client.node = this.random.below(this.sim.plan.nodes);
  }

  /** @param plain the key never has a deadline, nor is it deleted. */
  private ask(client: Client, name: string, plain: boolean): Entry {
    const { sim, random } = this;
    const { plan, history } = sim;
    this.asked++;
    const id = history.nextId;
    const kind = this.kind(plain);
    const seen = client.seen.get(name);
    const text = kind === "append" ? String.fromCharCode(97 + (id % 26)) : this.text(id);
    const expected = kind === "cas" ? (seen ?? "nothing") : "";
    const ttlMs = kind === "setex" ? 1 + Math.floor(random.unit() * 2 * plan.ttlMs) : 0;
    const ask: Ask = { kind, id, text: writesText(kind) ? text : "", expected, ttlMs };
    const entry = new Entry(ask, name, client.node, sim.events.now);
    if (kind === "get") client.reads.set(name, (client.reads.get(name) ?? 0) + 1);
    history.add(entry);
    return entry;
  }

  /** Numbers now and then, so that there is something to count up. */
  private text(id: number): string {
    return id % 3 === 0 ? String(id) : `v${id}`;
  }

  private answered(client: Client, entry: Entry, answer: Answer | undefined): void {
    if (entry.ask.kind === "get") client.reads.set(entry.name, (client.reads.get(entry.name) ?? 1) - 1);
    // What is refused at once would be refused at once again.
    if (answer === undefined || entry.heard === "no") return this.leave(client);
    if (entry.ask.kind === "get" && entry.applied?.found !== undefined) client.seen.set(entry.name, entry.result);
    if (entry.ask.kind === "set" && entry.heard === "yes") client.seen.set(entry.name, entry.ask.text);
    if (this.working) this.soon(client, this.sim.plan.thinkMs * this.random.unit());
    else client.underWay--;
  }

  /** @returns its number. */
  private key(): number {
    const { plan } = this.sim;
    return this.random.unit() < plan.hotShare ? 0 : this.random.below(plan.keys);
  }

  private kind(plain: boolean): Kind {
    const { kinds, shares } = this;
    for (;;) {
      const drawn = this.random.unit() * shares[shares.length - 1];
      let at = 0;
      while (drawn >= shares[at]) at++;
      const kind = kinds[at];
      if (!plain || (kind !== "setex" && kind !== "del" && kind !== "getdel" && kind !== "persist")) return kind;
    }
  }
}

function writesText(kind: Kind): boolean {
  return kind !== "get" && kind !== "del" && kind !== "getdel" && kind !== "incr" && kind !== "persist";
}

/** What the answer says, into the history. */
export function hear(entry: Entry, answer: Answer | undefined, now: number, ledger: Ledger): void {
  if (answer === undefined) {
    entry.heard = "maybe";
    return;
  }
  entry.heard = answer.applied;
  if (answer.applied === "maybe") return;
  entry.responded = now;
  if (answer.applied !== "yes") return;
  entry.ballot = answer.ballot;
  const { turn, result } = decodeReply(answer.result);
  entry.applied = ledger.of(turn);
  entry.result = result;
}

export function workOf(entry: Entry, ledger: Ledger): SimWork {
  return new SimWork(entry.name, entry.ask, ledger);
}
