/**
 * client/commands.ts: the common commands as methods, over two ways to run any command. The same for a node in this process
 * (client/embedded.ts) and for one at the other end of a connection (client/client.ts).
 * Commands given in one turn leave together, in order (pipelining); each promise fails with a StoreError alone.
 */
import { LARGE_BYTES, ROOM_BYTES } from "../lib/room.js";
import { replyError, type StoreError } from "./store-error.js";
import { unsendable, unsendableInTransaction } from "./unsendable.js";

export type Argument = string | Uint8Array | number | bigint;
/** A reply's integer has 64 bits: a bigint where a number would not be exact (beyond 2^53 - 1 on either side), else a number. */
export type Integer = number | bigint;
/** With call, bulk strings are strings; with callBuffer, Buffers. In arrays an error reply is a StoreError. */
export type Reply = string | Buffer | Integer | null | StoreError | Reply[];

/** A command and its arguments, for transaction(). */
export type CommandWords = readonly [name: string, ...args: Argument[]];

export interface SetOptions {
  /** Lifetime in milliseconds. */
  readonly ttlMs?: number;
  readonly keepTtl?: boolean;
  /** Only when the key is not there (nx), only when it is (xx). */
  readonly only?: "nx" | "xx";
}

export interface ScanOptions {
  readonly match?: string;
  readonly count?: number;
}

export abstract class Commands {
  /**
   * Run any command that has one reply.
   * @throws {StoreError} REFUSED, and it was not sent, for the others: MONITOR, SUBSCRIBE and its kin, CLIENT REPLY OFF and SKIP, HELLO 3.
   */
  call(name: string, ...args: readonly Argument[]): Promise<Reply> {
    const refusal = unsendable(name, args);
    return refusal === undefined ? this.one(name, args, false) : Promise.reject(refusal);
  }

  /** As call; bulk strings come as Buffers. */
  callBuffer(name: string, ...args: readonly Argument[]): Promise<Reply> {
    const refusal = unsendable(name, args);
    return refusal === undefined ? this.one(name, args, true) : Promise.reject(refusal);
  }

  /** Send a command that has one reply. @param buffers give bulk strings as Buffers. */
  protected abstract one(name: string, args: readonly Argument[], buffers: boolean): Promise<Reply>;

  /**
   * MULTI, the commands, EXEC, with nothing between them: all or none are carried out.
   * @returns one reply for each command; a command that failed by itself has a StoreError there.
   * @throws {StoreError} REFUSED, and nothing was sent, for a command that MULTI does not queue (EXEC, DISCARD, WATCH, RESET...).
   */
  transaction(commands: readonly CommandWords[]): Promise<Reply[]> {
    const refusal = unsendableInTransaction(commands);
    return refusal === undefined ? this.together(commands) : Promise.reject(refusal);
  }

  /** MULTI, commands that it queues, EXEC. */
  protected abstract together(commands: readonly CommandWords[]): Promise<Reply[]>;

  /** Waits for what was sent, for as long as a patient caller would, then disconnects. What has no answer by then fails: CLOSED. */
  abstract close(): Promise<void>;

  async get(key: Argument): Promise<string | null> {
    return (await this.call("GET", key)) as string | null;
  }

  async getBuffer(key: Argument): Promise<Buffer | null> {
    return (await this.callBuffer("GET", key)) as Buffer | null;
  }

  /** @returns false when `only` forbade it. */
  async set(key: Argument, value: Argument, options: SetOptions = {}): Promise<boolean> {
    const words: Argument[] = [key, value];
    if (options.ttlMs !== undefined) words.push("PX", options.ttlMs);
    if (options.keepTtl === true) words.push("KEEPTTL");
    if (options.only !== undefined) words.push(options.only);
    return (await this.call("SET", ...words)) !== null;
  }

  /** @returns how many of the keys were there. */
  async del(...keys: readonly Argument[]): Promise<number> {
    return (await this.call("DEL", ...keys)) as number;
  }

  /** del of one key. @returns whether it was there. */
  async delete(key: Argument): Promise<boolean> {
    return (await this.del(key)) === 1;
  }

  async exists(...keys: readonly Argument[]): Promise<number> {
    return (await this.call("EXISTS", ...keys)) as number;
  }

  async incr(key: Argument): Promise<Integer> {
    return (await this.call("INCR", key)) as Integer;
  }

  async incrby(key: Argument, by: Integer): Promise<Integer> {
    return (await this.call("INCRBY", key, by)) as Integer;
  }

  async decr(key: Argument): Promise<Integer> {
    return (await this.call("DECR", key)) as Integer;
  }

  async append(key: Argument, value: Argument): Promise<number> {
    return (await this.call("APPEND", key, value)) as number;
  }

  async strlen(key: Argument): Promise<number> {
    return (await this.call("STRLEN", key)) as number;
  }

  async mget(...keys: readonly Argument[]): Promise<(string | null)[]> {
    return (await this.call("MGET", ...keys)) as (string | null)[];
  }

  /** All of them or none, at one moment, on a node without peers; in a cluster key by key, and an error may have done a part. */
  async mset(pairs: Iterable<readonly [key: Argument, value: Argument]>): Promise<void> {
    await this.call("MSET", ...[...pairs].flat());
  }

  async getdel(key: Argument): Promise<string | null> {
    return (await this.call("GETDEL", key)) as string | null;
  }

  /** @returns false when the key is not there. */
  async expire(key: Argument, seconds: number): Promise<boolean> {
    return (await this.call("EXPIRE", key, seconds)) === 1;
  }

  async pexpire(key: Argument, ms: number): Promise<boolean> {
    return (await this.call("PEXPIRE", key, ms)) === 1;
  }

  async persist(key: Argument): Promise<boolean> {
    return (await this.call("PERSIST", key)) === 1;
  }

  /** Seconds left; -1: no lifetime, -2: no such key. */
  async ttl(key: Argument): Promise<number> {
    return (await this.call("TTL", key)) as number;
  }

  async pttl(key: Argument): Promise<number> {
    return (await this.call("PTTL", key)) as number;
  }

  async dbsize(): Promise<number> {
    return (await this.call("DBSIZE")) as number;
  }

  async flushdb(): Promise<void> {
    await this.call("FLUSHDB");
  }

  async ping(): Promise<void> {
    await this.call("PING");
  }

  /** Every key that stays is given at least once. */
  async *scan(options: ScanOptions = {}): AsyncGenerator<string, void, undefined> {
    const words: Argument[] = [];
    if (options.match !== undefined) words.push("MATCH", options.match);
    if (options.count !== undefined) words.push("COUNT", options.count);
    let cursor = "0";
    do {
      const [next, keys] = (await this.call("SCAN", cursor, ...words)) as [string, string[]];
      yield* keys;
      cursor = next;
    } while (cursor !== "0");
  }
}

/** A parsed reply whose bulk strings are Buffers and whose integers are strings. @param buffers leave Buffers as they are. */
export function shaped(reply: unknown, buffers: boolean): Reply {
  if (typeof reply === "string") return integerOf(reply);
  if (Array.isArray(reply)) return reply.map((part) => shaped(part, buffers));
  if (reply instanceof Error) return replyError(reply.message, true);
  if (reply instanceof Uint8Array && !buffers)
    return Buffer.from(reply.buffer, reply.byteOffset, reply.length).toString();
  return reply as Reply;
}

function integerOf(digits: string): Integer {
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}

/** A command as bytes. Copies, so that the caller may change its buffers afterwards. A large one has room in front (lib/room.ts). */
export function encodeRequest(name: string, args: readonly Argument[]): Buffer {
  const pieces: Uint8Array[] = [Buffer.from(`*${args.length + 1}\r\n`)];
  if (args.some((word) => word instanceof Uint8Array && word.length > LARGE_BYTES)) pieces.unshift(ROOM);
  for (const word of [name, ...args]) {
    const bytes = word instanceof Uint8Array ? word : Buffer.from(String(word));
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  const bytes = Buffer.concat(pieces);
  return pieces[0] === ROOM ? bytes.subarray(ROOM_BYTES) : bytes;
}

const CRLF: Buffer = Buffer.from("\r\n");
const ROOM: Buffer = Buffer.alloc(ROOM_BYTES);
