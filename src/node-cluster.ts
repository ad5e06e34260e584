/**
 * node-cluster.ts: a node as a member of a cluster: what of node.ts is there only with peers.
 * Start: this start is counted durably; once the storage has recovered the coordinator begins, the peer port is opened, links connect.
 * Stop: what is in flight is answered, the peers are said goodbye to.
 * Invariant: a peer is on record on the disk before anything is heard of it, as the start that it is (storage/member-book.ts).
 */
import { createHmac, randomBytes } from "node:crypto";
import { ClockWatch } from "./cluster/clock-watch.js";
import { ClusterNode } from "./cluster/cluster-node.js";
import { LateCluster } from "./cluster/late-cluster.js";
import { type Members, membersOf } from "./cluster/members.js";
import type { Performer } from "./cluster/work.js";
import type { Config } from "./config/config.js";
import { peersOf } from "./config/peers.js";
import { Risen } from "./lib/risen.js";
import { listenForPeers, shownAddresses } from "./node-listen.js";
import { createDialer } from "./platform/dial.js";
import type { LogLevel } from "./platform/log.js";
import type { Disk } from "./ports/disk.js";
import type { Listener } from "./ports/network.js";
import type { Cancel, Scheduler } from "./ports/scheduler.js";
import { READ_MS } from "./server/log-waiters.js";
import type { Engine } from "./storage/engine.js";
import { MemberBook } from "./storage/member-book.js";
import { openMember, type PeerNote } from "./storage/member-file.js";

const NONCE_BYTES = 32;
const RUN_BYTES = 8;
const SAVE_MS = 10_000;
const SAY_AGAIN_MS = 60_000;
const SAID_MAX = 256;

export interface MemberParts {
  readonly config: Config;
  readonly disk: Disk;
  readonly scheduler: Scheduler;
  readonly log: (level: LogLevel, text: string) => void;
}

/** Of several nodes; undefined: the node is alone. */
export function memberOf(parts: MemberParts): Member | undefined {
  return parts.config.peers.length === 0 ? undefined : new Member(parts);
}

export class Member {
  /** For the server, from the start on. */
  readonly cluster: LateCluster;
  /** The same on all members: SCAN's order is one order. */
  readonly hashSecret: [number, number];
  private readonly parts: MemberParts;
  private readonly run: string = randomBytes(RUN_BYTES).toString("hex");
  private readonly members: Members;
  private readonly book: MemberBook;
  private readonly listeners: Listener[] = [];
  private node: ClusterNode | undefined;
  private clock: ClockWatch | undefined;
  private log: { readonly appendedLsn: number; readonly durableLsn: number } | undefined;
  private cancelSave: Cancel = () => {};
  private saveDue = false;
  private stopped: Promise<unknown> | undefined;
  /** The node stops: links that end now say nothing of the peers. */
  private parting = false;
  private readonly saidMs = new Map<string, number>();
  private readonly readers: Risen = new Risen(READ_MS);

  /** @throws ConfigurationError: the directory is another member's, or of other members; DiskError: the start cannot be counted. */
  constructor(parts: MemberParts) {
    const { config, disk } = parts;
    const { id, peers, n, r, w, partitions, clusterName } = config;
    this.parts = parts;
    this.members = membersOf({ id, peers: peersOf(peers), n, r, w, partitions, clusterName });
    const { clusterId, ids } = this.members;
    this.cluster = new LateCluster(this.members);
    this.hashSecret = [Number.parseInt(clusterId.slice(0, 8), 16) | 0, Number.parseInt(clusterId.slice(8), 16) | 0];
    this.book = new MemberBook(disk, openMember(disk, id, ids, this.members, this.run));
  }

  get peerAddresses(): string[] {
    return shownAddresses(this.listeners);
  }

  /** The storage has recovered. */
  async start(engine: Engine, performer: Performer): Promise<void> {
    const { config, scheduler } = this.parts;
    this.book.foundLog(engine.foundLsn);
    const node = new ClusterNode({
      members: this.members,
      storage: engine.registers,
      logFrom: (lsn) => engine.logFrom(lsn),
      positions: new Map(Object.entries(this.book.shipped)),
      clock: engine.store.hlc,
      boot: this.book.boot,
      uuid: engine.meta.node,
      run: this.run,
      starts: this.book.starts,
      syncedLsn: () => engine.wal?.syncedLsn ?? 0,
      records: { recordOf: (id) => this.book.recordOf(id), record: (id, note) => this.record(id, note) },
      scheduler,
      dialer: createDialer(),
      random: Math.random,
      nonce: () => randomBytes(NONCE_BYTES),
      mac: (secret, bytes) => createHmac("sha256", secret).update(bytes).digest(),
      secret: config.clusterSecret,
      performer,
      deadlineMs: config.quorumTimeout,
      valueBytesMax: config.maxValueBytes,
      onMet: () => {},
      onTrouble: (text, grave) => this.trouble(text, grave),
      onState: (id, state) => {
        if (!this.parting) this.parts.log(state === "up" ? "notice" : "warning", `${id} is ${state}`);
      },
    });
    this.node = node;
    this.log = engine.registers;
    // Those that lay beyond the log that was recovered: what gets these numbers now is not what the peers have.
    this.savePositions();
    await listenForPeers(config, node.accept, this.listeners);
    this.cluster.open(node.coordinator, () => ({
      clock_off_ms: node.clocks.offMs,
      clock_corrected_ms: node.clocks.correctionMs,
      clock_doubt_ms: node.clocks.doubtMs,
      expires_keys: node.clocks.compared ? 1 : 0,
    }));
    node.start();
    this.clock = new ClockWatch({
      scheduler,
      offMs: () => node.clocks.offMs,
      corrected: () => node.clocks.correctionMs !== 0,
      doubtMs: () => node.clocks.doubtMs,
      log: this.parts.log,
    });
    this.clock.start();
    this.saveSoon();
  }

  /** For the storage: the log from here on may be wanted by a peer. Before the start: as it was saved. */
  readonly retainFromLsn = (): number => this.node?.retainFromLsn ?? 1 + Math.min(...this.savedPositions());

  private savedPositions(): number[] {
    const { ids, selfIndex } = this.members;
    return ids.filter((_, index) => index !== selfIndex).map((id) => this.book.shipped[id] ?? 0);
  }

  private saveSoon(): void {
    this.cancelSave = this.parts.scheduler.after(SAVE_MS, () => {
      this.saveDue = true;
      const { log } = this;
      if (log === undefined || log.appendedLsn <= log.durableLsn) this.saveIfDue();
      this.saveSoon();
    });
  }

  /** It is written on the loop: not while the log waits for the disk, which may not answer. Once it has, durable() comes here. */
  private saveIfDue(): void {
    if (!this.saveDue || this.stopped !== undefined) return;
    this.saveDue = false;
    this.savePositions();
  }

  /** Positions that are behind cost no more than shipping twice: a disk that takes no file is the log's to report. */
  private savePositions(): void {
    const { book, node } = this;
    try {
      for (const id of this.members.ids) {
        const note = node?.recordOf(id);
        if (note !== undefined && book.knows(id, note)) book.record(id, note);
      }
      book.save(Object.fromEntries(node?.positions() ?? []));
    } catch (error) {
      this.parts.log("warning", `cannot save what the peers have: ${(error as Error).message}`);
    }
  }

  /** What stays as it is is said once a minute: a peer that is refused tries for ever. */
  private trouble(text: string, grave: boolean): void {
    const { log, scheduler } = this.parts;
    if (!grave) return log("verbose", text);
    const nowMs = scheduler.monotonicMs();
    // The stranger's port is another one each time.
    const what = text.replace(/:\d+/g, "");
    if ((this.saidMs.get(what) ?? Number.NEGATIVE_INFINITY) > nowMs - SAY_AGAIN_MS) return;
    if (this.saidMs.size >= SAID_MAX) this.saidMs.clear();
    this.saidMs.set(what, nowMs);
    log("warning", text);
  }

  /** @throws Error, DiskError: the peer is not on record. A disk that does not answer would hold up the loop, and with it all links: it tries again. */
  private record(id: string, note: PeerNote): void {
    if (this.node?.coordinator.logHangs === true && !this.book.knows(id, note))
      throw new Error("it has started anew, and cannot be put on record while the disk does not answer");
    this.book.record(id, note);
  }

  /** storage/log.ts, Audience: no replica was asked to read here of late. */
  get onlyWriters(): boolean {
    const { node } = this;
    return (
      node !== undefined && !this.readers.lately(node.coordinator.replica.reads, this.parts.scheduler.monotonicMs())
    );
  }

  /** Here it is peers and rounds that wait for a flush, not clients. */
  get waiters(): number {
    return this.node?.coordinator.waitingForLog ?? 0;
  }

  /** The log has come further. */
  durable(): void {
    this.node?.durable();
    // Replies of the same flush leave first. The next flush may be under way by then: the disk has answered a moment ago.
    if (this.saveDue) this.parts.scheduler.endOfTurn(() => this.saveIfDue());
  }

  /** The stop has begun; the links stay as they are until stop(). */
  part(): void {
    this.parting = true;
  }

  /** Resolves when the last connection to a peer is closed. */
  stop(): Promise<unknown> {
    this.stopped ??= this.stopOnce();
    return this.stopped;
  }

  private stopOnce(): Promise<unknown> {
    this.part();
    this.clock?.stop();
    this.cancelSave();
    const closed = this.listeners.map((listener) => listener.close());
    this.node?.stop();
    this.savePositions();
    return Promise.all(closed);
  }
}
