/**
 * bench/micro/copy.ts: from which length on Buffer.copy, a native call, is faster than a byte loop. Guards the bound that
 * codec/record/record.ts (copyBytes) and codec/resp/reply-writer.ts use.
 */
import { copyBytes } from "../../src/codec/record/record.js";
import { fold, type Group } from "../lib/micro.js";

const COPIES = 64;
const LENGTHS: readonly number[] = [16, 64, 96, 128, 512, 4096];

function copying(length: number, copy: (from: Buffer, to: Buffer, at: number, length: number) => void): () => number {
  const from = Buffer.alloc(length, "kvorum");
  const to = Buffer.alloc(length * COPIES);
  return () => {
    let sum = 1;
    for (let i = 0; i < COPIES; i++) {
      // Another byte each time, so that no copy can be taken for the one before.
      from[length - 1] = i + 1;
      copy(from, to, i * length, length);
      sum = fold(sum, to[i * length + length - 1]);
    }
    return sum;
  };
}

function byLoop(from: Buffer, to: Buffer, at: number, length: number): void {
  for (let i = 0; i < length; i++) to[at + i] = from[i];
}

export function groups(): Group[] {
  return LENGTHS.map((length) => ({
    name: `codec/record/record.ts, copy of ${length} bytes`,
    cases: [
      {
        name: "kvorum copyBytes",
        operations: COPIES,
        run: copying(length, (from, to, at) => copyBytes(from, 0, to, at, length)),
      },
      { name: "byte loop", operations: COPIES, run: copying(length, byLoop) },
      {
        name: "Buffer.copy",
        operations: COPIES,
        run: copying(length, (from, to, at) => void from.copy(to, at, 0, length)),
      },
    ],
  }));
}
