/**
 * commands/counters.ts: INCR, DECR, INCRBY, DECRBY and INCRBYFLOAT.
 * Up to 15 digits counters are numbers, built in scratch without allocation; beyond that they are bigints of 64 bits.
 */
import type { Context } from "./context.js";
import { addLongDoubles, formatLongDouble, parseLongDouble } from "./long-double.js";
import {
  INT64_MAX,
  INT64_MIN,
  INTEGER_BYTES_MAX,
  type Integer,
  integerArg,
  parseInteger,
  parseSmall,
  writeInteger,
} from "./numbers.js";
import { wrongType } from "./set.js";
import { NOT_FLOAT, NOT_INTEGER } from "./texts.js";

// HOT: once per INCR. No allocation up to 15 digits. Guard: bench/micro/commands.ts
export function incr(c: Context): void {
  add(c, 1);
}

export function decr(c: Context): void {
  add(c, -1);
}

export function incrBy(c: Context): void {
  const amount = integerArg(c, 2);
  if (amount !== undefined) add(c, amount);
}

export function decrBy(c: Context): void {
  const amount = integerArg(c, 2);
  if (amount === undefined) return;
  if (amount === INT64_MIN) c.reply.error("ERR decrement would overflow");
  else add(c, -amount);
}

function add(c: Context, amount: Integer): void {
  const key = c.key;
  if (key.present && key.type !== 0) {
    wrongType(c);
    return;
  }
  const current = key.present ? parseSmall(key.bytes, key.valueAt, key.valueBytes) : 0;
  if (Number.isNaN(current) || typeof amount !== "number") {
    addLarge(c, amount);
    return;
  }
  // Both have at most 15 digits, so their sum is exact.
  const sum = current + amount;
  const out = c.scratch(INTEGER_BYTES_MAX);
  c.put(out, 0, writeInteger(out, 0, sum), key.present ? key.expireAt : 0);
  c.reply.int(sum);
}

function addLarge(c: Context, amount: Integer): void {
  const key = c.key;
  const current = key.present ? parseInteger(key.bytes, key.valueAt, key.valueBytes) : 0;
  if (current === undefined) {
    c.reply.error(NOT_INTEGER);
    return;
  }
  const sum = BigInt(current) + BigInt(amount);
  if (sum > INT64_MAX || sum < INT64_MIN) {
    c.reply.error("ERR increment or decrement would overflow");
    return;
  }
  const out = c.scratch(INTEGER_BYTES_MAX);
  c.put(out, 0, out.latin1Write(sum.toString(), 0), key.present ? key.expireAt : 0);
  c.reply.bigint(sum);
}

export function incrByFloat(c: Context): void {
  const { args, key } = c;
  if (wrongType(c)) return;
  const text = key.present ? key.bytes.latin1Slice(key.valueAt, key.valueAt + key.valueBytes) : "0";
  const current = parseLongDouble(text);
  const amount = current === undefined ? undefined : parseLongDouble(args.text(2));
  if (current === undefined || amount === undefined) {
    c.reply.error(NOT_FLOAT);
    return;
  }
  const sum = addLongDoubles(current, amount);
  if (sum === undefined) {
    c.reply.error("ERR increment would produce NaN or Infinity");
    return;
  }
  const result = formatLongDouble(sum);
  const out = c.scratch(result.length);
  c.put(out, 0, out.latin1Write(result, 0), key.present ? key.expireAt : 0);
  c.reply.bulkText(result);
}
