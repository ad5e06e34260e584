/**
 * bench/micro/copy.ts: words through DataViews, and without them, against a byte loop and Buffer.copy, a native call, by length. Guards the bounds in
 * lib/copy.ts.
 */
import { copyBytes, copyPlain } from "../../src/lib/copy.js";
import { type Viewed, viewed } from "../../src/lib/view.js";
import { fold, type Group } from "../lib/micro.js";

const COPIES = 64;
const LENGTHS: readonly number[] = [16, 64, 96, 128, 512, 4096];
/** Copies come out of the middle of a larger buffer, as a value does out of what a socket read. */
const SOURCE_BYTES: number = 1 << 19;

type Copy = (from: Viewed, fromAt: number, to: Viewed, toAt: number, length: number) => void;

function copying(length: number, copy: Copy): () => number {
  const from = viewed(Buffer.alloc(SOURCE_BYTES, "kvorum and its bytes "));
  const to = viewed(Buffer.alloc(length * COPIES));
  return () => {
    let sum = 1;
    for (let i = 0; i < COPIES; i++) {
      copy(from, 13 + i * (length + 17), to, i * length, length);
      sum = fold(sum, to[i * length + length - 1]);
    }
    return sum;
  };
}

function byLoop(from: Buffer, fromAt: number, to: Buffer, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i];
}

function byCopy(from: Buffer, fromAt: number, to: Buffer, toAt: number, length: number): void {
  from.copy(to, toAt, fromAt, fromAt + length);
}

export function groups(): Group[] {
  return LENGTHS.map((length) => ({
    name: `lib/copy.ts, copy of ${length} bytes`,
    cases: [
      { name: "kvorum copyBytes", operations: COPIES, run: copying(length, copyBytes) },
      { name: "kvorum copyPlain", operations: COPIES, run: copying(length, copyPlain) },
      { name: "byte loop", operations: COPIES, run: copying(length, byLoop) },
      { name: "Buffer.copy", operations: COPIES, run: copying(length, byCopy) },
    ],
  }));
}
