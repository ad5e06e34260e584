/**
 * test/lib/sim-network.ts: a network in memory, on a scheduler that the test winds: hosts that listen and dial, bytes that take time and
 * arrive in pieces of any size, windows that fill up, links that are cut inside of a frame, break, or swallow everything.
 * The seed decides delays and pieces; the same seed gives the same history.
 */
import { Random } from "../../src/lib/random.js";
import { viewed } from "../../src/lib/view.js";
import type {
  Accept,
  Connection,
  ConnectionHandler,
  Dialer,
  DialOptions,
  Listener,
  ListenOptions,
  Network,
} from "../../src/ports/network.js";
import type { Scheduler } from "../../src/ports/scheduler.js";

/** What the kernel takes without waiting for the other end to read. */
const WINDOW_BYTES = 256 * 1024;
const PIECE_BYTES_MAX = 65536;

type Port = { readonly host: string; readonly port: number; readonly accept: Accept };

export class SimNetwork {
  readonly random: Random;
  readonly scheduler: Scheduler;
  /** Longest time that bytes take, ms. */
  delayMsMax = 1;
  /** Pieces of bytes are no larger than this. */
  pieceBytesMax: number = PIECE_BYTES_MAX;
  /** Are connections between hosts taken to be on one machine? */
  loopback = false;
  readonly connections: SimConnection[] = [];
  private readonly ports: Port[] = [];
  private readonly swallowed = new Set<string>();
  private nextPort = 1000;

  constructor(scheduler: Scheduler, seed: number) {
    this.scheduler = scheduler;
    this.random = new Random(seed);
  }

  host(name: string): Network & Dialer {
    return {
      listen: async (options, accept) => this.listen(name, options, accept),
      dial: (options, accept, failed) => this.dial(name, options, accept, failed),
    };
  }

  /** From now on nothing that one host sends arrives at the other, until heal(): no error, no end. One way only. */
  swallow(from: string, to: string): void {
    this.swallowed.add(`${from}>${to}`);
  }

  /** What was swallowed is gone: connections that lost something are reset. */
  heal(): void {
    this.swallowed.clear();
    for (const connection of this.connections) if (connection.lossy) connection.reset();
  }

  swallows(from: string, to: string): boolean {
    return this.swallowed.has(`${from}>${to}`);
  }

  /** Open connections between two hosts, each counted once. */
  openBetween(a: string, b: string): SimConnection[] {
    return this.connections.filter(({ open, from, to }) => open && from === a && to === b);
  }

  private listen(host: string, options: ListenOptions, accept: Accept): Listener {
    const port = { host, port: options.port || this.nextPort++, accept };
    this.ports.push(port);
    const close = async (): Promise<void> => {
      const at = this.ports.indexOf(port);
      if (at >= 0) this.ports.splice(at, 1);
    };
    return { host, port: port.port, path: "", close };
  }

  private dial(from: string, options: DialOptions, accept: Accept, failed: (error: Error) => void): () => void {
    let over = false;
    const started = this.scheduler.monotonicMs();
    const attempt = (): void => {
      if (over) return;
      if (this.swallows(from, options.host) || this.swallows(options.host, from)) {
        if (this.scheduler.monotonicMs() - started < options.timeoutMs) this.scheduler.after(20, attempt);
        else {
          over = true;
          failed(new Error("timed out"));
        }
        return;
      }
      over = true;
      const port = this.ports.find(({ host, port: number }) => host === options.host && number === options.port);
      if (port === undefined) failed(new Error("refused"));
      else this.connect(from, port, accept);
    };
    this.scheduler.after(this.delay(), attempt);
    return () => {
      over = true;
    };
  }

  private connect(from: string, port: Port, accept: Accept): void {
    const near = new SimConnection(this, from, port.host);
    const far = new SimConnection(this, port.host, from);
    near.join(far);
    far.join(near);
    this.connections.push(near, far);
    far.handler = port.accept(far);
    near.handler = accept(near);
  }

  delay(): number {
    return this.random.unit() * this.delayMsMax;
  }
}

export class SimConnection implements Connection {
  readonly remote: string;
  readonly local: string;
  readonly loopback: boolean;
  readonly fd = -1;
  readonly from: string;
  readonly to: string;
  handler: ConnectionHandler | undefined;
  open = true;
  /** Something that was sent here has been swallowed. */
  lossy = false;
  /** Bytes that still go through, after which the link is cut; a test sets it. */
  cutAfterBytes: number = Number.POSITIVE_INFINITY;
  /** Bytes this end has sent. */
  sentBytes = 0;
  private readonly network: SimNetwork;
  private other: SimConnection | undefined;
  private paused = false;
  private ending = false;
  /** Sent here and not delivered: copies, or buffers that are ours now. */
  private wire: Buffer[] = [];
  private wireBytes = 0;
  private writing = false;
  private travelling = false;
  private endTold = false;

  constructor(network: SimNetwork, from: string, to: string) {
    this.network = network;
    this.from = from;
    this.to = to;
    this.local = `${from}:1`;
    this.remote = `${to}:1`;
    this.loopback = network.loopback;
  }

  join(other: SimConnection): void {
    this.other = other;
  }

  get unsentBytes(): number {
    return this.writing ? Math.max(1, this.wireBytes - WINDOW_BYTES) : 0;
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    if (!this.open) return false;
    if (this.writing) throw new Error("a write while one was under way");
    if (this.ending) throw new Error("a write after end()");
    this.wireBytes += to - from;
    this.sentBytes += to - from;
    this.writing = this.wireBytes > WINDOW_BYTES;
    // Kept every other time: whoever goes on using a buffer that was kept changes what arrives.
    const kept = this.writing && this.network.random.below(2) === 0;
    this.wire.push(kept ? bytes.subarray(from, to) : Buffer.from(bytes.subarray(from, to)));
    this.travel();
    return kept;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.other?.travel();
  }

  end(): void {
    this.ending = true;
    this.travel();
  }

  destroy(): void {
    this.close();
    const { other } = this;
    if (other !== undefined && !this.network.swallows(this.from, this.to)) {
      this.network.scheduler.after(this.network.delay(), () => other.close());
    }
  }

  /** Both ends are gone at once. */
  reset(): void {
    this.close();
    this.other?.close();
  }

  private close(): void {
    if (!this.open) return;
    this.open = false;
    this.wire = [];
    this.network.scheduler.after(0, () => this.handler?.onClosed());
  }

  /** Let a piece of what was sent arrive, a little later. */
  private travel(): void {
    if (this.travelling || !this.open || (this.wire.length === 0 && !this.ending)) return;
    this.travelling = true;
    this.network.scheduler.after(this.network.delay(), () => {
      this.travelling = false;
      const { other } = this;
      if (!this.open || other === undefined || other.paused) return;
      if (!other.open) {
        // Sent to nobody: the other end said that it was leaving, or is being closed by now.
        if (this.ending) this.close();
        return;
      }
      if (this.network.swallows(this.from, this.to)) {
        this.lossy ||= this.wireBytes > 0 || this.ending;
        this.took(this.wireBytes);
        this.wire = [];
        return;
      }
      if (this.wire.length > 0) this.deliver(other);
      else if (this.ending) this.tellEnd(other);
      this.travel();
    });
  }

  private deliver(other: SimConnection): void {
    const most = Math.min(this.wireBytes, this.network.pieceBytesMax, this.cutAfterBytes);
    // Every other time all there is; else a piece of any length, so that frames are cut anywhere.
    const length = most === 0 || this.network.random.below(2) === 0 ? most : 1 + this.network.random.below(most);
    this.cutAfterBytes -= length;
    if (length > 0) {
      const borrowed = viewed(this.takeOff(length));
      other.handler?.onBytes(borrowed, length);
      borrowed.fill(0xee);
    }
    if (this.cutAfterBytes === 0) this.reset();
    else this.took(length);
  }

  /** The first bytes on the wire, as a copy. */
  private takeOff(length: number): Buffer {
    const taken = Buffer.allocUnsafe(length);
    let at = 0;
    let whole = 0;
    for (; whole < this.wire.length && at + (this.wire[whole] as Buffer).length <= length; whole++)
      at += (this.wire[whole] as Buffer).copy(taken, at);
    this.wire.splice(0, whole);
    if (at < length) {
      const first = this.wire[0] as Buffer;
      this.wire[0] = first.subarray(first.copy(taken, at, 0, length - at));
    }
    return taken;
  }

  private took(length: number): void {
    this.wireBytes -= length;
    if (!this.writing || this.wireBytes > WINDOW_BYTES) return;
    this.writing = false;
    // What was kept is its owner's again.
    if (this.wire.length > 0) this.wire = [Buffer.concat(this.wire)];
    this.handler?.onSent();
  }

  /** What was sent has arrived, and no more will. This end is gone once both have ended. */
  private tellEnd(other: SimConnection): void {
    if (this.endTold) return;
    this.endTold = true;
    other.handler?.onEnd();
    this.close();
  }
}
