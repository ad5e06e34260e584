/**
 * cluster/cluster-node.ts: one member of a cluster, put together: coordinator, replica and links, on ports. The process and the simulator
 * bring the same ports, and run the same node.
 *
 * Start: the storage has recovered, this start is counted durably, and a clock above the recovered ceiling goes on. Then links connect.
 * Invariants: a peer is on record, durably, before its first message is read; what the record refuses never gets a link.
 */
import type { Start } from "../codec/frame/steps.js";
import type { Hlc } from "../core/clock/hlc.js";
import type { AcceptorRules } from "../core/register/acceptor-rules.js";
import type { ProposerRules } from "../core/register/proposer-rules.js";
import type { Accept, Dialer } from "../ports/network.js";
import type { Scheduler } from "../ports/scheduler.js";
import { Coordinator } from "./coordinator.js";
import type { Bounds } from "./coordinator-options.js";
import type { Mac } from "./handshake.js";
import type { Members } from "./members.js";
import { PeerClocks, type SeenClock } from "./peer-clocks.js";
import type { OwnIdentity, PeerRecord, PeerSaid } from "./peer-identity.js";
import { LINK_TIMES, type LinkTimes } from "./peer-link.js";
import { Peers } from "./peers.js";
import type { ReplicaStorage } from "./replica.js";
import type { SendLimits } from "./send-queue.js";
import type { LogReader, ShippedStorage } from "./ship-source.js";
import { type Performer, STATE_BYTES_MOST } from "./work.js";

const HANDSHAKE_MS = 2000;
const LINGER_MS = 1000;
const SHAKING_MAX = 64;
const CONFIG_VERSION = 1;

const MESSAGES_MAX = 16_384;
const BYTES_MAX: number = 16 * 1024 * 1024;
/** Of large messages, borrowed: most of them refer to what the node holds anyway. */
const LARGE_BYTES_MAX: number = 64 * 1024 * 1024;
const LARGE_MESSAGES = 8;
/** Beside key and value: vector, headers, and what else is in the batch when a record is shipped. */
const MESSAGE_OVERHEAD_BYTES: number = 2 * 1024 * 1024;

/** What is known of peers, kept durably. */
export interface PeerRecords {
  recordOf(id: string): PeerRecord | undefined;
  /** Durable when it returns. @throws DiskError: it could not be written. */
  record(id: string, record: PeerRecord): void;
}

export interface ClusterNodeParts {
  readonly members: Members;
  readonly storage: ReplicaStorage & ShippedStorage;
  readonly logFrom: (lsn: number) => LogReader;
  /** By id: up to where of this node's log each peer was known to have everything, as it was saved. */
  readonly positions: ReadonlyMap<string, number>;
  readonly clock: Hlc;
  /** Which start of this directory this is, counted durably; and what names the directory and the process. */
  readonly boot: number;
  readonly uuid: string;
  readonly run: string;
  /** This start of the directory and those before it, as many as are told of. */
  readonly starts: readonly Start[];
  readonly syncedLsn: () => number;
  readonly records: PeerRecords;
  readonly scheduler: Scheduler;
  readonly dialer: Dialer;
  /** 0 <= x < 1. */
  readonly random: () => number;
  /** 32 bytes that nobody can guess. */
  readonly nonce: () => Buffer;
  readonly mac: Mac;
  readonly secret: string;
  readonly performer: Performer;
  readonly deadlineMs: number;
  /** The largest value there may be. */
  readonly valueBytesMax: number;
  readonly times?: LinkTimes;
  readonly acceptorRules?: AcceptorRules;
  readonly proposerRules?: ProposerRules;
  readonly bounds?: Bounds;
  /** Of what waits for a peer. */
  readonly limits?: SendLimits;
  readonly onMet: (id: string) => void;
  /** For the log: what a link or a stranger was about. @param grave somebody has to see to it, or nodes will not talk. */
  readonly onTrouble: (text: string, grave: boolean) => void;
  readonly onState: (id: string, state: "up" | "suspect" | "down") => void;
}

export class ClusterNode {
  readonly coordinator: Coordinator;
  readonly peers: Peers;
  readonly clocks: PeerClocks;
  /** For the listener of the peer port. */
  readonly accept: Accept;
  private readonly parts: ClusterNodeParts;

  constructor(parts: ClusterNodeParts) {
    this.parts = parts;
    this.clocks = new PeerClocks(parts.members.ids.length, parts.scheduler, () => this.seenClocks());
    this.coordinator = this.makeCoordinator();
    this.peers = this.makePeers();
    this.accept = this.peers.accept;
  }

  private makeCoordinator(): Coordinator {
    const { members, storage, clock, boot, scheduler, random, performer, deadlineMs } = this.parts;
    const { acceptorRules, proposerRules, bounds, positions, logFrom, onTrouble } = this.parts;
    const { ids, selfIndex, ring, r, w, clusterId, addresses } = members;
    return new Coordinator({
      selfIndex,
      members: ids.map((id) => ({ id, ...(addresses.get(id) ?? { host: "", port: 0 }) })),
      clusterId,
      ring,
      r,
      w,
      storage,
      logFrom,
      onStrange: (member, why) => onTrouble(`${ids[member]}: ${why}`, true),
      onDamage: (error) => onTrouble(`the log cannot be read for a peer: ${error.message}`, true),
      positions: ids.map((id) => positions.get(id) ?? 0),
      clock,
      boot,
      scheduler,
      random,
      performer,
      clocks: this.clocks,
      deadlineMs,
      ...(acceptorRules === undefined ? {} : { acceptorRules }),
      ...(proposerRules === undefined ? {} : { proposerRules }),
      ...(bounds === undefined ? {} : { bounds }),
    });
  }

  private makePeers(): Peers {
    const { scheduler, dialer, times = LINK_TIMES, random, nonce, mac, secret, syncedLsn, valueBytesMax } = this.parts;
    const { onTrouble, onState } = this.parts;
    return new Peers({
      scheduler,
      dialer,
      times,
      handshakeMs: HANDSHAKE_MS,
      lingerMs: LINGER_MS,
      shakingMax: SHAKING_MAX,
      limits: this.parts.limits ?? limitsFor(valueBytesMax),
      unit: random,
      nonce,
      mac,
      secret,
      self: () => this.identity(),
      syncedLsn,
      recordOf: (id) => this.recordOf(id),
      events: {
        met: ({ peerId }, peer) => this.met(peerId, peer),
        message: (link, reader) => this.coordinator.message(link, reader),
        state: (link, state) => {
          if (state === "up") this.coordinator.up(link);
          onState(link.peerId, state);
        },
        measured: () => this.clocks.look(),
        lost: (link) => this.coordinator.lost(link, false),
        left: (link) => this.coordinator.lost(link, true),
        missed: (link) => this.coordinator.missed(link),
        trouble: ({ peerId }, why, refused) => onTrouble(`${peerId}: ${why}`, refused),
      },
      turnedAway: (remote, why, refused) => onTrouble(`a connection from ${remote} was turned away: ${why}`, refused),
    });
  }

  /** @returns false: it could not be put on record, so nothing is to be heard of it. */
  private met(peerId: string, { uuid, run, boot, ceiling }: PeerSaid): boolean {
    const { records, onMet, onTrouble } = this.parts;
    try {
      records.record(peerId, { uuid, run, boot, ceiling, lsn: this.recordOf(peerId)?.lsn });
    } catch (error) {
      onTrouble(`${peerId}: ${(error as Error).message}`, true);
      return false;
    }
    onMet(peerId);
    return true;
  }

  /** What is on record of a peer, with what it said since: to be put on record now and then. */
  recordOf(peerId: string): PeerRecord | undefined {
    const record = this.parts.records.recordOf(peerId);
    const lsn = this.peers.links.get(peerId)?.peerLsn ?? 0;
    return record && lsn > (record.lsn ?? 0) ? { ...record, lsn } : record;
  }

  private identity(): OwnIdentity {
    const { members, uuid, run, boot, starts } = this.parts;
    const { ids, selfIndex, clusterId, settings } = members;
    const ceiling = this.coordinator.replica.ceiling.durableHlc;
    const self = { uuid, run, boot, starts, ceiling, configVersion: CONFIG_VERSION };
    return { id: ids[selfIndex], clusterId, ...self, ...settings };
  }

  /** Begin to connect. */
  start(): void {
    const { addresses, ids } = this.parts.members;
    this.peers.update(addresses);
    this.coordinator.connect(ids.map((id) => this.peers.links.get(id)));
  }

  private seenClocks(): readonly SeenClock[] {
    const links = [...this.peers.links.values()];
    return links.filter(({ state, roundTripMs }) => state === "up" && roundTripMs >= 0);
  }

  /** As in the parts, now: to be saved now and then. */
  positions(): ReadonlyMap<string, number> {
    const { ids, selfIndex } = this.parts.members;
    const { positions } = this.coordinator.catchUp;
    return new Map(ids.flatMap((id, index) => (index === selfIndex ? [] : [[id, positions[index] as number]])));
  }

  /** The least position of the log that a peer may still need. */
  get retainFromLsn(): number {
    return this.coordinator.catchUp.retainFromLsn;
  }

  /** The log has come further. */
  durable(): void {
    this.coordinator.durable();
  }

  /** Answer what is in flight, and say goodbye to the peers. */
  stop(): void {
    this.coordinator.stop();
    this.peers.stop();
  }
}

function limitsFor(valueBytesMax: number): SendLimits {
  return {
    messagesMax: MESSAGES_MAX,
    bytesMax: BYTES_MAX,
    largeBytesMax: Math.max(LARGE_BYTES_MAX, LARGE_MESSAGES * (valueBytesMax + MESSAGE_OVERHEAD_BYTES)),
    messageBytesMax: STATE_BYTES_MOST + MESSAGE_OVERHEAD_BYTES,
  };
}
