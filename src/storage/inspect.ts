/**
 * storage/inspect.ts: what `kvorum inspect` shows: the log and the snapshots of a directory, read as recovery reads them, piece by
 * piece. Must never change a file: it opens all of them read-only, and leaves mending to recovery.
 *
 * The directory may be in use. Its log then grows while it is read, and what was just being written looks torn or corrupt. So a
 * bad end is a question, not an answer: read again from there a little later (`movedOn`); a log that has gone past that place was
 * only being written.
 * Every piece that is yielded was found whole: header and body crc right, records well-formed.
 */
import {
  expireAtOf,
  FLAG_TOMBSTONE,
  FLAG_VECTOR,
  hlcOf,
  keyLength,
  keyOffset,
  readU32,
  TYPE_CEILING,
  TYPE_FLUSH,
} from "../codec/record/record.js";
import type { Dot } from "../core/clock/dot.js";
import { CorruptionError, FormatError } from "../lib/errors.js";
import type { Disk } from "../ports/disk.js";
import {
  BLOCK_HEADER_BYTES,
  decodeFooter,
  FOOTER_BYTES,
  SNAPSHOT_HEADER_BYTES,
  snapshotLsn,
} from "./snapshot-format.js";
import { SnapshotReader } from "./snapshot-reader.js";
import { ballotOf, decodeState } from "./state-record.js";
import { BATCH_OPEN, BATCH_SEAL, type BatchHeader, lastLsnOf, SECTOR_BYTES, segmentLsn } from "./wal-format.js";
import { WalReader } from "./wal-reader.js";

/** A record, without its value. */
export interface RecordNote {
  /** Position in the log; 0 in a snapshot. */
  readonly lsn: number;
  readonly kind: "state" | "tombstone" | "flush" | "ceiling";
  readonly db: number;
  readonly type: number;
  /** A copy. */
  readonly key: Buffer;
  readonly bodyBytes: number;
  readonly valueBytes: number;
  /** Absolute deadline in ms, 0 = none. */
  readonly expireAt: number;
  readonly hlc: number;
  /** Of a member of a cluster: the rest of the dot, the vector of the state and its cut. Absent where they say nothing: a node alone. */
  readonly epoch?: number;
  readonly node?: number;
  readonly vector?: readonly Dot[];
  readonly cut?: number;
}

export interface BatchNote {
  readonly offsetBytes: number;
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly records: number;
  readonly sectors: number;
  /** Known durable when it was written. */
  readonly durableLsn: number;
  readonly flags: readonly ("open" | "seal")[];
  readonly crc: number;
}

export interface LogEnd {
  /** clean: zeros behind it; sealed: clean, by a clean stop; torn: a last write that did not end, which recovery drops. */
  readonly verdict: "clean" | "sealed" | "torn" | "corrupt" | "empty";
  /** Segment and byte where the log ends, or where what is wrong begins. */
  readonly file: string;
  readonly offsetBytes: number;
  /** Segment and byte up to which everything was found whole. */
  readonly wholeFile: string;
  readonly wholeBytes: number;
  /** Last LSN that was read, and bytes that recovery would drop. */
  readonly lastLsn: number;
  readonly droppedBytes: number;
  readonly batches: number;
  readonly records: number;
  /** What is wrong; "" when nothing is. */
  readonly what: string;
}

export type LogPiece =
  | { readonly kind: "segment"; readonly name: string; readonly firstLsn: number; readonly bytes: number }
  | { readonly kind: "batch"; readonly batch: BatchNote }
  | { readonly kind: "record"; readonly record: RecordNote }
  | { readonly kind: "end"; readonly end: LogEnd };

/** The segments of a directory, in order. */
export function segmentNames(disk: Disk): string[] {
  return disk
    .list()
    .filter((name) => segmentLsn(name) >= 0)
    .sort();
}

/** The snapshots of a directory, newest first. */
export function snapshotNames(disk: Disk): string[] {
  return disk
    .list()
    .filter((name) => snapshotLsn(name) >= 0)
    .sort()
    .reverse();
}

/** The same directory, as if the files in `names` were all there is. */
export function onlyFiles(disk: Disk, names: readonly string[]): Disk {
  return new Proxy(disk, {
    get(target, key) {
      if (key === "list") return () => [...names];
      const value = Reflect.get(target, key) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/**
 * The whole log, piece by piece; the last piece is its end. O(bytes).
 * @param records yield the records too.
 * @throws the disk's errors: ENOENT when a running node dropped a segment meanwhile.
 */
export function* inspectLog(disk: Disk, records: boolean): Generator<LogPiece, LogEnd> {
  const names = segmentNames(disk);
  const waiting: LogPiece[] = [];
  const progress = { wholeFile: names[0] ?? "", wholeBytes: 0, lastLsn: 0, batches: 0, records: 0 };
  let end: LogEnd;
  try {
    const reader = new WalReader(disk, names.length === 0 ? 1 : segmentLsn(names[0]), (body, at, length, lsn) => {
      progress.records++;
      if (records) waiting.push({ kind: "record", record: noteOf(body, at, length, lsn) });
    });
    let segments = 0;
    reader.onBatch = (segment, offsetBytes, header) => {
      progress.wholeFile = segment;
      progress.wholeBytes = offsetBytes + header.sectors * SECTOR_BYTES;
      progress.lastLsn = lastLsnOf(header);
      progress.batches++;
      waiting.push({ kind: "batch", batch: batchNote(offsetBytes, header) });
    };
    for (let more = true; more; ) {
      more = reader.step();
      for (; segments < reader.segments.length; segments++) {
        const segment = reader.segments[segments];
        progress.wholeFile = segment.name;
        progress.wholeBytes = SECTOR_BYTES;
        waiting.push({ kind: "segment", ...segment });
      }
      yield* waiting.splice(0);
    }
    end = endOf(reader, progress);
  } catch (error) {
    yield* waiting.splice(0);
    end = { ...progress, verdict: "corrupt", droppedBytes: 0, ...placeOf(error, progress.wholeFile) };
  }
  yield { kind: "end", end };
  return end;
}

type Progress = Pick<LogEnd, "wholeFile" | "wholeBytes" | "lastLsn" | "batches" | "records">;

function endOf(reader: WalReader, progress: Progress): LogEnd {
  const place = { ...progress, file: progress.wholeFile, offsetBytes: progress.wholeBytes };
  if (place.file === "") return { ...place, verdict: "empty", droppedBytes: 0, what: "" };
  if (reader.tornFrom < 0) {
    return { ...place, verdict: reader.sealed ? "sealed" : "clean", droppedBytes: 0, what: "" };
  }
  return {
    ...place,
    verdict: "torn",
    offsetBytes: reader.tornFrom,
    droppedBytes: reader.tornTo - reader.tornFrom,
    what: "the last write did not end; nobody was told that it was durable, and a start drops it",
  };
}

/** @throws whatever is not about the bytes. */
function placeOf(error: unknown, file: string): { file: string; offsetBytes: number; what: string } {
  if (error instanceof CorruptionError) {
    const prefix = `corrupt data: ${error.file} at byte ${error.offsetBytes}: `;
    return { file: error.file, offsetBytes: error.offsetBytes, what: error.message.replace(prefix, "") };
  }
  if (error instanceof FormatError) return { file, offsetBytes: 8, what: error.message };
  throw error;
}

function batchNote(offsetBytes: number, header: BatchHeader): BatchNote {
  const flags: ("open" | "seal")[] = [];
  if (header.flags & BATCH_OPEN) flags.push("open");
  if (header.flags & BATCH_SEAL) flags.push("seal");
  return {
    offsetBytes,
    firstLsn: header.firstLsn,
    lastLsn: lastLsnOf(header),
    records: header.count,
    sectors: header.sectors,
    durableLsn: header.durableLsn,
    flags,
    crc: header.bodyCrc,
  };
}

function noteOf(body: Buffer, at: number, length: number, lsn: number): RecordNote {
  const keyAt = at + keyOffset(body, at);
  const keyBytes = keyLength(body, at);
  const type = body[at + 4] & 15;
  const dead = (body[at + 5] & FLAG_TOMBSTONE) !== 0;
  return {
    lsn,
    kind: type === TYPE_CEILING ? "ceiling" : type === TYPE_FLUSH ? "flush" : dead ? "tombstone" : "state",
    db: body[at + 4] >>> 4,
    type,
    key: Buffer.from(body.subarray(keyAt, keyAt + keyBytes)),
    bodyBytes: length,
    valueBytes: at + length - keyAt - keyBytes,
    expireAt: expireAtOf(body, at),
    hlc: hlcOf(body, at),
    ...historyOf(body, at, length),
  };
}

/** What only a member's records have. */
function historyOf(body: Buffer, at: number, length: number): Pick<RecordNote, "epoch" | "node" | "vector" | "cut"> {
  const { epoch, node } = ballotOf(body, at);
  const dot = epoch === 0 && node === 0 ? {} : { epoch, node };
  if ((body[at + 5] & FLAG_VECTOR) === 0) return dot;
  const state = decodeState(body.subarray(at, at + length));
  return state === undefined ? dot : { epoch, node, vector: state.vv.dots, cut: state.cut };
}

/**
 * Is there a whole batch now where a log that looked torn or corrupt ended? Then it was only being written.
 * @param end what inspectLog() said. O(bytes of that segment).
 */
export function movedOn(disk: Disk, end: LogEnd): boolean {
  const names = segmentNames(disk);
  const from = names.indexOf(end.wholeFile);
  if (from < 0) return false;
  let moved = false;
  try {
    const reader = new WalReader(onlyFiles(disk, names.slice(from)), segmentLsn(end.wholeFile), () => {});
    reader.onBatch = (segment, offsetBytes) => {
      if (segment !== end.wholeFile || offsetBytes >= end.wholeBytes) moved = true;
    };
    while (!moved && reader.step());
    reader.close();
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
  }
  return moved;
}

export interface SnapshotHead {
  readonly name: string;
  readonly bytes: number;
  readonly startLsn: number;
  readonly hlc: number;
}

export interface SnapshotEnd {
  readonly verdict: "whole" | "corrupt";
  readonly offsetBytes: number;
  readonly blocks: number;
  readonly records: number;
  /** Over all blocks, as the footer has it; 0 when it was not reached. */
  readonly digest: number;
  readonly hlc: number;
  readonly what: string;
}

export type SnapshotPiece =
  | { readonly kind: "snapshot"; readonly head: SnapshotHead }
  | { readonly kind: "block"; readonly offsetBytes: number; readonly bytes: number; readonly records: number }
  | { readonly kind: "record"; readonly record: RecordNote }
  | { readonly kind: "end"; readonly end: SnapshotEnd };

/** One snapshot, piece by piece; the last piece is its end. O(bytes). @param records yield the records too. */
export function* inspectSnapshot(disk: Disk, name: string, records: boolean): Generator<SnapshotPiece, SnapshotEnd> {
  const waiting: SnapshotPiece[] = [];
  let offsetBytes = 0;
  let blocks = 0;
  let reader: SnapshotReader | undefined;
  let end: SnapshotEnd;
  try {
    reader = new SnapshotReader(disk, name, (body, at, length) => {
      if (records) waiting.push({ kind: "record", record: noteOf(body, at, length, 0) });
    });
    const { startLsn, hlc, totalBytes } = reader;
    yield { kind: "snapshot", head: { name, bytes: totalBytes, startLsn, hlc } };
    offsetBytes = SNAPSHOT_HEADER_BYTES;
    for (let before = 0; reader.step(); before = reader.records) {
      const bytes = BLOCK_HEADER_BYTES + readU32(readAt(disk, name, offsetBytes, BLOCK_HEADER_BYTES), 4);
      yield { kind: "block", offsetBytes, bytes, records: reader.records - before };
      yield* waiting.splice(0);
      offsetBytes += bytes;
      blocks++;
    }
    const footer = decodeFooter(readAt(disk, name, offsetBytes, FOOTER_BYTES), 0);
    end = {
      verdict: "whole",
      offsetBytes: totalBytes,
      blocks,
      records: reader.records,
      digest: footer?.digest ?? 0,
      hlc: reader.hlc,
      what: "",
    };
  } catch (error) {
    const place = placeOf(error, name);
    const read = { blocks, records: reader?.records ?? 0, digest: 0, hlc: reader?.hlc ?? 0 };
    end = { verdict: "corrupt", ...read, offsetBytes: place.offsetBytes, what: place.what };
  }
  yield { kind: "end", end };
  return end;
}

function readAt(disk: Disk, name: string, position: number, bytes: number): Buffer {
  const into = Buffer.alloc(bytes);
  const file = disk.open(name, { readonly: true });
  disk.read(file, into, 0, bytes, position);
  disk.close(file);
  return into;
}
