/**
 * test/sim/whole-node.ts: a node as production has it, on simulated ports: storage (log, snapshots, recovery), codecs, links, coordinator. What is
 * the simulator's own is small: the file that counts starts and knows peers, and the disk that outlives processes.
 */
import { ClusterNode } from "../../src/cluster/cluster-node.js";
import { type Members, membersOf } from "../../src/cluster/members.js";
import { LINK_TIMES } from "../../src/cluster/peer-link.js";
import type { SendLimits } from "../../src/cluster/send-queue.js";
import type { Answer, Work } from "../../src/cluster/work.js";
import { COUNTS_PER_MS } from "../../src/core/clock/hlc.js";
import type { Held } from "../../src/core/register/state.js";
import { crc32 } from "../../src/lib/crc.js";
import { DiskError } from "../../src/lib/errors.js";
import { Random } from "../../src/lib/random.js";
import { Engine } from "../../src/storage/engine.js";
import { type MemberData, openMember, writeMember } from "../../src/storage/member-file.js";
import type { Value } from "../../src/storage/state-record.js";
import { SimDisk } from "../lib/sim-disk.js";
import { TICKS_PER_MS } from "./events.js";
import type { Host } from "./host.js";
import type { Machine, MachineParts, Store } from "./machine.js";
import type { Plan } from "./plan.js";
import { acceptorRules, proposerRules } from "./plants.js";
import { performer } from "./works.js";

const DEADLINE_MS = 2000;
const LOAD_SLICE_MS = 5;
const PORT = 7000;
const POSITIONS_MS = 5000;
const LIMITS: SendLimits = { messagesMax: 1024, bytesMax: 1 << 18, largeBytesMax: 1 << 20, messageBytesMax: 1 << 20 };

/** A disk, from process to process. */
export class WholeStore implements Store {
  slowness = 1;
  readonly counts: Record<string, number> = { syncs: 0, "torn writes": 0, "lost writes": 0 };
  disk: SimDisk;
  private readonly host: Host;
  private readonly plan: Plan;
  private readonly random: Random;
  private readonly nowTick: () => number;
  private stuckUntilTick = 0;
  private freeBytes = Number.POSITIVE_INFINITY;

  constructor(host: Host, random: Random, plan: Plan, nowTick: () => number) {
    this.host = host;
    this.random = random;
    this.plan = plan;
    this.nowTick = nowTick;
    this.disk = this.use(new SimDisk(host));
  }

  private use(disk: SimDisk): SimDisk {
    disk.latencyMs = () => this.latencyMs();
    disk.freeBytesLeft = this.freeBytes;
    disk.onCrash = () => {
      this.host.dying = true;
    };
    this.disk = disk;
    return disk;
  }

  private latencyMs(): number {
    const [least, more] = this.plan.diskMs;
    const ms = (least + (more === 0 ? 0 : this.random.unit() * more)) * this.slowness;
    return Math.max(ms, (this.stuckUntilTick - this.nowTick()) / TICKS_PER_MS);
  }

  private count(name: string, more: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + more;
  }

  lose(power: boolean, random: Random): void {
    this.count("syncs", this.disk.syncs);
    this.use(power ? this.disk.afterPowerLoss(this.host, random.u32()) : this.disk.afterKill(this.host));
    this.count("torn writes", this.disk.torn);
    this.count("lost writes", this.disk.lost);
  }

  crashSoon(syncs: number): void {
    this.disk.crashAt = this.disk.syncs + syncs;
  }

  failSoon(what: "sync" | "write"): void {
    if (what === "sync") this.disk.failSyncs = true;
    else this.disk.failWrites = true;
  }

  stick(ms: number): void {
    this.stuckUntilTick = this.nowTick() + ms * TICKS_PER_MS;
  }

  fill(bytes: number): void {
    this.freeBytes = bytes;
    this.disk.freeBytesLeft = bytes;
  }

  heal(): void {
    this.slowness = 1;
    this.stuckUntilTick = 0;
    this.fill(Number.POSITIVE_INFINITY);
    this.disk.crashAt = Number.POSITIVE_INFINITY;
    // A node that writes to its log ends by it and starts anew; one without connections only fails to put its peers on record.
    this.disk.failSyncs = false;
    this.disk.failWrites = false;
  }
}

class WholeNode implements Machine {
  private readonly parts: MachineParts;
  private readonly store: WholeStore;
  private readonly engine: Engine;
  private member: MemberData;
  private readonly members: Members;
  private node: ClusterNode | undefined;

  constructor(parts: MachineParts, store: WholeStore) {
    const { plan, index, host, plant } = parts;
    this.parts = parts;
    this.store = store;
    this.members = membersFor(plan, index);
    const { ids } = this.members;
    this.member = openMember(store.disk, ids[index], ids, this.members, `run ${host.life} of ${index}`);
    if (plant?.bug?.boot !== undefined) this.member = { ...this.member, boot: plant.bug.boot(this.member.boot) };
    plant?.bug?.disk?.(store.disk);
    this.engine = new Engine(store.disk, host, {
      mode: "always",
      partitions: plan.partitions,
      segmentBytes: plan.segmentBytes,
      snapshotLogBytes: () => plan.snapshotLogBytes,
      register: true,
      newNode: () => ({ node: String(index).repeat(40), hashSecret: [3, 4] }),
      seed: plan.seed,
      retainFromLsn: () => this.node?.retainFromLsn ?? 0,
      retainBytes: () => plan.retainBytes,
      ...plant?.bug?.engine,
    });
    plant?.bug?.loading?.(this.engine);
  }

  start(ready: () => void): void {
    const { engine, parts } = this;
    const { host, plan, index } = parts;
    engine.load(LOAD_SLICE_MS, (error) => {
      if (host.dying) return;
      if (error instanceof DiskError) return parts.exit("disk at start");
      if (error !== undefined) throw error;
      const { wal } = engine;
      if (wal === undefined) throw new Error("loaded without a log");
      wal.onFailed = () => parts.exit("disk");
      // Every second node of every second seed syncs its log within the step that wrote it; in half of these it rests afterwards (FlushGap).
      wal.audience = { waiters: plan.seed % 4 === 3 ? 5 : 2, onlyWriters: plan.seed % 2 === 1 && index % 2 === 1 };
      // Also where there is no room to begin the log: as a node does.
      this.serve();
      ready();
    });
  }

  private serve(): void {
    const { engine, members, parts, member } = this;
    const [start, ...before] = member.starts ?? [];
    this.member = { ...member, starts: [{ run: start?.run ?? "", lsn: engine.foundLsn }, ...before] };
    const { host, index, net, unit, plant, evidence, plan } = parts;
    const { registers } = engine;
    const bug = plant?.bug;
    bug?.loaded?.(engine);
    const accept = registers.accept.bind(registers);
    // Every record that the replica takes is evidence.
    registers.accept = (record, chosen) => {
      evidence.accepted(index, record);
      return accept(record, chosen);
    };
    const node = new ClusterNode({
      members,
      storage: registers,
      logFrom: (lsn) => engine.logFrom(lsn),
      positions: new Map(Object.entries(member.shipped)),
      clock: bug?.clock?.() ?? engine.store.hlc,
      boot: member.boot,
      uuid: `uuid ${index}`,
      run: bug?.run ?? `run ${host.life} of ${index}`,
      starts: bug?.run === undefined ? (this.member.starts ?? []) : [],
      syncedLsn: () => engine.wal?.syncedLsn ?? 0,
      records: {
        recordOf: (id) => this.member.peers[id],
        record: (id, { uuid, run, boot, ceiling }) => {
          this.remember({ ...this.member, peers: { ...this.member.peers, [id]: { uuid, run, boot, ceiling } } });
        },
      },
      scheduler: host,
      dialer: net.dialer(host),
      random: unit,
      nonce: () => nonceFrom(unit),
      mac,
      secret: "secret",
      performer: performer(parts.ledger),
      deadlineMs: DEADLINE_MS,
      valueBytesMax: 1 << 20,
      acceptorRules: acceptorRules(plant),
      proposerRules: parts.ledger.watched(proposerRules(plant), parts.wallClocks),
      bounds: {
        asked: plan.askedMax,
        promises: plan.promisesMax,
        owned: plan.ownedMax,
        queue: plan.queueMax,
        ceilingLead: plan.ceilingLeadMs * COUNTS_PER_MS,
      },
      limits: LIMITS,
      times: { ...LINK_TIMES, backoffBaseMs: plan.backoffMs },
      onMet: () => {},
      onTrouble: () => {},
      onState: () => {},
    });
    this.node = node;
    if (engine.wal !== undefined) engine.wal.onDurable = () => node.durable();
    if (!plan.forwards) node.coordinator["preferred"] = () => index;
    bug?.serving?.(node, engine, host);
    net.listen(host, node.accept);
    node.start();
    const savePositions = (): void => {
      try {
        const peers = Object.fromEntries(
          Object.entries(this.member.peers).map(([id, known]) => [id, node.recordOf(id) ?? known]),
        );
        this.remember({ ...this.member, peers, shipped: Object.fromEntries(node.positions()) });
      } catch (error) {
        // Positions that are behind cost no more than shipping twice.
        if (!(error instanceof DiskError)) throw error;
      }
      host.after(POSITIONS_MS, savePositions);
    };
    host.after(POSITIONS_MS, savePositions);
  }

  perform(work: Work, done: (answer: Answer) => void): void {
    this.node?.coordinator.perform(work, done);
  }

  held(name: string): Held<Value> | undefined {
    return this.engine.registers.held(name);
  }

  replicas(name: string): readonly number[] {
    const { coordinator } = this.node as ClusterNode;
    return coordinator.replicas(coordinator.partitionOf(name));
  }

  get seesAll(): boolean {
    const links = [...(this.node?.peers.links.values() ?? [])];
    return links.length > 0 && links.every(({ state, roundTripMs }) => state === "up" && roundTripMs >= 0);
  }

  loads(): Readonly<Record<string, readonly [number, number]>> {
    const { node, engine, parts } = this;
    if (node === undefined) return {};
    const { clientsPerNode, pipeline, nodes } = parts.plan;
    // What clients can have under way, once more for those who have given up, and pulls.
    const works = 4 * clientsPerNode * pipeline * nodes + 64;
    const figures = node.coordinator.figures();
    let messages = 0;
    let bytes = 0;
    for (const { waiting } of node.peers.links.values()) {
      messages = Math.max(messages, waiting.messages);
      bytes = Math.max(bytes, waiting.bytes);
    }
    return {
      "works in flight": [figures["works_in_flight"] as number, works],
      "waiting for the log": [figures["waiting_for_log"] as number, 64 * works],
      "messages that wait": [messages, LIMITS.messagesMax],
      "bytes that wait": [bytes, LIMITS.bytesMax],
      "bytes of the open batch": [engine.wal?.openBytes() ?? 0, 4 << 20],
    };
  }

  /** @throws DiskError: the process cannot go on. */
  private remember(data: MemberData): void {
    writeMember(this.store.disk, data);
    this.member = data;
  }
}

const memberships = new Map<string, Members>();

/** Placement takes a while: it is the same for many seeds, and never changes. */
function membersFor({ nodes, n, r, w, partitions }: Plan, index: number): Members {
  const name = [nodes, n, r, w, partitions, index].join();
  let members = memberships.get(name);
  if (members === undefined) {
    const all = Array.from({ length: nodes }, (_, i) => ({ id: `n${i}`, host: String(i), port: PORT }));
    const peers = all.filter((_, i) => i !== index);
    members = membersOf({ id: `n${index}`, peers, n, r, w, partitions, clusterName: "simulated" });
    memberships.set(name, members);
  }
  return members;
}

/** No secret is kept here: it is to differ when anything else does. */
function mac(secret: string, bytes: Buffer): Buffer {
  const out = Buffer.alloc(32);
  const crc = crc32(bytes, crc32(Buffer.from(secret)));
  for (let at = 0; at < 32; at += 4) out.writeUInt32LE(Math.imul(crc, at + 1) >>> 0, at);
  return out;
}

function nonceFrom(unit: () => number): Buffer {
  const out = Buffer.alloc(32);
  for (let at = 0; at < 32; at += 4) out.writeUInt32LE(Math.floor(unit() * 2 ** 32), at);
  return out;
}

export const WHOLE_MAKERS = {
  store: (host: Host, random: Random, plan: Plan, nowTick: () => number): Store =>
    new WholeStore(host, new Random(random.u32()), plan, nowTick),
  machine: (parts: MachineParts, store: Store): Machine => new WholeNode(parts, store as WholeStore),
};
