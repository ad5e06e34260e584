/**
 * cluster/catch-up.ts: both sides of catching up (replication by shipping the log): this node ships to each peer what that one is behind
 * (cluster/shipping.ts), and takes what the others ship to it.
 *
 * A shipped record goes through this node's acceptor like any other: LEARN when it is known to be chosen, else ACCEPT. What the acceptor
 * refuses, because it promised more or cannot know what it promised before it crashed, is pulled: read by a quorum, and learned.
 * Invariant: a batch is acknowledged when this replica holds all that was in it, or something later, durably. What was refused has to be pulled
 * first, so that a restart in between loses nothing; what found no room, or cannot be pulled for want of a quorum, or cannot be kept by this node, comes again.
 */
import type { MessageReader } from "../codec/frame/message-reader.js";
import type { Dot } from "../core/clock/dot.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import { nameOfRecord } from "../storage/state-record.js";
import type { Exchange } from "./exchange.js";
import type { Foreign } from "./foreign.js";
import type { PeerLink } from "./peer-link.js";
import type { Pulls } from "./pulls.js";
import type { Replica } from "./replica.js";
import { EPOCH, type Routing } from "./routing.js";
import { type LogReader, type ShippedStorage, ShipSource } from "./ship-source.js";
import { SHIP_TICK_MS, Shipping } from "./shipping.js";

/** A batch: long enough for a sync to be worth it, short enough for a turn of the loop. */
const BATCH_BYTES_MAX: number = 64 * 1024;
/** What a peer may ask for. */
const ASKED_BYTES_MAX: number = 1024 * 1024;
const SHIP_FROM_BYTES = 32;
const SHIP_ACK_BYTES = 28;
const SEND_MS = 5000;
const NOT_TAKEN = -1;
/** Between two looks into the log that found nothing. */
const LATER_MS = 1;

export interface CatchUpParts {
  readonly storage: ShippedStorage;
  readonly logFrom: (lsn: number) => LogReader;
  readonly exchange: Exchange;
  readonly routing: Routing;
  readonly replica: Replica;
  readonly pulls: Pulls;
  readonly foreign: Foreign;
  readonly scheduler: Scheduler;
  readonly selfIndex: number;
  /** By index: up to where of this node's log each peer was known to have everything, when that was last saved. */
  readonly positions: readonly number[];
  readonly onDamage: (error: Error) => void;
}

/** A state that was refused here. */
interface Refused {
  readonly name: string;
  readonly ballot: Dot;
}

/** A batch that was not acknowledged yet. */
interface Taken {
  readonly from: number;
  readonly boot: number;
  readonly id: number;
  /** At the sender: what is acknowledged. */
  readonly lsn: number;
  /** Of this node's log. */
  readonly waits: number;
  readonly refused: Refused[];
}

export class CatchUp {
  /** Records that peers shipped here, and those of them that were refused. */
  received = 0;
  refused = 0;
  private readonly parts: CatchUpParts;
  private readonly peers: (Shipping | undefined)[];
  /** By index of the peer that shipped it. */
  private readonly taken: (Taken | undefined)[] = [];
  private timer: Cancel | undefined;

  constructor(parts: CatchUpParts) {
    this.parts = parts;
    const { storage, logFrom, exchange, routing, scheduler, selfIndex, positions, onDamage } = parts;
    const nowMs = (): number => scheduler.monotonicMs();
    const later = (run: () => void): Cancel => scheduler.after(LATER_MS, run);
    const source = new ShipSource({ storage, logFrom, exchange, routing, nowMs, later, onDamage });
    // The log may have lost its end in a crash (appendfsync everysec, no): what has these numbers now the peers do not have.
    this.peers = exchange.links.map((_, peer) =>
      peer === selfIndex ? undefined : new Shipping(peer, Math.min(positions[peer] ?? 0, storage.durableLsn), source),
    );
    this.await();
  }

  private await(): void {
    this.timer = this.parts.scheduler.after(SHIP_TICK_MS, () => {
      const nowMs = this.parts.scheduler.monotonicMs();
      for (let peer = 0; peer < this.peers.length; peer++) {
        const link = this.parts.exchange.links[peer];
        if (link !== undefined) this.peers[peer]?.tick(link, nowMs);
      }
      this.await();
    });
  }

  /** By index: as `positions`, now. */
  get positions(): readonly number[] {
    return this.peers.map((peer) => peer?.hasLsn ?? 0);
  }

  /** The log behind it is wanted still. */
  get retainFromLsn(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const peer of this.peers) if (peer !== undefined) least = Math.min(least, peer.hasLsn + 1);
    return least;
  }

  /** Peers that are not up to date with this node's log, by index. */
  get behind(): readonly number[] {
    return this.peers.flatMap((peer, index) => (peer?.behind === true ? [index] : []));
  }

  get shipped(): number {
    let records = 0;
    for (const peer of this.peers) records += peer?.records ?? 0;
    return records;
  }

  /** A link opened: what does the peer have for us? */
  up(link: PeerLink): void {
    const writer = link.claim(SHIP_FROM_BYTES, this.parts.scheduler.monotonicMs() + SEND_MS);
    // From where the peer knows us to be: it has counted.
    writer?.shipFrom(this.parts.exchange.nextId(), 0, BATCH_BYTES_MAX);
  }

  /** Something for the peer may not have arrived. */
  missed(peer: number): void {
    this.peers[peer]?.missed();
  }

  /** SHIP_FROM */
  asked(from: number, reader: MessageReader): void {
    const link = this.parts.exchange.links[from];
    if (link === undefined || reader.bytesMax === 0) return;
    const bytesMax = Math.min(reader.bytesMax, ASKED_BYTES_MAX);
    this.peers[from]?.asked(link, bytesMax, this.parts.scheduler.monotonicMs());
  }

  /** SHIP */
  batch(from: number, reader: MessageReader): void {
    const { boot, id, lastLsn } = reader;
    // Not acknowledged, so it comes again.
    if (!this.parts.replica.hasRoom) return;
    let waits = 0;
    let whole = true;
    const refused: Refused[] = [];
    while (reader.nextRecord()) {
      const lsn = this.take(from, reader, refused);
      if (lsn === NOT_TAKEN) whole = false;
      else waits = Math.max(waits, lsn);
    }
    // Its sender is not to count on this node: it comes again.
    if (!whole) return;
    // One batch of a peer is under way: another one says that nobody waits for the one before.
    this.taken[from] = { from, boot, id, lsn: lastLsn, waits, refused };
    this.proceed(from, this.parts.storage.durableLsn);
  }

  /** Acknowledge what was taken from a peer, if it has all come: what was logged for it, and what was refused, or something later. */
  private proceed(from: number, durableLsn: number): void {
    const taken = this.taken[from];
    if (taken === undefined || taken.waits > durableLsn) return;
    const { refused } = taken;
    for (let last = refused.at(-1); last !== undefined; last = refused.at(-1)) {
      if (!this.parts.replica.reaches(last.name, last.ballot)) return;
      refused.pop();
    }
    this.taken[from] = undefined;
    this.acknowledge(taken);
  }

  /** One record. @returns the position that it waits for, 0: none; NOT_TAKEN: there is no room for it, or this node cannot keep it. */
  private take(from: number, reader: MessageReader, refused: Refused[]): number {
    const { replica, routing, pulls, foreign, selfIndex } = this.parts;
    const state = foreign.record(from, reader);
    if (state === undefined) return NOT_TAKEN;
    const key = nameOfRecord(state.record, 0);
    if (!routing.isReplica(routing.partitionOf(key), selfIndex)) return 0;
    this.received++;
    const { ballot } = state;
    const type = reader.chosen ? "learn" : "accept";
    const reply = replica.receive({ type, key, epoch: EPOCH, ballot, state });
    if (reply === undefined) return NOT_TAKEN;
    if (reply.type === "nack") {
      this.refused++;
      refused.push({ name: key, ballot });
      pulls.refused(key, ballot);
    }
    return replica.afterLsn;
  }

  private acknowledge({ from, boot, id, lsn }: Taken): void {
    const link = this.parts.exchange.links[from];
    if (link === undefined || link.peerBoot !== boot) return;
    link.claim(SHIP_ACK_BYTES, this.parts.scheduler.monotonicMs() + SEND_MS)?.shipAck(id, lsn);
  }

  /** SHIP_ACK */
  acknowledged(from: number, reader: MessageReader): void {
    const link = this.parts.exchange.links[from];
    if (link !== undefined) this.peers[from]?.acknowledged(link, reader.id, this.parts.scheduler.monotonicMs());
  }

  durable(lsn: number): void {
    for (let from = 0; from < this.taken.length; from++) this.proceed(from, lsn);
  }

  stop(): void {
    this.timer?.();
    for (const peer of this.peers) peer?.stop();
  }
}
