/**
 * server/works.ts: works on keys (cluster/work.ts), and the stage they run on: a Context of their own, since a work may run in the midst of
 * a client's command, on any node, and more than once.
 *   command   one command on one key
 *   fetch     what the key is, for works on other keys and for WATCH
 *   series    several of these, one after the other, as one (series-work.ts)
 *   steps     several commands one after the other, as one operation: an EXEC, or a command that looks at several keys and writes one
 * Invariants: a work owns its bytes, and they never change; what apply returns depends on the state and on the time only (OBJECT IDLETIME and
 * FREQ aside, which say what this node knows); states that were given are not changed.
 */
import {
  compareDots,
  type Dot,
  EXPIRING,
  type KeyChange,
  type KeyRegister,
  NO_DOT,
  STATE_BYTES_MOST,
  WITHIN_ROUND,
  type Work,
} from "../cluster/work.js";
import { Args } from "../codec/resp/args.js";
import type { ReplyWriter } from "../codec/resp/reply-writer.js";
import { Context, type Host, OUTCOME_NOTHING, OUTCOME_REMOVE } from "../commands/context.js";
import { execute } from "../commands/execute.js";
import { kvGet, versionNodeOf } from "../commands/kv.js";
import { type CommandSpec, KIND_EACH, KIND_KEY } from "../commands/spec.js";
import { assert } from "../lib/assert.js";
import { type Viewed, viewed } from "../lib/view.js";
import type { KeyState, Keyspace } from "../ports/keyspace.js";
import { writtenIn } from "./gathered.js";
import { type Cast, rehearse } from "./rehearsal.js";
import { StateSpace } from "./state-space.js";
import { KEY_AND_VALUE_TOO_LONG } from "./texts.js";
import {
  commandBytes,
  encodeState,
  FLAG_BRIEF,
  FLAG_RESP3,
  flagsOf,
  HEADER_BYTES,
  type KnownState,
  readCommand,
  stateVersionNode,
  WORK_COMMAND,
  WORK_FETCH,
  writeCommand,
  writeHeader,
} from "./work-bytes.js";

const OK: Buffer = Buffer.from("+OK\r\n");
const PLUS = 43;
/** A larger reply is not copied: the writer gives its buffer away. */
const GIVEN_BYTES_MIN: number = 256 * 1024;
const NOTHING: KeyChange["next"] = undefined;
const GONE: KeyChange["next"] = { value: undefined, expireAt: 0 };
const NO_BYTES: Viewed = viewed(Buffer.alloc(0));

/**
 * The key's version: the last dot that changed it, of a tombstone too; NO_DOT: it never was. Its node belongs to it: two nodes may write a key one
 * after the other at the same tick of their clocks.
 */
export function versionOf(state: KeyRegister): Dot {
  const version = lastOf(state);
  return isMarked(version) ? { ...version, node: version.node - EXPIRING } : version;
}

/** It is the tombstone of a key that has expired, which the round that runs is about to make. */
export function isExpiring(state: KeyRegister): boolean {
  return state.value === undefined && isMarked(lastOf(state));
}

function isMarked({ node }: Dot): boolean {
  return node >= EXPIRING && node !== WITHIN_ROUND;
}

function lastOf(state: KeyRegister): Dot {
  let last = NO_DOT;
  for (const dot of state.vv.dots) if (compareDots(dot, last) > 0) last = dot;
  return last;
}

/** What works run on. One for all works of a node, one after the other. */
export class Stage {
  readonly context: Context;
  readonly space: StateSpace;
  private readonly args: Args = new Args();
  private readonly stateBytesMost: number;

  /**
   * @param local this node's own keyspace. @param expiryMs see Cluster. @param stateBytesMost of a key and its value: what would be longer is refused.
   */
  constructor(local: Keyspace, host: Host, expiryMs: () => number, stateBytesMost: number = STATE_BYTES_MOST) {
    this.stateBytesMost = stateBytesMost;
    this.space = new StateSpace(local);
    this.context = new Context(this.space, host);
    this.context.expiryMs = expiryMs;
  }

  // HOT: once per command and try in a cluster.
  /** Run the handler of a command on one key, whose arguments lie in bytes behind the header of a work. */
  command(spec: CommandSpec, bytes: Buffer, state: KeyRegister, now: number): KeyChange {
    readCommand(bytes, HEADER_BYTES, this.args);
    return this.run(spec, this.args, bytes[HEADER_BYTES], bytes[2] & FLAG_RESP3 ? 3 : 2, state, now);
  }

  // HOT: once per command and try in a cluster.
  /** @param args in bytes that are the work's own. */
  run(spec: CommandSpec, args: Args, db: number, proto: number, state: KeyRegister, now: number): KeyChange {
    const { context: c, space } = this;
    const { reply } = c;
    c.space = space;
    c.args = args;
    c.db = db;
    c.now = now;
    c.outcome = OUTCOME_NOTHING;
    reply.at = 0;
    reply.proto = proto;
    fill(c.key, state);
    space.only = state.value;
    (spec.run as (c: Context) => void)(c);
    const next = c.outcome === OUTCOME_NOTHING ? NOTHING : this.next(c, state);
    c.newIdleSeconds = -1;
    c.newFrequency = -1;
    if (next?.value !== undefined && args.length[keyIndexOf(spec)] + next.value.bytes.length > this.stateBytesMost)
      return { result: taken(refused(reply)), next: NOTHING };
    return { result: taken(reply), next };
  }

  private next(c: Context, state: KeyRegister): KeyChange["next"] {
    const { value } = state;
    if (c.outcome === OUTCOME_REMOVE) return value === undefined ? NOTHING : GONE;
    const { newBytes, newAt, newLength, newExpireAt: expireAt, newRaw: raw } = c;
    if (value !== undefined && newBytes === value.bytes && newLength === newBytes.length && raw === value.raw)
      return { value, expireAt };
    const bytes = newBytes.subarray(newAt, newAt + newLength);
    // The arguments are the work's own. All else is lent.
    return { value: { type: 0, raw, bytes: newBytes === c.args.bytes ? bytes : Buffer.from(bytes) }, expireAt };
  }

  /**
   * Run commands one after the other on known keys. @param own the key that may be written.
   * @param each given the place and the length of every reply, which lies in the stage's writer.
   * @returns what became of the own key; undefined: nothing.
   */
  steps(
    commands: readonly Step[],
    own: string | undefined,
    states: ReadonlyMap<string, KnownState>,
    proto: number,
    now: number,
    each: (reply: Buffer) => void,
  ): KnownState | undefined {
    const { context: c, space } = this;
    const nameBytes = own === undefined ? 0 : own.length - 1;
    space.begin(own, states, now);
    c.space = space;
    c.now = now;
    c.reply.proto = proto;
    for (const { spec, args, db } of commands) {
      c.reply.at = 0;
      c.args = args;
      c.db = db;
      const before = space.written;
      execute(c, spec);
      const { written } = space;
      if (written?.present === true && nameBytes + written.value.length > this.stateBytesMost) {
        space.written = before;
        refused(c.reply);
      }
      each(writtenIn(c.reply));
    }
    if (c.reply.buf.length > GIVEN_BYTES_MIN) c.reply.give();
    return space.written;
  }

  /** Which keys would a command touch? See rehearsal.ts. */
  rehearse(spec: CommandSpec, args: Args, db: number, proto: number, now: number): Cast {
    this.context.reply.proto = proto;
    return rehearse(this.context, spec, args, db, now);
  }
}

/** A command among several. */
export interface Step {
  readonly spec: CommandSpec;
  /** Owns its bytes. */
  readonly args: Args;
  readonly db: number;
}

// HOT: once per command and try in a cluster.
function fill(key: KeyState, state: KeyRegister): void {
  const { value } = state;
  key.present = value !== undefined;
  key.type = value === undefined ? 0 : value.type;
  key.raw = value?.raw === true;
  key.bytes = value === undefined ? NO_BYTES : viewed(value.bytes);
  key.valueAt = 0;
  key.valueBytes = key.bytes.length;
  key.expireAt = state.expireAt;
  const version = versionOf(state);
  key.version = version.hlc;
  key.versionNode = version.node;
}

/** @returns the writer's bytes as a buffer of their own; the commonest reply is always the same one. */
function taken(reply: ReplyWriter): Buffer {
  const { buf, at } = reply;
  if (reply.tooLong) return writtenIn(reply);
  if (at === 5 && buf[0] === PLUS && OK.compare(buf, 0, 5) === 0) return OK;
  if (at > GIVEN_BYTES_MIN) return reply.give();
  return Buffer.from(buf.subarray(0, at));
}

/** In place of what was written. */
function refused(reply: ReplyWriter): ReplyWriter {
  reply.at = 0;
  reply.tooLong = false;
  reply.error(KEY_AND_VALUE_TOO_LONG);
  return reply;
}

export function knownOf(state: KeyRegister): KnownState {
  const { value, expireAt } = state;
  const { hlc, node } = versionOf(state);
  return {
    present: value !== undefined,
    raw: value?.raw === true,
    type: value === undefined ? 0 : value.type,
    expireAt,
    version: hlc,
    versionNode: node,
    value: value === undefined ? NO_BYTES : value.bytes,
  };
}

/** There is no command without a reply. */
export function isReply(result: Buffer): boolean {
  return result.length > 0;
}

/** One command on one key; of a command on each of its keys, one step. Its result is the reply. */
export class CommandWork implements Work {
  readonly name: string;
  readonly writes: boolean;
  readonly spec: CommandSpec;
  readonly isPassing: ((result: Buffer) => boolean) | undefined;
  readonly isResult: (result: Buffer) => boolean = isReply;
  private readonly bytes: Buffer;
  private readonly stage: Stage;

  constructor(stage: Stage, spec: CommandSpec, name: string, bytes: Buffer) {
    this.isPassing = spec.run === kvGet ? tellsPassing : undefined;
    this.stage = stage;
    this.spec = spec;
    this.name = name;
    this.writes = spec.write;
    this.bytes = bytes;
  }

  apply(state: KeyRegister, now: number): KeyChange {
    return this.stage.command(this.spec, this.bytes, state, now);
  }

  encode(): Buffer {
    return this.bytes;
  }
}

/** Of KV.GET's reply. */
function tellsPassing(reply: Buffer): boolean {
  return versionNodeOf(reply) === WITHIN_ROUND;
}

/** Of a step of an "each" command the key comes first. */
export function keyIndexOf(spec: CommandSpec): number {
  return spec.kindCode === KIND_EACH ? 1 : spec.firstKey;
}

/** @returns the bytes of a CommandWork. */
export function encodeCommandWork(spec: CommandSpec, args: Args, db: number, proto: number): Buffer {
  assert(spec.kindCode === KIND_KEY || spec.kindCode === KIND_EACH, "no command on one key", spec.name);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + commandBytes(args));
  writeHeader(bytes, WORK_COMMAND, flagsOf(spec.write, proto));
  writeCommand(bytes, HEADER_BYTES, db, args);
  return bytes;
}

const FETCH_ALL: Buffer = writeHeader(Buffer.alloc(HEADER_BYTES), WORK_FETCH, 0);
const FETCH_BRIEF: Buffer = writeHeader(Buffer.alloc(HEADER_BYTES), WORK_FETCH, FLAG_BRIEF);

function fetchedPassing(result: Buffer): boolean {
  return stateVersionNode(result) === WITHIN_ROUND;
}

/** A linearizable read of what the key is. Its result is a state as work-bytes.ts has it. */
export class FetchWork implements Work {
  readonly name: string;
  readonly writes = false;
  readonly isPassing: (result: Buffer) => boolean = fetchedPassing;
  private readonly brief: boolean;

  /** @param brief all but the value. */
  constructor(name: string, brief: boolean) {
    this.name = name;
    this.brief = brief;
  }

  apply(state: KeyRegister): KeyChange {
    const known = knownOf(state);
    return { result: encodeState(this.brief ? { ...known, value: NO_BYTES } : known), next: undefined };
  }

  encode(): Buffer {
    return this.brief ? FETCH_BRIEF : FETCH_ALL;
  }
}
