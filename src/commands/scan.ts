/**
 * commands/scan.ts: going through the keys: KEYS, SCAN, RANDOMKEY.
 * The number of keys comes first in a reply and is known last, so the keys are written aside and then joined to it.
 */
import { ReplyWriter } from "../codec/resp/reply-writer.js";
import { globMatches } from "../lib/glob.js";
import type { Viewed } from "../lib/view.js";
import type { KeyState } from "../ports/keyspace.js";
import type { Context } from "./context.js";
import { TYPE_NAMES } from "./keys.js";
import { clamp, integerArg, isWord } from "./numbers.js";
import { SYNTAX, upToNul } from "./texts.js";

const STAR = 42;
const COUNT_DEFAULT = 10;
const COUNT_MAX = Number.MAX_SAFE_INTEGER;
/** KEYS goes through the keyspace in steps of so many keys. */
const KEYS_STEP = 1000;

/** The keys that pass a filter, as replies. */
export class Found {
  readonly keys: ReplyWriter = new ReplyWriter(1024);
  count = 0;
  private readonly pattern: Buffer | undefined;
  private readonly type: string | undefined;

  /** @param pattern undefined or "*" takes all. @param type a lower-case type name, undefined takes all. */
  constructor(pattern: Buffer | undefined, type: string | undefined) {
    this.pattern = pattern?.length === 1 && pattern[0] === STAR ? undefined : pattern;
    this.type = type;
  }

  readonly visit = (state: KeyState): void => this.add(state.type, state.bytes, state.keyAt, state.keyBytes);

  add(keyType: number, bytes: Viewed, at: number, length: number): void {
    const { pattern, type } = this;
    if (type !== undefined && TYPE_NAMES[keyType] !== type) return;
    if (pattern !== undefined && !globMatches(pattern, bytes, at, length)) return;
    this.count++;
    this.keys.bulk(bytes, at, length);
  }

  write(reply: ReplyWriter): void {
    if (this.keys.tooLong) {
      reply.giveUp();
      return;
    }
    reply.array(this.count);
    reply.raw(this.keys.buf.subarray(0, this.keys.at));
  }
}

export function keys(c: Context): void {
  const found = new Found(c.args.view(1), undefined);
  let cursor = 0;
  do cursor = c.space.scan(c.db, cursor, KEYS_STEP, found.visit);
  while (cursor !== 0);
  found.write(c.reply);
}

export function randomKey(c: Context): void {
  const key = c.key;
  if (c.space.randomKey(c.db, key)) c.reply.bulk(key.bytes, key.keyAt, key.keyBytes);
  else c.reply.nullBulk();
}

export interface ScanRequest {
  readonly cursor: number;
  readonly count: number;
  readonly found: Found;
}

/** The arguments of SCAN. @returns undefined after having written an error. */
export function parseScan(c: Context): ScanRequest | undefined {
  const args = c.args;
  const cursor = parseCursor(upToNul(args.text(1)));
  if (cursor === undefined) {
    c.reply.error("ERR invalid cursor");
    return undefined;
  }
  let count = COUNT_DEFAULT;
  let pattern: Buffer | undefined;
  let type: string | undefined;
  for (let i = 2; i < args.count; i += 2) {
    const more = i + 1 < args.count;
    if (more && isWord(args, i, "count")) {
      const given = integerArg(c, i + 1);
      if (given === undefined) return undefined;
      count = clamp(given, 0, COUNT_MAX);
    } else if (more && isWord(args, i, "match")) pattern = args.view(i + 1);
    else if (more && isWord(args, i, "type")) type = args.lower(i + 1);
    else count = 0;
    if (count < 1) {
      c.reply.error(SYNTAX);
      return undefined;
    }
  }
  return { cursor, count, found: new Found(pattern, type) };
}

export function scan(c: Context): void {
  const request = parseScan(c);
  if (request === undefined) return;
  const { cursor, count, found } = request;
  // No cursor that was given out is as large as that: such an iteration is over.
  const next = cursor > Number.MAX_SAFE_INTEGER ? 0 : c.space.scan(c.db, cursor, count, found.visit);
  writeScan(c.reply, next, found);
}

export function writeScan(reply: ReplyWriter, next: number, found: Found): void {
  reply.array(2);
  reply.bulkText(String(next));
  found.write(reply);
}

const UINT64_MAX = 0xffffffffffffffffn;
const UINT64_DIGITS = 20;
const ZERO = 48;

/** A cursor as strtoul reads it: a sign is allowed, nothing counts as 0. @returns undefined when it is not one. */
function parseCursor(text: string): number | undefined {
  if (text === "") return 0;
  const signed = text[0] === "+" || text[0] === "-";
  let at = signed ? 1 : 0;
  while (at < text.length - 1 && text.charCodeAt(at) === ZERO) at++;
  // Looked at only when it may be one: making a number of a million digits takes long.
  const digits = text.slice(at);
  if (digits.length > UINT64_DIGITS || !/^\d+$/.test(digits)) return undefined;
  const value = BigInt(digits);
  if (value > UINT64_MAX) return undefined;
  return Number(text[0] === "-" ? BigInt.asUintN(64, -value) : value);
}
