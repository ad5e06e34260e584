/**
 * client/embedded.ts: a client of a node in the same process: bytes go to it and come from it without a socket, in the
 * protocol that every client speaks, so that nothing behaves differently.
 * Invariants: bytes leave in a microtask, never inside a call, since the caller may itself be called by the node (its log);
 * replies are matched in order; when the link ends every promise is settled.
 */
import type RedisParser from "redis-parser";
import { type Argument, Commands, type CommandWords, encodeRequest, type Reply, shaped } from "./commands.js";
import { replyError, StoreError, writes } from "./store-error.js";

/** How long close() waits for answers: longer than healthy commands take. A node that is paused, or whose disk hangs, holds its owner no longer. */
const CLOSE_WAIT_MS = 60_000;

/** The far end, as the client sees it. */
export interface Link {
  send(bytes: Buffer): void;
  /** No more will be sent. The far end closes. */
  finish(): void;
  /** From now on an answer is waited for, or none any more. Told only when it changes; the end of the link ends it too. */
  awaiting(on: boolean): void;
}

/** What the far end calls. */
export interface LinkUser {
  onReply(bytes: Buffer): void;
  onClosed(): void;
}

interface Pending {
  readonly write: boolean;
  readonly buffers: boolean;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: StoreError) => void;
}

type ErrorReply = Error & { readonly command?: unknown };

export class EmbeddedClient extends Commands implements LinkUser {
  private link: Link | undefined;
  private readonly parser: RedisParser;
  private unsent: Buffer[] = [];
  /** Commands sent or about to be, in order; answered up to `answered`. */
  private pending: Pending[] = [];
  private answered = 0;
  private readonly closed: Promise<void>;
  private whenClosed: () => void = () => {};

  private readonly closeWaitMs: number;

  /** @param Parser redis-parser's class. @param open gives the link; it is used from the next microtask on. */
  constructor(Parser: typeof RedisParser, open: (user: LinkUser) => Link, closeWaitMs: number = CLOSE_WAIT_MS) {
    super();
    this.closeWaitMs = closeWaitMs;
    this.closed = new Promise((resolve) => {
      this.whenClosed = resolve;
    });
    this.parser = new Parser({
      returnBuffers: true,
      // A number would not hold every integer. Bulk strings are Buffers, so a string is always an integer's digits.
      stringNumbers: true,
      returnReply: (reply: unknown) => this.settle(reply),
      returnError: (error) => this.settle(error),
      // Bytes that are not RESP: nothing after them can be matched any more.
      returnFatalError: () => this.onClosed(),
    });
    this.link = open(this);
  }

  /** The link has ended: whatever is called fails. */
  get ended(): boolean {
    return this.link === undefined;
  }

  protected override async together(commands: readonly CommandWords[]): Promise<Reply[]> {
    const queued = [this.one("MULTI", [], false), ...commands.map(([name, ...args]) => this.one(name, args, false))];
    // What they fail with comes again from EXEC.
    for (const reply of queued) reply.catch(() => {});
    return (await this.one("EXEC", [], false)) as Reply[];
  }

  override async close(): Promise<void> {
    const giveUp = setTimeout(() => this.giveUp(), this.closeWaitMs);
    // Replies come in order: when this one is there, all are.
    if (this.answered < this.pending.length) await this.one("PING", [], false).catch(() => {});
    this.link?.finish();
    await this.closed;
    clearTimeout(giveUp);
  }

  private giveUp(): void {
    const { link } = this;
    this.onClosed();
    link?.awaiting(false);
    link?.finish();
  }

  protected override one(name: string, args: readonly Argument[], buffers: boolean): Promise<Reply> {
    const write = writes(name);
    if (this.link === undefined) {
      return Promise.reject(new StoreError("CLOSED", "the client or its node is closed", "no"));
    }
    if (this.unsent.length === 0) queueMicrotask(() => this.flush());
    this.unsent.push(encodeRequest(name, args));
    if (this.answered === this.pending.length) this.link.awaiting(true);
    return new Promise((resolve, reject) => {
      this.pending.push({ write, buffers, resolve, reject });
    });
  }

  private flush(): void {
    const bytes = this.unsent;
    this.unsent = [];
    if (bytes.length > 0) this.link?.send(bytes.length === 1 ? bytes[0] : Buffer.concat(bytes));
  }

  onReply(bytes: Buffer): void {
    this.parser.execute(bytes);
  }

  private settle(reply: unknown): void {
    const pending = this.pending[this.answered];
    if (pending === undefined) return; // a refusal that nobody asked for; the end of the link follows
    this.answered++;
    if (this.answered === this.pending.length) this.link?.awaiting(false);
    if (this.answered >= 1024 && this.answered * 2 > this.pending.length) {
      this.pending = this.pending.slice(this.answered);
      this.answered = 0;
    }
    if (reply instanceof Error) pending.reject(replyError(String((reply as ErrorReply).message), pending.write));
    else pending.resolve(shaped(reply, pending.buffers));
  }

  onClosed(): void {
    if (this.link === undefined) return;
    this.link = undefined;
    const lost = this.pending.slice(this.answered);
    const sent = lost.length - this.unsent.length;
    this.pending = [];
    this.answered = 0;
    this.unsent = [];
    for (const [i, { write, reject }] of lost.entries()) {
      const applied = write && i < sent ? "maybe" : "no";
      reject(new StoreError("CLOSED", "the node closed the connection before it answered", applied));
    }
    this.whenClosed();
  }
}
