/**
 * codec/resp/peek.ts: which keys the next commands of a pipeline will ask for, seen without parsing them: so that memory can be
 * fetched for several at once, before the first of them runs.
 * A guess and no more: the first argument counts as the key, whatever the command. It must never change anything, fail, or be
 * relied on: what it does not recognise at a glance (inline commands, long headers, a command that has not come whole) ends it.
 */

const CR = 13;
const DOLLAR = 36;
const STAR = 42;
const ZERO = 48;
const ARGS_MAX = 9;
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
export function peekKeys(bytes: Buffer, from: number, end: number, keys: PeekedKeys): void {
  const most = keys.at.length;
  let count = 0;
  let at = from;
  while (count < most && at + 4 < end && bytes[at] === STAR && bytes[at + 2] === CR) {
    const args = bytes[at + 1] - ZERO;
    if (args < 1 || args > ARGS_MAX) break;
    at += 4;
    for (let i = 0; i < args; i++) {
      if (at + 3 >= end || bytes[at] !== DOLLAR) {
        keys.count = count;
        return;
      }
      let length = 0;
      for (at++; at < end && bytes[at] !== CR && length < LENGTH_MAX; at++) length = length * 10 + bytes[at] - ZERO;
      at += 2;
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
