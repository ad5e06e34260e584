/**
 * commands/bitop.ts: BITOP: strings combined bit by bit into one that is stored.
 * Shorter strings go on with zeros. The sources are looked up twice, once for their lengths and once for their bytes: what
 * one lookup lends may be gone after the next.
 */
import type { Context } from "./context.js";
import { isWord } from "./numbers.js";
import { wrongType } from "./set.js";
import { SYNTAX } from "./texts.js";

const AND = 0;
const OR = 1;
const XOR = 2;
const NOT = 3;
const NAMES = ["and", "or", "xor", "not"];

export function bitOp(c: Context): void {
  const { args, space, key } = c;
  const operation = NAMES.findIndex((name) => isWord(args, 1, name));
  if (operation < 0) {
    c.reply.error(SYNTAX);
    return;
  }
  if (operation === NOT && args.count !== 4) {
    c.reply.error("ERR BITOP NOT must be called with a single source key.");
    return;
  }
  let length = 0;
  for (let i = 3; i < args.count; i++) {
    if (!space.find(c.db, args.bytes, args.start[i], args.length[i], key, true)) continue;
    if (wrongType(c)) return;
    length = Math.max(length, key.valueBytes);
  }
  if (length === 0) {
    space.remove(c.db, args.bytes, args.start[2], args.length[2]);
    c.reply.int(0);
    return;
  }
  if (!c.fits(length)) return;
  const result = c.scratch(length);
  for (let i = 3; i < args.count; i++) {
    const present = space.find(c.db, args.bytes, args.start[i], args.length[i], key, false);
    combine(operation, i === 3, result, length, key.bytes, key.valueAt, present ? key.valueBytes : 0);
  }
  space.put(c.db, args.bytes, args.start[2], args.length[2], result, 0, length, 0, true);
  c.reply.int(length);
}

/** Fold one source into the result; the first one starts it. */
function combine(
  operation: number,
  first: boolean,
  result: Buffer,
  length: number,
  source: Buffer,
  at: number,
  bytes: number,
): void {
  if (first) {
    source.copy(result, 0, at, at + bytes);
    result.fill(0, bytes, length);
    if (operation === NOT) for (let i = 0; i < length; i++) result[i] = ~result[i];
    return;
  }
  if (operation === OR) for (let i = 0; i < bytes; i++) result[i] |= source[at + i];
  else if (operation === XOR) for (let i = 0; i < bytes; i++) result[i] ^= source[at + i];
  else if (operation === AND) {
    for (let i = 0; i < bytes; i++) result[i] &= source[at + i];
    result.fill(0, bytes, length);
  }
}
