/**
 * lib/lzf.ts: LZF, the compression of Redis's snapshots and DUMP payloads, both ways.
 * Must never: write outside `out`, or trust a length from the input.
 *
 *   000LLLLL                      L + 1 literal bytes follow (1..32)
 *   LLLOOOOO OOOOOOOO             L = 1..6: copy L + 2 bytes from O + 1 bytes back
 *   111OOOOO LLLLLLLL OOOOOOOO    copy L + 9 bytes from O + 1 bytes back
 *
 * The format leaves the search to the writer; this one remembers the last place of every three bytes, so its output may
 * differ from Redis's in bytes, though hardly in length.
 */

const LITERALS_MAX = 32;
const DISTANCE_MAX = 8192;
const MATCH_MIN = 3;
const MATCH_MAX = 264;
/** Lengths below this fit into the first byte of a copy. */
const MATCH_SHORT = 9;
const HASH_BITS = 14;

/** Where each hash was seen last, plus one; 0 = not yet. Reused: a compression starts by clearing it. */
let seen: Int32Array | undefined;

/**
 * Compress bytes[at .. at + length) into `out`.
 * @param outMax give up when more than this would be needed; out[outAt .. outAt + outMax) must exist.
 * @returns the compressed length, or 0 when it does not fit.
 */
export function lzfCompress(
  bytes: Uint8Array,
  at: number,
  length: number,
  out: Uint8Array,
  outAt: number,
  outMax: number,
): number {
  seen ??= new Int32Array(1 << HASH_BITS);
  seen.fill(0);
  const end = at + length;
  const stop = outAt + outMax;
  let o = outAt;
  let literals = at;
  for (let i = at; i + MATCH_MIN <= end; ) {
    const three = (bytes[i] << 16) | (bytes[i + 1] << 8) | bytes[i + 2];
    const hash = Math.imul(three, 0x9e3779b1) >>> (32 - HASH_BITS);
    const before = seen[hash] - 1;
    seen[hash] = i + 1;
    const size = before >= at && i - before <= DISTANCE_MAX ? matchLength(bytes, before, i, end) : 0;
    if (size < MATCH_MIN) {
      i++;
      continue;
    }
    o = writeLiterals(bytes, literals, i, out, o, stop);
    if (o < 0 || o + 3 > stop) return 0;
    const back = i - before - 1;
    if (size < MATCH_SHORT) out[o++] = ((size - 2) << 5) | (back >> 8);
    else {
      out[o++] = 0xe0 | (back >> 8);
      out[o++] = size - MATCH_SHORT;
    }
    out[o++] = back;
    i += size;
    literals = i;
  }
  o = writeLiterals(bytes, literals, end, out, o, stop);
  return o < 0 ? 0 : o - outAt;
}

function matchLength(bytes: Uint8Array, a: number, b: number, end: number): number {
  const max = Math.min(MATCH_MAX, end - b);
  let size = 0;
  while (size < max && bytes[a + size] === bytes[b + size]) size++;
  return size;
}

/** @returns where the output goes on, or -1 when there is no room. */
function writeLiterals(bytes: Uint8Array, from: number, to: number, out: Uint8Array, o: number, stop: number): number {
  for (let i = from; i < to; ) {
    const run = Math.min(LITERALS_MAX, to - i);
    if (o + 1 + run > stop) return -1;
    out[o++] = run - 1;
    for (let j = 0; j < run; j++) out[o++] = bytes[i++];
  }
  return o;
}

/**
 * Undo it: bytes[at .. at + length) must give exactly `outLength` bytes, which are written to out[0 ..).
 * @returns false when it is malformed; `out` then holds anything.
 */
export function lzfDecompress(
  bytes: Uint8Array,
  at: number,
  length: number,
  out: Uint8Array,
  outLength: number,
): boolean {
  const end = at + length;
  let i = at;
  let o = 0;
  while (i < end) {
    const control = bytes[i++];
    if (control < LITERALS_MAX) {
      const run = control + 1;
      if (i + run > end || o + run > outLength) return false;
      for (let j = 0; j < run; j++) out[o++] = bytes[i++];
      continue;
    }
    let size = (control >> 5) + 2;
    if (size === MATCH_SHORT) {
      if (i >= end) return false;
      size += bytes[i++];
    }
    if (i >= end) return false;
    const from = o - ((control & 31) << 8) - bytes[i++] - 1;
    if (from < 0 || o + size > outLength) return false;
    // Byte by byte: source and target may overlap, which repeats a pattern.
    for (let j = 0; j < size; j++) out[o++] = out[from + j];
  }
  return o === outLength;
}
