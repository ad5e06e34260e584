/**
 * server/rehearsal.ts: which keys a command looks at and which it writes, asked of its handler itself: it is run twice for show, on a
 * keyspace in which every key is there (an empty string) and on one in which none is. What it looks for in either is what it needs.
 * So COPY's other database, and MOVE's, are known without a second reading of their arguments, and so is an error in the arguments:
 * it comes out the same both times.
 * Invariant: nothing is changed by it. Price: two runs of a handler on empty values, for commands on several keys only.
 */
import { nameOf } from "../cluster/work.js";
import { Args } from "../codec/resp/args.js";
import type { Context } from "../commands/context.js";
import { execute } from "../commands/execute.js";
import { keysOf } from "../commands/introspect.js";
import { type CommandSpec, KIND_EACH } from "../commands/spec.js";
import { assert } from "../lib/assert.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import { Absences } from "../ports/absences.js";
import type { KeyState, Keyspace } from "../ports/keyspace.js";

const MINUS = 45;
const NO_BYTES: Viewed = viewed(Buffer.alloc(0));

class Stage implements Keyspace {
  gate = 0;
  readonly durableLsn = 0;
  now = 0;
  touching = true;
  readonly absences: Absences = new Absences();
  allThere = false;
  /** May the argument that begins at this byte be written? */
  writes: (at: number) => boolean = () => false;
  names: Map<string, boolean> = new Map();

  private see(db: number, bytes: Buffer, at: number, length: number, written: boolean): void {
    const name = nameOf(db, bytes, at, length);
    this.names.set(name, written || this.names.get(name) === true);
  }

  find(db: number, bytes: Buffer, at: number, length: number, state: KeyState): boolean {
    this.see(db, bytes, at, length, this.writes(at));
    state.present = this.allThere;
    state.type = 0;
    state.raw = false;
    state.bytes = NO_BYTES;
    state.valueAt = 0;
    state.valueBytes = 0;
    state.expireAt = 0;
    state.version = 1;
    return this.allThere;
  }

  put(db: number, key: Buffer, keyAt: number, keyBytes: number): void {
    this.see(db, key, keyAt, keyBytes, true);
  }

  remove(db: number, key: Buffer, keyAt: number, keyBytes: number): boolean {
    this.see(db, key, keyAt, keyBytes, true);
    return this.allThere;
  }

  memoryUsage(): number {
    return 0;
  }

  idleSeconds(): number {
    return 0;
  }

  frequency(): number {
    return 0;
  }

  setUsage(): void {}

  size(): number {
    return 0;
  }

  expiring(): number {
    return 0;
  }

  scan(): number {
    return 0;
  }

  randomKey(): boolean {
    return false;
  }

  flush(): void {}

  keysInSlot(): number {
    return 0;
  }
}

const stage: Stage = new Stage();

/** What a command touches. */
export interface Cast {
  /** Names of keys; true: it may write there. */
  readonly names: ReadonlyMap<string, boolean>;
  /** The error that it answers whatever the keys are, as a reply; undefined: none. */
  readonly error: Buffer | undefined;
}

/** @param c whose writer is free; its keyspace, arguments and database are set. @param proto of the client, for the error. */
export function rehearse(c: Context, spec: CommandSpec, given: Args, db: number, now: number): Cast {
  const args = apart(given);
  stage.names = new Map();
  stage.writes = writesOf(spec, args);
  c.space = stage;
  c.args = args;
  c.db = db;
  stage.now = now;
  c.now = now;
  const absent = errorOf(c, spec, false);
  const error = errorOf(c, spec, true);
  const { names } = stage;
  return { names, error: error !== undefined && absent?.equals(error) === true ? error : undefined };
}

function errorOf(c: Context, spec: CommandSpec, allThere: boolean): Buffer | undefined {
  const { reply } = c;
  reply.at = 0;
  stage.allThere = allThere;
  execute(c, spec);
  assert(reply.at > 0, "a command without a reply");
  return reply.buf[0] === MINUS ? Buffer.from(reply.buf.subarray(0, reply.at)) : undefined;
}

/** A copy with a byte between any two of them: where one begins then tells which one it is, also when it is empty. */
function apart(args: Args): Args {
  const { bytes, count, start, length } = args;
  const copy = new Args();
  copy.bytes = viewedOf(length.subarray(0, count).reduce((sum, each) => sum + each + 1, 0));
  let at = 0;
  for (let i = 0; i < count; i++) {
    bytes.copy(copy.bytes, at, start[i], start[i] + length[i]);
    copy.push(at, length[i]);
    at += length[i] + 1;
  }
  return copy;
}

function writesOf(spec: CommandSpec, args: Args): (at: number) => boolean {
  if (!spec.write) return () => false;
  if (spec.kindCode === KIND_EACH) return () => true;
  const written = new Set<number>();
  for (const { index, flags } of keysOf(spec, args)) if (!flags.includes("RO")) written.add(args.start[index]);
  return (at) => written.has(at);
}
