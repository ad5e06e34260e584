/**
 * bench/micro/store.ts: nanoseconds per find and per put of the store: table, clock, gate and the append to the log's open batch,
 * which is thrown away here. Guards storage/store.ts.
 */
import { Random } from "../../src/lib/random.js";
import { viewed } from "../../src/lib/view.js";
import { KeyState } from "../../src/ports/keyspace.js";
import type { Log } from "../../src/storage/log.js";
import { Store } from "../../src/storage/store.js";
import { Table } from "../../src/storage/table.js";
import { BatchBuilder } from "../../src/storage/wal-format.js";
import { fold, type Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked, VALUE } from "../lib/sample-data.js";

const KEYS = 100_000;
const STEP = 1000;
const NOW_MS = 1_800_000_000_000;
const BATCH_BYTES: number = 1 << 20;

/** A log whose batches go nowhere. */
class NoLog implements Log {
  appendedLsn = 0;
  durableLsn = 0;
  private readonly batch: BatchBuilder = new BatchBuilder(BATCH_BYTES * 2);

  append(body: Buffer, at: number, length: number): number {
    if (this.batch.bytes() > BATCH_BYTES) this.batch.begin(this.appendedLsn + 1);
    this.batch.append(viewed(body), at, length);
    this.durableLsn = this.appendedLsn;
    return ++this.appendedLsn;
  }
}

export function groups(): Group[] {
  const packed = viewed(keysPacked(KEYS));
  const store = new Store(new Table(1024, 1, 2), new NoLog(), new Random(1));
  store.setTime(NOW_MS);
  const state = new KeyState();
  const put = (at: number): void => {
    store.gate = 0;
    store.put(0, packed, at, KEY_BYTES, viewed(VALUE), 0, VALUE.length, 0, false);
  };
  for (let i = 0; i < KEYS; i++) put(i * KEY_BYTES);
  const find = (at: number): number => {
    store.gate = 0;
    return store.find(0, packed, at, KEY_BYTES, state, true) ? state.bytes[state.valueAt] + state.valueBytes : 0;
  };
  const each = (act: (at: number) => number): (() => number) => {
    return () => {
      let sum = 1;
      for (let i = 0; i < STEP; i++) sum = fold(sum, act(i * (KEYS / STEP) * KEY_BYTES));
      return sum;
    };
  };
  const overwrite = (at: number): number => {
    put(at);
    return store.size(0);
  };
  return [
    {
      name: `storage/store.ts, find of ${KEYS} keys`,
      cases: [{ name: "kvorum", operations: STEP, run: each(find) }],
    },
    {
      name: `storage/store.ts, put over ${KEYS} keys`,
      cases: [{ name: "kvorum", operations: STEP, run: each(overwrite) }],
    },
  ];
}
