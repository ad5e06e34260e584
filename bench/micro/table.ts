/**
 * bench/micro/table.ts: nanoseconds per lookup and per overwrite in a table of 100,000 keys, against Map and lru-cache with string
 * keys and Buffer values. Guards storage/table.ts.
 * All start from bytes, as a server does: Map and lru-cache pay for the string that they need as a key. Values are copied in
 * by all, since the bytes of a request do not stay. What this leaves out favours the other two: garbage collection of their
 * values over hours.
 */
import { LRUCache } from "lru-cache";
import { bodyBytesOf, encodeBody } from "../../src/codec/record/record.js";
import { viewed } from "../../src/lib/view.js";
import { Table } from "../../src/storage/table.js";
import { fold, type Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked, VALUE } from "../lib/sample-data.js";

const KEYS = 100_000;
const STEP = 1000;
const PARTITIONS = 1024;
const BODY_BYTES: number = bodyBytesOf(KEY_BYTES, VALUE.length, false);
const VALUE_IN_BODY: number = BODY_BYTES - VALUE.length;

interface Store {
  get(at: number): number;
  set(at: number): void;
}

/** Where `STEP` operations take their keys: another part of them at each call would make the checksum change. */
function each(packed: Buffer, act: (at: number) => number): () => number {
  return () => {
    let sum = 1;
    for (let i = 0; i < STEP; i++) sum = fold(sum, act(i * (KEYS / STEP) * KEY_BYTES));
    return packed.length > 0 ? sum : 0;
  };
}

function tableStore(packed: Buffer): Store {
  const keys = viewed(packed);
  const value = viewed(VALUE);
  const table = new Table(PARTITIONS, 1, 2);
  let lsn = 0;
  return {
    get(at) {
      return table.find(0, keys, at, KEY_BYTES) === 0 ? 0 : table.body[table.bodyAt + VALUE_IN_BODY];
    },
    set(at) {
      const ref = table.find(0, keys, at, KEY_BYTES);
      table.replace(0, ref, BODY_BYTES, ++lsn, 0);
      encodeBody(table.body, table.bodyAt, 0, 0, lsn, 0, 0, keys, at, KEY_BYTES, value, 0, VALUE.length);
    },
  };
}

interface StringKeyed {
  get(key: string): Buffer | undefined;
  set(key: string, value: Buffer): unknown;
}

function stringStore(packed: Buffer, map: StringKeyed): Store {
  return {
    get(at) {
      return map.get(packed.latin1Slice(at, at + KEY_BYTES))?.[0] ?? 0;
    },
    set(at) {
      map.set(packed.latin1Slice(at, at + KEY_BYTES), Buffer.from(VALUE));
    },
  };
}

export function groups(): Group[] {
  const packed = keysPacked(KEYS);
  const stores: Readonly<Record<string, Store>> = {
    "kvorum table": tableStore(packed),
    "Map of Buffers": stringStore(packed, new Map<string, Buffer>()),
    "lru-cache of Buffers": stringStore(packed, new LRUCache<string, Buffer>({ max: KEYS })),
  };
  for (const store of Object.values(stores)) for (let i = 0; i < KEYS; i++) store.set(i * KEY_BYTES);
  const cases = (act: (store: Store) => (at: number) => number): Group["cases"] =>
    Object.entries(stores).map(([name, store]) => ({ name, operations: STEP, run: each(packed, act(store)) }));
  return [
    { name: `storage/table.ts, get of ${KEYS} keys`, cases: cases((store) => (at) => store.get(at)) },
    {
      name: `storage/table.ts, overwrite of ${KEYS} keys`,
      cases: cases((store) => (at) => {
        store.set(at);
        return VALUE[0];
      }),
    },
  ];
}
