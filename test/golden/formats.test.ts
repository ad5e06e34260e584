/**
 * test/golden/formats.test.ts: the bytes of the formats, by version: what is in the fixtures is read as it always was, and what is written
 * today is, byte for byte, what is in the newest. Log segments are of version 2 (v2), all else of version 1 (v1, with segments of that version). A failure here means that directories out there read otherwise.
 * Before a release that has them: UPDATE=1 npm test -- golden writes them anew, the damaged ones too.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  bodyBytesOf,
  checkBody,
  encodeBody,
  expireAtOf,
  hlcOf,
  keyLength,
  keyOffset,
} from "../../src/codec/record/record.js";
import { crc32 } from "../../src/lib/crc.js";
import { CorruptionError, FormatError } from "../../src/lib/errors.js";
import { viewed } from "../../src/lib/view.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { META_NAME, readMeta, writeMeta } from "../../src/storage/directory-meta.js";
import {
  BLOCK_HEADER_BYTES,
  encodeFooter,
  encodeSnapshotHeader,
  extendDigest,
  sealBlock,
  snapshotName,
} from "../../src/storage/snapshot-format.js";
import { SnapshotReader } from "../../src/storage/snapshot-reader.js";
import {
  BATCH_OPEN,
  BATCH_SEAL,
  BatchBuilder,
  encodeSegmentHeader,
  SECTOR_BYTES,
  segmentName,
} from "../../src/storage/wal-format.js";
import { WalReader } from "../../src/storage/wal-reader.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { fromHexDump, golden, hexDump, readGolden } from "../lib/golden.js";
import { openEngine } from "../lib/open-engine.js";
import { recordBytes } from "../lib/record-bytes.js";
import { putFile, readFile } from "../lib/written-log.js";

const HLC = 395_000_000_000_000;
const EXPIRES_AT = 1_900_000_000_123;
const META = {
  node: "0123456789abcdef0123456789abcdef01234567",
  partitions: 4,
  hashSecret: [1, 2] as const,
  createdMs: 1_700_000_000_000,
};
const FLUSH = 15;

interface Sample {
  readonly what: string;
  readonly key: string;
  readonly value: string;
  readonly db?: number;
  readonly type?: number;
  readonly expireAt?: number;
  readonly tombstone?: true;
  readonly raw?: true;
  readonly node?: number;
}

/** In the order of their positions in the log. */
const SAMPLES: readonly Sample[] = [
  { what: "a string", key: "greeting", value: "hello" },
  { what: "an empty key and value", key: "", value: "" },
  { what: "bytes of all kinds", key: "\x00\xff\r\n", value: "\xe2\x82\xac\x00" },
  { what: "a deadline", key: "session", value: "alice", expireAt: EXPIRES_AT },
  { what: "database 15, changed in place", key: "counter", value: "10", db: 15, raw: true },
  { what: "a value over several sectors", key: "long", value: "0123456789".repeat(150) },
  { what: "node 2047", key: "far", value: "away", node: 2047 },
  { what: "a tombstone", key: "greeting", value: "", tombstone: true },
  { what: "a flush of database 3", key: "", value: "", db: 3, type: FLUSH },
  { what: "again, after that", key: "greeting", value: "hello again", db: 3 },
];

function encoded(sample: Sample, index: number): Buffer {
  const [key, value] = [sample.key, sample.value].map((text) => Buffer.from(text, "latin1")) as [Buffer, Buffer];
  const { db = 0, type = 0, expireAt = 0, node = 0 } = sample;
  const out = viewed(Buffer.alloc(bodyBytesOf(key.length, value.length, expireAt !== 0)));
  const flags = (sample.tombstone ? 4 : 0) | (sample.raw ? 32 : 0);
  const hlc = HLC + index * 4096;
  const high = Math.floor(hlc / 2 ** 32) + node * 2 ** 21;
  encodeBody(
    out,
    0,
    type | (db << 4),
    flags,
    hlc % 2 ** 32,
    high,
    expireAt,
    viewed(key),
    0,
    key.length,
    viewed(value),
    0,
    value.length,
  );
  return out;
}

const BODIES = SAMPLES.map(encoded);
const shown = (bytes: Buffer): string => JSON.stringify(bytes.latin1Slice());

/** A body in words, by the readers of src. */
function inWords(bytes: Buffer, at: number, length: number): string {
  const keyAt = at + keyOffset(bytes, at);
  const valueAt = keyAt + keyLength(bytes, at);
  const value = bytes.subarray(valueAt, at + length);
  return [
    `type ${bytes[at + 4] & 15} db ${bytes[at + 4] >>> 4} flags ${bytes[at + 5]} hlc ${hlcOf(bytes, at)} expires ${expireAtOf(bytes, at)}`,
    `key ${shown(bytes.subarray(keyAt, valueAt))} value ${value.length > 40 ? `${value.length} bytes, crc ${crc32(value)}` : shown(value)}`,
  ].join(" ");
}

// Record bodies.

/** What no release writes yet, but any must read: written by the plain encoder of the tests. */
const FUTURE = [
  recordBytes({
    type: 0,
    db: 1,
    tombstone: false,
    raw: false,
    long: false,
    epoch: 7,
    hlc: HLC,
    node: 3,
    expireAt: EXPIRES_AT,
    vector: undefined,
    key: Buffer.from("k"),
    value: Buffer.from("epoch"),
  }),
  recordBytes({
    type: 0,
    db: 0,
    tombstone: true,
    raw: false,
    long: false,
    epoch: 0,
    hlc: HLC,
    node: 1,
    expireAt: 0,
    vector: [
      { epoch: 0, hlc: 5, node: 1 },
      { epoch: 2, hlc: 6, node: 2 },
    ],
    key: Buffer.from("k"),
    value: Buffer.alloc(0),
  }),
  recordBytes({
    type: 0,
    db: 0,
    tombstone: false,
    raw: true,
    long: true,
    epoch: 1,
    hlc: HLC,
    node: 0,
    expireAt: EXPIRES_AT,
    vector: [],
    key: Buffer.from("k"),
    value: Buffer.from("all fields"),
  }),
];

function damagedBodies(): [string, Buffer][] {
  const body = BODIES[3] as Buffer;
  const at = (place: number, byte: number): Buffer => {
    const copy = Buffer.from(body);
    copy[place] = byte;
    return copy;
  };
  return [
    ["cut off", body.subarray(0, body.length - 1)],
    ["shorter than a header", body.subarray(0, 15)],
    ["a length below that of a header", at(0, 15)],
    ["a flag that has no meaning", at(5, 64)],
    ["a key beyond the end", at(6, 200)],
    ["a tombstone with a value", at(5, 5)],
    ["a vector beyond the end", at(5, 2)],
    ["a long key beyond the end", at(5, 16)],
  ];
}

test("record bodies are written as they were", () => {
  const lines = SAMPLES.map(({ what }, i) => `${what}: ${BODIES[i]?.toString("hex")}`);
  golden("v1/records.txt", `${lines.join("\n")}\n`);
  golden("v1/records-later.txt", `${FUTURE.map((body) => body.toString("hex")).join("\n")}\n`);
  golden(
    "v1/records-damaged.txt",
    `${damagedBodies()
      .map(([what, body]) => `${what}: ${body.toString("hex")}`)
      .join("\n")}\n`,
  );
});

const hexLines = (name: string): Buffer[] =>
  readGolden(name)
    .trimEnd()
    .split("\n")
    .map((line) => Buffer.from(line.split(": ").at(-1) as string, "hex"));

test("record bodies are read as they were", () => {
  const bodies = [...hexLines("v1/records.txt"), ...hexLines("v1/records-later.txt")];
  for (const body of bodies) assert.is(checkBody(body, 0, body.length), body.length);
  golden("v1/records-read.txt", `${bodies.map((body) => inWords(body, 0, body.length)).join("\n")}\n`);
  const damaged = hexLines("v1/records-damaged.txt");
  assert.equal(
    damaged.map((body) => checkBody(body, 0, body.length)),
    damaged.map(() => -1),
  );
});

// A directory: a snapshot, and the log from before it on in two segments.

const SNAPSHOT_LSN = 4;
const SEGMENT_BYTES = 8 * SECTOR_BYTES;

interface Batch {
  readonly bodies: readonly Buffer[];
  readonly durableLsn: number;
  readonly flags?: number;
}

/** A segment of these batches. @returns its bytes, and what the next one chains to. */
function segment(
  firstLsn: number,
  prevCrc: number,
  batches: readonly Batch[],
): { bytes: Buffer; nextLsn: number; crc: number } {
  const bytes = Buffer.alloc(SEGMENT_BYTES);
  encodeSegmentHeader(SEGMENT_BYTES, firstLsn, prevCrc).copy(bytes);
  let at = SECTOR_BYTES;
  let nextLsn = firstLsn;
  let crc = prevCrc;
  for (const { bodies, durableLsn, flags = 0 } of batches) {
    const builder = new BatchBuilder(SECTOR_BYTES);
    builder.begin(nextLsn);
    for (const body of bodies) builder.append(viewed(body), 0, body.length);
    const length = builder.bytes();
    crc = builder.seal(durableLsn, crc, flags);
    builder.buffer.copy(bytes, at, 0, length);
    at += length;
    nextLsn += Math.max(1, bodies.length);
  }
  return { bytes, nextLsn, crc };
}

function snapshot(): Buffer {
  const parts = [encodeSnapshotHeader(SNAPSHOT_LSN, HLC + 2 * 4096)];
  const blocks = [[BODIES[0], BODIES[1]], [BODIES[2]]] as Buffer[][];
  let digest = 0;
  for (const bodies of blocks) {
    const block = Buffer.concat([Buffer.alloc(BLOCK_HEADER_BYTES), ...bodies]);
    digest = extendDigest(digest, sealBlock(block, block.length - BLOCK_HEADER_BYTES, bodies.length));
    parts.push(block);
  }
  parts.push(encodeFooter({ blocks: 2, records: 3, hlc: HLC + 2 * 4096, digest }));
  return Buffer.concat(parts);
}

function meta(): Buffer {
  const disk = new MemoryDisk(new FakeScheduler());
  writeMeta(disk, META);
  return readFile(disk, META_NAME);
}

/** The files of the directory, written today. */
function directory(): Map<string, Buffer> {
  const one = segment(1, 0, [
    { bodies: [], durableLsn: 0, flags: BATCH_OPEN },
    { bodies: BODIES.slice(0, 1), durableLsn: 1 },
    { bodies: BODIES.slice(1, 3), durableLsn: 2 },
    { bodies: BODIES.slice(3, 5), durableLsn: 4 },
  ]);
  const two = segment(one.nextLsn, one.crc, [
    { bodies: BODIES.slice(5, 6), durableLsn: 6 },
    { bodies: BODIES.slice(6), durableLsn: 7 },
    { bodies: [], durableLsn: 11, flags: BATCH_SEAL },
  ]);
  return new Map([
    [META_NAME, meta()],
    [segmentName(1), one.bytes],
    [segmentName(one.nextLsn), two.bytes],
    [snapshotName(SNAPSHOT_LSN), snapshot()],
  ]);
}

const NAMES = [...directory().keys()];
const SECOND = NAMES[2] as string;
const SNAPSHOT = NAMES[3] as string;

/** Where the fixtures of a file lie as it is written today. */
function versionOf(name: string): string {
  return name.startsWith("wal-") ? "v2" : "v1";
}

/** @param logVersion of the segments. */
function fixtures(logVersion: string): Map<string, Buffer> {
  const place = (name: string): string => `${versionOf(name) === "v2" ? logVersion : "v1"}/${name}.hex`;
  return new Map(NAMES.map((name) => [name, fromHexDump(readGolden(place(name)))]));
}

function diskOf(files: ReadonlyMap<string, Buffer>): MemoryDisk {
  const disk = new MemoryDisk(new FakeScheduler());
  for (const [name, bytes] of files) putFile(disk, name, bytes);
  return disk;
}

/** Everything that the readers find, in words; with the error it ends with. */
function reading(files: ReadonlyMap<string, Buffer>): string {
  const disk = diskOf(files);
  const lines: string[] = [];
  try {
    lines.push(JSON.stringify(readMeta(disk)));
    const snap = new SnapshotReader(disk, SNAPSHOT, (body, at, length) => lines.push(`  ${inWords(body, at, length)}`));
    while (snap.step());
    lines.push(`${SNAPSHOT}: start ${snap.startLsn} hlc ${snap.hlc} records ${snap.records}`);
    const wal = new WalReader(disk, 1, (body, at, length, lsn) =>
      lines.push(`  lsn ${lsn} ${inWords(body, at, length)}`),
    );
    wal.onBatch = (name, at, { sectors, firstLsn, count, durableLsn, flags }) =>
      lines.push(
        `${name} at ${at}: sectors ${sectors} first ${firstLsn} count ${count} durable ${durableLsn} flags ${flags}`,
      );
    while (wal.step());
    lines.push(
      `end: next ${wal.nextLsn} sealed ${wal.sealed} torn ${wal.tornFrom}..${wal.tornTo} uncertain ${wal.uncertainFrom} end ${wal.end}`,
    );
  } catch (error) {
    if (!(error instanceof CorruptionError) && !(error instanceof FormatError)) throw error;
    lines.push(error.message);
  }
  return `${lines.join("\n")}\n`;
}

test("a directory is written as it was", () => {
  for (const [name, bytes] of directory()) golden(`${versionOf(name)}/${name}.hex`, hexDump(bytes));
});

test("a directory is read as it was", () => {
  golden("v1/directory-read.txt", reading(fixtures("v1")));
  golden("v2/directory-read.txt", reading(fixtures("v2")));
});

for (const version of ["v1", "v2"]) {
  test(`a directory with a log of ${version} opens, and holds what it held`, () => {
    const scheduler = new FakeScheduler();
    const engine = openEngine(diskOf(fixtures(version)), scheduler, { partitions: META.partitions });
    const found: string[] = [];
    for (let db = 0; db < 16; db++) {
      engine.store.scan(db, 0, 1000, (s) => {
        const value = s.bytes.subarray(s.valueAt, s.valueAt + s.valueBytes);
        found.push(
          `db ${db} ${shown(s.bytes.subarray(s.keyAt, s.keyAt + s.keyBytes))} = ${shown(value)} expires ${s.expireAt}`,
        );
      });
    }
    golden("v1/directory-holds.txt", `${found.sort().join("\n")}\n`);
  });
}

// What is damaged.

interface Damage {
  readonly file: string;
  readonly apply: (bytes: Buffer) => Buffer;
}

/** From where on the bytes are others. */
function altered(at: number, ...bytes: number[]): (from: Buffer) => Buffer {
  return (from) => {
    Buffer.from(bytes).copy(from, at);
    return from;
  };
}

const zeroed = (from: number, to: number) => (bytes: Buffer) => bytes.fill(0, from, to);
/** The last batch of the second segment that holds records: sectors 5 and, behind it, the seal in 6. */
const LAST_RECORDS = 5 * SECTOR_BYTES;
const SEALED_AT = 6 * SECTOR_BYTES;

/** A header of another version, with its checksum (which stands at `crcAt`) right. */
function ofVersion(version: number, crcAt: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    bytes.writeUInt32LE(version, 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, crcAt)), crcAt);
    return bytes;
  };
}

const DAMAGES: Readonly<Record<string, Damage>> = {
  "wal-unsealed": { file: SECOND, apply: zeroed(SEALED_AT, SEALED_AT + SECTOR_BYTES) },
  "wal-torn": {
    file: SECOND,
    apply: (bytes) => zeroed(SECTOR_BYTES * 4, SECTOR_BYTES * 5)(zeroed(LAST_RECORDS, SEALED_AT + SECTOR_BYTES)(bytes)),
  },
  "wal-last-batch-damaged": {
    file: SECOND,
    apply: (bytes) => altered(LAST_RECORDS + 100, 0xaa)(zeroed(SEALED_AT, SEALED_AT + SECTOR_BYTES)(bytes)),
  },
  "wal-durable-batch-damaged": { file: SECOND, apply: altered(SECTOR_BYTES + 100, 0xaa) },
  "wal-durable-batch-gone": { file: SECOND, apply: zeroed(SECTOR_BYTES, SECTOR_BYTES * 5) },
  "wal-behind-the-seal": { file: SECOND, apply: altered(SEALED_AT + SECTOR_BYTES + 8, 1) },
  "wal-header-damaged": { file: SECOND, apply: altered(16, 9) },
  "wal-cut-off": { file: SECOND, apply: (bytes) => bytes.subarray(0, LAST_RECORDS + 20) },
  "wal-cut-off-at-a-batch": { file: SECOND, apply: (bytes) => bytes.subarray(0, LAST_RECORDS) },
  "wal-version-3": { file: SECOND, apply: ofVersion(3, 28) },
  "snapshot-record-damaged": { file: SNAPSHOT, apply: altered(60, 0xaa) },
  "snapshot-cut-off": { file: SNAPSHOT, apply: (bytes) => bytes.subarray(0, bytes.length - 40) },
  "snapshot-footer-damaged": { file: SNAPSHOT, apply: (bytes) => altered(bytes.length - 20, 0xaa)(bytes) },
  "snapshot-version-2": { file: SNAPSHOT, apply: ofVersion(2, 36) },
  "meta-damaged": { file: META_NAME, apply: altered(20, 0x30) },
};

test("damaged files are read as they were: what is torn, what is corrupt, what is from a newer version", () => {
  for (const [name, { file, apply }] of Object.entries(DAMAGES)) {
    const written = apply(Buffer.from(directory().get(file) as Buffer));
    const place = `${versionOf(file)}/damaged/${name}`;
    golden(`${place}.hex`, `${file}\n${hexDump(written)}`);
    golden(`${place}.txt`, lastWords(place, "v2"));
  }
});

/** What reading a directory with this damaged file in it ends with. */
function lastWords(place: string, logVersion: string): string {
  const [target, ...dump] = readGolden(`${place}.hex`).split("\n");
  const files = fixtures(logVersion).set(target as string, fromHexDump(dump.join("\n")));
  return `${reading(files).trimEnd().split("\n").at(-1)}\n`;
}

test("damaged segments of version 1 are read as they were: a file that is shorter than it was laid out may be whole", () => {
  const names = readdirSync(join(import.meta.dirname, "v1/damaged")).filter((name) => /^wal-.*\.hex$/.test(name));
  assert.is(names.length, 8);
  for (const name of names.map((file) => file.replace(".hex", "")))
    golden(`v1/damaged/${name}.txt`, lastWords(`v1/damaged/${name}`, "v1"));
});

test.run();
