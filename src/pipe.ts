/**
 * pipe.ts: a client of a node in the same process: the node's view of its connection and the client's in one, without a socket. For whoever
 * opened the node, and for HTTP.
 * Invariant: nothing is called inside a call of the other side's that could not bear it: the end of a connection comes in a microtask.
 */
import type RedisParser from "redis-parser";
import type { Commands } from "./client/commands.js";
import { EmbeddedClient, type Link, type LinkUser } from "./client/embedded.js";
import type { Connection, ConnectionHandler } from "./ports/network.js";
import type { Server } from "./server/server.js";

/**
 * Whoever holds the node may do anything with it: the password is for those outside, and given here.
 * @param Parser redis-parser's class. @param password requirepass. @param name how CLIENT LIST shows it, in place of an address.
 */
export function embeddedClient(Parser: typeof RedisParser, server: Server, password: string, name: string): Commands {
  const client = new EmbeddedClient(Parser, (user) => new Pipe(server, user, name));
  if (password !== "") client.call("AUTH", password).catch(() => {}); // the commands after it say so
  return client;
}

/** A connection without a socket: the server's view of it and the client's in one. */
class Pipe implements Connection, Link {
  readonly remote: string;
  readonly local: string;
  readonly loopback: boolean = true;
  readonly fd: number = -1;
  /** The client takes everything at once. */
  readonly unsentBytes: number = 0;
  private readonly user: LinkUser;
  private readonly handler: ConnectionHandler;
  /** What came while the server did not read; undefined while it does. */
  private held: Buffer[] | undefined;
  private over = false;

  constructor(server: Server, user: LinkUser, name: string) {
    this.remote = name;
    this.local = name;
    this.user = user;
    this.handler = server.accept(this);
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
    // Not inside a call of the server's.
    queueMicrotask(() => {
      this.handler.onClosed();
      this.user.onClosed();
    });
  }
}
