/**
 * test/golden/member.test.ts: the bytes that only a member of a cluster writes: states with vectors and cuts, tombstones with theirs,
 * ceilings, kvorum.meta of format 2, kvorum.member; written as they were, read as they were, and opened. See formats.test.ts.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkBody, encodeBody, TYPE_CEILING } from "../../src/codec/record/record.js";
import type { Dot } from "../../src/core/clock/dot.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import type { Held } from "../../src/core/register/state.js";
import { FormatError } from "../../src/lib/errors.js";
import { viewed } from "../../src/lib/view.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { META_NAME, readMeta, writeMeta } from "../../src/storage/directory-meta.js";
import { MEMBER_NAME, readMember, writeMember } from "../../src/storage/member-file.js";
import {
  decodeState,
  encodeState,
  nameOfRecord,
  type RecordState,
  type Value,
} from "../../src/storage/state-record.js";
import {
  BATCH_OPEN,
  BatchBuilder,
  encodeSegmentHeader,
  SECTOR_BYTES,
  segmentName,
} from "../../src/storage/wal-format.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { fromHexDump, golden, hexDump, readGolden } from "../lib/golden.js";
import { openEngine } from "../lib/open-engine.js";
import { putFile, readFile } from "../lib/written-log.js";

const HLC = 395_000_000_000_000;
const META = {
  node: "0123456789abcdef0123456789abcdef01234567",
  partitions: 4,
  hashSecret: [1, 2] as const,
  createdMs: 1_700_000_000_000,
  member: true as const,
};
const MEMBER = {
  id: "b",
  members: ["a", "b", "c"],
  boot: 3,
  peers: { a: { uuid: "89abcdef0123456789abcdef0123456789abcdef", run: "00ff", boot: 9, ceiling: HLC } },
  shipped: { a: 17, c: 4 },
};
const CEILING = HLC + 2000 * 4096;

const dot = (count: number, node: number, epoch = 0): Dot => ({ epoch, hlc: HLC + count * 4096, node });

function state(name: string, ballot: Dot, text: string | undefined, dots: Dot[], cut = 0, expireAt = 0): Buffer {
  const value = text === undefined ? undefined : { type: 0, raw: false, bytes: Buffer.from(text) };
  return encodeState(name, ballot, { value, expireAt, vv: VersionVector.of(dots), cut });
}

function ceiling(): Buffer {
  const none = viewed(Buffer.alloc(0));
  const body = viewed(Buffer.alloc(16));
  encodeBody(body, 0, TYPE_CEILING, 0, CEILING % 2 ** 32, Math.floor(CEILING / 2 ** 32), 0, none, 0, 0, none, 0, 0);
  return body;
}

/** In the order of their positions in the log, from 2 on. */
const RECORDS: readonly (readonly [string, Buffer])[] = [
  ["a ceiling", ceiling()],
  ["written by node 1 alone", state("\0k", dot(0, 1), "one", [dot(0, 1)])],
  ["by two nodes", state("\0k", dot(1, 2), "two", [dot(0, 1), dot(1, 2)])],
  ["a round that changed nothing", state("\0k", dot(2, 0), "two", [dot(0, 1), dot(1, 2)])],
  [
    "in an epoch, with a cut and a deadline",
    state("\x05session", dot(3, 1, 2), "alice", [dot(3, 1, 2)], HLC, 1_900_000_000_123),
  ],
  ["removed", state("\0k", dot(4, 0), undefined, [dot(4, 0), dot(0, 1), dot(1, 2)])],
  ["never there", state("\0nothing", dot(5, 0), undefined, [])],
];

function segment(): Buffer {
  const bytes = Buffer.alloc(8 * SECTOR_BYTES);
  encodeSegmentHeader(bytes.length, 1, 0).copy(bytes);
  const mark = new BatchBuilder(SECTOR_BYTES);
  mark.begin(1);
  const crc = mark.seal(0, 0, BATCH_OPEN);
  mark.buffer.copy(bytes, SECTOR_BYTES, 0, SECTOR_BYTES);
  const batch = new BatchBuilder(SECTOR_BYTES);
  batch.begin(2);
  for (const [, body] of RECORDS) batch.append(viewed(body), 0, body.length);
  const length = batch.bytes();
  batch.seal(1, crc, 0);
  batch.buffer.copy(bytes, 2 * SECTOR_BYTES, 0, length);
  return bytes;
}

const NAMES = { [META_NAME]: "v1/member-meta", [MEMBER_NAME]: "v1/kvorum.member", [segmentName(1)]: "v2/member-wal" };

function directory(): Map<string, Buffer> {
  const disk = new MemoryDisk(new FakeScheduler());
  writeMeta(disk, META);
  writeMember(disk, MEMBER);
  putFile(disk, segmentName(1), segment());
  return new Map(Object.keys(NAMES).map((name) => [name, readFile(disk, name)]));
}

function fixtures(): MemoryDisk {
  const disk = new MemoryDisk(new FakeScheduler());
  for (const [name, fixture] of Object.entries(NAMES)) putFile(disk, name, fromHexDump(readGolden(`${fixture}.hex`)));
  return disk;
}

test("records and files of a member are written as they were", () => {
  golden("v1/member-records.txt", `${RECORDS.map(([what, body]) => `${what}: ${body.toString("hex")}`).join("\n")}\n`);
  for (const [name, bytes] of directory()) golden(`${NAMES[name]}.hex`, hexDump(bytes));
});

test("records and files of a member are read as they were", () => {
  const lines = readGolden("v1/member-records.txt").trimEnd().split("\n");
  const read = lines.map((line) => {
    const body = Buffer.from(line.split(": ").at(-1) as string, "hex");
    assert.is(checkBody(body, 0, body.length), body.length);
    if ((body[4] & 15) === TYPE_CEILING) return "ceiling";
    const { ballot, value, expireAt, vv, cut } = decodeState(body) as RecordState;
    return JSON.stringify([nameOfRecord(body, 0), ballot, value?.bytes.toString(), expireAt, vv.dots, cut]);
  });
  golden(
    "v1/member-read.txt",
    `${[...read, JSON.stringify([readMeta(fixtures()), readMember(fixtures())])].join("\n")}\n`,
  );
});

test("a member's directory opens, and holds what it held; alone it does not", () => {
  const scheduler = new FakeScheduler();
  const options = {
    partitions: META.partitions,
    register: true,
    newNode: () => ({ node: "", hashSecret: [1, 2] as [number, number] }),
  };
  const { registers } = openEngine(fixtures(), scheduler, options);
  assert.is(registers.recoveredCeiling, CEILING);
  const held = [...new Set(RECORDS.slice(1).map(([, body]) => nameOfRecord(body, 0)))].map((name) => {
    const {
      ballot,
      state: { value, vv },
    } = registers.held(name) as Held<Value>;
    return [name, ballot.hlc - HLC, value?.bytes.toString(), vv.dots.length];
  });
  assert.equal(held, [
    ["\0k", 4 * 4096, undefined, 3],
    ["\x05session", 3 * 4096, "alice", 1],
    ["\0nothing", 5 * 4096, undefined, 0],
  ]);
  assert.is(registers.tombstones, 2);
  assert.throws(() => openEngine(fixtures(), scheduler, { partitions: META.partitions }), /member of a cluster/);
});

test("a meta file of a later format is said to be one", () => {
  const disk = new MemoryDisk(new FakeScheduler());
  // The crc of this very line.
  putFile(disk, META_NAME, Buffer.from('{"format":3}\n9d28a1bb\n'));
  assert.throws(
    () => readMeta(disk),
    (error: Error) => error instanceof FormatError && /knows up to 2/.test(error.message),
  );
});

test.run();
