/**
 * index.ts: `import { open } from "kvorum"`: the server's engine inside this process, with sockets for others or without.
 * It must never: end the process, install a signal handler, write to the terminal, or keep state outside the nodes it opened.
 * Invariants: what close() resolves to is on disk; a second close() is the first.
 */
import type RedisParser from "redis-parser";
import type { Commands } from "./client/commands.js";
import { EmbeddedClient, type Link, type LinkUser } from "./client/embedded.js";
import { type ConfigInput, configFromOptions } from "./config/load.js";
import { type NodeEnd, type RunningNode, start } from "./node.js";
import type { Connection, ConnectionHandler } from "./ports/network.js";
import type { Server } from "./server/server.js";

export type { Argument, Commands as Client, Reply, ScanOptions, SetOptions } from "./client/commands.js";
export { type Applied, StoreError } from "./client/store-error.js";
export type { NodeEnd } from "./node.js";

/** How often the timer that keeps the process alive comes by: it has nothing to do. */
const VIGIL_MS = 0x3fff_ffff;

export type LogLevel = "debug" | "verbose" | "notice" | "warning";

/**
 * The server's options in camelCase, and these. Without `port` and `unixsocket` nothing listens; `port: 0` takes any free port.
 */
export type OpenOptions = ConfigInput & {
  /** Keep everything in memory: nothing outlives the node, and `dir` is not touched. */
  readonly memory?: boolean;
  /** What the node has to say; absent: nothing. */
  readonly log?: (level: LogLevel, text: string) => void;
};

export interface Node extends AsyncDisposable {
  /** For any client of Redis: "redis://127.0.0.1:7000", or a unix socket's path; undefined when nothing listens. */
  readonly url: string | undefined;
  /** The TCP port that was taken; undefined when there is none. */
  readonly port: number | undefined;
  /** Resolves when the node ended by itself: its disk failed (code 74), or a client asked with SHUTDOWN (code 0). */
  readonly ended: Promise<NodeEnd>;
  /** A client in this process, logged in; each is a connection of its own (SELECT, MULTI, WATCH). */
  client(): Commands;
  /** Answer what was asked, flush, sync, let go of the directory. @throws when the disk refused. */
  close(): Promise<void>;
}

/**
 * Open a node and recover its data.
 * @throws an error with `exitCode`: configuration 64, corrupt data 65, port in use 69, disk 74, directory in use 75.
 */
export async function open(options: OpenOptions = {}): Promise<Node> {
  const { memory, log, ...input } = options;
  const config = configFromOptions(input, process.cwd());
  const { default: Parser } = await import("redis-parser");
  const running = await start(config, { memory: memory === true, log: log ?? (() => {}) });
  return new EmbeddedNode(running, Parser);
}

class EmbeddedNode implements Node {
  readonly url: string | undefined;
  readonly port: number | undefined;
  readonly ended: Promise<NodeEnd>;
  private readonly running: RunningNode;
  private readonly pipes: Set<Pipe> = new Set();
  private readonly vigil: Vigil = new Vigil();
  private readonly Parser: typeof RedisParser;
  private closing: Promise<void> | undefined;

  constructor(running: RunningNode, Parser: typeof RedisParser) {
    this.running = running;
    this.Parser = Parser;
    this.ended = running.failed;
    const tcp = running.listeners.find(({ port }) => port > 0);
    this.port = tcp?.port;
    this.url =
      tcp === undefined ? running.listeners[0]?.path : urlOf(tcp.host, tcp.port, tcp.port === running.config.tlsPort);
  }

  client(): Commands {
    const { server, config } = this.running;
    const client = new EmbeddedClient(this.Parser, (user) => new Pipe(server, user, this.pipes, this.vigil));
    // Whoever holds the node may do anything with it; the password is for those outside.
    if (config.requirepass !== "") client.call("AUTH", config.requirepass).catch(() => {});
    return client;
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    // What was asked before this call is on its way for one more microtask, or held because the server did not read.
    await undefined;
    for (const pipe of this.pipes) pipe.handOver();
    try {
      await this.running.stop();
    } finally {
      this.vigil.end();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function urlOf(host: string, port: number, tls: boolean): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${tls ? "rediss" : "redis"}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

/**
 * Keeps the process alive while a client in it waits for an answer. The node's own timers keep no process, and an answer may depend on
 * nothing else: CLIENT PAUSE, a log that waits for room.
 */
class Vigil {
  private waiting = 0;
  private readonly timer: NodeJS.Timeout = setInterval(() => {}, VIGIL_MS).unref();

  /** One more client waits. */
  join(): void {
    if (this.waiting++ === 0) this.timer.ref();
  }

  leave(): void {
    if (--this.waiting === 0) this.timer.unref();
  }

  end(): void {
    clearInterval(this.timer);
  }
}

/** A connection without a socket: the server's view of it and the client's in one. */
class Pipe implements Connection, Link {
  readonly remote: string = "embedded:0";
  readonly local: string = "embedded:0";
  readonly loopback: boolean = true;
  readonly fd: number = -1;
  /** The client takes everything at once. */
  readonly unsentBytes: number = 0;
  private readonly user: LinkUser;
  private readonly handler: ConnectionHandler;
  /** What came while the server did not read; undefined while it does. */
  private held: Buffer[] | undefined;
  private over = false;
  private readonly open: Set<Pipe>;
  private readonly vigil: Vigil;
  private awaited = false;

  /** @param open where it is to be found until it is closed. */
  constructor(server: Server, user: LinkUser, open: Set<Pipe>, vigil: Vigil) {
    this.user = user;
    this.open = open;
    this.vigil = vigil;
    this.handler = server.accept(this);
    if (!this.over) open.add(this);
  }

  send(bytes: Buffer): void {
    if (this.over) return;
    if (this.held === undefined) this.handler.onBytes(bytes, bytes.length);
    else this.held.push(bytes);
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    if (!this.over) this.user.onReply(Buffer.from(bytes.subarray(from, to)));
    return false;
  }

  pause(): void {
    this.held ??= [];
  }

  resume(): void {
    if (this.held !== undefined) queueMicrotask(() => this.sendHeld());
  }

  private sendHeld(): void {
    const held = this.held ?? [];
    this.held = undefined;
    // The server may stop reading again at any of them.
    for (const bytes of held) this.send(bytes);
  }

  awaiting(on: boolean): void {
    if (on === this.awaited) return;
    this.awaited = on;
    if (on) this.vigil.join();
    else this.vigil.leave();
  }

  /** The server takes what it does not read yet, and keeps it until it can run it. */
  handOver(): void {
    const held = this.held ?? [];
    if (held.length > 0) this.held = [];
    for (const bytes of held) if (!this.over) this.handler.onBytes(bytes, bytes.length);
  }

  finish(): void {
    if (!this.over) this.handler.onEnd();
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.over) return;
    this.over = true;
    this.held = undefined;
    this.open.delete(this);
    // Not inside a call of the server's.
    queueMicrotask(() => {
      this.handler.onClosed();
      this.user.onClosed();
      this.awaiting(false);
    });
  }
}
