/**
 * bench/micro/ring.ts: nanoseconds to find the replicas of a key, and to make a table and make it anew. Guards core/ring/ring.ts and
 * core/ring/balance.ts.
 */
import { place, rebalance } from "../../src/core/ring/balance.js";
import { type Member, movesBetween } from "../../src/core/ring/placement.js";
import { Ring } from "../../src/core/ring/ring.js";
import { type Viewed, viewed } from "../../src/lib/view.js";
import { fold, type Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked } from "../lib/sample-data.js";

const KEYS = 256;
const N = 3;
const PACKED: Viewed = viewed(keysPacked(KEYS));

const nodes = (count: number): Member[] => Array.from({ length: count }, (_, i) => ({ id: `node-${i}`, zone: "" }));

function looking(): () => number {
  const ring = new Ring(place(nodes(5), 1024, N));
  return () => {
    let sum = 1;
    for (let at = 0; at < PACKED.length; at += KEY_BYTES) {
      const row = ring.rowOfKey(PACKED, at, KEY_BYTES);
      for (let i = row; i < row + N; i++) sum = fold(sum, ring.table[i]);
    }
    return sum;
  };
}

function tables(): Group[] {
  const [before, members] = [place(nodes(100), 1024, N), nodes(101)];
  const name = "core/ring/balance.ts, 100 nodes, 1024 partitions";
  const making = (): number => place(nodes(100), 1024, N).table.reduce((sum, member) => fold(sum, member), 1);
  const joining = (): number => movesBetween(before, rebalance(before, members, N));
  return [
    { name, cases: [{ name: "the first table", operations: 1, run: making }] },
    { name, cases: [{ name: "one joins", operations: 1, run: joining }] },
  ];
}

export function groups(): Group[] {
  return [
    { name: "core/ring/ring.ts, a key's replicas", cases: [{ name: "kvorum", operations: KEYS, run: looking() }] },
    ...tables(),
  ];
}
