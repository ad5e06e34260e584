/**
 * commands/lcs.ts: LCS: the longest common subsequence of two strings, by the textbook table.
 * Where several are equally long, the one that Redis finds is found: from the end, moving back in the second string first.
 */
import { viewed } from "../lib/view.js";
import type { Context } from "./context.js";
import { clamp, integerArg, isWord } from "./numbers.js";
import { SYNTAX } from "./texts.js";

interface Options {
  len: boolean;
  idx: boolean;
  withMatchLen: boolean;
  minMatchLen: number;
}

export function lcs(c: Context): void {
  const first = value(c, 1);
  const second = first === undefined ? undefined : value(c, 2);
  if (first === undefined || second === undefined) {
    c.reply.error("ERR The specified keys must contain string values");
    return;
  }
  const options = parseOptions(c);
  if (options === undefined) return;
  if (options.len && options.idx) {
    c.reply.error("ERR If you want both the length and indexes, please just use IDX.");
    return;
  }
  if ((first.length + 1) * (second.length + 1) * 4 > c.host.maxValueBytes) {
    c.reply.error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return;
  }
  const lengths = table(first, second);
  const longest = lengths[lengths.length - 1];
  if (options.len) c.reply.int(longest);
  else if (options.idx) writeMatches(c, first, second, lengths, options);
  else {
    const common = subsequence(first, second, lengths, longest);
    c.reply.bulk(viewed(common), 0, common.length);
  }
}

/** A copy of a key's string: what is borrowed might not outlive the second lookup. undefined when it holds no string. */
function value(c: Context, index: number): Buffer | undefined {
  const { args, key } = c;
  if (!c.space.find(c.db, args.bytes, args.start[index], args.length[index], key, true)) return Buffer.alloc(0);
  return key.type === 0 ? Buffer.from(key.bytes.subarray(key.valueAt, key.valueAt + key.valueBytes)) : undefined;
}

function parseOptions(c: Context): Options | undefined {
  const args = c.args;
  const options: Options = { len: false, idx: false, withMatchLen: false, minMatchLen: 0 };
  for (let i = 3; i < args.count; i++) {
    if (isWord(args, i, "idx")) options.idx = true;
    else if (isWord(args, i, "len")) options.len = true;
    else if (isWord(args, i, "withmatchlen")) options.withMatchLen = true;
    else if (isWord(args, i, "minmatchlen") && i + 1 < args.count) {
      const least = integerArg(c, ++i);
      if (least === undefined) return undefined;
      options.minMatchLen = clamp(least, 0, Number.MAX_SAFE_INTEGER);
    } else {
      c.reply.error(SYNTAX);
      return undefined;
    }
  }
  return options;
}

/** Row i, column j: length of the longest common subsequence of the first i and the first j bytes. O(a * b). */
function table(a: Buffer, b: Buffer): Uint32Array {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    const byte = a[i - 1];
    const row = i * width;
    for (let j = 1; j <= b.length; j++) {
      const above = lengths[row - width + j];
      const left = lengths[row + j - 1];
      if (byte === b[j - 1]) lengths[row + j] = lengths[row - width + j - 1] + 1;
      else lengths[row + j] = above > left ? above : left;
    }
  }
  return lengths;
}

function subsequence(a: Buffer, b: Buffer, lengths: Uint32Array, longest: number): Buffer {
  const common = Buffer.alloc(longest);
  const width = b.length + 1;
  let at = longest;
  for (let i = a.length, j = b.length; i > 0 && j > 0; ) {
    if (a[i - 1] === b[j - 1]) {
      common[--at] = a[i - 1];
      i--;
      j--;
    } else if (lengths[(i - 1) * width + j] > lengths[i * width + j - 1]) i--;
    else j--;
  }
  return common;
}

/** The stretches of bytes that match without a gap in either string, from the last to the first. */
function writeMatches(c: Context, a: Buffer, b: Buffer, lengths: Uint32Array, options: Options): void {
  const width = b.length + 1;
  const matches: [aFrom: number, bFrom: number, bytes: number][] = [];
  let bytes = 0;
  for (let i = a.length, j = b.length; i > 0 && j > 0; ) {
    const equal = a[i - 1] === b[j - 1];
    if (equal) {
      i--;
      j--;
      bytes++;
    }
    if (bytes > 0 && (!equal || i === 0 || j === 0)) {
      if (bytes >= options.minMatchLen) matches.push([i, j, bytes]);
      bytes = 0;
    }
    if (equal) continue;
    if (lengths[(i - 1) * width + j] > lengths[i * width + j - 1]) i--;
    else j--;
  }
  const { reply } = c;
  reply.map(2);
  reply.bulkText("matches");
  reply.array(matches.length);
  for (const [aFrom, bFrom, length] of matches) {
    reply.array(options.withMatchLen ? 3 : 2);
    for (const from of [aFrom, bFrom]) {
      reply.array(2);
      reply.int(from);
      reply.int(from + length - 1);
    }
    if (options.withMatchLen) reply.int(length);
  }
  reply.bulkText("len");
  reply.int(lengths[lengths.length - 1]);
}
