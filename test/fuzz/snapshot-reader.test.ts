/**
 * test/fuzz/snapshot-reader.test.ts: snapshots, damaged in every way that comes to mind. Every byte counts: a file that is not what was
 * written is CorruptionError, and no record handed over before that is one that was not written.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkBody, writeU32 } from "../../src/codec/record/record.js";
import { crc32 } from "../../src/lib/crc.js";
import { CorruptionError, FormatError } from "../../src/lib/errors.js";
import { Random } from "../../src/lib/random.js";
import { viewed } from "../../src/lib/view.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { KeyState } from "../../src/ports/keyspace.js";
import {
  BLOCK_HEADER_BYTES,
  encodeFooter,
  encodeSnapshotHeader,
  extendDigest,
  FOOTER_BYTES,
  SNAPSHOT_HEADER_BYTES,
  sealBlock,
  snapshotLsn,
  snapshotName,
} from "../../src/storage/snapshot-format.js";
import { SnapshotReader } from "../../src/storage/snapshot-reader.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { change, changed, fuzz, SEED } from "../lib/fuzz.js";
import { openEngine } from "../lib/open-engine.js";
import { randomBody, readFile } from "../lib/written-log.js";

interface Snapshot {
  readonly name: string;
  readonly bytes: Buffer;
  readonly bodies: readonly Buffer[];
  /** Where the blocks begin, and where the footer does. */
  readonly edges: readonly number[];
}

/** Many small blocks, as a snapshot of many partitions would have large ones. */
function build(random: Random, blocks: number): Snapshot {
  const startLsn = random.below(1000);
  const parts = [encodeSnapshotHeader(startLsn, random.below(1e9))];
  const bodies: Buffer[] = [];
  const edges = [SNAPSHOT_HEADER_BYTES];
  let digest = 0;
  for (let i = 0; i < blocks; i++) {
    const inside = Array.from({ length: 1 + random.below(5) }, () => randomBody(random));
    const block = Buffer.concat([Buffer.alloc(BLOCK_HEADER_BYTES), ...inside]);
    digest = extendDigest(digest, sealBlock(block, block.length - BLOCK_HEADER_BYTES, inside.length));
    bodies.push(...inside);
    parts.push(block);
    edges.push((edges[i] as number) + block.length);
  }
  parts.push(encodeFooter({ blocks, records: bodies.length, hlc: random.below(1e9), digest }));
  return { name: snapshotName(startLsn), bytes: Buffer.concat(parts), bodies, edges };
}

const SNAPSHOTS: readonly Snapshot[] = Array.from({ length: 8 }, (_, i) => build(new Random(SEED + i), i));

interface Outcome {
  readonly bodies: readonly Buffer[];
  readonly error: CorruptionError | undefined;
}

/** @throws what is neither. */
function read(name: string, bytes: Buffer): Outcome {
  const disk = new MemoryDisk(new FakeScheduler());
  const file = disk.open(name, { create: true });
  disk.write(file, bytes, 0, bytes.length, 0);
  const bodies: Buffer[] = [];
  try {
    const reader = new SnapshotReader(disk, name, (body, at, length) => {
      assert.ok(at >= 0 && at + length <= body.length, "a record outside of what was read");
      bodies.push(Buffer.from(body.subarray(at, at + length)));
    });
    while (reader.step());
    assert.is(reader.records, bodies.length);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    assert.ok(error.file === name && error.offsetBytes >= 0 && error.offsetBytes <= bytes.length, error.message);
    return { bodies, error };
  }
  return { bodies, error: undefined };
}

function judge(snapshot: Snapshot, bytes: Buffer): void {
  const { bodies, error } = read(snapshot.name, bytes);
  for (const [i, body] of bodies.entries())
    assert.ok(snapshot.bodies[i]?.equals(body), `record ${i} was not written so`);
  assert.is(error === undefined, bytes.equals(snapshot.bytes), error?.message ?? "the damage was not found");
  if (error === undefined) assert.is(bodies.length, snapshot.bodies.length);
}

/** By number, which is what a failure then shows. */
const any = fc.nat(SNAPSHOTS.length - 1);

test("whole, and cut off at every byte", () => {
  for (const snapshot of SNAPSHOTS) {
    for (let end = snapshot.bytes.length; end >= 0; end -= end > 3000 ? 37 : 1)
      judge(snapshot, snapshot.bytes.subarray(0, end));
  }
});

test("one byte changed", () => {
  fuzz(
    fc.property(any, fc.nat(), fc.integer({ min: 1, max: 255 }), (index, place, bits) => {
      const snapshot = SNAPSHOTS[index];
      const bytes = Buffer.from(snapshot.bytes);
      bytes[place % bytes.length] ^= bits;
      judge(snapshot, bytes);
    }),
    4000,
  );
});

test("bytes changed, put in and taken out", () => {
  fuzz(
    fc.property(any, fc.array(change, { minLength: 1, maxLength: 4 }), (index, changes) => {
      const snapshot = SNAPSHOTS[index];
      judge(snapshot, changed(snapshot.bytes, changes));
    }),
    4000,
  );
});

test("sectors of zeros, and bytes behind the end", () => {
  fuzz(
    fc.property(any, fc.array(fc.nat(), { maxLength: 3 }), fc.uint8Array({ maxLength: 600 }), (index, places, more) => {
      const snapshot = SNAPSHOTS[index];
      const bytes = Buffer.concat([snapshot.bytes, more]);
      for (const place of places) {
        const at = (place % Math.ceil(bytes.length / 512)) * 512;
        bytes.fill(0, at, Math.min(bytes.length, at + 512));
      }
      judge(snapshot, bytes);
    }),
    2000,
  );
});

test("blocks that are missing, doubled, in each other's place or another snapshot's", () => {
  const kinds = fc.constantFrom("missing", "doubled", "swapped", "foreign");
  fuzz(
    fc.property(any, any, kinds, fc.nat(), fc.nat(), (index, foreign, kind, n, m) => {
      const snapshot = SNAPSHOTS[index];
      const { bytes, edges } = snapshot;
      const blockOf = (of: Snapshot, i: number): Buffer => of.bytes.subarray(of.edges[i], of.edges[i + 1]);
      const blocks = edges.slice(0, -1).map((_, i) => blockOf(snapshot, i));
      if (blocks.length === 0) return;
      const [one, other] = [n % blocks.length, m % blocks.length];
      const others = SNAPSHOTS[foreign];
      if (kind === "missing") blocks.splice(one, 1);
      else if (kind === "doubled") blocks.splice(other, 0, blocks[one]);
      else if (kind === "foreign") blocks[one] = blockOf(others, Math.min(m % 8, others.edges.length - 2));
      else [blocks[one], blocks[other]] = [blocks[other], blocks[one]];
      const footer = bytes.subarray(edges[edges.length - 1]);
      const built = Buffer.concat([bytes.subarray(0, SNAPSHOT_HEADER_BYTES), ...blocks, footer]);
      // What was not written so far up: only the error is asked for, since a block by itself is whole.
      assert.is(read(snapshot.name, built).error === undefined, built.equals(bytes));
    }),
    2000,
  );
});

test("wrong content under right checksums: still nothing but CorruptionError", () => {
  const value = fc.oneof(fc.nat(100), fc.constantFrom(0xffffffff, 0x7fffffff, 1 << 20), fc.nat());
  fuzz(
    fc.property(
      any,
      fc.nat(),
      fc.constantFrom(4, 8, 12),
      value,
      fc.nat(),
      fc.nat(255),
      (index, n, field, number, place, byte) => {
        const { name, bytes: original, edges } = SNAPSHOTS[index];
        const bytes = Buffer.from(original);
        const i = n % edges.length;
        const at = edges[i];
        if (i === edges.length - 1) {
          writeU32(bytes, at + (field === 12 ? 24 : field), number);
          writeU32(bytes, at + 28, crc32(bytes.subarray(at, at + 28)));
        } else {
          const end = edges[i + 1];
          bytes[at + BLOCK_HEADER_BYTES + (place % (end - at - BLOCK_HEADER_BYTES))] = byte;
          if (field === 8) writeU32(bytes, at + 8, number);
          if (field === 4) bytes.writeUInt32LE(number % 1_000_000, at + 4);
          const bodies = bytes.subarray(at + BLOCK_HEADER_BYTES, at + BLOCK_HEADER_BYTES + bytes.readUInt32LE(at + 4));
          writeU32(bytes, at + 12, crc32(bodies, crc32(bytes.subarray(at, at + 12))));
        }
        for (const body of read(name, bytes).bodies) assert.is(checkBody(body, 0, body.length), body.length);
      },
    ),
    3000,
  );
});

test("a version that is not known is said to be so, and a wrong name is found", () => {
  for (const { name, bytes } of SNAPSHOTS) {
    assert.match(
      read(snapshotName(snapshotLsn(name) + 1), bytes).error?.message ?? "",
      "its name and its header disagree",
    );
    const newer = Buffer.from(bytes);
    writeU32(newer, 8, 2);
    writeU32(newer, 36, crc32(newer.subarray(0, 36)));
    assert.throws(
      () => read(name, newer),
      (error: unknown) => error instanceof FormatError && error.message.includes(`${name} has format version 2`),
    );
  }
});

test("what the engine writes is read: each key once, with what it held", () => {
  const random = new Random(SEED);
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = openEngine(disk, scheduler, { partitions: 4 });
  const expected = new Map<string, string>();
  for (let i = 0; i < 2000; i++) {
    const key = viewed(Buffer.from(`key:${random.below(700)}`));
    const value = viewed(Buffer.alloc(random.below(200), 97 + random.below(26)));
    engine.store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
    expected.set(key.toString(), value.toString());
  }
  scheduler.advance(10);
  let saved: Error | undefined | null = null;
  engine.snapshot((error) => (saved = error));
  scheduler.advance(100);
  assert.is(saved, undefined);
  const name = disk.list().find((candidate) => snapshotLsn(candidate) >= 0) as string;
  const bytes = readFile(disk, name);
  assert.is(read(name, bytes).bodies.length, expected.size);
  assert.ok(bytes.length > FOOTER_BYTES);
  const state = new KeyState();
  const again = openEngine(disk.clone(scheduler), scheduler, { partitions: 4 });
  for (const [key, value] of expected) {
    const text = viewed(Buffer.from(key));
    assert.ok(again.store.find(0, text, 0, text.length, state, false), key);
    assert.is(state.bytes.latin1Slice(state.valueAt, state.valueAt + state.valueBytes), value);
  }
  const snapshot = { name, bytes, bodies: read(name, bytes).bodies, edges: [] };
  fuzz(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (place, bits) => {
      const damaged = Buffer.from(bytes);
      damaged[place % damaged.length] ^= bits;
      judge(snapshot, damaged);
    }),
    300,
  );
});

test.run();
