/**
 * test/lib/cluster-load.ts: clients on all nodes of a cluster whose nodes are killed, and what they were told. Each sends one command at a time, to the
 * node that it is connected to until that is gone, then to another one.
 *   contended  few keys, new ones each round, which all clients write, delete, count and read: the histories must be one register's each
 *   kept       each client's own keys, written once each: what was acknowledged is there for ever
 *   counted    one key, only ever incremented: as often as acknowledged at least, and as often as sent at most; no number twice
 */
import type { Random } from "../../src/lib/random.js";
import type { KvorumCluster } from "./kvorum-cluster.js";
import { type Content, notLinearizable, type Step } from "./linearizable.js";
import type { Connection, Reply } from "./process-client.js";
import { within } from "./within.js";

const CONTENDED = 6;
const COUNTED = "counted";
const RETRY_MS = 20;
const WAIT_MS = 90_000;
/** Surely not done. */
const NOT_DONE: ReadonlySet<string> = new Set(["NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "LOADING"]);

/** What a command does to what is there, and what it answers. */
type Effect = (content: Content) => { readonly after: Content; readonly reply: Reply };

interface Ask {
  readonly key: string;
  readonly words: readonly string[];
  readonly writes: boolean;
  readonly effect: Effect;
}

export class ClusterLoad {
  acknowledged = 0;
  uncertain = 0;
  refused = 0;
  private readonly cluster: KvorumCluster;
  private readonly random: Random;
  private readonly clients: number;
  private round = 0;
  private number = 0;
  private stopped = true;
  private running: Promise<unknown> = Promise.resolve();
  private readonly histories: Map<string, Step[]> = new Map();
  private readonly kept: Map<string, string> = new Map();
  private readonly counts: { acknowledged: Set<number>; uncertain: number } = { acknowledged: new Set(), uncertain: 0 };
  /** An answer that none of these commands deserves. */
  private unexpected: string | undefined;

  constructor(cluster: KvorumCluster, random: Random, clients: number) {
    this.cluster = cluster;
    this.random = random;
    this.clients = clients;
  }

  start(): void {
    this.round++;
    this.histories.clear();
    this.stopped = false;
    this.running = Promise.all(Array.from({ length: this.clients }, (_, client) => this.client(client)));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await within(WAIT_MS, this.running, "the clients end");
  }

  private async client(client: number): Promise<void> {
    let connection: Connection | undefined;
    while (!this.stopped) {
      if (connection === undefined || connection.closed) connection = await this.connect();
      else await this.send(connection, this.next(client));
    }
    connection?.close();
  }

  /** To any node that runs; one that is being killed or started does not answer. */
  private async connect(): Promise<Connection | undefined> {
    const { running } = this.cluster;
    if (running.length > 0) {
      const { id } = running[this.random.below(running.length)] as (typeof running)[number];
      const connection = await this.cluster.connection(id).catch(() => undefined);
      if (connection !== undefined) return connection;
    }
    await sleep(RETRY_MS);
    return undefined;
  }

  private next(client: number): Ask {
    const number = ++this.number;
    const value = `${client}.${number}`;
    const kind = this.random.below(12);
    if (kind < 2) return asked(`kept:${value}`, ["SET", value], () => ({ after: value, reply: "OK" }));
    if (kind < 4) return asked(COUNTED, ["INCR"], incremented);
    const key = `contended:${this.round}:${this.random.below(CONTENDED)}`;
    if (key.endsWith("0")) return kind < 9 ? asked(key, ["INCR"], incremented) : asked(key, ["GET"], found);
    if (kind < 6) return asked(key, ["SET", value], () => ({ after: value, reply: "OK" }));
    if (kind < 7)
      return asked(key, ["SET", value, "NX"], (here) =>
        here === null ? { after: value, reply: "OK" } : { after: here, reply: null },
      );
    if (kind < 8) return asked(key, ["SET", value, "GET"], (here) => ({ after: value, reply: here }));
    if (kind < 9) return asked(key, ["DEL"], (here) => ({ after: null, reply: here === null ? 0 : 1 }));
    return asked(key, ["GET"], found);
  }

  private async send(connection: Connection, ask: Ask): Promise<void> {
    const invokedMs = performance.now();
    const [name, ...rest] = ask.words as [string, ...string[]];
    const reply = await connection.send(name, ask.key, ...rest).catch(() => undefined);
    this.heard(ask, invokedMs, reply);
  }

  /** @param reply undefined: the connection is gone. */
  private heard(ask: Ask, invokedMs: number, reply: Reply | undefined): void {
    const code = reply instanceof Error ? (reply.message.split(" ", 1)[0] as string) : "";
    if (NOT_DONE.has(code)) {
      this.refused++;
      return;
    }
    const unknown = reply === undefined || code === "UNCERTAIN";
    if (code !== "" && !unknown) this.unexpected ??= `${ask.words.join(" ")} ${ask.key}: ${String(reply)}`;
    if (unknown) this.uncertain++;
    else this.acknowledged++;
    if (ask.key === COUNTED) this.counted(unknown ? undefined : (reply as number));
    else if (ask.key.startsWith("kept:")) {
      if (!unknown) this.kept.set(ask.key, ask.words[1] as string);
    } else if (!unknown || ask.writes) this.record(ask, invokedMs, unknown ? undefined : (reply as Reply));
  }

  private counted(number: number | undefined): void {
    const { counts } = this;
    if (number === undefined) counts.uncertain++;
    else if (counts.acknowledged.has(number)) this.unexpected ??= `two INCR were answered ${number}`;
    else counts.acknowledged.add(number);
  }

  private record({ key, words, effect }: Ask, invokedMs: number, reply: Reply | undefined): void {
    const respondedMs = reply === undefined ? Number.POSITIVE_INFINITY : performance.now();
    const apply = (content: Content): Content | undefined => {
      const would = effect(content);
      return reply === undefined || would.reply === reply ? would.after : undefined;
    };
    const text = `${words.join(" ")}: ${reply === undefined ? "?" : String(reply)}`;
    const known = this.histories.get(key) ?? [];
    known.push({ invokedMs, respondedMs, text, apply });
    this.histories.set(key, known);
  }

  /** To be called while no client runs and all nodes do. @param keptMax of the kept keys, the newest. @returns what is wrong. */
  async verify(keptMax: number): Promise<string | undefined> {
    const wrong = this.unexpected ?? (await this.verifyKept(keptMax)) ?? (await this.verifyCounted());
    if (wrong !== undefined) return wrong;
    for (const { id } of this.cluster.nodes) {
      const connection = await this.cluster.connection(id);
      for (const key of this.histories.keys()) await this.send(connection, asked(key, ["GET"], found));
      connection.close();
    }
    for (const [key, steps] of this.histories) {
      const why = notLinearizable(steps);
      if (why !== undefined) return `${key}: ${why}`;
    }
    return undefined;
  }

  /** All nodes are there, and yet a busy machine may keep one from answering in time. */
  private async read(connection: Connection, key: string): Promise<Reply> {
    let reply: Reply = null;
    await this.cluster.until(async () => {
      reply = await within(WAIT_MS, connection.send("GET", key), `the value of ${key}`);
      return !(reply instanceof Error);
    }, `${key} can be read`);
    return reply;
  }

  private async verifyKept(keptMax: number): Promise<string | undefined> {
    const entries = [...this.kept].slice(-keptMax);
    const { nodes } = this.cluster;
    const connections = await Promise.all(nodes.map(({ id }) => this.cluster.connection(id)));
    const values = await Promise.all(
      entries.map(([key], i) => this.read(connections[i % nodes.length] as Connection, key)),
    );
    for (const connection of connections) connection.close();
    const at = entries.findIndex(([, value], i) => values[i] !== value);
    return at < 0 ? undefined : `${entries[at]?.[0]} was acknowledged and is ${values[at]}`;
  }

  private async verifyCounted(): Promise<string | undefined> {
    const { acknowledged, uncertain } = this.counts;
    const connection = await this.cluster.connection((this.cluster.nodes[0] as { id: string }).id);
    const now = Number(await this.read(connection, COUNTED));
    connection.close();
    const most = acknowledged.size + uncertain;
    if (now >= Math.max(acknowledged.size, ...acknowledged) && now <= most) return undefined;
    return `${acknowledged.size} INCR were acknowledged, ${uncertain} are uncertain, the highest answer was ${Math.max(...acknowledged)}; the counter is ${now}`;
  }
}

function asked(key: string, words: readonly string[], effect: Effect): Ask {
  return { key, words, writes: words[0] !== "GET", effect };
}

function incremented(content: Content): { after: Content; reply: Reply } {
  const next = Number(content ?? 0) + 1;
  return { after: String(next), reply: next };
}

function found(content: Content): { after: Content; reply: Reply } {
  return { after: content, reply: content };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
