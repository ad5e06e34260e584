/**
 * commands/expiry.ts: deadlines of keys: EXPIRE and its kin, TTL and its kin, PERSIST.
 * A deadline that has passed removes the key at once. Arguments are checked before the key is looked at, as in Redis.
 */
import type { Context } from "./context.js";
import { RELATIVE, SECONDS, signedDeadlineOf, writeExpireError } from "./deadline.js";
import { integerArg, isWord } from "./numbers.js";
import { upToNul } from "./texts.js";

const NX = 1;
const XX = 2;
const GT = 4;
const LT = 8;

export function expire(c: Context): void {
  setDeadline(c, SECONDS | RELATIVE, "expire");
}

export function pExpire(c: Context): void {
  setDeadline(c, RELATIVE, "pexpire");
}

export function expireAt(c: Context): void {
  setDeadline(c, SECONDS, "expireat");
}

export function pExpireAt(c: Context): void {
  setDeadline(c, 0, "pexpireat");
}

function setDeadline(c: Context, unit: number, name: string): void {
  const conditions = parseConditions(c);
  if (conditions < 0) return;
  const time = integerArg(c, 2);
  if (time === undefined) return;
  const deadline = signedDeadlineOf(c, time, unit);
  if (Number.isNaN(deadline)) {
    writeExpireError(c, name);
    return;
  }
  const key = c.key;
  if (!key.present || !allowed(conditions, deadline, key.expireAt)) {
    c.reply.int(0);
    return;
  }
  // No clock is in question where the time left is nothing.
  const gone = unit & RELATIVE ? deadline <= c.now : c.hasPassed(deadline);
  if (gone) c.remove();
  else c.put(key.bytes, key.valueAt, key.valueBytes, deadline, key.raw);
  c.reply.int(1);
}

/** @returns the conditions from argument 3 on, or -1 after having written an error. */
function parseConditions(c: Context): number {
  const args = c.args;
  let conditions = 0;
  for (let i = 3; i < args.count; i++) {
    if (isWord(args, i, "nx")) conditions |= NX;
    else if (isWord(args, i, "xx")) conditions |= XX;
    else if (isWord(args, i, "gt")) conditions |= GT;
    else if (isWord(args, i, "lt")) conditions |= LT;
    else {
      c.reply.error(`ERR Unsupported option ${upToNul(args.text(i))}`);
      return -1;
    }
  }
  if (conditions & NX && conditions & (XX | GT | LT)) {
    c.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return -1;
  }
  if (conditions & GT && conditions & LT) {
    c.reply.error("ERR GT and LT options at the same time are not compatible");
    return -1;
  }
  return conditions;
}

/** No deadline counts as one infinitely far away. */
function allowed(conditions: number, deadline: number, current: number): boolean {
  if (conditions & NX && current !== 0) return false;
  if (conditions & XX && current === 0) return false;
  if (conditions & GT && (current === 0 || deadline <= current)) return false;
  return !(conditions & LT && current !== 0 && deadline >= current);
}

const ABSENT = -2;
const NO_DEADLINE = -1;

/** A member of a cluster may hold a key past its deadline for a while: it is there, and -1 and -2 mean something else. */
function leftMs(expireAt: number, now: number): number {
  return Math.max(0, expireAt - now);
}

export function ttl(c: Context): void {
  const key = c.key;
  if (!key.present) c.reply.int(ABSENT);
  else if (key.expireAt === 0) c.reply.int(NO_DEADLINE);
  else c.reply.int(Math.floor((leftMs(key.expireAt, c.now) + 500) / 1000));
}

export function pTtl(c: Context): void {
  const key = c.key;
  if (!key.present) c.reply.int(ABSENT);
  else c.reply.int(key.expireAt === 0 ? NO_DEADLINE : leftMs(key.expireAt, c.now));
}

export function expireTime(c: Context): void {
  const key = c.key;
  if (!key.present) c.reply.int(ABSENT);
  else c.reply.int(key.expireAt === 0 ? NO_DEADLINE : Math.floor((key.expireAt + 500) / 1000));
}

export function pExpireTime(c: Context): void {
  const key = c.key;
  if (!key.present) c.reply.int(ABSENT);
  else c.reply.int(key.expireAt === 0 ? NO_DEADLINE : key.expireAt);
}

export function persist(c: Context): void {
  const key = c.key;
  if (!key.present || key.expireAt === 0) {
    c.reply.int(0);
    return;
  }
  c.put(key.bytes, key.valueAt, key.valueBytes, 0, key.raw);
  c.reply.int(1);
}
