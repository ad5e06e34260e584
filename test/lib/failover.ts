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

export interface Plan {
  readonly cluster: KvorumCluster;
  readonly keys: ClusterKeys;
  /** The node that something is done to. */
  readonly victim: string;
  readonly client: ClientKind;
  /** Writers on keys that the victim is the first node of, and as many on each other node's. */
  readonly writers: number;
  /** Name for the keys: new ones each time. */
  readonly prefix: string;
  /** How long to write once it is done. */
  readonly afterMs: number;
}

export class Track {
  readonly key: string;
  /** The victim is its first node. */
  readonly affected: boolean;
  acknowledged = 0;
  /** The longest time without an acknowledgement, from just before it was done on; and the longest that a reply took. */
  gapMs = 0;
  slowestMs = 0;
  /** By code. */
  readonly errors: Map<string, number> = new Map();
  /** What may be there at the end: the last acknowledged value, and those that may have been applied. */
  readonly possible: Set<string> = new Set();
  private readonly uncertain: Set<string> = new Set();
  private lastMs: number = performance.now();

  constructor(key: string, affected: boolean) {
    this.key = key;
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

  failed(value: string, code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
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

/** @param fault does it; `end` undoes it once the writers have been at it for a while, and they go on for a little. */
export async function measure(plan: Plan, fault: () => unknown, end: () => unknown): Promise<Track[]> {
  const { cluster, keys, victim, writers, prefix, afterMs } = plan;
  const others = cluster.running.filter(({ id }) => id !== victim);
  const tracks = cluster.running.flatMap(({ id }) =>
    keys.some(writers, `${prefix}:${id}`, ([first]) => first === id).map((key) => new Track(key, id === victim)),
  );
  const clients: Writing[] = [];
  const plain = (at: number): Redis => {
    const { port, place } = others[at % others.length] as (typeof others)[number];
    return new Redis({ host: place.host, port });
  };
  const roots = others.map(({ port, place }) => ({ host: place.host, port }));
  const made = { affected: undefined, other: undefined } as Record<string, Writing | undefined>;
  // What waits for one key's reply holds up those behind it on the same connection: that is the protocol's, not the cluster's.
  const shared = (track: Track): Writing => {
    const name = track.affected ? "affected" : "other";
    made[name] ??= new Cluster(roots);
    return made[name] as Writing;
  };
  let counting = false;
  let stop = false;
  const work = tracks.map(async (track, i) => {
    const client = plan.client === "plain" ? plain(i) : shared(track);
    if (!clients.includes(client)) clients.push(client);
    (client as Redis).on("error", () => {}); // it is for the client to connect again
    for (let number = 0; !stop; number++) {
      const value = `${track.key}=${number}`;
      const sent = performance.now();
      try {
        await client.set(track.key, value);
        const now = performance.now();
        track.wrote(value, now - sent, now, counting);
      } catch (error) {
        track.failed(value, /^[A-Z]+(?= )/.exec((error as Error).message)?.[0] ?? (error as Error).message);
      }
      await sleep(PAUSE_MS);
    }
  });
  await sleep(BEFORE_MS);
  counting = true;
  await fault();
  await sleep(afterMs);
  await end();
  await sleep(BEFORE_MS);
  stop = true;
  // A client whose node is gone may wait for ever for what it sent there.
  await Promise.race([Promise.all(work), sleep(afterMs)]);
  for (const client of clients) client.disconnect();
  return tracks;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
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
