/**
 * test/lib/fake-cluster.ts: the cluster as the server sees it, as plainly as it can be: one linearizable map of registers. Works are answered
 * later, in any order; they fail as often as asked for. Each is also sent through
 * its bytes and run twice: what comes out must be the same.
 * Beside the map every member has what it has accepted, which may lack much: that is what listings are made from.
 */
import * as assert from "uvu/assert";
import type { Answer, Cluster, KeyRegister, MemberView, Work } from "../../src/cluster/work.js";
import { EXPIRING, nameOf } from "../../src/cluster/work.js";
import type { Host } from "../../src/commands/context.js";
import type { Dot } from "../../src/core/clock/dot.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import { keySlot } from "../../src/core/ring/slot.js";
import { viewed } from "../../src/lib/view.js";
import { ServerPerformer } from "../../src/server/performer.js";
import type { PageEntry, ReplicaKeys } from "../../src/server/ports.js";
import { HOST } from "./command-driver.js";
import { ModelKeyspace } from "./model-keyspace.js";

const SLOTS = 16384;
const TWO_32 = 2 ** 32;
const ABSENT: KeyRegister = { value: undefined, expireAt: 0, vv: VersionVector.EMPTY, cut: 0 };

interface Accepted {
  readonly ballot: { readonly epoch: number; readonly hlc: number; readonly node: number };
  readonly state: KeyRegister;
  chosen: boolean;
}

interface Waiting {
  readonly work: Work;
  readonly done: (answer: Answer) => void;
}

export interface FakeOptions {
  readonly random?: () => number;
  readonly members?: number;
  readonly n?: number;
  readonly r?: number;
  readonly w?: number;
  readonly partitions?: number;
  readonly host?: Host;
  /** Answer inside of perform(). */
  readonly atOnce?: boolean;
  /** Works wait until release() is called. */
  readonly manual?: boolean;
  /** 0..1, of works that fail, each in one of the ways there are. */
  readonly failing?: number;
  /** 0..1: a replica beyond the quorum gets a write. */
  readonly spreading?: number;
}

export class FakeCluster implements Cluster {
  readonly selfIndex = 0;
  readonly partitions: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly clusterId = "fake";
  readonly random: () => number;
  readonly down: Set<number> = new Set();
  /** What every key is. */
  readonly states: Map<string, KeyRegister> = new Map();
  /** What each member has accepted. */
  readonly held: Map<string, Accepted>[];
  readonly performers: ServerPerformer[];
  /** Works that were begun and not answered. */
  underWay = 0;
  mostUnderWay = 0;
  performed = 0;
  /** How the next works end, in place of their own outcome. */
  readonly forced: Answer[] = [];
  now: () => number = Date.now;
  /** This node's clock was not compared with the others' yet. */
  unmeasured = false;
  private hlc = 0;
  private readonly waiting: Waiting[] = [];
  private scheduled = false;
  private readonly options: FakeOptions;
  private readonly count: number;

  constructor(options: FakeOptions = {}) {
    this.options = options;
    this.count = options.members ?? 3;
    this.n = Math.min(options.n ?? 3, this.count);
    this.r = options.r ?? 2;
    this.w = options.w ?? 2;
    this.partitions = options.partitions ?? 16;
    this.random = options.random ?? (() => 0.5);
    this.held = Array.from({ length: this.count }, () => new Map<string, Accepted>());
    const space = new ModelKeyspace();
    this.performers = this.held.map(
      (_, index) =>
        new ServerPerformer({
          space,
          config: options.host ?? HOST,
          keys: this.keysOf(index),
          keySlot,
          expiryMs: () => this.expiryMs(),
        }),
    );
  }

  members(): MemberView[] {
    return Array.from({ length: this.count }, (_, index) => ({
      index,
      id: `n${index}`,
      isSelf: index === 0,
      state: this.down.has(index) ? "down" : "up",
      host: "",
      peerPort: 0,
      roundTripMs: -1,
      clockOffsetMs: 0,
    }));
  }

  partitionOf(name: string): number {
    const key = viewed(Buffer.from(name.slice(1), "latin1"));
    return Math.floor(keySlot(key, 0, key.length) / (SLOTS / this.partitions));
  }

  replicas(partition: number): number[] {
    return Array.from({ length: this.n }, (_, i) => (partition + i) % this.count);
  }

  perform(work: Work, done: (answer: Answer) => void): void {
    this.underWay++;
    this.performed++;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    this.waiting.push({ work, done });
    if (this.options.atOnce === true) this.finish(this.waiting.length - 1);
    else if (this.options.manual !== true) this.schedule();
  }

  /** With `manual`: let those that wait be done, `most` of them. */
  release(most: number = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < most && this.waiting.length > 0; i++)
      this.finish(Math.floor(this.random() * this.waiting.length));
  }

  /** With `manual`: let the works on one key of database 0 be done. */
  releaseKey(key: string): void {
    for (let i = this.waiting.length - 1; i >= 0; i--) if (this.waiting[i].work.name === `\0${key}`) this.finish(i);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      let most = 1 + Math.floor(this.random() * 8);
      while (most-- > 0 && this.waiting.length > 0) this.finish(Math.floor(this.random() * this.waiting.length));
      if (this.waiting.length > 0) this.schedule();
    });
  }

  private finish(index: number): void {
    const [{ work, done }] = this.waiting.splice(index, 1);
    const answer = this.outcome(work);
    this.underWay--;
    done(answer);
  }

  private outcome(work: Work): Answer {
    const forced = this.forced.shift();
    if (forced !== undefined) return forced;
    const replicas = this.replicas(this.partitionOf(work.name));
    const up = replicas.filter((index) => !this.down.has(index));
    if (up.length < Math.max(this.r, work.writes ? this.w : 0)) return { applied: "no", why: "no quorum" };
    if (this.random() < (this.options.failing ?? 0)) {
      const how = this.random();
      if (how < 0.3) return { applied: "no", why: "no quorum" };
      if (how < 0.6) return { applied: "no", why: "too many" };
      if (how < 0.8 && work.writes) this.apply(work, up);
      return { applied: "maybe" };
    }
    return this.apply(work, up);
  }

  private apply(work: Work, up: readonly number[]): Answer {
    const now = this.now();
    const held = this.states.get(work.name) ?? ABSENT;
    const expired = !this.unmeasured && held.expireAt !== 0 && held.expireAt <= now;
    const ballot = this.ballot();
    const marked = { ...ballot, node: ballot.node + EXPIRING };
    const base = expired ? { ...held, value: undefined, expireAt: 0, vv: held.vv.with(marked) } : held;
    // It may have run before, on another state, and on another node.
    work.apply(ABSENT, now);
    const { result, next } = work.apply(base, now);
    const again = this.performers[0].decode(work.name, work.encode());
    assert.ok(again !== undefined, "a work is read back from its bytes");
    const second = (again as Work).apply(base, now);
    assert.ok(second.result.equals(result), "the same result there as here");
    assert.equal(second.next, next, "the same state there as here");
    assert.is((again as Work).writes, work.writes);
    if (next !== undefined || expired) {
      assert.ok(next === undefined || work.writes, "one that writes says so");
      this.write(work.name, next?.value, next?.expireAt ?? 0, up, ballot);
    }
    return { applied: "yes", result, ballot: undefined };
  }

  private ballot(): Dot {
    return { epoch: 0, hlc: ++this.hlc, node: Math.floor(this.random() * this.count) };
  }

  /** Choose a new state: on W of the replicas that are up, and on some of the others. */
  write(
    name: string,
    value: KeyRegister["value"],
    expireAt: number,
    up: readonly number[],
    ballot: Dot = this.ballot(),
  ): void {
    const before = this.states.get(name) ?? ABSENT;
    const state: KeyRegister = { value, expireAt, vv: before.vv.with(ballot), cut: 0 };
    this.states.set(name, state);
    const from = Math.floor(this.random() * up.length);
    for (let i = 0; i < up.length; i++) {
      const chosen = this.random() < 0.5;
      if (i < this.w || this.random() < (this.options.spreading ?? 0.5))
        this.held[up[(from + i) % up.length]].set(name, { ballot, state, chosen });
    }
  }

  /** A proposal that came to nothing: one replica has accepted it, and it never took effect. */
  abandon(name: string, member: number, value: KeyRegister["value"]): void {
    const before = this.states.get(name) ?? ABSENT;
    const ballot = { epoch: 0, hlc: ++this.hlc, node: 0 };
    const state: KeyRegister = { value, expireAt: 0, vv: before.vv.with(ballot), cut: 0 };
    this.held[member].set(name, { ballot, state, chosen: false });
  }

  ask(member: number, kind: number, bytes: Buffer, done: (answer: Buffer | undefined) => void): void {
    if (this.options.atOnce === true && this.down.has(member)) done(undefined);
    else setImmediate(() => done(this.down.has(member) ? undefined : this.performers[member].answer(kind, bytes)));
  }

  explain(_name: string, done: (text: string) => void): void {
    done("");
  }

  expiryMs(): number {
    return this.unmeasured ? 0 : this.now();
  }

  figures(): Record<string, number> {
    return {};
  }

  private keysOf(member: number): ReplicaKeys {
    const entries = (db: number): PageEntry[] =>
      [...this.held[member]]
        .filter(([name]) => name.charCodeAt(0) === db)
        .map(([name, { ballot, state, chosen }]) => ({
          position: this.positionOf(name),
          key: Buffer.from(name.slice(1), "latin1"),
          ballot,
          live: state.value !== undefined,
          type: 0,
          expireAt: state.expireAt,
          chosen,
          lsn: 0,
        }))
        .sort((a, b) => a.position - b.position);
    return {
      durableLsn: 0,
      page: (db, cursor, count) => {
        const all = entries(db).filter(({ position }) => position >= cursor);
        let end = Math.min(count, all.length);
        while (end > 0 && end < all.length && all[end].position === all[end - 1].position) end++;
        return { entries: all.slice(0, end), next: end < all.length ? all[end].position : 0 };
      },
      keysIn: (db, partition) =>
        entries(db).filter(({ live, position }) => live && Math.floor(position / TWO_32) === partition).length,
    };
  }

  /** Few hashes, so that keys meet. */
  positionOf(name: string): number {
    let hash = 0;
    for (let i = 1; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) % 97;
    return this.partitionOf(name) * TWO_32 + hash;
  }

  /** Put a key there without asking. */
  set(key: string, value: string, db = 0): void {
    const bytes = Buffer.from(key, "latin1");
    const name = nameOf(db, bytes, 0, bytes.length);
    this.write(
      name,
      { type: 0, raw: false, bytes: Buffer.from(value, "latin1") },
      0,
      this.replicas(this.partitionOf(name)),
    );
  }

  /** Keys of a database that are there. */
  keys(db = 0): string[] {
    return [...this.states]
      .filter(([name, { value }]) => name.charCodeAt(0) === db && value !== undefined)
      .map(([name]) => name.slice(1))
      .sort();
  }
}
