/**
 * commands/set.ts: SET with all its options, its older spellings (SETEX, PSETEX, SETNX, GETSET), and GETEX, which shares
 * the time options.
 * IFEQ and IFNE are those of Redis 8.4: compare with the current value, which a missing key never equals.
 */
import type { Context } from "./context.js";
import { deadlineOf, RELATIVE, SECONDS, writeExpireError } from "./deadline.js";
import { integerArg, isWord } from "./numbers.js";
import { SYNTAX, WRONG_TYPE } from "./texts.js";

const NX = 1;
const XX = 2;
const GET = 4;
const KEEPTTL = 8;
const PERSIST = 16;
const EX = 32;
const PX = 64;
const EXAT = 128;
const PXAT = 256;
const IFEQ = 512;
const IFNE = 1024;
const CONDITIONS = NX | XX | IFEQ | IFNE;
const TIMES = EX | PX | EXAT | PXAT;

/** What parseOptions found; the indexes are arguments. One for all: handlers run one after the other. */
const options = { flags: 0, timeIndex: 0, compareIndex: 0 };

/** Options from argument `from` on. @returns false after having written a syntax error. */
function parseOptions(c: Context, from: number, allowed: number): boolean {
  const args = c.args;
  let flags = 0;
  options.timeIndex = 0;
  options.compareIndex = 0;
  for (let i = from; i < args.count; i++) {
    const option = optionAt(c, i) & allowed;
    const takesNext = (option & (TIMES | IFEQ | IFNE)) !== 0;
    if (option === 0 || clash(option, flags) || (takesNext && i + 1 === args.count)) {
      c.reply.error(SYNTAX);
      return false;
    }
    flags |= option;
    if (!takesNext) continue;
    i++;
    if (option & TIMES) options.timeIndex = i;
    else options.compareIndex = i;
  }
  options.flags = flags;
  return true;
}

/** May `option` not stand beside those before it? As in Redis, the same option may be repeated, and the last one counts. */
function clash(option: number, before: number): boolean {
  const group = option & CONDITIONS ? CONDITIONS : option & (TIMES | KEEPTTL | PERSIST) ? TIMES | KEEPTTL | PERSIST : 0;
  return (before & group & ~option) !== 0;
}

function optionAt(c: Context, index: number): number {
  const args = c.args;
  switch (args.length[index]) {
    case 2:
      if (isWord(args, index, "ex")) return EX;
      if (isWord(args, index, "px")) return PX;
      if (isWord(args, index, "nx")) return NX;
      return isWord(args, index, "xx") ? XX : 0;
    case 3:
      return isWord(args, index, "get") ? GET : 0;
    case 4:
      if (isWord(args, index, "exat")) return EXAT;
      if (isWord(args, index, "pxat")) return PXAT;
      if (isWord(args, index, "ifeq")) return IFEQ;
      return isWord(args, index, "ifne") ? IFNE : 0;
    case 7:
      if (isWord(args, index, "keepttl")) return KEEPTTL;
      return isWord(args, index, "persist") ? PERSIST : 0;
    default:
      return 0;
  }
}

/** The deadline that argument `index` gives; NaN after having written an error. */
function timeArg(c: Context, index: number, unit: number, name: string): number {
  const time = integerArg(c, index);
  if (time === undefined) return Number.NaN;
  const deadline = deadlineOf(c, time, unit);
  if (Number.isNaN(deadline)) writeExpireError(c, name);
  return deadline;
}

function unitOf(flags: number): number {
  return (flags & (EX | EXAT) ? SECONDS : 0) | (flags & (EX | PX) ? RELATIVE : 0);
}

/** Store an argument; a deadline that has passed means that the key is gone at once. */
function putArg(c: Context, index: number, expireAt: number): void {
  const args = c.args;
  if (expireAt !== 0 && c.hasPassed(expireAt)) c.remove();
  else c.put(args.bytes, args.start[index], args.length[index], expireAt);
}

// HOT: once per SET. Without options the key is not even looked up (the row's blindCount). Guard: bench/micro/commands.ts
export function set(c: Context): void {
  const args = c.args;
  if (args.count !== 3) {
    setWithOptions(c);
    return;
  }
  c.put(args.bytes, args.start[2], args.length[2], 0);
  c.reply.ok();
}

function setWithOptions(c: Context): void {
  if (!parseOptions(c, 3, CONDITIONS | TIMES | GET | KEEPTTL)) return;
  const { flags, timeIndex, compareIndex } = options;
  let expireAt = 0;
  if (timeIndex > 0) {
    expireAt = timeArg(c, timeIndex, unitOf(flags), "set");
    if (Number.isNaN(expireAt)) return;
  }
  const key = c.key;
  if (flags & (GET | IFEQ | IFNE) && wrongType(c)) return;
  const stored = conditionHolds(c, flags, compareIndex);
  if (flags & KEEPTTL && key.present) expireAt = key.expireAt;
  if (stored) putArg(c, 2, expireAt);
  if (flags & GET) writeValue(c);
  else if (stored) c.reply.ok();
  else c.reply.nullBulk();
}

function conditionHolds(c: Context, flags: number, compareIndex: number): boolean {
  if (flags & NX) return !c.key.present;
  if (flags & XX) return c.key.present;
  if (flags & IFEQ) return c.key.present && equalsArg(c, compareIndex);
  if (flags & IFNE) return !c.key.present || !equalsArg(c, compareIndex);
  return true;
}

function equalsArg(c: Context, index: number): boolean {
  const { args, key } = c;
  if (args.length[index] !== key.valueBytes) return false;
  const at = args.start[index];
  return key.bytes.compare(args.bytes, at, at + key.valueBytes, key.valueAt, key.valueAt + key.valueBytes) === 0;
}

/** @returns true after having written the error. */
export function wrongType(c: Context): boolean {
  if (!c.key.present || c.key.type === 0) return false;
  c.reply.error(WRONG_TYPE);
  return true;
}

/** @returns true after having written the null, when the key is missing. */
export function writeNoKey(c: Context): boolean {
  if (c.key.present) return false;
  c.reply.nullBulk();
  return true;
}

/** The key's value as a bulk string, or the null. */
export function writeValue(c: Context): void {
  const key = c.key;
  if (key.present) c.reply.bulk(key.bytes, key.valueAt, key.valueBytes);
  else c.reply.nullBulk();
}

export function setEx(c: Context): void {
  setWithTime(c, SECONDS | RELATIVE, "setex");
}

export function pSetEx(c: Context): void {
  setWithTime(c, RELATIVE, "psetex");
}

function setWithTime(c: Context, unit: number, name: string): void {
  const expireAt = timeArg(c, 2, unit, name);
  if (Number.isNaN(expireAt)) return;
  putArg(c, 3, expireAt);
  c.reply.ok();
}

export function setNx(c: Context): void {
  if (c.key.present) c.reply.int(0);
  else {
    putArg(c, 2, 0);
    c.reply.int(1);
  }
}

export function getSet(c: Context): void {
  if (wrongType(c)) return;
  writeValue(c);
  putArg(c, 2, 0);
}

export function getEx(c: Context): void {
  if (!parseOptions(c, 2, TIMES | PERSIST)) return;
  const { flags, timeIndex } = options;
  const key = c.key;
  if (writeNoKey(c) || wrongType(c)) return;
  let expireAt = key.expireAt;
  if (timeIndex > 0) {
    expireAt = timeArg(c, timeIndex, unitOf(flags), "getex");
    if (Number.isNaN(expireAt)) return;
  } else if (flags & PERSIST) expireAt = 0;
  writeValue(c);
  if (timeIndex > 0 && c.hasPassed(expireAt)) c.remove();
  else if (timeIndex > 0 || expireAt !== key.expireAt) c.put(key.bytes, key.valueAt, key.valueBytes, expireAt, key.raw);
}
