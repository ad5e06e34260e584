/**
 * storage/eviction.ts: makes room under maxmemory by Redis's policies, by sampling.
 * Candidates of several samplings are kept in a small pool, so that the choice is close to the true order (Redis 3's idea).
 * A command makes room for itself; what is then still above the limit, say since it was lowered, goes in slices of upkeep.
 * Invariants: an evicted key is removed and logged as a deletion; with noeviction, or nothing left to evict above the limit,
 * the answer is "no room" and the command is refused before it changes anything.
 */
import { expireAtOf, hlcOf, keyLength, keyOffset } from "../codec/record/record.js";
import type { Random } from "../lib/random.js";
import { type Viewed, viewed } from "../lib/view.js";
import { DATABASES, type Table } from "./table.js";
import { isCrowded } from "./table-room.js";
import { clockOf, type UsageClock } from "./usage-clock.js";
import { randomExpiring, randomRef } from "./walk.js";

export type EvictionPolicy =
  | "noeviction"
  | "allkeys-lru"
  | "allkeys-lfu"
  | "allkeys-random"
  | "volatile-lru"
  | "volatile-lfu"
  | "volatile-random"
  | "volatile-ttl";

/** The part of the store that eviction works on. */
export interface Evictable {
  readonly table: Table;
  readonly usage: UsageClock;
  readonly stats: { evicted: number };
  usedBytes(): number;
  /** What the command that runs depends on. */
  gate: number;
  removeRef(db: number, ref: number): void;
}

interface Candidate {
  readonly db: number;
  readonly key: Viewed;
  readonly version: number;
  /** Higher goes first. */
  readonly score: number;
}

const POOL_SIZE = 16;
/** A volatile policy may meet keys without a deadline: after so many it goes and looks for one that has one. */
const DRAWS_PER_SAMPLE = 16;
/** A command removes so many of what is above the limit by no doing of its own, say since it was lowered: a turn is short. */
const EVICTIONS_PER_COMMAND = 64;
const EVICTIONS_PER_COMMAND_MAX = 10_000;

export class Eviction {
  policy: EvictionPolicy = "noeviction";
  /** 0 = no limit. */
  maxBytes = 0;
  samples = 5;
  private pool: Candidate[] = [];
  private nextDb = 0;
  /** What was used when the last command had made room and was above the limit still; Infinity: it was not. */
  private leftBytes = Number.POSITIVE_INFINITY;
  private readonly store: Evictable;
  private readonly random: Random;

  constructor(store: Evictable, random: Random) {
    this.store = store;
    this.random = random;
  }

  private get over(): boolean {
    const { store, maxBytes } = this;
    return store.usedBytes() > maxBytes || (isCrowded(store.table.arena) && this.policy !== "noeviction");
  }

  /** @returns whether there is room (after evicting, where the policy allows). O(1) while there is room. */
  makeRoom(): boolean {
    const { store, maxBytes, leftBytes } = this;
    this.leftBytes = Number.POSITIVE_INFINITY;
    if (maxBytes === 0 || !this.over) return true;
    if (this.policy === "noeviction") return false;
    let used = 0;
    // What commands add since goes at once, or memory would grow for as long as they come faster than upkeep.
    for (let i = 0; i < EVICTIONS_PER_COMMAND_MAX && (i < EVICTIONS_PER_COMMAND || used > leftBytes); i++) {
      // A crowded table is no reason to refuse: what it really has no room for, table-room.ts refuses.
      if (!this.evictOne()) return store.usedBytes() <= maxBytes;
      used = store.usedBytes();
      if (!this.over) return true;
    }
    this.leftBytes = used;
    return true; // over the limit still, but going down: upkeep goes on
  }

  /**
   * Evict until there is room, `done()`, or nothing is left that may go. No command depends on it.
   * @returns whether it stopped early. Where nothing can go it does not: it is tried again at the next round of upkeep.
   */
  run(done: () => boolean): boolean {
    const { store } = this;
    if (this.maxBytes === 0 || this.policy === "noeviction") return false;
    const gate = store.gate;
    let more = false;
    while (!more && this.over && this.evictOne()) more = done();
    store.gate = gate;
    return more;
  }

  private evictOne(): boolean {
    if (this.policy.endsWith("-random")) return this.evictRandom();
    for (let tries = 0; tries < DATABASES * 2; tries++) {
      this.fillPool();
      while (this.pool.length > 0) if (this.evict(this.pool.pop() as Candidate)) return true;
    }
    return false;
  }

  private evict(candidate: Candidate): boolean {
    const table = this.store.table;
    const ref = table.find(candidate.db, candidate.key, 0, candidate.key.length);
    if (ref === 0 || hlcOf(table.body, table.bodyAt) !== candidate.version) return false; // gone or changed since
    // The policy may have been another when it was drawn.
    if (this.volatile && expireAtOf(table.body, table.bodyAt) === 0) return false;
    this.store.removeRef(candidate.db, ref);
    this.store.stats.evicted++;
    return true;
  }

  private evictRandom(): boolean {
    for (let i = 0; i < DATABASES; i++) {
      const db = this.nextDb;
      this.nextDb = (this.nextDb + 1) % DATABASES;
      const ref = this.sample(db);
      if (ref === 0) continue;
      this.store.removeRef(db, ref);
      this.store.stats.evicted++;
      return true;
    }
    return false;
  }

  private fillPool(): void {
    for (let db = 0; db < DATABASES; db++) {
      for (let i = 0; i < this.samples; i++) {
        const ref = this.sample(db);
        if (ref === 0) break;
        this.offer(db, ref);
      }
    }
    this.pool.sort((a, b) => a.score - b.score);
    if (this.pool.length > POOL_SIZE) this.pool = this.pool.slice(-POOL_SIZE);
  }

  private get volatile(): boolean {
    return this.policy.startsWith("volatile-");
  }

  private sample(db: number): number {
    const table = this.store.table;
    const { volatile } = this;
    if (table.keys[db] === 0 || (volatile && table.expiring[db] === 0)) return 0;
    const draw = (bound: number): number => this.random.below(bound);
    for (let i = 0; i < DRAWS_PER_SAMPLE; i++) {
      const ref = randomRef(table, db, draw, volatile);
      if (ref === 0 || !volatile) return ref;
      table.locate(ref);
      if (expireAtOf(table.body, table.bodyAt) !== 0) return ref;
    }
    return randomExpiring(table, db, draw);
  }

  private offer(db: number, ref: number): void {
    const table = this.store.table;
    table.locate(ref);
    const body = table.body;
    const at = table.bodyAt;
    const keyAt = at + keyOffset(body, at);
    const key = viewed(Buffer.from(body.subarray(keyAt, keyAt + keyLength(body, at))));
    const version = hlcOf(body, at);
    if (this.pool.some((known) => known.db === db && known.version === version && known.key.equals(key))) return;
    this.pool.push({ db, key, version, score: this.score(ref, expireAtOf(body, at)) });
  }

  private score(ref: number, expireAt: number): number {
    if (this.policy === "volatile-ttl") return -expireAt;
    const clock = clockOf(this.store.table.arena, ref);
    return this.policy.endsWith("-lfu") ? 255 - this.store.usage.frequency(clock) : this.store.usage.idleSeconds(clock);
  }
}
