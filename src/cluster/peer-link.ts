/**
 * cluster/peer-link.ts: the link to one peer: connects, connects again, watches, and is where everything for that peer is written.
 *
 * One connection per pair, shared by both directions: half the sockets and heartbeats of one per direction, answers ride in the
 * same frames as questions, and a pair cannot be half connected. Both sides dial, because either may be the one that can reach the
 * other. When both get through at once, the node with the lower id settles it: it keeps the connection that opened last and
 * says goodbye on the others; its peer uses the one that opened last of those that are left. Neither loses a message: see
 * the farewell in cluster/peer-connection.ts. A connection to another process of the peer ends those to the one before at once.
 *
 * Invariants: claims go to one connection at a time; `lost` is called when something that was sent may not have arrived, and
 * nothing sent before it arrives after it on a connection opened later; state is down exactly when no connection is open, or the peer has
 * been silent for downMs. A peer that was suspect is up again once it has answered a heartbeat of less than suspectMs ago: when a cut ends its
 * bytes may come in long before ours are sent once more, and what is forwarded to it would wait for that. Attempts are spaced by exponential back-off with full jitter; it starts anew after a connection that held.
 */

import { MESSAGE_HEARTBEAT } from "../codec/frame/layout.js";
import type { MessageReader } from "../codec/frame/message-reader.js";
import { HEARTBEAT_BYTES, type MessageWriter } from "../codec/frame/message-writer.js";
import type { Dialer } from "../ports/network.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import { Backoff } from "./backoff.js";
import { LinkHealth, type LinkState } from "./link-health.js";
import { type ConnectionOptions, type ConnectionOwner, PeerConnection } from "./peer-connection.js";
import type { PeerSaid } from "./peer-identity.js";

export interface LinkTimes {
  readonly heartbeatMs: number;
  readonly suspectMs: number;
  readonly downMs: number;
  readonly dialMs: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A connection that was open for so long held. */
  readonly stableMs: number;
}

export const LINK_TIMES: LinkTimes = {
  heartbeatMs: 300,
  suspectMs: 1200,
  downMs: 3000,
  dialMs: 2000,
  backoffBaseMs: 50,
  backoffCapMs: 5000,
  stableMs: 5000,
};

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export interface LinkEvents {
  /** A handshake ended well: what the peer says it is, to be recorded. Before the first message. @returns false: it could not be. */
  met(link: PeerLink, peer: PeerSaid): boolean;
  /** Borrowed until it returns. Heartbeats are the link's own. */
  message(link: PeerLink, reader: MessageReader): void;
  state(link: PeerLink, state: LinkState): void;
  /** The time of a round trip and the peer's clock are known anew. */
  measured(link: PeerLink): void;
  /** What is in flight to the peer may not have arrived, and its answers may not come. */
  lost(link: PeerLink): void;
  /** The peer said goodbye on its last connection: all that was sent there arrived, and all that the peer had to say. */
  left(link: PeerLink): void;
  /** States of keys were not sent, since nobody waited for them any more when their turn came. */
  missed(link: PeerLink): void;
  /** For the log: why a connection ended or an attempt failed. Not told again while it is the same. @param refused by either side. */
  trouble(link: PeerLink, why: string, refused: boolean): void;
}

export interface LinkOptions {
  readonly selfId: string;
  readonly peerId: string;
  readonly scheduler: Scheduler;
  readonly dialer: Dialer;
  readonly times: LinkTimes;
  /** Draws 0 <= x < 1. */
  readonly unit: () => number;
  readonly events: LinkEvents;
  /** How far the log of this node is synced, as it tells the peer. */
  readonly syncedLsn: () => number;
  /** What a new connection to the peer needs. */
  readonly connectionOptions: (owner: ConnectionOwner, wantedId: string) => ConnectionOptions;
}

const STAMPS = 4_294_967_295;
/** Whose sending is remembered with fractions: by the time of more a peer is down. */
const BEATS_MAX = 16;

export class PeerLink implements ConnectionOwner {
  readonly peerId: string;
  state: LinkState = "down";
  /** Since when it is in this state, steady clock. */
  sinceMs: number;
  /** Last measured time of a round trip, ms; -1 = none yet. */
  roundTripMs = -1;
  /** The peer's wall clock less our steady one: that ours jumps does not make it wrong. */
  private peerLessSteadyMs = 0;
  /** How late the peer's event loop said it was, and ours is. */
  peerLagMs = 0;
  lagMs = 0;
  /** How far the peer's log was synced when it was last heard of. */
  peerLsn = 0;
  /** States that were given up, in all. */
  expiredStates = 0;
  private address: PeerAddress;
  private readonly options: LinkOptions;
  private readonly backoff: Backoff;
  /** Open, the one that opened last at the end. */
  private readonly connections: PeerConnection[] = [];
  /** Saying goodbye. */
  private readonly retiring = new Set<PeerConnection>();
  private dialing: Cancel | undefined;
  private shaking: PeerConnection | undefined;
  private retry: Cancel | undefined;
  private beat: Cancel | undefined;
  private health: LinkHealth | undefined;
  private openedMs = 0;
  private trouble = "";
  private stopped = false;
  private peerSentMs = 0;
  private peerSentAtMs = -1;
  /** When the last heartbeats were sent: their stamps are whole ms, and a round trip is often less than one. */
  private readonly beats: number[] = [];

  constructor(address: PeerAddress, options: LinkOptions) {
    const { times, unit } = options;
    this.address = address;
    this.options = options;
    this.peerId = options.peerId;
    this.sinceMs = options.scheduler.monotonicMs();
    this.backoff = new Backoff(times.backoffBaseMs, times.backoffCapMs, unit);
  }

  /** Begin to connect. */
  start(): void {
    this.dial();
  }

  /** The peer is elsewhere from now on; a connection that is open stays. */
  moved(address: PeerAddress): void {
    this.address = address;
  }

  // HOT: once per message to a peer.
  /**
   * Room for one message to the peer, to be written at once with the writer returned; it leaves at the end of this turn of the loop.
   * @param bytes an upper bound of its length. @param deadlineMs steady clock; Infinity = none.
   * @returns undefined when there is no connection or no room: surely not sent.
   */
  claim(bytes: number, deadlineMs: number): MessageWriter | undefined {
    return this.connections.at(-1)?.claim(bytes, deadlineMs);
  }

  /** Which life of the peer's process the connection in use is to; 0: there is none. */
  get peerBoot(): number {
    return this.connections.at(-1)?.peer?.boot ?? 0;
  }

  /** The process of the peer that is connected and was heard of late. */
  get hereAs(): string | undefined {
    return this.state === "up" ? this.connections.at(-1)?.peer?.run : undefined;
  }

  /** The peer's wall clock less ours, as far as half a round trip told, ms; 0: not measured yet. */
  get clockOffsetMs(): number {
    const { scheduler } = this.options;
    return this.roundTripMs < 0 ? 0 : this.peerLessSteadyMs - (scheduler.nowMs() - scheduler.monotonicMs());
  }

  /** At most how long a message that is read now may have lain here, because this node did not run. */
  get unreadMs(): number {
    return this.health?.unreadMs(this.options.scheduler.monotonicMs()) ?? 0;
  }

  /** What waits on the connection in use. */
  get waiting(): { readonly messages: number; readonly bytes: number; readonly expired: number } {
    return this.connections.at(-1)?.waiting ?? { messages: 0, bytes: 0, expired: 0 };
  }

  /** Large messages that wait on the connection in use, or are under way. */
  get largeWaiting(): number {
    return this.connections.at(-1)?.largeWaiting ?? 0;
  }

  /** Take a connection whose handshake said that it is to this peer. */
  adopt(connection: PeerConnection): void {
    if (this.stopped) return connection.destroy("this node stops");
    const { selfId, scheduler, times, events } = this.options;
    if (!events.met(this, connection.peer as PeerSaid)) return connection.destroy("it could not be put on record");
    const before = this.connections.slice();
    connection.owner = this;
    // First the new one, or the link would seem to be down between the two.
    this.connections.push(connection);
    for (const older of before) {
      if (older.peer?.run !== connection.peer?.run) this.drop(older, "the peer has started anew");
      else if (selfId < this.peerId) this.giveUp(older, "another connection to the peer opened");
    }
    // An attempt of ours that is not open here is not open there either, since the dialer opens first: nothing is lost with it.
    this.stopDialing();
    this.openedMs = scheduler.monotonicMs();
    this.health = new LinkHealth(times.suspectMs, times.downMs, this.openedMs, this.openedMs + times.heartbeatMs);
    this.beat?.();
    this.beat = scheduler.after(times.heartbeatMs, () => this.tick());
    this.heartbeat();
    this.trouble = "";
    this.become("up");
  }

  opened(connection: PeerConnection): void {
    this.shaking = undefined;
    this.adopt(connection);
  }

  message(connection: PeerConnection, reader: MessageReader): void {
    if (reader.type === MESSAGE_HEARTBEAT) this.onHeartbeat(connection, reader);
    else this.options.events.message(this, reader);
  }

  missed(_: PeerConnection, states: number): void {
    this.expiredStates += states;
    this.options.events.missed(this);
  }

  leaving(connection: PeerConnection): void {
    this.remove(connection);
    this.retiring.add(connection);
  }

  closed(connection: PeerConnection, why: string, clean: boolean): void {
    const wasOpen = this.remove(connection) || this.retiring.delete(connection);
    if (this.shaking === connection) this.shaking = undefined;
    if (!clean) this.tell(why, connection.refusal !== "");
    if (wasOpen && !clean) this.options.events.lost(this);
    else if (wasOpen && this.connections.length === 0 && this.retiring.size === 0) this.options.events.left(this);
    this.dialLater();
  }

  /** @returns whether it was one of those in use. */
  private remove(connection: PeerConnection): boolean {
    const at = this.connections.indexOf(connection);
    if (at < 0) return false;
    this.connections.splice(at, 1);
    if (this.connections.length === 0) {
      this.beat?.();
      this.become("down");
    }
    return true;
  }

  /** Say goodbye and connect no more. Connections close once both sides have sent what waited. */
  stop(): void {
    this.stopped = true;
    this.stopDialing();
    this.retry?.();
    for (const connection of this.connections.slice()) this.giveUp(connection, "this node stops");
  }

  private giveUp(connection: PeerConnection, why: string): void {
    this.leaving(connection);
    connection.retire(why);
  }

  /** Close at once: what is under way is lost, and the peer is to know that. */
  sever(why: string): void {
    for (const connection of this.connections.slice()) this.drop(connection, why);
  }

  private drop(connection: PeerConnection, why: string): void {
    this.remove(connection);
    connection.destroy(why);
    this.tell(why);
    this.options.events.lost(this);
  }

  private become(state: LinkState): void {
    if (this.state === state) return;
    this.state = state;
    this.sinceMs = this.options.scheduler.monotonicMs();
    this.options.events.state(this, state);
  }

  private tell(why: string, refused = false): void {
    if (why === this.trouble) return;
    this.trouble = why;
    this.options.events.trouble(this, why, refused);
  }

  private dial(): void {
    if (this.stopped || this.connections.length > 0 || this.dialing !== undefined || this.shaking !== undefined) return;
    const { dialer, times, connectionOptions, peerId } = this.options;
    this.dialing = dialer.dial(
      { ...this.address, timeoutMs: times.dialMs },
      (connection) => {
        this.dialing = undefined;
        this.shaking = new PeerConnection(connection, connectionOptions(this, peerId));
        return this.shaking;
      },
      (error) => {
        this.dialing = undefined;
        this.tell(`cannot connect: ${error.message}`);
        this.dialLater();
      },
    );
  }

  private stopDialing(): void {
    this.dialing?.();
    this.dialing = undefined;
    this.shaking?.destroy("another connection to the peer opened");
    this.shaking = undefined;
  }

  private dialLater(): void {
    if (this.stopped || this.connections.length > 0 || this.retry !== undefined) return;
    const { scheduler, times } = this.options;
    if (this.openedMs > 0 && scheduler.monotonicMs() - this.openedMs >= times.stableMs) this.backoff.reset();
    this.openedMs = 0;
    this.retry = scheduler.after(this.backoff.next(), () => {
      this.retry = undefined;
      this.dial();
    });
  }

  private tick(): void {
    const { scheduler, times } = this.options;
    const nowMs = scheduler.monotonicMs();
    const health = this.health as LinkHealth;
    health.heard(Math.max(...this.connections.map(({ heardMs }) => heardMs)));
    const state = health.tick(nowMs, nowMs + times.heartbeatMs);
    this.lagMs = health.lagMs;
    if (state !== "down") {
      this.beat = scheduler.after(times.heartbeatMs, () => this.tick());
      // That the peer is heard again does not say that it hears this node: onHeartbeat() finds that.
      if (state === "suspect" || this.state !== "suspect") this.become(state);
      this.heartbeat();
      return;
    }
    this.sever("the peer is silent");
  }

  private heartbeat(): void {
    const { scheduler, times, syncedLsn } = this.options;
    // Where the queue is full a heartbeat would say nothing that the queue's own bytes do not.
    const nowMs = scheduler.monotonicMs();
    const writer = this.claim(HEARTBEAT_BYTES, nowMs + times.downMs);
    if (writer === undefined) return;
    const heldMs = this.peerSentAtMs < 0 ? 0 : nowMs - this.peerSentAtMs;
    const echoMs = this.peerSentAtMs < 0 ? 0 : this.peerSentMs;
    writer.heartbeat({
      sentMs: stamp(nowMs),
      echoMs,
      heldMs: Math.floor(heldMs),
      heldUs: Math.floor((heldMs % 1) * 1000),
      lagMs: Math.floor(this.lagMs),
      wallMs: scheduler.nowMs(),
      syncedLsn: syncedLsn(),
    });
    this.beats.push(nowMs);
    if (this.beats.length > BEATS_MAX) this.beats.shift();
  }

  private onHeartbeat(connection: PeerConnection, reader: MessageReader): void {
    const nowMs = connection.heardMs;
    const first = this.peerSentAtMs < this.openedMs;
    this.peerSentMs = reader.sentMs;
    this.peerSentAtMs = nowMs;
    this.peerLagMs = reader.lagMs;
    this.peerLsn = Math.max(this.peerLsn, reader.syncedLsn);
    // At once, so that the peer knows within a round trip how its clock stands to ours.
    if (first) this.heartbeat();
    if (reader.echoMs === 0) return;
    const { scheduler, times } = this.options;
    const sinceSentMs = this.sinceSentMs(reader.echoMs, nowMs);
    // Two steady clocks, and one a little faster: a short trip would come out below 0, and as 49 days.
    this.roundTripMs = Math.max(0, sinceSentMs - reader.heldMs - reader.partition / 1000);
    this.peerLessSteadyMs = reader.wallMs + this.roundTripMs / 2 - scheduler.monotonicMs();
    this.options.events.measured(this);
    if (this.state === "suspect" && sinceSentMs < times.suspectMs) this.become("up");
  }

  /** @param echoMs the stamp of a heartbeat that came back. Of two with one stamp it is the first: half of a trip that is too long covers the clock's error. */
  private sinceSentMs(echoMs: number, nowMs: number): number {
    const sentMs = this.beats.find((ms) => stamp(ms) === echoMs);
    return sentMs === undefined ? (stamp(nowMs) - echoMs + STAMPS) % STAMPS : nowMs - sentMs;
  }
}

/** A steady time as a heartbeat carries it: never 0, which says that there is none. */
function stamp(ms: number): number {
  return (Math.floor(ms) % STAMPS) + 1;
}
