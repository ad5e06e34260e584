/**
 * bench/micro/registers.ts: nanoseconds per state looked up, accepted and marked by a replica: table, copy, and the append to the log's open
 * batch, which is thrown away here. Guards storage/registers.ts.
 */
import { VersionVector } from "../../src/core/clock/version-vector.js";
import { Random } from "../../src/lib/random.js";
import { viewed } from "../../src/lib/view.js";
import type { Log } from "../../src/storage/log.js";
import { RegisterStore } from "../../src/storage/register-store.js";
import { Registers } from "../../src/storage/registers.js";
import { encodeState, nameOf } from "../../src/storage/state-record.js";
import { Table } from "../../src/storage/table.js";
import { BatchBuilder } from "../../src/storage/wal-format.js";
import { fold, type Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked, VALUE } from "../lib/sample-data.js";

const KEYS = 100_000;
const STEP = 1000;
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
  const packed = keysPacked(KEYS);
  const registers = new Registers(new RegisterStore(new Table(1024, 1, 2), new NoLog(), new Random(1)));
  const names: string[] = [];
  let hlc = 1;
  // Two nodes have written each key: its record has a vector.
  const vv = VersionVector.of([
    { epoch: 0, hlc: 1, node: 0 },
    { epoch: 0, hlc: 2, node: 1 },
  ]);
  const value = { type: 0, raw: false, bytes: VALUE };
  const record = (name: string): Buffer =>
    encodeState(name, { epoch: 0, hlc: ++hlc, node: 1 }, { value, expireAt: 0, vv, cut: 0 });
  for (let i = 0; i < KEYS; i++) names.push(nameOf(0, packed, i * KEY_BYTES, KEY_BYTES));
  for (const name of names) registers.accept(record(name), false);
  const each = (act: (name: string) => number): (() => number) => {
    return () => {
      let sum = 1;
      for (let i = 0; i < STEP; i++) sum = fold(sum, act(names[i * (KEYS / STEP)] as string));
      return sum;
    };
  };
  const one = (what: string, act: (name: string) => number): Group => ({
    name: `storage/registers.ts, ${what}, ${KEYS} keys`,
    cases: [{ name: "kvorum", operations: STEP, run: each(act) }],
  });
  return [
    one("glance, its ballot", (name) => registers.glance(name)?.ballot.node ?? 0),
    one("held, its state", (name) => registers.held(name)?.state.value?.bytes.length ?? 0),
    one("encode and accept", (name) => {
      registers.accept(record(name), false);
      return registers.keys(0);
    }),
    one("mark", (name) => {
      registers.mark(name, { epoch: 0, hlc, node: 1 });
      return registers.tombstones;
    }),
  ];
}
