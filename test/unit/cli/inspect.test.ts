/**
 * test/unit/cli/inspect.test.ts: what `kvorum inspect` says of a member's directory: ceilings, dots, vectors and tombstones in words and in
 * JSON; of a node alone nothing of the kind.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { inspect } from "../../../src/cli/verbs/inspect.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import { encodeState } from "../../../src/storage/state-record.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { readFile } from "../../lib/written-log.js";

/** What the verb writes, run on the files of `disk`. */
async function shown(disk: MemoryDisk, ...argv: string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "kvorum-inspect-"));
  const { write } = process.stdout;
  let text = "";
  try {
    for (const name of disk.list()) writeFileSync(join(directory, name), readFile(disk, name));
    process.stdout.write = ((chunk: string, done: () => void) => {
      text += chunk;
      done();
      return true;
    }) as typeof write;
    assert.is(await inspect([...argv, directory]), 0);
  } finally {
    process.stdout.write = write;
    rmSync(directory, { recursive: true });
  }
  return text;
}

function member(): MemoryDisk {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const { registers } = openEngine(disk, scheduler, { register: true });
  const value = { type: 0, raw: false, bytes: Buffer.from("five!") };
  const ballot = { epoch: 2, hlc: 700, node: 1 };
  const vv = VersionVector.of([
    { epoch: 0, hlc: 500, node: 0 },
    { epoch: 1, hlc: 600, node: 2 },
  ]);
  registers.accept(encodeState("\0k", ballot, { value, expireAt: 0, vv, cut: 40 }), false);
  registers.accept(
    encodeState(
      "\x03gone",
      { epoch: 0, hlc: 9, node: 2 },
      { value: undefined, expireAt: 0, vv: VersionVector.EMPTY, cut: 0 },
    ),
    false,
  );
  registers.logCeiling(12_345_678_901_234);
  scheduler.advance(5);
  return disk;
}

test("a member's log in words", async () => {
  const text = await shown(member(), "wal", "--records");
  const lines = text.split("\n").map((line) => line.trim());
  assert.ok(
    lines.includes(
      '2: db 0 "k", value 5 bytes, body 64 bytes, dot 700@1 epoch 2, last changes 500@0 600@2 epoch 1, cut 40',
    ),
    text,
  );
  assert.ok(lines.includes('3: db 3 "gone", tombstone, body 22 bytes, dot 9@2, last changes not known'), text);
  assert.ok(lines.includes("4: ceiling 12345678901234"), text);
});

test("a member's log in JSON", async () => {
  const [segment] = JSON.parse(await shown(member(), "wal", "--records", "--json")).segments;
  const [state, gone, ceiling] = segment.batches[1].records;
  assert.equal(
    [state.kind, state.epoch, state.hlc, state.node, state.cut, state.vector.length],
    ["state", 2, 700, 1, 40, 2],
  );
  assert.equal(state.vector[1], { epoch: 1, hlc: 600, node: 2 });
  assert.equal([gone.kind, gone.node, gone.vector, gone.cut], ["tombstone", 2, [], 0]);
  assert.equal([ceiling.kind, ceiling.hlc], ["ceiling", 12_345_678_901_234]);
});

test("of a node alone nothing is said that it has not", async () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const { store } = openEngine(disk, scheduler);
  store.put(0, viewed(Buffer.from("k")), 0, 1, viewed(Buffer.from("v")), 0, 1, 0, false);
  scheduler.advance(5);
  const text = await shown(disk, "wal", "--records");
  assert.ok(text.includes('2: db 0 "k", value 1 bytes, body 18 bytes\n'), text);
  const [segment] = JSON.parse(await shown(disk, "wal", "--records", "--json")).segments;
  const [record] = segment.batches[1].records;
  for (const key of ["epoch", "node", "vector", "cut"]) assert.not.ok(key in record, key);
});

test.run();
