/**
 * client/client.ts: `import { connect } from "kvorum/client"`: a client over the network, on ioredis, that says of every failure
 * whether the command may have been carried out, and sends again only what surely was not.
 * Invariants: nothing is written to a connection that is not ready, so "sent" is known; a sent write without a reply is
 * applied "maybe" and is never repeated; every call ends within its time-out.
 * Price: a repeated command goes behind those that were sent meanwhile. Who needs their order waits for each, or sets retries 0.
 */
import type { Redis, RedisOptions } from "ioredis";
import { type Argument, Commands, type CommandWords, type Reply, shaped } from "./commands.js";
import { replyError, StoreError, writes } from "./store-error.js";

export type { Argument, CommandWords, Integer, Reply, ScanOptions, SetOptions } from "./commands.js";
export { type Applied, StoreError } from "./store-error.js";

export interface ConnectOptions {
  /** redis://[user:password@]host:port[/db], rediss:// for TLS, or a unix socket's path. */
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  /** Path of a unix socket. */
  readonly path?: string;
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls?: RedisOptions["tls"];
  /** Most time for one call, its repetitions and the wait for a connection included. */
  readonly timeoutMs?: number;
  /** How often a command that surely was not carried out is sent again. 0: never. */
  readonly retries?: number;
  /** Shown by CLIENT LIST. */
  readonly name?: string;
}

const TIMEOUT_MS = 5000;
const RETRIES = 5;
const RETRY_DELAY_MS = 20;
const RETRY_DELAY_MS_MAX = 500;
const REFUSED_LOGIN = /^(NOAUTH|WRONGPASS|NOPERM)/;

/** @throws {StoreError} CONNECT when nobody answers in time, or the server's own word (WRONGPASS). */
export async function connect(target: string | ConnectOptions = {}): Promise<StoreClient> {
  const options = typeof target === "string" ? { url: target } : target;
  const { Redis } = await import("ioredis");
  const settings = {
    ...given(options),
    lazyConnect: true,
    protocol: 2 as const,
    // A number would not hold every integer. Bulk strings are asked for as Buffers, so that a string is always an integer's digits.
    stringNumbers: true,
    // What was sent is never sent again, what cannot be sent fails at once: this file decides, not the library.
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times: number) => Math.min(RETRY_DELAY_MS * 2 ** times, RETRY_DELAY_MS_MAX),
  };
  const redis = options.url === undefined ? new Redis(settings) : new Redis(options.url, settings);
  const client = new StoreClient(redis, options.timeoutMs ?? TIMEOUT_MS, options.retries ?? RETRIES);
  try {
    await client.connected();
    return client;
  } catch (error) {
    redis.disconnect();
    throw error;
  }
}

function given({
  host,
  port,
  path,
  username,
  password,
  db,
  tls,
  name,
}: ConnectOptions): Omit<RedisOptions, "protocol" | "replyMapping"> {
  const all = { host, port, path, username, password, db, tls, connectionName: name };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export class StoreClient extends Commands {
  private readonly redis: Redis;
  private readonly timeoutMs: number;
  private readonly retries: number;
  private lastError: Error | undefined;
  private closed = false;
  private readiness: Promise<void> | undefined;

  /** @param redis not connected yet. */
  constructor(redis: Redis, timeoutMs: number, retries: number) {
    super();
    this.redis = redis;
    this.timeoutMs = timeoutMs;
    this.retries = retries;
    redis.on("error", (error: Error) => {
      this.lastError = error;
    });
  }

  /** Wait for the first connection. */
  connected(): Promise<void> {
    this.redis.connect().catch(() => {}); // 'error' has said why, and it goes on trying
    return this.ready(performance.now() + this.timeoutMs);
  }

  protected override one(name: string, args: readonly Argument[], buffers: boolean): Promise<Reply> {
    return this.run(writes(name), buffers, () => this.redis.callBuffer(name, plain(args)));
  }

  protected override together(commands: readonly CommandWords[]): Promise<Reply[]> {
    const write = commands.some(([name]) => writes(name));
    const send = (): Promise<unknown> => {
      // Written one after the other in this turn, so nothing comes between them.
      const queued = [
        this.redis.callBuffer("MULTI"),
        ...commands.map(([name, ...args]) => this.redis.callBuffer(name, plain(args))),
      ];
      for (const reply of queued) reply.catch(() => {}); // comes again from EXEC
      return this.redis.callBuffer("EXEC");
    };
    return this.run(write, false, send) as Promise<Reply[]>;
  }

  /** Waits for what was sent, then disconnects. */
  override async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.redis.status === "ready") {
      // Replies come in order: when this one is there, all are.
      const answered = this.redis.call("PING").catch(() => {});
      await limited(answered, this.timeoutMs, () => new StoreError("TIMEOUT", "close", "no")).catch(() => {});
    }
    this.redis.disconnect();
  }

  /** Send once, and again while it surely was not carried out and there is time. */
  private async run(write: boolean, buffers: boolean, send: () => Promise<unknown>): Promise<Reply> {
    const deadline = performance.now() + this.timeoutMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return shaped(await this.once(write, send, deadline), buffers);
      } catch (error) {
        const delay = Math.min(RETRY_DELAY_MS * 2 ** attempt, RETRY_DELAY_MS_MAX);
        const again = (error as StoreError).retryable && attempt < this.retries && !this.closed;
        if (!again || performance.now() + delay >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }

  private async once(write: boolean, send: () => Promise<unknown>, deadline: number): Promise<unknown> {
    if (this.closed) throw new StoreError("CLOSED", "the client is closed", "no");
    if (!this.writable()) await this.ready(deadline);
    const applied = write ? "maybe" : "no";
    const late = (): StoreError => new StoreError("TIMEOUT", `no reply within ${this.timeoutMs} ms`, applied);
    try {
      return await limited(send(), deadline - performance.now(), late);
    } catch (error) {
      if (error instanceof StoreError) throw error;
      const { name, message } = error as Error;
      if (name === "ReplyError") throw replyError(message, write);
      if (message.startsWith(NOT_SENT)) throw new StoreError("CLOSED", "there is no connection", "no", error);
      throw new StoreError("CLOSED", "the connection was lost before the reply came", applied, error);
    }
  }

  private writable(): boolean {
    return this.redis.status === "ready";
  }

  /** Resolves when there is a connection that is logged in. Nothing was sent when it rejects. */
  private async ready(deadline: number): Promise<void> {
    const { redis } = this;
    if (this.writable()) return;
    this.readiness ??= new Promise<void>((resolve) => {
      const settled = (): void => {
        this.readiness = undefined;
        redis.off("ready", settled);
        redis.off("end", settled);
        redis.off("error", refused);
        resolve();
      };
      const refused = (error: Error): void => {
        if (REFUSED_LOGIN.test(error.message)) settled();
      };
      redis.on("ready", settled);
      redis.on("end", settled);
      redis.on("error", refused);
    });
    const why = (): StoreError =>
      new StoreError("CONNECT", `no connection: ${this.lastError?.message ?? "no answer"}`, "no", this.lastError);
    await limited(this.readiness, deadline - performance.now(), why);
    if (this.writable()) return;
    if (this.lastError !== undefined && REFUSED_LOGIN.test(this.lastError.message)) {
      throw replyError(this.lastError.message, false);
    }
    throw why();
  }
}

/** ioredis's words for a command that it did not write. */
const NOT_SENT = "Stream isn't writeable";

function limited<T>(promise: Promise<T>, ms: number, late: () => StoreError): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), Math.max(0, ms));
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function plain(args: readonly Argument[]): (string | Buffer | number)[] {
  return args.map((word) => {
    if (word instanceof Uint8Array) return Buffer.from(word);
    return typeof word === "bigint" ? String(word) : word;
  });
}
