/**
 * test/lib/failover.ts: clients that write while something is done to a node of a cluster: how long each key could not be written, who heard
 * an error, and whether all that was acknowledged is there. One writer for each key, one write at a time, through nodes that nothing
 * is done to; the clients are ioredis with the options it comes with.
 */
import { Cluster, Redis } from "ioredis";
import type { ClusterKeys } from "./cluster-keys.js";
import type { KvorumCluster } from "./kvorum-cluster.js";

/** plain: each writer has a connection to one of the other nodes. cluster: Redis Cluster clients, which go to each key's first node. */
export type ClientKind = "plain" | "cluster";

const PAUSE_MS = 10;
const BEFORE_MS = 500;
const LAST_MS = 10_000;
const FIRST_MS = 30_000;

export interface Plan {
  readonly cluster: KvorumCluster;
  readonly keys: ClusterKeys;
  /** The node that something is done to. */
  readonly victim: string;
  readonly clients: readonly ClientKind[];
  /** Writers on keys that the victim is the first node of, and as many on each other node's. */
  readonly writers: number;
  /** Name for the keys: new ones each time. */
  readonly prefix: string;
  /** How long to write once it is done, at least. */
  readonly afterMs: number;
  /** Resolves when all other nodes have noticed it; it is not undone before. */
  readonly noticed?: () => Promise<void>;
}

export class Track {
  readonly key: string;
  readonly client: ClientKind;
  /** The victim is its first node. */
  readonly affected: boolean;
  acknowledged = 0;
  /** The longest time without an acknowledgement, from just before it was done on; and the longest that a reply took. */
  gapMs = 0;
  slowestMs = 0;
  /** By code. */
  readonly errors: Map<string, number> = new Map();
  /** Of what was sent when all other nodes had noticed what was done. */
  lateErrorCount = 0;
  /** What may be there at the end: the last acknowledged value, and those that may have been applied. */
  readonly possible: Set<string> = new Set();
  private readonly uncertain: Set<string> = new Set();
  private lastMs: number = performance.now();

  constructor(key: string, client: ClientKind, affected: boolean) {
    this.key = key;
    this.client = client;
    this.affected = affected;
  }

  /** @param nowMs steady clock. @param counts it is done, or just before. */
  wrote(value: string, tookMs: number, nowMs: number, counts: boolean): void {
    this.acknowledged++;
    this.possible.clear();
    this.possible.add(value);
    for (const each of this.uncertain) this.possible.add(each);
    if (counts) this.gapMs = Math.max(this.gapMs, nowMs - this.lastMs);
    if (counts) this.slowestMs = Math.max(this.slowestMs, tookMs);
    this.lastMs = nowMs;
  }

  /** @param late it was sent when all other nodes had noticed. */
  failed(value: string, code: string, late: boolean): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    if (late) this.lateErrorCount++;
    // These words say that it surely was not done.
    if (["NOREPLICAS", "TRYAGAIN", "LOADING"].includes(code)) return;
    this.uncertain.add(value);
    this.possible.add(value);
  }

  count(code: string): number {
    return this.errors.get(code) ?? 0;
  }

  get errorCount(): number {
    return [...this.errors.values()].reduce((sum, count) => sum + count, 0);
  }
}

type Writing = Pick<Redis, "set" | "disconnect">;

/** What waits for one key's reply holds up those behind it on the same connection: that is the protocol's, not the cluster's. */
class Clients {
  private readonly made: Map<string, Writing> = new Map();
  private readonly roots: { host: string; port: number }[];

  constructor({ cluster, victim }: Plan) {
    const others = cluster.running.filter(({ id }) => id !== victim);
    this.roots = others.map(({ port, place }) => ({ host: place.host, port }));
  }

  of({ client, key, affected }: Track): Writing {
    const name = client === "plain" ? key : `cluster ${affected}`;
    const known = this.made.get(name);
    if (known !== undefined) return known;
    const root = this.roots[this.made.size % this.roots.length] as { host: string; port: number };
    const made = client === "plain" ? new Redis(root) : new Cluster(this.roots);
    (made as Redis).on("error", () => {}); // it is for the client to connect again
    this.made.set(name, made);
    return made;
  }

  close(): void {
    for (const client of this.made.values()) client.disconnect();
  }
}

function tracksOf({ cluster, keys, victim, clients, writers, prefix }: Plan): Track[] {
  return clients.flatMap((client) =>
    cluster.running.flatMap(({ id }) => {
      const some = keys.some(writers, `${prefix}:${client}:${id}`, ([first]) => first === id);
      return some.map((key) => new Track(key, client, id === victim));
    }),
  );
}

/** @param fault does it; `end` undoes it once the writers have been at it for a while, and they go on for a little. */
export async function measure(plan: Plan, fault: () => unknown, end: () => unknown): Promise<Track[]> {
  const tracks = tracksOf(plan);
  const clients = new Clients(plan);
  let counting = false;
  let noticed = false;
  let stop = false;
  const work = tracks.map(async (track) => {
    const client = clients.of(track);
    for (let number = 0; !stop; number++) {
      const value = `${track.key}=${number}`;
      const sent = performance.now();
      const late = noticed;
      try {
        await client.set(track.key, value);
        const now = performance.now();
        track.wrote(value, now - sent, now, counting);
      } catch (error) {
        track.failed(value, /^[A-Z]+(?= )/.exec((error as Error).message)?.[0] ?? (error as Error).message, late);
      }
      await sleep(PAUSE_MS);
    }
  });
  await firstOf(tracks);
  await sleep(BEFORE_MS);
  counting = true;
  await fault();
  const after = sleep(plan.afterMs);
  await plan.noticed?.();
  noticed = plan.noticed !== undefined;
  await after;
  await end();
  await sleep(BEFORE_MS);
  stop = true;
  // A client whose node is gone may wait for long for what it sent there.
  await Promise.race([Promise.all(work), sleep(LAST_MS)]);
  clients.close();
  return tracks;
}

/** How long a client takes to connect, on a machine that is busy, is not what is measured. */
async function firstOf(tracks: readonly Track[]): Promise<void> {
  const giveUp = performance.now() + FIRST_MS;
  while (tracks.some(({ acknowledged }) => acknowledged === 0)) {
    if (performance.now() > giveUp) throw new Error("clients that could not write before anything was done");
    await sleep(PAUSE_MS);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @returns the value below which so much of them lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** @returns what is wrong: keys on which something acknowledged is not there. */
export async function lost(cluster: KvorumCluster, tracks: readonly Track[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const { id } of cluster.running) {
    const connection = await cluster.connection(id);
    for (const { key, possible } of tracks) {
      const found = String(await connection.ask("GET", key));
      if (!possible.has(found)) wrong.push(`${key} is ${found} on ${id}, and should be ${[...possible].join(" or ")}`);
    }
    connection.close();
  }
  return wrong;
}
