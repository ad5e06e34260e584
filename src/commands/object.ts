/**
 * commands/object.ts: OBJECT and MEMORY USAGE: how a value is kept and used, as far as clients can see it in Redis.
 * Encodings are what Redis would have chosen for the same value; here all strings are kept alike.
 */
import type { Context } from "./context.js";
import { integerArg, isWord, parseInteger } from "./numbers.js";
import { writeNoKey } from "./set.js";
import { SYNTAX } from "./texts.js";

/** Longest string that Redis keeps together with its header. */
const EMBSTR_BYTES_MAX = 44;
/** Redis shares the objects of the integers below this and reports their references as endless. */
const SHARED_INTEGERS = 10000;
const SHARED_REFERENCES = 0x7fffffff;

function asInteger(c: Context): number | bigint | undefined {
  const key = c.key;
  return key.raw || key.type !== 0 ? undefined : parseInteger(key.bytes, key.valueAt, key.valueBytes);
}

export function objectEncoding(c: Context): void {
  if (writeNoKey(c)) return;
  if (asInteger(c) !== undefined) c.reply.bulkText("int");
  else c.reply.bulkText(c.key.raw || c.key.valueBytes > EMBSTR_BYTES_MAX ? "raw" : "embstr");
}

export function objectRefCount(c: Context): void {
  if (writeNoKey(c)) return;
  const value = asInteger(c);
  const shared = value !== undefined && value >= 0 && value < SHARED_INTEGERS;
  c.reply.int(shared ? SHARED_REFERENCES : 1);
}

const SWITCHING =
  "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";

export function objectIdleTime(c: Context): void {
  if (writeNoKey(c)) return;
  const { args, space } = c;
  if (c.host.maxmemoryPolicy.endsWith("-lfu"))
    c.reply.error(`ERR An LFU maxmemory policy is selected, idle time not tracked. ${SWITCHING}`);
  else c.reply.int(space.idleSeconds(c.db, args.bytes, args.start[2], args.length[2]));
}

export function objectFreq(c: Context): void {
  if (writeNoKey(c)) return;
  const { args, space } = c;
  if (c.host.maxmemoryPolicy.endsWith("-lfu"))
    c.reply.int(space.frequency(c.db, args.bytes, args.start[2], args.length[2]));
  else c.reply.error(`ERR An LFU maxmemory policy is not selected, access frequency not tracked. ${SWITCHING}`);
}

/** SAMPLES is checked and otherwise of no effect: strings are counted whole. */
export function memoryUsage(c: Context): void {
  const { args, space } = c;
  for (let i = 3; i < args.count; i += 2) {
    const samples = isWord(args, i, "samples") && i + 1 < args.count ? integerArg(c, i + 1) : -1;
    if (samples === undefined) return;
    if (samples < 0) {
      c.reply.error(SYNTAX);
      return;
    }
  }
  if (!writeNoKey(c)) c.reply.int(space.memoryUsage(c.db, args.bytes, args.start[2], args.length[2]));
}
