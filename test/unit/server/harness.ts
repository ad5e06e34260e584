/**
 * test/unit/server/harness.ts: a server on the model keyspace with a log that the test moves by hand, real sockets on a free
 * port, and a raw client whose every wait is bounded.
 */
import { connect, type Socket } from "node:net";
import { test } from "uvu";
import type { Cluster } from "../../../src/cluster/work.js";
import { type ConfigInput, configFromOptions } from "../../../src/config/load.js";
import { keySlot } from "../../../src/core/ring/slot.js";
import { NodeScheduler } from "../../../src/platform/node-scheduler.js";
import { NodeSystem } from "../../../src/platform/node-system.js";
import { createNetwork } from "../../../src/platform/sockets.js";
import type { KeyState } from "../../../src/ports/keyspace.js";
import type { Listener } from "../../../src/ports/network.js";
import type { StorageFigures } from "../../../src/ports/storage-figures.js";
import type { ShutdownRequest, Space, Storage } from "../../../src/server/ports.js";
import { Server } from "../../../src/server/server.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";
import { within } from "../../lib/within.js";

const UNTIL_MS = 60_000;

/** The model with positions: every write gets the next one, and whoever sees a key depends on its last write. */
export class LoggedSpace extends ModelKeyspace implements Space {
  appendedLsn = 0;
  private readonly written = new Map<string, number>();

  setTime(nowMs: number): void {
    this.now = Math.max(this.now, nowMs);
  }

  setDurable(lsn: number): void {
    (this as { durableLsn: number }).durableLsn = lsn;
  }

  private note(key: Buffer, at: number, length: number): void {
    this.gate = ++this.appendedLsn;
    this.written.set(key.latin1Slice(at, at + length), this.appendedLsn);
  }

  override find(db: number, bytes: Buffer, at: number, length: number, state: KeyState, touch: boolean): boolean {
    this.gate = Math.max(this.gate, this.written.get(bytes.latin1Slice(at, at + length)) ?? 0);
    return super.find(db, bytes, at, length, state, touch);
  }

  override put(...args: Parameters<ModelKeyspace["put"]>): void {
    super.put(...args);
    this.note(args[1], args[2], args[3]);
  }

  override remove(db: number, key: Buffer, keyAt: number, keyBytes: number): boolean {
    const present = super.remove(db, key, keyAt, keyBytes);
    if (present) this.note(key, keyAt, keyBytes);
    return present;
  }
}

/** With `auto` every write is durable at the end of the turn; without, when the test calls commit(). */
export class FakeStorage implements Storage {
  loading = undefined;
  refusal: string | undefined = undefined;
  failed = false;
  room = true;
  full = false;
  congested = false;
  syncedLsn = 0;
  paused = false;
  snapshots = 0;
  snapshotsNext = 0;
  snapshotBusy = false;
  snapshotError: Error | undefined = undefined;
  /** A snapshot ends within the call that starts it. */
  snapshotAtOnce = false;
  private readonly space: LoggedSpace;

  constructor(space: LoggedSpace) {
    this.space = space;
  }

  get appendedLsn(): number {
    return this.space.appendedLsn;
  }
  makeRoom(): boolean {
    return this.room;
  }
  roomFor(): boolean {
    return true;
  }
  /** What batchTakes() was asked for, and the most that it says yes to. */
  asked: number[] = [];
  batchBytesMax: number = Number.POSITIVE_INFINITY;
  batchTakes(bytes: number): boolean {
    this.asked.push(bytes);
    return bytes <= this.batchBytesMax;
  }
  nudge(): void {}
  syncMs = 5;
  /** Who waits for a sync. */
  readonly waiters: Set<() => void> = new Set();
  sync(done: () => void): () => void {
    const waiter = (): void => done();
    this.waiters.add(waiter);
    setTimeout(() => {
      this.syncedLsn = this.appendedLsn;
      if (this.waiters.delete(waiter)) waiter();
    }, this.syncMs);
    return () => void this.waiters.delete(waiter);
  }
  snapshot(done: (error: Error | undefined) => void): boolean {
    if (this.snapshotBusy) return false;
    this.snapshots++;
    if (this.snapshotAtOnce) done(this.snapshotError);
    else setTimeout(() => done(this.snapshotError), 20);
    return true;
  }
  snapshotNext(): void {
    this.snapshotsNext++;
  }
  setActiveExpire(): void {}
  setPaused(on: boolean): void {
    this.paused = on;
  }
  resetFigures(): void {}
  figures(): StorageFigures {
    return {
      hits: 0,
      misses: 0,
      expired: 0,
      evicted: 0,
      dirty: 0,
      usedBytes: 1000,
      logBytes: 0,
      logFlushes: 0,
      lastFlushMs: 0,
      snapshotRunning: false,
      snapshotStartedMs: 0,
      lastSaveMs: 1000,
      lastSaveOk: true,
      loadMs: 0,
    };
  }
}

export interface Harness {
  readonly server: Server;
  readonly space: LoggedSpace;
  readonly storage: FakeStorage;
  readonly listener: Listener;
  readonly port: number;
  readonly logged: string[];
  readonly shutdowns: ShutdownRequest[];
  /** Make everything written so far durable. */
  commit(): void;
  client(): Promise<RawClient>;
  close(): Promise<void>;
}

export interface HarnessOptions {
  readonly config?: ConfigInput;
  /** Writes become durable by commit() only. */
  readonly manual?: boolean;
  /** Sockets without the direct path. */
  readonly plain?: boolean;
  /** The cluster that the server is part of; absent: alone. */
  readonly cluster?: Cluster;
}

export async function startServer({
  config = {},
  manual = false,
  plain = false,
  cluster,
}: HarnessOptions = {}): Promise<Harness> {
  const space = new LoggedSpace();
  const storage = new FakeStorage(space);
  const logged: string[] = [];
  const shutdowns: ShutdownRequest[] = [];
  let port = 0;
  const server = new Server({
    ...(cluster === undefined ? {} : { cluster }),
    space,
    storage,
    scheduler: new NodeScheduler(),
    system: new NodeSystem(),
    config: configFromOptions({ port: 0, ...config }, "/"),
    version: "0.0.0-test",
    nodeId: "a".repeat(40),
    keySlot,
    port: () => port,
    log: (_level, text) => logged.push(text),
    shutdown: (request, refused) => {
      shutdowns.push(request);
      setTimeout(() => refused("ERR Errors trying to SHUTDOWN. Check logs."), 5);
    },
  });
  const commit = (): void => {
    space.setDurable(space.appendedLsn);
    server.logWaiters.durable();
  };
  const timer = manual ? undefined : setInterval(commit, 1);
  const network = createNetwork(!plain);
  const listener = await network.listen(
    { host: "127.0.0.1", port: 0, backlog: 511, keepAliveSeconds: () => 300 },
    (connection) => server.accept(connection),
  );
  port = listener.port;
  const clients: RawClient[] = [];
  return {
    server,
    space,
    storage,
    listener,
    port,
    logged,
    shutdowns,
    commit,
    client: async () => {
      const client = await RawClient.connect(port);
      clients.push(client);
      return client;
    },
    close: async () => {
      clearInterval(timer);
      for (const client of clients) client.destroy();
      server.close(true);
      server.stop();
      await within(30_000, listener.close(), "the server closes");
    },
  };
}

/** A socket and what came out of it. */
export class RawClient {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  /** What `received` lies in, unless a test put another in its place: more can be written behind it. */
  private room: Buffer = Buffer.alloc(0);
  ended = false;
  private wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.append(chunk);
      this.wake();
    });
    const end = (): void => {
      this.ended = true;
      this.wake();
    };
    socket.on("end", end).on("close", end).on("error", end);
  }

  static async connect(port: number, host = "127.0.0.1"): Promise<RawClient> {
    const socket = connect({ port, host });
    await within(
      5000,
      new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject)),
      "connect",
    );
    return new RawClient(socket);
  }

  write(text: string | Buffer): void {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
  }

  send(...words: string[]): void {
    this.write(command(...words));
  }

  /** Into room that doubles: a large reply comes in a thousand pieces, and is not to be copied with each of them. */
  private append(chunk: Buffer): void {
    const { received } = this;
    const from = received.byteOffset - this.room.byteOffset;
    const bytes = received.length + chunk.length;
    if (received.buffer === this.room.buffer && from + bytes <= this.room.length) {
      chunk.copy(this.room, from + received.length);
      this.received = this.room.subarray(from, from + bytes);
      return;
    }
    this.room = Buffer.allocUnsafeSlow(2 * bytes);
    received.copy(this.room);
    chunk.copy(this.room, received.length);
    this.received = this.room.subarray(0, bytes);
  }

  /** Wait until `bytes` bytes are there, and take them. */
  async take(bytes: number): Promise<string> {
    await this.until(
      () => this.received.length >= bytes,
      `${bytes} bytes, have ${JSON.stringify(this.received.subarray(0, 200).latin1Slice())}`,
    );
    const taken = this.received.latin1Slice(0, bytes);
    this.received = this.received.subarray(bytes);
    return taken;
  }

  /** Wait for exactly this. */
  async expect(text: string): Promise<void> {
    const got = await this.take(Math.min(text.length, Math.max(text.length, 1)));
    if (got !== text)
      throw new Error(
        `expected ${JSON.stringify(text)}\n  got ${JSON.stringify(got + this.received.subarray(0, 200).latin1Slice())}`,
      );
  }

  /** One line without its CRLF. */
  async line(): Promise<string> {
    await this.until(() => this.received.includes("\r\n"), "a line");
    const line = await this.take(this.received.indexOf("\r\n") + 2);
    return line.slice(0, -2);
  }

  /** A bulk or verbatim string's bytes. */
  async bulk(): Promise<string> {
    const header = await this.line();
    if (!/^[$=]\d+$/.test(header)) throw new Error(`a bulk string expected, got ${header}`);
    return (await this.take(Number(header.slice(1)) + 2)).slice(0, -2);
  }

  /** The reply to a command that answers with one line. */
  async ask(...words: string[]): Promise<string> {
    this.send(...words);
    return this.line();
  }

  async until(done: () => boolean, what: string, ms = 5000): Promise<void> {
    await within(
      ms,
      (async () => {
        while (!done()) {
          if (this.ended) throw new Error(`connection ended while waiting for ${what}`);
          await new Promise<void>((resolve) => (this.wake = resolve));
        }
      })(),
      what,
    );
  }

  /** Wait until the server has closed. */
  async closed(ms = 5000): Promise<void> {
    await within(
      ms,
      (async () => {
        while (!this.ended) await new Promise<void>((resolve) => (this.wake = resolve));
      })(),
      "the server closes the connection",
    );
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** A command as clients send it. */
export function command(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word, "latin1")}\r\n${word}\r\n`).join("")}`;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Wait for what has to come, however long a slow machine takes. */
export async function until(done: () => boolean, what: string): Promise<void> {
  const giveUp = performance.now() + UNTIL_MS;
  while (!done()) {
    if (performance.now() > giveUp) throw new Error(`not within ${UNTIL_MS} ms: ${what}`);
    await sleep(2);
  }
}

/** One test on both paths of sockets. */
export function both(name: string, options: HarnessOptions, body: (h: Harness) => Promise<void>): void {
  for (const plain of [false, true]) {
    test(`${name} (${plain ? "plain" : "direct"})`, async () => {
      const h = await startServer({ ...options, plain });
      try {
        await body(h);
      } finally {
        await h.close();
      }
    });
  }
}
