/**
 * storage/backup.ts: a copy of a data directory made while the node serves, and the way back from one.
 *
 * What is in it: a snapshot taken for it, the log from where that snapshot starts up to what is durable when the snapshot is done,
 * kvorum.meta, and a list of these, `kvorum.backup`, text as kvorum.meta is:
 *   line 1  JSON { format, createdMs, lsn, snapshot, files: [{ name, bytes }] }
 *   line 2  the crc of line 1, eight hex digits
 * Everything acknowledged before the backup was asked for lies at or below its `lsn`. It opens as any data directory does.
 *
 * Why the server makes it and not a program beside it: only the server knows where the durable end of the log is (a reader of
 * the file sees batches under way, and half of one looks like corruption), and only the server can leave the segments and the
 * snapshot alone while they are copied; another process would race with the next snapshot, which deletes them.
 * Links: the snapshot and all segments but the last are never written to again, so a hard link is a copy that costs nothing. The
 * price: on the same file system a bad block is in both, and whoever changes the log to write over old segments has to copy here.
 *
 * The list is there because a log whose newest segments are gone is a valid shorter log: the checksums alone cannot see it.
 * Invariants: the backup has its name only when all of it is synced (BackupTarget); while one is made no segment and no snapshot is
 * deleted (Engine.held); restoring reads and checks everything before it writes anything, and writes kvorum.meta last, without
 * which no node starts.
 */
import { Hlc } from "../core/clock/hlc.js";
import { crc32 } from "../lib/crc.js";
import { CorruptionError, FormatError } from "../lib/errors.js";
import type { Viewed } from "../lib/view.js";
import type { BackupTarget } from "../ports/backup-target.js";
import type { Disk } from "../ports/disk.js";
import type { Scheduler } from "../ports/scheduler.js";
import { Cleaner } from "./cleaner.js";
import { type DirectoryMeta, META_NAME, readMeta, writeMeta } from "./directory-meta.js";
import type { LogExtent, SegmentInfo } from "./log.js";
import { replayRegister } from "./register-replay.js";
import { replay } from "./replay.js";
import { snapshotName } from "./snapshot-format.js";
import { SnapshotReader } from "./snapshot-reader.js";
import { Table } from "./table.js";
import { WalReader } from "./wal-reader.js";

export const BACKUP_NAME = "kvorum.backup";
const FORMAT = 1;
/** A list of a million files; never allocate by what a damaged directory says. */
const LIST_BYTES_MAX = 64 << 20;
const SNAPSHOT_POLL_MS = 10;
const COPY_BYTES = 1 << 20;

export interface BackupFile {
  readonly name: string;
  readonly bytes: number;
}

export interface BackupList {
  readonly createdMs: number;
  /** Last LSN in it. */
  readonly lsn: number;
  readonly snapshot: string;
  readonly files: readonly BackupFile[];
}

/** @param lsn last LSN in the backup. */
export type BackupDone = (error: Error | undefined, lsn: number) => void;

/** What a backup needs of the engine. */
export interface BackupSource {
  /** Start a snapshot; false when one is under way. */
  snapshot(done: (error: Error | undefined) => void): boolean;
  /** Start LSN of the newest snapshot. */
  readonly newestSnapshot: number | undefined;
  /** The log as it is now. */
  extent(): LogExtent;
  /** While true, no segment and no snapshot is deleted. */
  held: boolean;
}

/** One backup being made. */
export class Backup {
  private readonly source: BackupSource;
  private readonly scheduler: Scheduler;
  private readonly target: BackupTarget;
  private readonly done: BackupDone;
  private readonly files: BackupFile[] = [];
  private lsn = 0;
  private ended = false;

  constructor(source: BackupSource, scheduler: Scheduler, target: BackupTarget, done: BackupDone) {
    this.source = source;
    this.scheduler = scheduler;
    this.target = target;
    this.done = done;
  }

  start(): void {
    this.target.begin((error) => (error === null ? this.takeSnapshot() : this.end(error)));
  }

  abort(): void {
    this.end(new Error("the node is stopping"));
  }

  private takeSnapshot(): void {
    if (this.ended) return;
    const started = this.source.snapshot((error) => {
      if (this.ended) return;
      if (error !== undefined) return this.end(error);
      this.gather();
    });
    if (!started) this.scheduler.after(SNAPSHOT_POLL_MS, () => this.takeSnapshot());
  }

  /** In the turn in which the snapshot ended: nothing has been deleted since. */
  private gather(): void {
    const { source } = this;
    const startLsn = source.newestSnapshot;
    if (startLsn === undefined) return this.end(new Error("there is no snapshot"));
    source.held = true;
    const { lsn, segments, lastBytes } = source.extent();
    this.lsn = lsn;
    let first = 0;
    while (first + 1 < segments.length && segments[first + 1].firstLsn <= startLsn + 1) first++;
    const needed = segments.slice(first, -1).map((segment) => segment.name);
    const last = segments[segments.length - 1];
    const snapshot = snapshotName(startLsn);
    this.link([snapshot, ...needed], 0, () =>
      this.put(last, lastBytes, () => this.link([META_NAME], 0, () => this.finish(snapshot))),
    );
  }

  private link(names: readonly string[], index: number, then: () => void): void {
    const name = names[index];
    if (name === undefined) return then();
    this.target.link(
      name,
      this.taken(name, () => this.link(names, index + 1, then)),
    );
  }

  /** The last segment: what is durable of it. As long as the log laid it out: a shorter one is damaged to every reader. */
  private put({ name, bytes }: SegmentInfo, durableBytes: number, then: () => void): void {
    this.target.copy(name, durableBytes, bytes, this.taken(name, then));
  }

  private taken(name: string, then: () => void): (error: Error | null, bytes: number) => void {
    return (error, bytes) => {
      if (this.ended) return;
      if (error !== null) return this.end(error);
      this.files.push({ name, bytes });
      then();
    };
  }

  private finish(snapshot: string): void {
    const { lsn, files, target } = this;
    const list = encodeList({ createdMs: this.scheduler.nowMs(), lsn, snapshot, files });
    target.write(BACKUP_NAME, list, (error) => {
      if (this.ended) return;
      if (error !== null) return this.end(error);
      target.commit((failure) => this.end(failure ?? undefined));
    });
  }

  private end(error: Error | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.source.held = false;
    if (error === undefined) return this.done(undefined, this.lsn);
    this.target.abandon((left) => this.done(left === null ? error : withRest(error, left), this.lsn));
  }
}

/** What went wrong first is what matters; the operator has to know of the rest. */
function withRest(error: Error, left: Error): Error {
  return new Error(`${error.message}; what was written is still there: ${left.message}`, { cause: error });
}

function encodeList(list: BackupList): Buffer {
  const line = JSON.stringify({ format: FORMAT, ...list });
  return Buffer.from(`${line}\n${crc32(Buffer.from(line)).toString(16).padStart(8, "0")}\n`);
}

/** @returns undefined when there is none: the directory is not a backup. */
export function readBackupList(disk: Disk): BackupList | undefined {
  if (!disk.exists(BACKUP_NAME)) return undefined;
  const file = disk.open(BACKUP_NAME, { readonly: true });
  const bytes = Buffer.alloc(Math.min(LIST_BYTES_MAX, disk.size(file)));
  disk.read(file, bytes, 0, bytes.length, 0);
  disk.close(file);
  const match = /^([^\n]*)\n([0-9a-f]{8})\n$/.exec(bytes.toString("latin1"));
  if (match === null || Number.parseInt(match[2], 16) !== crc32(Buffer.from(match[1], "latin1"))) {
    throw new CorruptionError(BACKUP_NAME, 0, "its checksum is wrong");
  }
  const parsed = JSON.parse(match[1]) as BackupList & { format: number };
  if (parsed.format !== FORMAT) throw new FormatError(BACKUP_NAME, parsed.format, FORMAT);
  return parsed;
}

export interface BackupFacts {
  readonly list: BackupList;
  readonly meta: DirectoryMeta;
  /** Keys a node that opens it begins with; those that have expired meanwhile are counted. */
  readonly keys: number;
  /** Records read. */
  readonly records: number;
}

/**
 * Read all of a backup and check every checksum in it. Changes nothing. O(bytes), and memory as a node with this data takes.
 * @param disk the backup's directory.
 * @throws CorruptionError with file and offset, FormatError; Error when it is no backup at all.
 */
export function verifyBackup(disk: Disk): BackupFacts {
  const list = readBackupList(disk);
  if (list === undefined) throw new Error(`not a backup: there is no ${BACKUP_NAME} in it`);
  for (const { name, bytes } of list.files) requireFile(disk, name, bytes);
  const meta = readMeta(disk);
  if (meta === undefined) throw new CorruptionError(META_NAME, 0, "it is missing");
  const table = new Table(meta.partitions, ...meta.hashSecret);
  const hlc = new Hlc();
  let records = 0;
  const take = (body: Viewed, at: number, length: number, lsn: number): void => {
    if (meta.member === true) replayRegister(table, body, at, length, lsn, 0);
    else replay(table, hlc, body, at, length, lsn, 0);
    records++;
  };
  const snapshot = new SnapshotReader(disk, list.snapshot, (body, at, length) => take(body, at, length, 0));
  while (snapshot.step());
  const wal = new WalReader(disk, snapshot.startLsn + 1, (body, at, length, lsn) => {
    // As a start does: what lies before the snapshot is in it.
    if (lsn > snapshot.startLsn) take(body, at, length, lsn);
    else records++;
  });
  const cleaner = new Cleaner(table);
  while (wal.step()) if (cleaner.wanted()) cleaner.run(() => !cleaner.wanted());
  const last = list.files.findLast(({ name }) => name.startsWith("wal-"))?.name ?? "wal";
  // A backup is cut at a whole batch: nothing was ever under way in it.
  const damagedAt = wal.missing[0]?.position ?? wal.tornFrom;
  if (damagedAt >= 0) throw new CorruptionError(last, damagedAt, "the last batch is damaged");
  if (wal.nextLsn - 1 !== list.lsn) {
    throw new CorruptionError(last, wal.end, `the log ends at LSN ${wal.nextLsn - 1}, the backup had ${list.lsn}`);
  }
  const keys = table.keys.reduce((sum, count) => sum + count, 0);
  return { list, meta, keys, records };
}

function requireFile(disk: Disk, name: string, bytes: number): void {
  if (!disk.exists(name)) throw new CorruptionError(name, 0, "it is missing");
  const file = disk.open(name, { readonly: true });
  const size = disk.size(file);
  disk.close(file);
  if (size === bytes) return;
  throw new CorruptionError(
    name,
    Math.min(size, bytes),
    `it has ${size} bytes, the backup had ${bytes} (was a server started in the backup?)`,
  );
}

/**
 * Copy a backup that verifyBackup() found good into an empty directory, synced. What comes out is a node of its own: same keys, LSNs,
 * partitions and hash secret, another identity, since the node it was taken from may still be there.
 * After an error the files made so far are taken away again.
 * @param node 40 hex digits nobody has yet.
 */
export function restoreBackup(from: Disk, to: Disk, facts: BackupFacts, node: string, nowMs: number): void {
  // A replica alone lacks what others acknowledged, and has what nobody did; as a member it would have forgotten promises.
  if (facts.meta.member === true)
    throw new Error(
      "this is the backup of one member of a cluster: such a member does not come back by being restored",
    );
  const made: string[] = [];
  try {
    for (const { name, bytes } of facts.list.files) {
      if (name === META_NAME) continue;
      made.push(name);
      copyFile(from, to, name, bytes);
    }
    to.syncDirectory();
    made.push(META_NAME);
    writeMeta(to, { ...facts.meta, node, createdMs: nowMs });
  } catch (error) {
    for (const name of made) if (to.exists(name)) to.remove(name);
    throw error;
  }
}

function copyFile(from: Disk, to: Disk, name: string, bytes: number): void {
  const reader = from.open(name, { readonly: true });
  const writer = to.open(name, { create: true });
  const chunk = Buffer.allocUnsafe(Math.min(COPY_BYTES, Math.max(1, bytes)));
  for (let at = 0; at < bytes; at += chunk.length) {
    const length = Math.min(chunk.length, bytes - at);
    if (from.read(reader, chunk, 0, length, at) < length) throw new CorruptionError(name, at, "it got shorter");
    to.write(writer, chunk, 0, length, at);
  }
  to.sync(writer);
  from.close(reader);
  to.close(writer);
}
