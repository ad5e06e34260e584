/**
 * commands/kv.ts: KV.GET, KV.SET, KV.DEL: a key together with its version. HTTP stands on them; any client may use them. Compare and set is one
 * operation on one key, alone and in a cluster: nothing is read first and written later.
 *
 * A version is text that names one state of one key: who holds it and finds it unchanged knows that nobody wrote the key meanwhile, not even
 * the same bytes. It is compared, never ordered. In a cluster two nodes may write at the same tick of their clocks, so the
 * node belongs to it.
 */
import type { Context } from "./context.js";
import { deadlineOf, RELATIVE, writeExpireError } from "./deadline.js";
import { integerArg, isWord } from "./numbers.js";
import { wrongType } from "./set.js";
import { SYNTAX } from "./texts.js";

const NX = 1;
const IFMATCH = 2;
const PX = 4;
const KEEPTTL = 8;
const CONDITIONS = NX | IFMATCH;
const TIMES = PX | KEEPTTL;

const DOLLAR = 36;
const STAR = 42;
const LF = 10;
const NO_TTL = -1;

/** What parseOptions found. One for all: handlers run one after the other. */
const options = { flags: 0, timeIndex: 0, matches: false };

/** @param hlc of the dot that made the state, above 0. */
function versionText(hlc: number, node: number): string {
  const text = hlc.toString(36);
  return node === 0 ? text : `${text}-${node.toString(36)}`;
}

/** Is argument `index` the key's version, or the star that every key matches that is there? */
function matches(c: Context, index: number): boolean {
  const { args, key } = c;
  if (!key.present) return false;
  const from = args.start[index];
  if (args.length[index] === 1 && args.bytes[from] === STAR) return true;
  // What this very operation has made: nobody can hold its version.
  if (key.version === 0) return false;
  const version = versionText(key.version, key.versionNode);
  return args.length[index] === version.length && args.bytes.latin1Slice(from, from + version.length) === version;
}

/** Options from argument `from` on. IFMATCH may be repeated: one of them has to match. @returns false after having written a syntax error. */
function parseOptions(c: Context, from: number, allowed: number): boolean {
  const { args } = c;
  options.flags = 0;
  options.timeIndex = 0;
  options.matches = false;
  for (let i = from; i < args.count; i++) {
    const option = optionAt(c, i) & allowed;
    const takesNext = (option & (IFMATCH | PX)) !== 0;
    const group = option & CONDITIONS ? CONDITIONS : TIMES;
    const clash = (options.flags & group & ~option) !== 0;
    if (option === 0 || clash || (takesNext && i + 1 === args.count)) {
      c.reply.error(SYNTAX);
      return false;
    }
    options.flags |= option;
    if (takesNext) i++;
    if (option === PX) options.timeIndex = i;
    else if (option === IFMATCH && matches(c, i)) options.matches = true;
  }
  return true;
}

function optionAt(c: Context, index: number): number {
  const { args } = c;
  if (isWord(args, index, "nx")) return NX;
  if (isWord(args, index, "px")) return PX;
  if (isWord(args, index, "ifmatch")) return IFMATCH;
  return isWord(args, index, "keepttl") ? KEEPTTL : 0;
}

function conditionHolds(c: Context): boolean {
  if (options.flags & IFMATCH) return options.matches;
  return (options.flags & NX) === 0 || !c.key.present;
}

/**
 * KV.GET key: value, version and remaining milliseconds (-1: for ever); null when there is no such key. The version is null of a state that is not
 * chosen yet: behind a write of the key in the same EXEC, in a cluster.
 */
export function kvGet(c: Context): void {
  const { key, reply } = c;
  if (!key.present) {
    reply.nullBulk();
    return;
  }
  if (wrongType(c)) return;
  reply.array(3);
  reply.bulk(key.bytes, key.valueAt, key.valueBytes);
  if (key.version === 0) reply.nullBulk();
  else reply.bulkText(versionText(key.version, key.versionNode));
  reply.int(key.expireAt === 0 ? NO_TTL : Math.max(0, key.expireAt - c.now));
}

/** @param reply KV.GET's. @returns the node in the version that it tells; 0: it tells none. */
export function versionNodeOf(reply: Buffer): number {
  if (reply[0] !== STAR) return 0;
  const end = reply.lastIndexOf("\r\n:");
  const from = reply.lastIndexOf(LF, end - 1) + 1;
  if (reply[from] === DOLLAR) return 0; // null
  const [, node = "0"] = reply.latin1Slice(from, end).split("-");
  return Number.parseInt(node, 36);
}

/**
 * KV.SET key value [IFMATCH version ... | NX] [PX ms | KEEPTTL]: the new state's version and whether the key is new; null when the condition does
 * not hold. The version is null where it is not known before the state is chosen, which is so in a cluster.
 */
export function kvSet(c: Context): void {
  if (!parseOptions(c, 3, CONDITIONS | TIMES)) return;
  const { args, key, reply } = c;
  const { flags, timeIndex } = options;
  let expireAt = 0;
  if (timeIndex > 0) {
    const time = integerArg(c, timeIndex);
    if (time === undefined) return;
    expireAt = deadlineOf(c, time, RELATIVE);
    if (Number.isNaN(expireAt)) {
      writeExpireError(c, "kv.set");
      return;
    }
  }
  if (!conditionHolds(c)) {
    reply.nullBulk();
    return;
  }
  if (flags & KEEPTTL && key.present) expireAt = key.expireAt;
  const version = c.space.nextVersion;
  c.put(args.bytes, args.start[2], args.length[2], expireAt);
  reply.array(2);
  if (version === undefined) reply.nullBulk();
  else reply.bulkText(versionText(version, 0));
  reply.int(key.present ? 0 : 1);
}

/** KV.DEL key [IFMATCH version ...]: 1, 0 when there is no such key; null when the condition does not hold. */
export function kvDel(c: Context): void {
  if (!parseOptions(c, 2, IFMATCH)) return;
  const { key, reply } = c;
  if (!conditionHolds(c)) {
    reply.nullBulk();
    return;
  }
  if (key.present) c.remove();
  reply.int(key.present ? 1 : 0);
}
