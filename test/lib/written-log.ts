/**
 * test/lib/written-log.ts: a log as storage/wal.ts writes it, on a disk in memory, with what was appended beside it.
 */
import type { Random } from "../../src/lib/random.js";
import { viewed } from "../../src/lib/view.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import type { SyncMode } from "../../src/storage/log.js";
import { Wal } from "../../src/storage/wal.js";
import { BATCH_HEADER_BYTES, type BatchHeader } from "../../src/storage/wal-format.js";
import { WalReader } from "../../src/storage/wal-reader.js";
import { FakeScheduler } from "./fake-scheduler.js";
import { recordBytes } from "./record-bytes.js";

export interface Record {
  readonly lsn: number;
  readonly body: Buffer;
}

/** Where a batch lies. */
export interface Place {
  readonly segment: string;
  readonly at: number;
  readonly header: BatchHeader;
}

export interface WrittenLog {
  readonly disk: MemoryDisk;
  readonly records: readonly Record[];
  readonly batches: readonly Place[];
  readonly segments: readonly string[];
}

/** The least that the option allows. */
const SEGMENT_BYTES = 64 * 1024;

export function randomBody(random: Random): Buffer {
  const large = random.below(15) === 0;
  return recordBytes({
    type: 0,
    db: random.below(16),
    tombstone: random.below(8) === 0,
    raw: random.below(8) === 0,
    long: false,
    epoch: random.below(4) === 0 ? 1 + random.below(5) : 0,
    hlc: random.below(1e9),
    node: random.below(3),
    expireAt: random.below(3) === 0 ? 1 + random.below(1e12) : 0,
    vector: random.below(4) === 0 ? [{ epoch: 0, hlc: random.below(100), node: 1 }] : undefined,
    key: Buffer.alloc(random.below(30), "key"),
    // Among the values are some that are all zeros, as a sector that was never written is.
    value: Buffer.alloc(random.below(large ? 3000 : 60), random.below(256)),
  });
}

/** @param seal end it as a clean stop does. */
export function writeLog(random: Random, mode: SyncMode, flushes: number, seal: boolean): WrittenLog {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const options = { mode, segmentBytes: SEGMENT_BYTES };
  const wal = new Wal(disk, scheduler, options, { nextLsn: 1, lastCrc: 0, bytes: 0, lastBytes: 0, segments: [] });
  const records: Record[] = [];
  wal.start();
  for (let i = 0; i < flushes; i++) {
    for (let n = 1 + random.below(random.below(6) === 0 ? 40 : 3); n > 0; n--) {
      const body = viewed(randomBody(random));
      records.push({ lsn: wal.append(body, 0, body.length), body });
    }
    if (mode === "everysec" && random.below(4) === 0) wal.syncNow(() => {});
    scheduler.advance(mode === "everysec" && random.below(6) === 0 ? 1100 : 1);
  }
  scheduler.advance(50);
  if (wal.durableLsn < wal.appendedLsn) throw new Error("the log was not written to its end");
  if (seal) wal.close(true);
  return { disk, records, ...placesOf(disk) };
}

function placesOf(disk: MemoryDisk): Pick<WrittenLog, "batches" | "segments"> {
  const batches: Place[] = [];
  const reader = new WalReader(disk, 1, () => {});
  reader.onBatch = (segment, at, header) => batches.push({ segment, at, header });
  while (reader.step());
  return { batches, segments: reader.segments.map(({ name }) => name) };
}

export function readFile(disk: MemoryDisk, name: string): Buffer {
  const file = disk.open(name, { readonly: true });
  const bytes = Buffer.alloc(disk.size(file));
  disk.read(file, bytes, 0, bytes.length, 0);
  disk.close(file);
  return bytes;
}

/** Put a file there, in place of one of that name. */
export function putFile(disk: MemoryDisk, name: string, bytes: Buffer): void {
  if (disk.exists(name)) disk.remove(name);
  const file = disk.open(name, { create: true });
  disk.write(file, bytes, 0, bytes.length, 0);
  disk.close(file);
}

/** Up to which LSN the headers that are still whole say that everything is on the disk. */
export function knownDurable(log: WrittenLog, disk: MemoryDisk): number {
  let known = 0;
  for (const segment of log.segments) {
    if (!disk.exists(segment)) continue;
    const was = readFile(log.disk, segment);
    const is = readFile(disk, segment);
    for (const { at, header } of log.batches.filter((batch) => batch.segment === segment)) {
      const end = at + BATCH_HEADER_BYTES;
      if (is.subarray(at, end).equals(was.subarray(at, end))) known = Math.max(known, header.durableLsn);
    }
  }
  return known;
}
