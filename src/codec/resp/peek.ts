/**
 * codec/resp/peek.ts: which keys the next commands of a pipeline will ask for, seen without parsing them: so that memory can be
 * fetched for several at once, before the first of them runs.
 * A guess and no more: the first argument counts as the key, whatever the command. It must never change anything, fail, or be
 * relied on: what it does not recognise at a glance (inline commands, long headers, a command that has not come whole) ends it.
 */
import type { Viewed } from "../../lib/view.js";
import { SHORT_COUNT_BYTES, SHORT_LENGTH_BYTES_MAX, shortCount, shortLength } from "./short-header.js";

const CR = 13;
const DOLLAR = 36;
const ZERO = 48;
/** Lengths are read up to here: longer arguments are worth no hurry. */
const LENGTH_MAX = 65536;

/** Keys seen: where each begins in the bytes, and how long it is. */
export class PeekedKeys {
  count = 0;
  readonly at: Int32Array;
  readonly length: Int32Array;

  /** @param most keys at a time. */
  constructor(most: number) {
    this.at = new Int32Array(most);
    this.length = new Int32Array(most);
  }
}

// HOT: once per command of a pipeline. No allocation. Guard: bench/micro/store.ts
/** Fill `keys` with those of the commands in bytes[from .. end), as many as it holds. */
export function peekKeys(bytes: Viewed, from: number, end: number, keys: PeekedKeys): void {
  const { view } = bytes;
  const most = keys.at.length;
  let count = 0;
  let at = from;
  while (count < most && at + SHORT_COUNT_BYTES <= end) {
    const args = shortCount(view.getInt32(at, true));
    if (args === 0) break;
    at += SHORT_COUNT_BYTES;
    for (let i = 0; i < args; i++) {
      if (at + SHORT_LENGTH_BYTES_MAX > end) {
        keys.count = count;
        return;
      }
      let length = 0;
      const short = shortLength(view.getInt32(at, true));
      if (short >= 0) {
        length = short >>> 3;
        at += short & 7;
      } else {
        if (bytes[at] !== DOLLAR) length = LENGTH_MAX;
        for (at++; at < end && bytes[at] !== CR && length < LENGTH_MAX; at++) length = length * 10 + bytes[at] - ZERO;
        at += 2;
      }
      if (length < 0 || length >= LENGTH_MAX || at + length > end) {
        keys.count = count;
        return;
      }
      if (i === 1) {
        keys.at[count] = at;
        keys.length[count++] = length;
      }
      at += length + 2;
    }
  }
  keys.count = count;
}
