/**
 * storage/directory-meta.ts: what a data directory is, written once when it is made: file `kvorum.meta`, text.
 *   line 1  JSON { format, node, partitions, hashSecret: [k0, k1], createdMs }
 *   line 2  the crc of line 1, eight hex digits
 * Invariants: partitions and the hash secret never change (SCAN's cursors and every replica depend on them).
 */
import { crc32 } from "../lib/crc.js";
import { CorruptionError, FormatError } from "../lib/errors.js";
import type { Disk } from "../ports/disk.js";

export const META_NAME = "kvorum.meta";
const FORMAT = 1;
const META_BYTES_MAX = 4096;

export interface DirectoryMeta {
  /** 40 hex digits: the node's identity. */
  readonly node: string;
  readonly partitions: number;
  readonly hashSecret: readonly [number, number];
  readonly createdMs: number;
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
  if (parsed.format !== FORMAT) throw new FormatError(META_NAME, parsed.format, FORMAT);
  return parsed;
}

/** Make the file, durably. */
export function writeMeta(disk: Disk, meta: DirectoryMeta): void {
  const line = JSON.stringify({ format: FORMAT, ...meta });
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
