/**
 * cluster/peers.ts: the links to all other members, and the door for those that connect to this node: a connection that
 * comes in belongs to nobody until its handshake says whose it is, and then goes to that peer's link.
 *
 * Invariants: one link per member, none to this node; connections that are still shaking hands are bounded, and so is the
 * time they have, so strangers cannot use up descriptors or memory; who is no member never gets a link.
 */
import type { Accept, Connection, ConnectionHandler, Dialer } from "../ports/network.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { HandshakeOptions, Mac } from "./handshake.js";
import { type ConnectionOptions, type ConnectionOwner, PeerConnection } from "./peer-connection.js";
import type { Acquaintance, OwnIdentity, PeerRecord } from "./peer-identity.js";
import { type LinkEvents, type LinkTimes, type PeerAddress, PeerLink } from "./peer-link.js";
import type { SendLimits } from "./send-queue.js";

export interface PeersOptions {
  readonly scheduler: Scheduler;
  readonly dialer: Dialer;
  readonly times: LinkTimes;
  readonly handshakeMs: number;
  readonly lingerMs: number;
  /** Connections that came in and are still shaking hands. */
  readonly shakingMax: number;
  readonly limits: SendLimits;
  /** Draws 0 <= x < 1, for jitter. */
  readonly unit: () => number;
  /** 32 bytes that nobody can guess. */
  readonly nonce: () => Buffer;
  readonly mac: Mac;
  readonly secret: string;
  /** What this node is now: its ceiling rises. */
  readonly self: () => OwnIdentity;
  /** How far the log of this node is synced. */
  readonly syncedLsn: () => number;
  readonly recordOf: (id: string) => PeerRecord | undefined;
  readonly events: LinkEvents;
  /** A connection that came in and found no link: from where, and why. @param refused it was no mere accident. */
  readonly turnedAway: (remote: string, why: string, refused: boolean) => void;
}

export class Peers implements ConnectionOwner {
  /** By id. */
  readonly links: Map<string, PeerLink> = new Map();
  private readonly selfId: string;
  private readonly options: PeersOptions;
  private readonly shaking = new Set<PeerConnection>();
  private stopped = false;

  constructor(options: PeersOptions) {
    this.options = options;
    this.selfId = options.self().id;
  }

  /** To be given to the listener of the peer port. */
  readonly accept: Accept = (connection) => {
    if (this.stopped || this.shaking.size >= this.options.shakingMax) {
      this.options.turnedAway(connection.remote, "too many are shaking hands", true);
      connection.destroy();
      return NOBODY;
    }
    const made: PeerConnection = this.greet(connection);
    this.shaking.add(made);
    return made;
  };

  private greet(connection: Connection): PeerConnection {
    return new PeerConnection(connection, this.connectionOptions(this, "", "acceptor"));
  }

  /** Who the other members are and where; links to new ones begin to connect, links to others end. */
  update(members: ReadonlyMap<string, PeerAddress>): void {
    for (const [id, link] of this.links) {
      if (members.has(id)) continue;
      link.stop();
      this.links.delete(id);
    }
    for (const [id, address] of members) {
      const known = this.links.get(id);
      if (known !== undefined) known.moved(address);
      else if (id !== this.selfId && !this.stopped) this.links.set(id, this.makeLink(id, address));
    }
    for (const link of this.links.values()) link.start();
  }

  private makeLink(peerId: string, address: PeerAddress): PeerLink {
    const { scheduler, dialer, times, unit, events, syncedLsn } = this.options;
    return new PeerLink(address, {
      syncedLsn,
      selfId: this.selfId,
      peerId,
      scheduler,
      dialer,
      times,
      unit,
      events,
      connectionOptions: (owner, wantedId) => this.connectionOptions(owner, wantedId, "dialer"),
    });
  }

  /** Say goodbye to all. */
  stop(): void {
    this.stopped = true;
    for (const connection of this.shaking) connection.destroy("this node stops");
    for (const link of this.links.values()) link.stop();
  }

  opened(connection: PeerConnection): void {
    this.shaking.delete(connection);
    const link = this.links.get(connection.id);
    if (link !== undefined) link.adopt(connection);
    // A member by a newer configuration than ours: it will be known when that has come by another way.
    else connection.destroy("not a member yet, as far as this node knows");
  }

  message(): void {
    // A connection has an owner of its own before its first message; what comes after destroy() is nobody's.
  }

  leaving(): void {}

  missed(): void {}

  closed(connection: PeerConnection, why: string): void {
    this.shaking.delete(connection);
    this.options.turnedAway(connection.remote, why, connection.refusal !== "");
  }

  private connectionOptions(
    owner: ConnectionOwner,
    wantedId: string,
    role: HandshakeOptions["role"],
  ): ConnectionOptions {
    const { scheduler, limits, handshakeMs, lingerMs, secret, mac, nonce, recordOf, self } = this.options;
    const knownOf = (id: string): Acquaintance => {
      const link = this.links.get(id);
      return { record: recordOf(id), member: link !== undefined, here: link?.hereAs };
    };
    const handshake = { role, wantedId, secret, mac, nonce: nonce(), knownOf, self: self() };
    return { scheduler, owner, limits, handshakeMs, lingerMs, handshake };
  }
}

/** For a connection that was turned away at the door. */
const NOBODY: ConnectionHandler = { onBytes: () => {}, onSent: () => {}, onEnd: () => {}, onClosed: () => {} };
