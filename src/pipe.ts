/**
 * pipe.ts: clients of a node in the same process: of each the node's view of its connection and the client's in one, without a socket. For whoever
 * opened the node, and for HTTP.
 * Invariant: nothing is called inside a call of the other side's that could not bear it: the end of a connection comes in a microtask.
 */
import type RedisParser from "redis-parser";
import { EmbeddedClient, type Link, type LinkUser } from "./client/embedded.js";
import { viewed } from "./lib/view.js";
import type { Connection, ConnectionHandler } from "./ports/network.js";
import type { Server } from "./server/server.js";

const COPIED_BYTES_MAX: number = 256 * 1024;
/** How often the timer that keeps the process alive comes by: it has nothing to do. */
const VIGIL_MS = 0x3fff_ffff;

/** The clients of one owner. */
export class Pipes {
  private readonly open: Set<Pipe> = new Set();
  private readonly vigil: Vigil = new Vigil();
  private readonly Parser: typeof RedisParser;
  private readonly server: Server;
  private readonly password: () => string;

  /** @param Parser redis-parser's class. @param password requirepass. */
  constructor(Parser: typeof RedisParser, server: Server, password: () => string) {
    this.Parser = Parser;
    this.server = server;
    this.password = password;
  }

  /** Logged in: whoever holds the node may do anything with it, the password is for those outside. @param name how CLIENT LIST shows it, in place of an address. */
  client(name: string): EmbeddedClient {
    const client = new EmbeddedClient(this.Parser, (user) => new Pipe(this.server, user, name, this.open, this.vigil));
    const password = this.password();
    if (password !== "") client.call("AUTH", password).catch(() => {}); // the commands after it say so
    return client;
  }

  /** The server takes what was asked, also where it does not read at the moment. */
  handOver(): void {
    for (const pipe of this.open) pipe.handOver();
  }

  end(): void {
    this.vigil.end();
  }
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
  readonly remote: string;
  readonly local: string;
  readonly loopback: boolean = true;
  readonly fd: number = -1;
  readonly inProcess: boolean = true;
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
  constructor(server: Server, user: LinkUser, name: string, open: Set<Pipe>, vigil: Vigil) {
    this.remote = name;
    this.local = name;
    this.user = user;
    this.open = open;
    this.vigil = vigil;
    this.handler = server.accept(this);
    if (!this.over) open.add(this);
  }

  send(bytes: Buffer): void {
    if (this.over) return;
    if (this.held === undefined) this.handler.onBytes(viewed(bytes), bytes.length);
    else this.held.push(bytes);
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    const view = bytes.subarray(from, to);
    // A large one is not copied: the buffer is the client's from now on.
    const kept = view.length > COPIED_BYTES_MAX;
    if (!this.over) this.user.onReply(kept ? view : Buffer.from(view));
    return kept;
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
    for (const bytes of held) if (!this.over) this.handler.onBytes(viewed(bytes), bytes.length);
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
