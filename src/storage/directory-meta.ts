/**
 * storage/directory-meta.ts: what a data directory is, written once when it is made: file `kvorum.meta`, text.
 *   line 1  JSON { format, node, partitions, hashSecret: [k0, k1], createdMs }
 *   line 2  the crc of line 1, eight hex digits
 * Format 1 is a node alone, format 2 a member of a cluster of several nodes: its records are states of replicas, and a kvorum that does not
 * know what that is must not open it.
 * Invariants: partitions and the hash secret never change once there is data (SCAN's cursors and every replica depend on them), nor does the
 * format: alone, no round was ever counted; and a replica alone has only what it happened to be part of.
 */
import { crc32 } from "../lib/crc.js";
import { ConfigurationError, CorruptionError, DirectoryOptionError, DiskError, FormatError } from "../lib/errors.js";
import type { Disk } from "../ports/disk.js";
import { snapshotLsn } from "./snapshot-format.js";
import { SnapshotReader } from "./snapshot-reader.js";
import { segmentLsn } from "./wal-format.js";
import { WalReader } from "./wal-reader.js";

export const META_NAME = "kvorum.meta";
const FORMAT_ALONE = 1;
const FORMAT_MEMBER = 2;
const META_BYTES_MAX = 4096;

export interface DirectoryMeta {
  /** 40 hex digits: the node's identity. */
  readonly node: string;
  readonly partitions: number;
  readonly hashSecret: readonly [number, number];
  readonly createdMs: number;
  /** Of a cluster of several nodes. */
  readonly member?: true;
}

/** What a directory is to be. */
interface WantedDirectory {
  readonly partitions: number;
  readonly member: boolean;
  /** Identity and hash secret of a new one. All members of a cluster have the same secret. */
  readonly newNode: () => { node: string; hashSecret: [number, number] };
  readonly nowMs: number;
}

/** @returns undefined when the directory has none yet. */
export function readMeta(disk: Disk): DirectoryMeta | undefined {
  if (!disk.exists(META_NAME)) return undefined;
  const file = disk.open(META_NAME, { readonly: true });
  const bytes = Buffer.alloc(Math.min(META_BYTES_MAX, disk.size(file)));
  disk.read(file, bytes, 0, bytes.length, 0);
  disk.close(file);
  const match = /^([^\n]*)\n([0-9a-f]{8})\n$/.exec(bytes.toString("latin1"));
  if (match === null || Number.parseInt(match[2], 16) !== crc32(Buffer.from(match[1], "latin1"))) {
    throw new CorruptionError(META_NAME, 0, "its checksum is wrong");
  }
  const parsed = JSON.parse(match[1]) as DirectoryMeta & { format: number };
  if (parsed.format === FORMAT_MEMBER) return { ...parsed, member: true };
  if (parsed.format !== FORMAT_ALONE) throw new FormatError(META_NAME, parsed.format, FORMAT_MEMBER);
  return parsed;
}

/** Make the file, durably. */
export function writeMeta(disk: Disk, meta: DirectoryMeta): void {
  const { node, partitions, hashSecret, createdMs, member } = meta;
  const format = member === true ? FORMAT_MEMBER : FORMAT_ALONE;
  const line = JSON.stringify({ format, node, partitions, hashSecret, createdMs });
  const bytes = Buffer.from(`${line}\n${crc32(Buffer.from(line)).toString(16).padStart(8, "0")}\n`);
  const temporary = `${META_NAME}.tmp`;
  if (disk.exists(temporary)) disk.remove(temporary);
  const file = disk.open(temporary, { create: true });
  disk.write(file, bytes, 0, bytes.length, 0);
  disk.sync(file);
  disk.close(file);
  disk.rename(temporary, META_NAME);
  disk.syncDirectory();
}

/**
 * Open a directory as what it is wanted to be, making it if it is new. One that holds no record yet may become a member's.
 * @throws DirectoryOptionError, ConfigurationError: it is something else; CorruptionError, FormatError; DiskError: it cannot be made.
 */
export function openMeta(disk: Disk, wanted: WantedDirectory): DirectoryMeta {
  const known = readMeta(disk);
  if (known === undefined) return makeMeta(disk, wanted);
  const { partitions, member } = wanted;
  if (known.partitions !== partitions) throw new DirectoryOptionError("partitions", partitions, known.partitions);
  if (!member) {
    if (known.member !== true) return known;
    throw new ConfigurationError(
      "the data directory is that of a member of a cluster: start it with the peers it had, or this node in another directory",
    );
  }
  const { hashSecret } = wanted.newNode();
  const same = hashSecret.every((half, i) => half === known.hashSecret[i]);
  if (known.member === true && same) return known;
  if (holdsRecords(disk)) throw new ConfigurationError(known.member === true ? OTHER_CLUSTER : HAS_BEEN_ALONE);
  const meta: DirectoryMeta = { ...known, hashSecret, member: true };
  put(disk, meta);
  return meta;
}

export const HAS_BEEN_ALONE =
  "the data directory holds the data of a node that was alone: it cannot become a member of a cluster; start this node in an empty directory, and bring the data in through a client";
const OTHER_CLUSTER =
  "the data directory is that of a member of another cluster: cluster-name or the members have changed";

function makeMeta(disk: Disk, wanted: WantedDirectory): DirectoryMeta {
  const foreign = disk.list().find((name) => segmentLsn(name) >= 0 || snapshotLsn(name) >= 0);
  if (foreign !== undefined) throw new CorruptionError(META_NAME, 0, `it is missing, but ${foreign} is there`);
  const { node, hashSecret } = wanted.newNode();
  const meta: DirectoryMeta = {
    node,
    partitions: wanted.partitions,
    hashSecret,
    createdMs: wanted.nowMs,
    ...(wanted.member ? { member: true } : {}),
  };
  put(disk, meta);
  return meta;
}

function put(disk: Disk, meta: DirectoryMeta): void {
  try {
    writeMeta(disk, meta);
  } catch (error) {
    throw new DiskError("cannot make the data directory", error);
  }
}

/**
 * Has anything ever been logged here that is still on the disk, be it a removal? A start and a stop leave marks, no records.
 * It stops at the first. @throws CorruptionError, FormatError
 */
export function holdsRecords(disk: Disk): boolean {
  const names = disk.list().sort();
  let found = false;
  const see = (): void => {
    found = true;
  };
  for (const name of names) {
    if (snapshotLsn(name) < 0 || found) continue;
    const reader = new SnapshotReader(disk, name, see);
    while (!found && reader.step());
    reader.close();
  }
  const first = names.find((name) => segmentLsn(name) >= 0);
  if (found || first === undefined) return found;
  const reader = new WalReader(disk, segmentLsn(first), see);
  while (!found && reader.step());
  reader.close();
  return found;
}
