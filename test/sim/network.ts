/**
 * test/sim/network.ts: the network between simulated hosts: streams of bytes as TCP has them, and what goes wrong with them.
 *
 * Within a connection bytes arrive in order, once, in pieces of any length; a frame may be cut at any byte when the connection breaks.
 * Different connections know no order. What a connection had under way when it was closed may still arrive, later than what its
 * successor carries, or be lost. A link that is blocked (one way or both) holds what is sent until it is healed, as TCP does, or the
 * connection breaks; hosts that lose power say nothing, processes that die close their connections.
 * A frame is never doubled and never lost out of the middle of a stream: TCP does not do that, and the checksum of a frame sees to the rest.
 */
import { viewed } from "../../src/lib/view.js";
import type { Accept, Connection, ConnectionHandler, Dialer, DialOptions } from "../../src/ports/network.js";
import { type Events, TICKS_PER_MS } from "./events.js";
import type { Host } from "./host.js";

export interface LinkTimes {
  /** Of one way, ms: at least, and how much more it may be. */
  readonly delayMs: number;
  readonly spreadMs: number;
  /** Share of pieces that come late, and how late, ms. */
  readonly lateShare: number;
  readonly lateMs: number;
  /** Share of arrivals that are cut in two. */
  readonly cutShare: number;
  /** What the kernel takes without waiting, bytes. */
  readonly windowBytes: number;
}

export class SimNet {
  readonly events: Events;
  readonly hosts: readonly Host[];
  readonly times: LinkTimes;
  connects = 0;
  resets = 0;
  bytes = 0;
  private readonly doors: (Accept | undefined)[];
  private readonly blocked: Uint8Array;
  private readonly slowness: Float64Array;
  private readonly open = new Set<Pair>();

  constructor(events: Events, hosts: readonly Host[], times: LinkTimes) {
    this.events = events;
    this.hosts = hosts;
    this.times = times;
    this.doors = hosts.map(() => undefined);
    this.blocked = new Uint8Array(hosts.length * hosts.length);
    this.slowness = new Float64Array(hosts.length * hosts.length).fill(1);
  }

  /** From now on this host takes connections; its host name is its index. */
  listen(host: Host, accept: Accept | undefined): void {
    this.doors[host.index] = accept;
  }

  dialer(from: Host): Dialer {
    return { dial: (options, accept, failed) => this.dial(from, options, accept, failed) };
  }

  block(from: number, to: number): void {
    this.blocked[from * this.hosts.length + to] = 1;
  }
  isBlocked(from: number, to: number): boolean {
    return this.blocked[from * this.hosts.length + to] === 1;
  }
  /** Nothing is in the way any more; what was held arrives late. */
  heal(): void {
    this.blocked.fill(0);
    this.slowness.fill(1);
    for (const pair of this.open) pair.wake();
  }
  slow(from: number, to: number, factor: number): void {
    this.slowness[from * this.hosts.length + to] = factor;
  }

  /** Break connections between two hosts at once, at both ends. */
  resetBetween(a: number, b: number): void {
    for (const pair of [...this.open]) if (pair.joins(a, b)) pair.reset();
  }
  /** Break connections between two hosts once so many more bytes have arrived. */
  cutBetween(a: number, b: number, bytes: number): void {
    for (const pair of this.open) if (pair.joins(a, b)) pair.cutAfterBytes = bytes;
  }

  /** The process of a host is gone. @param told whether its machine says so to the others. */
  crashed(host: Host, told: boolean): void {
    this.doors[host.index] = undefined;
    for (const pair of [...this.open]) pair.hostGone(host, told);
  }

  /** Ticks that a piece takes one way. */
  travel(from: number, to: number): number {
    const { times, events } = this;
    let ms = times.delayMs + events.random.unit() * times.spreadMs;
    if (times.lateShare > 0 && events.random.unit() < times.lateShare) ms += events.random.unit() * times.lateMs;
    return ms * this.slowness[from * this.hosts.length + to] * TICKS_PER_MS;
  }

  forget(pair: Pair): void {
    this.open.delete(pair);
  }

  private dial(from: Host, options: DialOptions, accept: Accept, failed: (error: Error) => void): () => void {
    const { events } = this;
    const to = this.hosts[Number(options.host)];
    const { life } = from;
    const startedAt = events.now;
    let over = false;
    const fail = (why: string): void => {
      if (over) return;
      over = true;
      failed(new Error(why));
    };
    const soon = (run: () => void): void => {
      events.at(from.nextTurn(events.now + this.travel(to.index, from.index)), from, run);
    };
    const attempt = (): void => {
      if (over || from.life !== life) return;
      const silent = this.isBlocked(from.index, to.index) || this.isBlocked(to.index, from.index) || !to.powered;
      if (silent || events.now < to.pausedUntil) {
        const leftMs = options.timeoutMs - (events.now - startedAt) / TICKS_PER_MS;
        if (leftMs > 0) events.after(Math.min(leftMs, 200), attempt);
        else events.at(events.now, from, () => fail("timed out"));
        return;
      }
      if (this.doors[to.index] === undefined) return soon(() => fail("refused"));
      const pair = new Pair(this, from, to);
      this.open.add(pair);
      this.connects++;
      to.enter(() => {
        const door = this.doors[to.index];
        if (door !== undefined) pair.ends[1].handler = door(pair.ends[1]);
      });
      soon(() => {
        if (over) return pair.ends[0].destroy();
        // It broke before anybody heard that it was there.
        if (pair.ends[0].closed) return fail("reset");
        over = true;
        pair.ends[0].handler = accept(pair.ends[0]);
        pair.wake();
      });
    };
    events.at(events.now + this.travel(from.index, to.index), undefined, attempt);
    return () => {
      over = true;
    };
  }
}

/** One connection: two ends. */
class Pair {
  readonly net: SimNet;
  readonly ends: readonly [End, End];
  cutAfterBytes: number = Number.POSITIVE_INFINITY;

  constructor(net: SimNet, dialer: Host, door: Host) {
    this.net = net;
    this.ends = [new End(this, dialer, door), new End(this, door, dialer)];
    this.ends[0].peer = this.ends[1];
    this.ends[1].peer = this.ends[0];
  }

  joins(a: number, b: number): boolean {
    const { index } = this.ends[0].host;
    const other = this.ends[1].host.index;
    return (index === a && other === b) || (index === b && other === a);
  }

  reset(): void {
    this.net.resets++;
    for (const end of this.ends) end.break();
    this.net.forget(this);
  }

  wake(): void {
    for (const end of this.ends) end.carry();
  }

  hostGone(host: Host, told: boolean): void {
    for (const end of this.ends) {
      if (end.host !== host) continue;
      end.gone = true;
      end.closed = true;
      if (told) end.lastWords();
      else end.drop();
    }
    this.settle();
  }

  settle(): void {
    if (this.ends[0].closed && this.ends[1].closed && this.ends.every(({ idle }) => idle)) this.net.forget(this);
  }
}

const FIN: Buffer = Buffer.alloc(0);

class End implements Connection {
  readonly host: Host;
  readonly remote: string;
  readonly local: string;
  readonly loopback = false;
  readonly fd = -1;
  peer!: End;
  handler: ConnectionHandler | undefined;
  /** The node on this side has been told, or is to be, that it is over; or it said so itself. */
  closed = false;
  /** The process that this end belonged to is gone. */
  gone = false;
  private readonly pair: Pair;
  private readonly life: number;
  /** Sent by this end, under way: FIN is the end of the stream. */
  private pieces: Buffer[] = [];
  private arrivals: number[] = [];
  private underWay = 0;
  private asked = 0;
  private writing = false;
  private paused = false;
  private ended = false;
  private heardEnd = false;
  private told = false;

  constructor(pair: Pair, host: Host, other: Host) {
    this.pair = pair;
    this.host = host;
    this.life = host.life;
    this.local = `${host.index}:1`;
    this.remote = `${other.index}:1`;
  }

  get idle(): boolean {
    return this.pieces.length === 0;
  }

  get unsentBytes(): number {
    return this.writing ? Math.max(1, this.underWay - this.pair.net.times.windowBytes) : 0;
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    if (this.closed || this.host.dying) return false;
    if (this.writing) throw new Error("a write while one was under way");
    if (this.ended) throw new Error("a write after end()");
    const piece = Buffer.allocUnsafe(to - from);
    bytes.copy(piece, 0, from, to);
    this.send(piece);
    this.underWay += to - from;
    this.writing = this.underWay > this.pair.net.times.windowBytes;
    return false;
  }

  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
    this.peer.carry();
  }

  end(): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    this.send(FIN);
    if (this.heardEnd) this.finish();
  }

  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    this.tellClosed();
    this.lastWords();
    this.pair.settle();
  }

  /** This end is gone. What it had sent still arrives, and then the end; or the other side hears of a reset, and loses it. */
  lastWords(): void {
    const { net } = this.pair;
    if (net.events.random.below(2) === 0) this.drop();
    this.send(FIN);
  }

  drop(): void {
    this.pieces = [];
    this.arrivals = [];
    this.underWay = 0;
  }

  /** Both ends are gone at once. */
  break(): void {
    this.drop();
    if (this.closed) return;
    this.closed = true;
    this.tellClosed();
  }

  private tellClosed(): void {
    if (this.told || this.gone) return;
    this.told = true;
    const { events } = this.pair.net;
    events.at(this.host.nextTurn(events.now + 1), this.host, () => this.handler?.onClosed());
  }

  private send(piece: Buffer): void {
    const { net } = this.pair;
    const { events } = net;
    const last = this.arrivals.length === 0 ? 0 : this.arrivals[this.arrivals.length - 1];
    const travelled = events.now + net.travel(this.host.index, this.peer.host.index);
    const arrival = this.peer.host.nextTurn(Math.max(last, travelled));
    this.pieces.push(piece);
    this.arrivals.push(arrival);
    if (last !== arrival) this.ask(arrival);
  }

  private ask(tick: number): void {
    this.asked++;
    this.pair.net.events.at(tick, undefined, this.carryAsked);
  }

  private readonly carryAsked = (): void => {
    this.asked--;
    this.carry();
  };

  /** Let arrive what is due. */
  carry(): void {
    const { pair, peer } = this;
    const { events } = pair.net;
    if (this.pieces.length === 0 || pair.net.isBlocked(this.host.index, peer.host.index) || peer.paused) return;
    if (!peer.gone && events.now < peer.host.pausedUntil) {
      if (this.asked === 0) this.ask(peer.host.pausedUntil);
      return;
    }
    if (peer.handler === undefined && !peer.closed) return; // wakes up when it has one
    peer.host.enter(this.arrive);
    if (this.pieces.length > 0 && this.asked === 0) this.ask(Math.max(this.arrivals[0], events.now + 1));
    pair.settle();
  }

  private readonly arrive = (): void => {
    const { pair, peer } = this;
    const { events, times } = pair.net;
    while (this.pieces.length > 0 && this.arrivals[0] <= events.now) {
      if (peer.closed) {
        // Nobody is there: the machine says so, if it can.
        this.drop();
        if (peer.gone && !peer.host.powered) return;
        if (!this.closed) this.break();
        return;
      }
      const piece = this.pieces[0];
      let length = piece.length;
      if (length > 1 && times.cutShare > 0 && events.random.unit() < times.cutShare) {
        length = 1 + events.random.below(length - 1);
      }
      if (length > pair.cutAfterBytes) length = pair.cutAfterBytes;
      if (length < piece.length) {
        this.pieces[0] = piece.subarray(length);
        this.arrivals[0] = peer.host.nextTurn(events.now + 1);
        for (let i = 1; i < this.arrivals.length && this.arrivals[i] < this.arrivals[0]; i++)
          this.arrivals[i] = this.arrivals[0];
      } else {
        this.pieces.shift();
        this.arrivals.shift();
      }
      pair.cutAfterBytes -= length;
      this.take(piece, length);
      if (pair.cutAfterBytes <= 0) return pair.reset();
      if (peer.host.life !== peer.life) return;
    }
  };

  private take(piece: Buffer, length: number): void {
    const { pair, peer } = this;
    const { net } = pair;
    if (piece === FIN) {
      net.events.note(1);
      peer.heardEnd = true;
      peer.handler?.onEnd();
      if (this.closed || peer.ended) peer.finish();
      return;
    }
    net.bytes += length;
    net.events.note(length);
    this.underWay -= length;
    peer.handler?.onBytes(viewed(length === piece.length ? piece : piece.subarray(0, length)), length);
    // It was borrowed.
    piece.fill(0xee, 0, length);
    if (this.writing && this.underWay <= net.times.windowBytes) {
      this.writing = false;
      net.events.at(this.host.nextTurn(net.events.now + 1), this.host, () => {
        if (!this.closed) this.handler?.onSent();
      });
    }
  }

  /** Both sides have ended, or the other one is gone. */
  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.tellClosed();
  }
}
