/**
 * commands/lookup.ts: from a command's name, as bytes, to its row; and to the nearest row when there is none.
 * Must never: make a string on the way to a command that exists.
 * Invariants: names are lower-case ASCII; the table is open addressing with linear steps, at most half full, and never
 * changes after construction, so that a search always ends at a hit or an empty place.
 */
import type { Args } from "../codec/resp/args.js";
import type { CommandSpec } from "./spec.js";

/** One level of names: the commands, or the subcommands of one of them. */
export class NameTable {
  private readonly mask: number;
  private readonly specs: (CommandSpec | undefined)[];
  /** The names, one after the other; nameAt[i] .. + nameLength[i] belongs to specs[i]. */
  private readonly names: Uint8Array;
  private readonly nameAt: Int32Array;
  private readonly nameLength: Int32Array;

  constructor(specs: readonly CommandSpec[]) {
    let size = 8;
    while (size < specs.length * 4) size *= 2;
    this.mask = size - 1;
    this.specs = new Array(size).fill(undefined);
    this.nameAt = new Int32Array(size);
    this.nameLength = new Int32Array(size);
    this.names = Buffer.from(specs.map((spec) => spec.name).join(""), "latin1");
    let at = 0;
    for (const spec of specs) {
      const length = spec.name.length;
      let place = hash(this.names, at, length) & this.mask;
      while (this.specs[place] !== undefined) place = (place + 1) & this.mask;
      this.specs[place] = spec;
      this.nameAt[place] = at;
      this.nameLength[place] = length;
      at += length;
    }
  }

  // HOT: once per command. No allocation, no string. Guard: bench/micro/commands.ts
  /** The command named by an argument, in any case; undefined when there is none. O(name). */
  find(args: Args, index: number): CommandSpec | undefined {
    const bytes = args.bytes;
    const at = args.start[index];
    const length = args.length[index];
    const mask = this.mask;
    for (let place = hash(bytes, at, length) & mask; ; place = (place + 1) & mask) {
      const spec = this.specs[place];
      if (spec === undefined) return undefined;
      if (this.nameLength[place] === length && same(this.names, this.nameAt[place], bytes, at, length)) return spec;
    }
  }
}

const HASHED_BYTES_MAX = 24;

/** Case-insensitive for letters. Reads at most HASHED_BYTES_MAX bytes: a name of a megabyte costs no more. */
function hash(bytes: Uint8Array, at: number, length: number): number {
  let h = length;
  const end = length > HASHED_BYTES_MAX ? HASHED_BYTES_MAX : length;
  for (let i = 0; i < end; i++) h = (Math.imul(h, 31) + (bytes[at + i] | 32)) | 0;
  return h ^ (h >>> 7);
}

function same(name: Uint8Array, nameAt: number, bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    let byte = bytes[at + i];
    if (byte >= 65 && byte <= 90) byte += 32;
    if (byte !== name[nameAt + i]) return false;
  }
  return true;
}

/** Further than this it is another word, not a misspelling. */
const DISTANCE_MAX = 2;
const NEAREST_CHARS_MAX = 32;

/**
 * The name among `names` that `name` is most likely meant to be; undefined when none is near. For error hints only.
 * O(names * length^2).
 */
export function nearest(name: string, names: readonly string[]): string | undefined {
  if (name.length > NEAREST_CHARS_MAX) return undefined;
  const wanted = name.toLowerCase();
  let best: string | undefined;
  // Half of a short word may not be wrong: "x" is not near "get".
  let bestDistance = Math.min(DISTANCE_MAX, Math.floor(wanted.length / 2)) + 1;
  for (const candidate of names) {
    if (Math.abs(candidate.length - wanted.length) >= bestDistance) continue;
    const found = distance(wanted, candidate);
    if (found < bestDistance) {
      best = candidate;
      bestDistance = found;
    }
  }
  return best;
}

/** Insertions, removals, replacements and swaps of neighbours from one word to the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last: number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(row[j - 1] + 1, last[j] + 1, last[j - 1] + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.length];
}
