/**
 * test/lib/cluster-world.ts: a few cluster nodes in one process over the model of a network, time wound by hand. The storage is a map whose
 * log becomes durable when the test lets it: here the coordinator is tested, not the disk (test/sim has whole nodes).
 */
import { createHmac } from "node:crypto";
import { ClusterNode } from "../../src/cluster/cluster-node.js";
import { membersOf } from "../../src/cluster/members.js";
import type { PeerRecord } from "../../src/cluster/peer-identity.js";
import type { ReplicaStorage } from "../../src/cluster/replica.js";
import type { LogReader, ShippedStorage } from "../../src/cluster/ship-source.js";
import type { Answer, Performer, Work } from "../../src/cluster/work.js";
import type { Dot } from "../../src/core/clock/dot.js";
import { Hlc } from "../../src/core/clock/hlc.js";
import type { Change } from "../../src/core/register/operation.js";
import type { Held, RegisterState } from "../../src/core/register/state.js";
import { Random } from "../../src/lib/random.js";
import type { ConnectionHandler } from "../../src/ports/network.js";
import type { Cancel, Scheduler } from "../../src/ports/scheduler.js";
import { decodeState, keyOf, nameOfRecord, type Value } from "../../src/storage/state-record.js";
import { FakeScheduler } from "./fake-scheduler.js";
import { nonce } from "./peers.js";
import { SimNetwork } from "./sim-network.js";

const PORT = 7000;
const NOBODY: ConnectionHandler = { onBytes: () => {}, onSent: () => {}, onEnd: () => {}, onClosed: () => {} };

interface Logged {
  readonly lsn: number;
  readonly record?: Buffer;
  readonly apply: (to: MapStorage) => void;
}

/** A log and a table; a restart keeps what was durable. */
export class MapStorage implements ReplicaStorage, ShippedStorage {
  recoveredCeiling = 0;
  appendedLsn = 0;
  durableLsn = 0;
  syncs = 0;
  hasRoom = true;
  /** The largest record there is room for. */
  takesBytes: number = Number.POSITIVE_INFINITY;
  private table = new Map<string, Held<Value>>();
  private log: Logged[] = [];
  private droppedLsn = 0;

  takes(bytes: number): boolean {
    return bytes <= this.takesBytes;
  }

  held(name: string): Held<Value> | undefined {
    return this.table.get(name);
  }

  glance(name: string): Held<Value> | undefined {
    return this.held(name);
  }

  accept(record: Buffer, chosen: boolean): number {
    const state = decodeState(Buffer.from(record));
    if (state === undefined) throw new Error("a record that is none");
    const lsn = ++this.appendedLsn;
    const apply = (to: MapStorage, mark: boolean, at: number): void => {
      to.table.set(nameOfRecord(record, 0), { ballot: state.ballot, state, chosen: mark, lsn: at });
      to.recoveredCeiling = Math.max(to.recoveredCeiling, state.ballot.hlc);
    };
    apply(this, chosen, lsn);
    this.log.push({ lsn, record, apply: (to) => apply(to, false, 0) });
    return lsn;
  }

  mark(name: string, ballot: Dot): void {
    const held = this.table.get(name);
    if (held !== undefined && held.ballot.hlc === ballot.hlc && held.ballot.node === ballot.node)
      this.table.set(name, { ...held, chosen: true });
  }

  logCeiling(hlc: number): number {
    const lsn = ++this.appendedLsn;
    this.log.push({
      lsn,
      apply: (to) => {
        to.recoveredCeiling = Math.max(to.recoveredCeiling, hlc);
      },
    });
    return lsn;
  }

  logFrom(lsn: number): LogReader {
    return new MapLogReader(this, lsn);
  }

  /** @returns undefined: gone. */
  logged(lsn: number): { readonly record?: Buffer } | undefined {
    return lsn <= this.droppedLsn ? undefined : this.log.find((entry) => entry.lsn === lsn);
  }

  page(db: number, cursor: number, count: number): { entries: { key: Buffer }[]; next: number } {
    const names = [...this.table.keys()].filter((name) => name.charCodeAt(0) === db);
    const end = cursor + count;
    const entries = names.slice(cursor, end).map((name) => ({ key: keyOf(name) }));
    return { entries, next: end < names.length ? end : 0 };
  }

  /** Nobody can read the log up to here any more: it stands for a snapshot, though. */
  drop(lsn: number): void {
    this.droppedLsn = lsn;
  }

  get tombstones(): number {
    return [...this.table.values()].filter(({ state }) => state.value === undefined).length;
  }

  /** All that was appended is durable. @returns whether that was anything. */
  sync(): boolean {
    if (this.durableLsn === this.appendedLsn) return false;
    this.durableLsn = this.appendedLsn;
    this.syncs++;
    return true;
  }

  /** The storage of the next life. */
  afterCrash(): MapStorage {
    const next = new MapStorage();
    for (const { lsn, apply } of this.log) if (lsn <= this.durableLsn) apply(next);
    next.log = this.log.filter(({ lsn }) => lsn <= this.durableLsn);
    next.appendedLsn = this.durableLsn;
    next.durableLsn = this.durableLsn;
    return next;
  }
}

/** The scheduler as one process sees it: when the process is gone, nothing of it runs any more. */
class Life implements Scheduler {
  over = false;
  private readonly scheduler: Scheduler;
  private readonly skewMs: number;

  constructor(scheduler: Scheduler, skewMs: number) {
    this.scheduler = scheduler;
    this.skewMs = skewMs;
  }
  nowMs(): number {
    return this.scheduler.nowMs() + this.skewMs;
  }
  monotonicMs(): number {
    return this.scheduler.monotonicMs();
  }
  after(ms: number, run: () => void): Cancel {
    return this.scheduler.after(ms, () => this.over || run());
  }
  endOfTurn(run: () => void): void {
    this.scheduler.endOfTurn(() => this.over || run());
  }
}

class MapLogReader implements LogReader {
  nextLsn: number;
  private readonly storage: MapStorage;

  constructor(storage: MapStorage, lsn: number) {
    this.storage = storage;
    this.nextLsn = lsn;
  }

  read(bytesMax: number, done: () => boolean, take: Parameters<LogReader["read"]>[2]): ReturnType<LogReader["read"]> {
    for (let bytes = 0; this.nextLsn <= this.storage.durableLsn; ) {
      if (bytes >= bytesMax || done()) return "more";
      const logged = this.storage.logged(this.nextLsn);
      if (logged === undefined) return "gone";
      if (logged.record !== undefined) take(this.nextLsn, logged.record, 0);
      bytes += logged.record?.length ?? 0;
      this.nextLsn++;
    }
    return "end";
  }

  close(): void {}
}

export interface WorldOptions {
  readonly nodes?: number;
  readonly seed?: number;
  readonly n?: number;
  readonly r?: number;
  readonly w?: number;
  /** How long a sync takes, ms. */
  readonly syncMs?: number;
  /** Of works that are forwarded; the words of work() where there is none. */
  readonly performer?: Performer;
}

export class WorldNode {
  readonly id: string;
  storage: MapStorage;
  node: ClusterNode | undefined;
  life: Life | undefined;
  boot = 0;
  /** Of this life. */
  clock: Hlc = new Hlc();
  /** Its wall clock is so far ahead. */
  skewMs = 0;
  readonly records: Map<string, PeerRecord> = new Map();
  readonly troubles: string[] = [];
  /** As saved at the last kill. */
  positions: ReadonlyMap<string, number> = new Map();

  constructor(id: string, storage: MapStorage) {
    this.id = id;
    this.storage = storage;
  }

  get alive(): ClusterNode {
    if (this.node === undefined) throw new Error(`${this.id} is down`);
    return this.node;
  }
}

export class ClusterWorld {
  readonly scheduler: FakeScheduler = new FakeScheduler();
  readonly network: SimNetwork;
  readonly nodes: WorldNode[] = [];
  private readonly options: WorldOptions;
  private readonly random: Random;

  private constructor(options: WorldOptions) {
    this.options = options;
    this.random = new Random(options.seed ?? 1);
    this.network = new SimNetwork(this.scheduler, options.seed ?? 1);
    this.network.loopback = true;
    const count = options.nodes ?? 3;
    for (let i = 0; i < count; i++) this.nodes.push(new WorldNode(`n${i + 1}`, new MapStorage()));
  }

  /** All nodes started and connected. */
  static async start(options: WorldOptions = {}): Promise<ClusterWorld> {
    const world = new ClusterWorld(options);
    for (const { id } of world.nodes) {
      await world.network
        .host(id)
        .listen({ host: id, port: PORT, backlog: 8, keepAliveSeconds: () => 0 }, (connection) => {
          const { node } = world.nodes.find((candidate) => candidate.id === id) as WorldNode;
          if (node !== undefined) return node.accept(connection);
          connection.destroy();
          return NOBODY;
        });
    }
    for (let i = 0; i < world.nodes.length; i++) world.boot(i);
    world.scheduler.advance(1000);
    return world;
  }

  boot(index: number): void {
    const { nodes, options, random } = this;
    const me = nodes[index];
    const scheduler = new Life(this.scheduler, me.skewMs);
    me.life = scheduler;
    const { storage } = me;
    me.boot++;
    me.clock = new Hlc();
    const peers = nodes.filter((_, i) => i !== index).map(({ id }) => ({ id, host: id, port: PORT }));
    const { n = 3, r = 2, w = 2 } = options;
    me.node = new ClusterNode({
      members: membersOf({ id: me.id, peers, n, r, w, partitions: 16, clusterName: "test" }),
      storage,
      logFrom: (lsn) => storage.logFrom(lsn),
      positions: new Map(me.positions),
      clock: me.clock,
      boot: me.boot,
      uuid: `uuid of ${me.id}`,
      run: `run ${me.boot} of ${me.id}`,
      starts: [],
      syncedLsn: () => storage.durableLsn,
      records: { recordOf: (id) => me.records.get(id), record: (id, record) => void me.records.set(id, record) },
      scheduler,
      dialer: this.network.host(me.id),
      random: () => random.unit(),
      nonce,
      mac: (secret, bytes) => createHmac("sha256", secret).update(bytes).digest(),
      secret: "",
      performer: options.performer ?? PERFORMER,
      deadlineMs: 2000,
      valueBytesMax: 64 << 20,
      onMet: () => {},
      onTrouble: (text) => me.troubles.push(text),
      onState: () => {},
    });
    me.node.start();
    this.syncLoop(me, me.node);
  }

  /** Group commits, one after the other, as long as this life lasts. */
  private syncLoop(me: WorldNode, life: ClusterNode): void {
    this.scheduler.after(this.options.syncMs ?? 1, () => {
      if (me.node !== life) return;
      if (me.storage.sync()) life.durable();
      this.syncLoop(me, life);
    });
  }

  /** The process is gone, its connections with it. */
  kill(index: number): void {
    const me = this.nodes[index];
    me.positions = me.node?.positions() ?? me.positions;
    me.node = undefined;
    if (me.life !== undefined) me.life.over = true;
    me.storage = me.storage.afterCrash();
    for (const connection of this.network.connections) {
      if (connection.open && (connection.from === me.id || connection.to === me.id)) connection.reset();
    }
  }

  /** Ask a node; the answer when it comes. */
  ask(index: number, work: Work): { answer: Answer | undefined } {
    const asked: { answer: Answer | undefined } = { answer: undefined };
    this.nodes[index].alive.coordinator.perform(work, (answer) => {
      if (asked.answer !== undefined) throw new Error("answered twice");
      asked.answer = answer;
    });
    return asked;
  }
}

const NIL: Buffer = Buffer.from("nil");

/** Works of the tests, in latin1, which costs large values least: "get", "set text", "incr", "setnx text", "setex ms", "del". */
export function work(key: string, text: string): Work {
  const name = `\0${key}`;
  const space = text.indexOf(" ");
  const [verb, argument] = space < 0 ? [text, ""] : [text.slice(0, space), text.slice(space + 1)];
  return {
    name,
    writes: verb !== "get",
    apply: (state, now) => applied(state, verb, argument, now),
    encode: () => Buffer.from(text, "latin1"),
  };
}

function applied(state: RegisterState<Value>, verb: string, argument: string, now: number): Change<Value, Buffer> {
  const before = state.value?.bytes ?? NIL;
  const to = (text: string): Value => ({ type: 0, raw: false, bytes: Buffer.from(text, "latin1") });
  switch (verb) {
    case "set":
      return { result: Buffer.from("OK"), next: { value: to(argument), expireAt: 0 } };
    case "setex":
      return { result: Buffer.from("OK"), next: { value: to("x"), expireAt: now + Number(argument) } };
    case "incr": {
      const sum = String(Number(before === NIL ? 0 : before.latin1Slice()) + 1);
      return { result: Buffer.from(sum), next: { value: to(sum), expireAt: 0 } };
    }
    case "setnx":
      return before === NIL
        ? { result: Buffer.from("1"), next: { value: to(argument), expireAt: 0 } }
        : { result: Buffer.from("0"), next: undefined };
    case "del":
      return before === NIL
        ? { result: Buffer.from("0"), next: undefined }
        : { result: Buffer.from("1"), next: { value: undefined, expireAt: 0 } };
    default:
      return { result: before, next: undefined };
  }
}

const PERFORMER: Performer = {
  decode: (name, bytes) => work(name.slice(1), bytes.latin1Slice()),
  answer: (kind, bytes) => (kind === 15 ? undefined : Buffer.concat([Buffer.of(kind), bytes])),
};

/** The answer in words. */
export function said({ answer }: { answer: Answer | undefined }): string {
  if (answer === undefined) return "nothing yet";
  if (answer.applied === "yes") return answer.result.latin1Slice();
  return answer.applied === "no" ? answer.why : "maybe";
}
