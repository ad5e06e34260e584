/**
 * commands/keys.ts: commands about keys whatever they hold: DEL, EXISTS, TYPE, TOUCH; RENAME, COPY, MOVE; and those on
 * whole databases that look at no key: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.
 * Invariant: where two keys are looked up, the one whose bytes are needed is looked up last: looking up may expire a key,
 * which is a write, and borrowed bytes are good until the next write.
 */
import type { Context } from "./context.js";
import { type Integer, integerArg, isWord } from "./numbers.js";
import { DB_RANGE, NO_SUCH_KEY, SAME_OBJECT, SYNTAX } from "./texts.js";

// HOT: once per key of DEL. No allocation.
export function del(c: Context): void {
  if (c.key.present) {
    c.remove();
    c.reply.int(1);
  } else c.reply.int(0);
}

// HOT: once per key of EXISTS, TOUCH. No allocation.
export function exists(c: Context): void {
  c.reply.int(c.key.present ? 1 : 0);
}

/** Names of record types, by KeyState.type. */
export const TYPE_NAMES: readonly string[] = ["string"];

export function type(c: Context): void {
  c.reply.simple(c.key.present ? TYPE_NAMES[c.key.type] : "none");
}

export function rename(c: Context): void {
  const { args, space, key } = c;
  if (!findArg(c, 1, key)) {
    c.reply.error(NO_SUCH_KEY);
    return;
  }
  if (!sameArgs(c, 1, 2)) {
    if (!transfer(c, c.db)) return;
    space.remove(c.db, args.bytes, args.start[1], args.length[1]);
  }
  c.reply.ok();
}

export function renameNx(c: Context): void {
  const { args, space, key, other } = c;
  const taken = findArg(c, 2, other);
  if (!findArg(c, 1, key)) {
    c.reply.error(NO_SUCH_KEY);
    return;
  }
  if (taken || sameArgs(c, 1, 2)) {
    c.reply.int(0);
    return;
  }
  if (!transfer(c, c.db)) return;
  space.remove(c.db, args.bytes, args.start[1], args.length[1]);
  c.reply.int(1);
}

function findArg(c: Context, index: number, state: Context["key"]): boolean {
  const args = c.args;
  return c.space.find(c.db, args.bytes, args.start[index], args.length[index], state, false);
}

function sameArgs(c: Context, a: number, b: number): boolean {
  const { bytes, start, length } = c.args;
  return bytes.compare(bytes, start[a], start[a] + length[a], start[b], start[b] + length[b]) === 0;
}

/** Store what c.key holds under the name in argument 2 (argument 1 for MOVE). @returns false after an error reply. */
function transfer(c: Context, db: number, index = 2): boolean {
  const { args, key } = c;
  const { bytes, valueAt, valueBytes, expireAt, raw } = key;
  if (!c.fits(valueBytes)) return false;
  c.space.put(db, args.bytes, args.start[index], args.length[index], bytes, valueAt, valueBytes, expireAt, raw);
  return true;
}

const INT32_MAX = 0x7fffffff;
const BAD_FIRST_DB = "ERR invalid first DB index";
const BAD_SECOND_DB = "ERR invalid second DB index";

function isInt32(value: Integer): boolean {
  return value <= INT32_MAX && value >= -INT32_MAX - 1;
}

/** SELECT's; -1 after having written an error. */
export function selectArg(c: Context, index: number): number {
  const given = c.oneDatabase ? integerArg(c, index) : 0;
  if (given === undefined) return -1;
  if (Number(given) === 0 || !isInt32(given)) return dbArg(c, index);
  c.reply.error("ERR SELECT is not allowed in cluster mode");
  return -1;
}

/** A database number; -1 after having written an error. */
function dbArg(c: Context, index: number): number {
  const given = integerArg(c, index);
  if (given === undefined) return -1;
  if (!isInt32(given)) {
    c.reply.error(`ERR value is out of range, value must between ${-INT32_MAX - 1} and ${INT32_MAX}`);
    return -1;
  }
  if (given >= 0 && given < c.databases) return Number(given);
  c.reply.error(DB_RANGE);
  return -1;
}

export function copy(c: Context): void {
  const { args, key, other } = c;
  let db = c.db;
  let replace = false;
  for (let i = 3; i < args.count; i++) {
    if (isWord(args, i, "replace")) replace = true;
    else if (isWord(args, i, "db") && i + 1 < args.count) {
      db = dbArg(c, ++i);
      if (db < 0) return;
    } else {
      c.reply.error(SYNTAX);
      return;
    }
  }
  if (db !== 0 && c.oneDatabase) {
    c.reply.error("ERR Copying to another database is not allowed in cluster mode");
    return;
  }
  if (db === c.db && sameArgs(c, 1, 2)) {
    c.reply.error(SAME_OBJECT);
    return;
  }
  const taken = c.space.find(db, args.bytes, args.start[2], args.length[2], other, false);
  if (!c.space.find(c.db, args.bytes, args.start[1], args.length[1], key, true) || (taken && !replace)) {
    c.reply.int(0);
    return;
  }
  if (transfer(c, db)) c.reply.int(1);
}

export function move(c: Context): void {
  const { args, space, key, other } = c;
  if (c.oneDatabase) {
    c.reply.error("ERR MOVE is not allowed in cluster mode");
    return;
  }
  const db = dbArg(c, 2);
  if (db < 0) return;
  if (db === c.db) {
    c.reply.error(SAME_OBJECT);
    return;
  }
  const taken = space.find(db, args.bytes, args.start[1], args.length[1], other, false);
  if (!findArg(c, 1, key) || taken) {
    c.reply.int(0);
    return;
  }
  if (!transfer(c, db, 1)) return;
  space.remove(c.db, args.bytes, args.start[1], args.length[1]);
  c.reply.int(1);
}

export function dbSize(c: Context): void {
  c.reply.int(c.space.size(c.db));
}

const ALL_DATABASES = -1;

export function flushDb(c: Context): void {
  flush(c, c.db);
}

export function flushAll(c: Context): void {
  flush(c, ALL_DATABASES);
}

/** ASYNC and SYNC are the same here: the keys are gone at once, and memory is given back in slices afterwards. */
function flush(c: Context, db: number): void {
  if (!flushArgsOk(c)) return;
  c.space.flush(db);
  c.reply.ok();
}

/** @returns false after having written an error. */
export function flushArgsOk(c: Context): boolean {
  const args = c.args;
  if (args.count === 1 || (args.count === 2 && (isWord(args, 1, "async") || isWord(args, 1, "sync")))) return true;
  c.reply.error(SYNTAX);
  return false;
}

/** Exchanging two databases would rename every record of both, in the log and on every replica. */
export function swapDb(c: Context): void {
  if (c.oneDatabase) {
    c.reply.error("ERR SWAPDB is not allowed in cluster mode");
    return;
  }
  const first = integerArg(c, 1, BAD_FIRST_DB);
  if (first === undefined) return;
  const second = integerArg(c, 2, BAD_SECOND_DB);
  if (second === undefined) return;
  if (!isInt32(first)) c.reply.error(BAD_FIRST_DB);
  else if (!isInt32(second)) c.reply.error(BAD_SECOND_DB);
  else if (first < 0 || first >= c.databases || second < 0 || second >= c.databases) c.reply.error(DB_RANGE);
  else
    c.reply.error("ERR SWAPDB is not supported: a key's database is part of its name in the log and on every replica");
}
