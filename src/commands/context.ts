/**
 * commands/context.ts: what a handler is given and what it hands back. One Context serves all commands of an engine,
 * one after the other; nothing in it outlives the handler's return.
 * Handlers are synchronous, never read a clock, socket, file or random source, and never throw for a client's mistake:
 * they write an error reply. A handler of kind "key" sees one key's state and leaves at most one outcome (put, remove or
 * nothing), so that the same function runs at once when alone and under a key's proposer in a cluster.
 */
import { Args } from "../codec/resp/args.js";
import { ReplyWriter } from "../codec/resp/reply-writer.js";
import { type Viewed, viewedOf } from "../lib/view.js";
import { KeyState, type Keyspace } from "../ports/keyspace.js";
import { NO_ROOM, TOO_MUCH } from "./texts.js";

export const OUTCOME_NOTHING = 0;
export const OUTCOME_PUT = 1;
export const OUTCOME_REMOVE = 2;

/** What a handler may ask of the connection and of the server around it; the server room implements it. */
export interface Host {
  /** Handle a connection or server command (kind "host"): the server room owns these handlers. */
  readonly maxValueBytes: number;
  /** Current eviction policy name, as in CONFIG GET maxmemory-policy. */
  readonly maxmemoryPolicy: string;
  /** Number of databases; 16 when absent. */
  readonly databases?: number;
  /** Shown to clients as a Redis Cluster, which has one database; false when absent. */
  readonly clusterEnabled?: boolean;
}

const DATABASES_DEFAULT = 16;
/** Larger values are built in a buffer of their own, so that one of them does not stay in memory for ever. */
const SCRATCH_KEPT_BYTES_MAX = 1 << 20;
/** So much may be written by a short command without asking for room: what the log keeps free holds many such. */
const UNASKED_BYTES_MAX = 4096;

export class Context {
  args: Args = new Args();
  reply: ReplyWriter = new ReplyWriter();
  db = 0;
  /** Milliseconds since the epoch; never steps back. */
  now = 0;
  /** Kind "key": the state of the command's key. Other kinds may use it as scratch for Keyspace.find. */
  readonly key: KeyState = new KeyState();
  /** Scratch for a second key of kinds "keys" and "space". */
  readonly other: KeyState = new KeyState();
  /** Kinds "keys" and "space" only. */
  space: Keyspace;
  host: Host;

  /**
   * In a cluster: the time by which deadlines end keys. It is behind `now`, by which relative ones are set, while clocks do not agree or were not
   * compared yet (docs/decisions/0026): asked only about a deadline that has passed by `now`.
   */
  expiryMs: () => number = () => Number.POSITIVE_INFINITY;

  /** Has the disk room for a change of so many bytes? Asked for those that do not come with the command, before they are made. */
  roomFor: (bytes: number) => boolean = () => true;
  /**
   * Of a transaction that runs: bytes of the commands that are still to run. All of it goes into one batch of the log: however little a
   * command writes, it asks. -1: none runs.
   */
  transactionBytes = -1;

  outcome: number = OUTCOME_NOTHING;
  newBytes: Viewed;
  newAt = 0;
  newLength = 0;
  newExpireAt = 0;
  newRaw = false;
  /** Set by RESTORE together with put(): seconds since last use and use counter of the new value; -1 = as usual. */
  newIdleSeconds = -1;
  newFrequency = -1;

  private scratchBytes: Viewed = viewedOf(4096);

  constructor(space: Keyspace, host: Host) {
    this.space = space;
    this.host = host;
    this.newBytes = this.scratchBytes;
  }

  /**
   * The key's new state. The bytes are copied after the handler returns, so they may lie in args, in key.bytes or in scratch.
   * @param expireAt absolute deadline in ms, 0 = none. When it hasPassed() the caller uses remove() instead.
   * @param raw the value was changed in place (APPEND, SETRANGE, SETBIT...), see KeyState.raw.
   */
  put(bytes: Viewed, at: number, length: number, expireAt: number, raw = false): void {
    this.outcome = OUTCOME_PUT;
    this.newBytes = bytes;
    this.newAt = at;
    this.newLength = length;
    this.newExpireAt = expireAt;
    this.newRaw = raw;
  }

  /** Is a key with this deadline gone by now? Else it is stored, and ends by it like any other. */
  hasPassed(deadline: number): boolean {
    return deadline <= this.now && deadline <= this.expiryMs();
  }

  /** The key is to be gone. */
  remove(): void {
    this.outcome = OUTCOME_REMOVE;
  }

  /** Reused room of at least `bytes` to build a value in; contents undefined. Valid until the next call. */
  scratch(bytes: number): Viewed {
    if (this.scratchBytes.length >= bytes) return this.scratchBytes;
    if (bytes > SCRATCH_KEPT_BYTES_MAX) return viewedOf(bytes);
    this.scratchBytes = viewedOf(Math.max(bytes, this.scratchBytes.length * 2));
    return this.scratchBytes;
  }

  /**
   * Is there room for a value that is not among the arguments, whose bytes the server has seen?
   * @param replyAt where the command's reply begins. @returns false after an error that stands for all of the reply.
   */
  fits(valueBytes: number, replyAt: number = this.reply.at): boolean {
    if ((valueBytes <= UNASKED_BYTES_MAX && this.transactionBytes < 0) || this.roomFor(valueBytes)) return true;
    this.reply.at = replyAt;
    this.reply.error(this.transactionBytes < 0 ? NO_ROOM : TOO_MUCH);
    this.newIdleSeconds = -1;
    this.newFrequency = -1;
    return false;
  }

  /** Number of databases. */
  get databases(): number {
    return this.host.databases ?? DATABASES_DEFAULT;
  }

  /** Is there database 0 alone, whatever `databases` says? Then commands on others are refused, as in a Redis Cluster. */
  get oneDatabase(): boolean {
    return this.host.clusterEnabled === true;
  }
}
