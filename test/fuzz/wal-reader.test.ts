/**
 * test/fuzz/wal-reader.test.ts: logs as the real writer writes them, damaged in every way that comes to mind. Reading one gives a
 * prefix of what was appended, with everything that a header left whole calls durable, or CorruptionError. Nothing else.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkBody, writeU32 } from "../../src/codec/record/record.js";
import { crc32 } from "../../src/lib/crc.js";
import { CorruptionError, FormatError } from "../../src/lib/errors.js";
import { Random } from "../../src/lib/random.js";
import type { MemoryDisk } from "../../src/platform/memory-disk.js";
import { BATCH_HEADER_BYTES, SECTOR_BYTES, segmentLsn, segmentName } from "../../src/storage/wal-format.js";
import { WalReader } from "../../src/storage/wal-reader.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { type Change, change, changed, fuzz, SEED } from "../lib/fuzz.js";
import {
  knownDurable,
  type Place,
  putFile,
  type Record,
  readFile,
  type WrittenLog,
  writeLog,
} from "../lib/written-log.js";

const LOGS: readonly WrittenLog[] = Array.from({ length: 9 }, (_, i) => {
  const random = new Random(SEED + i);
  return writeLog(random, (["always", "everysec", "no"] as const)[i % 3], 1 + random.below(300), i % 2 === 0);
});

interface Outcome {
  readonly records: readonly Record[];
  readonly tornFrom: number;
  readonly error: CorruptionError | undefined;
}

/** @throws what is neither. */
function read(disk: MemoryDisk, fromLsn = 1): Outcome {
  const records: Record[] = [];
  let tornFrom = -1;
  try {
    const reader = new WalReader(disk, fromLsn, (body, at, length, lsn) => {
      assert.ok(at >= 0 && at + length <= body.length, "a record outside of what was read");
      records.push({ lsn, body: Buffer.from(body.subarray(at, at + length)) });
    });
    while (reader.step());
    tornFrom = reader.tornFrom;
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    assert.ok(error.offsetBytes >= 0 && segmentLsn(error.file) >= 0, error.message);
    return { records, tornFrom, error };
  }
  return { records, tornFrom, error: undefined };
}

/** What was read must be how the log begins, corrupt or not; and all that is durable if not. */
function judge(log: WrittenLog, disk: MemoryDisk, fromLsn = 1): Outcome {
  const outcome = read(disk, fromLsn);
  const first = outcome.records[0]?.lsn ?? 0;
  const start = log.records.findIndex(({ lsn }) => lsn === first);
  for (const [i, { lsn, body }] of outcome.records.entries()) {
    const expected = log.records[start + i];
    assert.ok(expected?.lsn === lsn && expected.body.equals(body), `record ${lsn} was not written so`);
  }
  const skipped = log.records.find(({ lsn }) => lsn >= fromLsn && lsn < first);
  assert.is(skipped, undefined, "records at the beginning are left out");
  if (outcome.error === undefined) {
    const needed = Math.min(knownDurable(log, disk), log.records[log.records.length - 1].lsn);
    const last = outcome.records[outcome.records.length - 1]?.lsn ?? 0;
    const lost = log.records.filter(({ lsn }) => lsn > last && lsn >= fromLsn && lsn <= needed);
    assert.is(lost.length, 0, `records from ${lost[0]?.lsn} on are gone, and were known to be durable up to ${needed}`);
  }
  return outcome;
}

/** By number, which is what a failure then shows. */
const anyLog = fc.nat(LOGS.length - 1);

function copyOf(log: WrittenLog): MemoryDisk {
  return log.disk.clone(new FakeScheduler());
}

/** Where the last batch of a segment ends. */
function usedBytes(log: WrittenLog, segment: string): number {
  const ends = log.batches.filter((one) => one.segment === segment);
  const last = ends[ends.length - 1];
  return last === undefined ? SECTOR_BYTES : last.at + last.header.sectors * SECTOR_BYTES;
}

/** The last segment more often than the others: only its end can be torn. */
const whichSegment = fc.tuple(fc.boolean(), fc.nat());

function segmentOf(log: WrittenLog, [last, n]: readonly [boolean, number]): string {
  return log.segments[last ? log.segments.length - 1 : n % log.segments.length];
}

test("a whole log is read whole, from wherever it is wanted", () => {
  fuzz(
    fc.property(anyLog, fc.nat(), (index, n) => {
      const log = LOGS[index];
      const fromLsn = 1 + (n % log.records[log.records.length - 1].lsn);
      const { records, tornFrom, error } = judge(log, log.disk, fromLsn);
      assert.is(error, undefined);
      assert.is(tornFrom, -1);
      const wanted = log.records.filter(({ lsn }) => lsn >= fromLsn).length;
      assert.ok(records.length >= wanted, "records are missing");
      assert.is(records[records.length - 1].lsn, log.records[log.records.length - 1].lsn);
    }),
    100,
  );
});

test("cut off at any byte, before its used part ends or among the zeros behind it: always found", () => {
  fuzz(
    fc.property(anyLog, whichSegment, fc.nat(), (index, which, place) => {
      const log = LOGS[index];
      const disk = copyOf(log);
      const name = segmentOf(log, which);
      const bytes = readFile(disk, name);
      const near = Math.min(bytes.length, usedBytes(log, name) + SECTOR_BYTES);
      const cut = place % near;
      putFile(disk, name, bytes.subarray(0, cut));
      assert.ok(judge(log, disk).error, `${name} cut at ${cut}: not found`);
    }),
    1000,
  );
});

test("bytes changed, put in and taken out", () => {
  fuzz(
    fc.property(anyLog, whichSegment, fc.array(change, { minLength: 1, maxLength: 3 }), (index, which, changes) => {
      const log = LOGS[index];
      const disk = copyOf(log);
      const name = segmentOf(log, which);
      const bytes = readFile(disk, name);
      // Among the zeros ahead of the end there is little to find.
      const near = usedBytes(log, name) + 2 * SECTOR_BYTES;
      const places = changes.map((step): Change => ({ ...step, place: step.place % Math.min(near, bytes.length) }));
      putFile(disk, name, changed(bytes, places));
      judge(log, disk);
    }),
    1000,
  );
});

test("one byte changed is found, unless it may be the remains of a last write", () => {
  fuzz(
    fc.property(anyLog, whichSegment, fc.nat(), fc.integer({ min: 1, max: 255 }), (index, which, place, bits) => {
      const log = LOGS[index];
      const disk = copyOf(log);
      const name = segmentOf(log, which);
      const bytes = readFile(disk, name);
      const at = place % usedBytes(log, name);
      bytes[at] ^= bits;
      putFile(disk, name, bytes);
      assert.ok(judge(log, disk).error, `${name} byte ${at} ^ ${bits}: not found`);
    }),
    1000,
  );
});

test("sectors that were never written", () => {
  let torn = 0;
  fuzz(
    fc.property(
      anyLog,
      whichSegment,
      fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (index, which, places, atEnd) => {
        const log = LOGS[index];
        const disk = copyOf(log);
        const name = segmentOf(log, which);
        const bytes = readFile(disk, name);
        const sectors = usedBytes(log, name) / SECTOR_BYTES;
        for (const place of places) {
          // Near the end they may be a torn write; anywhere they may be an accident.
          const sector = atEnd ? Math.max(1, sectors - 1 - (place % 8)) : place % sectors;
          bytes.fill(0, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
        }
        putFile(disk, name, bytes);
        if (judge(log, disk).tornFrom >= 0) torn++;
      },
    ),
    1000,
  );
  assert.ok(torn > 20, `${torn} torn ends: too few to mean something`);
});

test("segments that are missing, doubled or in each other's place", () => {
  const kinds = fc.constantFrom("missing", "doubled", "swapped", "renamed", "empty");
  fuzz(
    fc.property(
      anyLog,
      fc.array(fc.tuple(kinds, fc.nat(), fc.nat()), { minLength: 1, maxLength: 2 }),
      (index, steps) => {
        const log = LOGS[index];
        const disk = copyOf(log);
        for (const [kind, n, m] of steps) {
          const names = disk.list().filter((name) => segmentLsn(name) >= 0);
          if (names.length === 0) break;
          const [one, other] = [names[n % names.length], names[m % names.length]];
          const bytes = readFile(disk, one);
          if (kind === "missing") disk.remove(one);
          else if (kind === "empty") putFile(disk, one, Buffer.alloc(0));
          else if (kind === "doubled") putFile(disk, segmentName(segmentLsn(one) + 1 + (m % 100)), bytes);
          else if (kind === "renamed") disk.rename(one, segmentName(m % 1000));
          else {
            putFile(disk, one, readFile(disk, other));
            putFile(disk, other, bytes);
          }
        }
        judge(log, disk);
      },
    ),
    1000,
  );
});

/** Change a batch where it lies and make its checksums right again. */
function reseal(
  disk: MemoryDisk,
  { segment, at, header }: Place,
  alter: (bytes: Buffer, at: number, length: number) => void,
): void {
  const bytes = readFile(disk, segment);
  const length = header.sectors * SECTOR_BYTES;
  alter(bytes, at, length);
  writeU32(bytes, at + 40, crc32(bytes.subarray(at + BATCH_HEADER_BYTES, at + length)));
  writeU32(bytes, at + 44, crc32(bytes.subarray(at, at + 44)));
  putFile(disk, segment, bytes);
}

test("a batch whose records would go on behind its sectors is corrupt", () => {
  const log = LOGS[0];
  const place = log.batches[log.batches.length - (log.batches.length > 2 ? 2 : 1)];
  for (const more of [SECTOR_BYTES * 2, 65_536, 2 ** 31]) {
    const disk = copyOf(log);
    reseal(disk, place, (bytes, at) => writeU32(bytes, at + 20, place.header.contentBytes + more));
    const { error } = read(disk);
    assert.match(error?.message ?? "", `${place.segment} at byte ${place.at}: a batch says that it is longer`);
  }
});

/** Segments as they were written before they had to be laid out in full. */
function ofVersion1(disk: MemoryDisk): void {
  for (const name of disk.list().filter((candidate) => segmentLsn(candidate) >= 0)) {
    const bytes = readFile(disk, name);
    writeU32(bytes, 8, 1);
    writeU32(bytes, 28, crc32(bytes.subarray(0, 28)));
    putFile(disk, name, bytes);
  }
}

test("a log of version 1 may end where its last batch does, as backups did; cut off elsewhere it is judged as ever", () => {
  for (const log of LOGS) {
    const disk = copyOf(log);
    ofVersion1(disk);
    const name = log.segments[log.segments.length - 1];
    const bytes = readFile(disk, name);
    const end = usedBytes(log, name);
    putFile(disk, name, bytes.subarray(0, end));
    const { records, error } = judge(log, disk);
    assert.is(error, undefined);
    assert.is(records.length, log.records.length);
    putFile(disk, name, bytes.subarray(0, end - 1));
    judge(log, disk);
    putFile(disk, name, bytes.subarray(0, SECTOR_BYTES - 1));
    assert.ok(judge(log, disk).error);
  }
});

/** Batches of a log's last segment, and those among them that the last one's header calls durable. */
function lastSegment(log: (typeof LOGS)[number]) {
  const segment = log.segments[log.segments.length - 1];
  const places = log.batches.filter((batch) => batch.segment === segment);
  const end = places[places.length - 1];
  return { segment, end, durable: places.filter((place) => place.header.firstLsn <= end.header.durableLsn) };
}

test("the header of a batch that is cut off still says what was durable", () => {
  // In some the last segment has just begun.
  const log = LOGS.find((one) => lastSegment(one).durable.length > 1);
  assert.ok(log !== undefined, "no last segment has anything that is called durable");
  const { segment, end, durable } = lastSegment(log as (typeof LOGS)[number]);
  for (const cut of [BATCH_HEADER_BYTES, SECTOR_BYTES - 1]) {
    const disk = copyOf(log as (typeof LOGS)[number]);
    ofVersion1(disk);
    const bytes = readFile(disk, segment).subarray(0, end.at + cut);
    // Of those that it calls durable, the last: no other header does.
    bytes[durable[durable.length - 1].at + BATCH_HEADER_BYTES] ^= 1;
    putFile(disk, segment, bytes);
    assert.match(read(disk).error?.message ?? "", "known to have been durable");
  }
});

test("wrong content under right checksums: still nothing but CorruptionError", () => {
  const field = fc.constantFrom(4, 8, 12, 16, 20, 24, 32, 36, 38);
  const value = fc.oneof(fc.nat(4), fc.constantFrom(0xffffffff, 0x7fffffff, 0x8000, 1 << 20), fc.nat());
  const content = fc.tuple(fc.nat(), fc.nat(255));
  fuzz(
    fc.property(
      anyLog,
      fc.nat(),
      fc.array(fc.tuple(field, value), { maxLength: 2 }),
      fc.array(content, { maxLength: 3 }),
      (index, n, fields, contents) => {
        const log = LOGS[index];
        const disk = copyOf(log);
        const batch = log.batches[n % log.batches.length];
        reseal(disk, batch, (bytes, at, length) => {
          for (const [place, byte] of contents) {
            bytes[at + BATCH_HEADER_BYTES + (place % (length - BATCH_HEADER_BYTES))] = byte;
          }
          for (const [offset, number] of fields) writeU32(bytes, at + offset, number);
        });
        for (const { body } of read(disk).records) assert.is(checkBody(body, 0, body.length), body.length);
      },
    ),
    1000,
  );
});

test("a version that is not known is said to be so", () => {
  for (const log of LOGS) {
    const disk = copyOf(log);
    const name = log.segments[log.segments.length - 1];
    const bytes = readFile(disk, name);
    writeU32(bytes, 8, 3);
    writeU32(bytes, 28, crc32(bytes.subarray(0, 28)));
    putFile(disk, name, bytes);
    assert.throws(
      () => read(disk),
      (error: unknown) => error instanceof FormatError && error.message.includes(`${name} has format version 3`),
    );
  }
});

test.run();
