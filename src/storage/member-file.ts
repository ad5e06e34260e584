/**
 * storage/member-file.ts: what a member of a cluster remembers of the cluster, beside its keys: file `kvorum.member`, text.
 *   line 1  JSON { format, id, members: [ids, sorted], quorums: { n, r, w }, boot, starts: [{ run, lsn }], peers: { id: { uuid, run, boot, ceiling, lsn } }, shipped: { id: lsn } }
 *   line 2  the crc of line 1, eight hex digits
 * `boot` counts the starts of this directory, `starts` tells of the last of them, this one first: what it
 * was told from others by, and where the log ended that it found (not there: it came to none); `peers` is what each peer said of itself when it was last met (cluster/peer-identity.ts);
 * `shipped` is up to where in this log a peer has what it is to have. `quorums`, `starts` and a peer's `lsn` are not there in files of the first versions.
 *
 * n, r and w are kept because nodes compare them only with each other: if all were started with others, the new reads would not meet the old
 * writes, and what was acknowledged would be absent without a word.
 *
 * Invariants: the file is replaced as a whole and durably, so it is the old one or the new one; a start is counted before anything is sent
 * (openMember), so no two lives of a directory have the same number. `shipped` may be behind: what it tells is shipped once more.
 * Price: two syncs for a write, on the loop: at a start, when a peer is met, and as often as the caller saves positions.
 */
import { STARTS_MAX, type Start } from "../codec/frame/steps.js";
import { crc32 } from "../lib/crc.js";
import { ConfigurationError, CorruptionError, DiskError, FormatError } from "../lib/errors.js";
import type { Disk } from "../ports/disk.js";
import { HAS_BEEN_ALONE, holdsRecords, readMeta } from "./directory-meta.js";

export const MEMBER_NAME = "kvorum.member";
const TEMPORARY_NAME = "kvorum.member.tmp";
const FORMAT = 1;
/** 2047 members with the longest ids there are take a tenth of it; never allocate by what a damaged directory says. */
const BYTES_MAX: number = 8 << 20;

export interface PeerNote {
  /** Of its data directory. */
  readonly uuid: string;
  /** Of its process. */
  readonly run: string;
  readonly boot: number;
  readonly ceiling: number;
  /** So far its log is known to have been synced; undefined: it never said. */
  readonly lsn?: number | undefined;
}

/** Of the members, as they hold: never more than there are members. */
export interface KeptQuorums {
  readonly n: number;
  readonly r: number;
  readonly w: number;
}

export interface MemberData {
  readonly id: string;
  /** Ids of all members, this one included, sorted. A node's index in dots is its place here. */
  readonly members: readonly string[];
  /** Undefined in a file of the first versions: the next start sets it. */
  readonly quorums?: KeptQuorums | undefined;
  /** Which start of this directory the present one is; the first is 1. */
  readonly boot: number;
  /** This start and those before it, the last one first; undefined in a file of the first versions. */
  readonly starts?: readonly Start[];
  readonly peers: Readonly<Record<string, PeerNote>>;
  readonly shipped: Readonly<Record<string, number>>;
}

/** @returns undefined when there is none. @throws CorruptionError, FormatError */
export function readMember(disk: Disk): MemberData | undefined {
  if (!disk.exists(MEMBER_NAME)) return undefined;
  const file = disk.open(MEMBER_NAME, { readonly: true });
  let bytes = Buffer.alloc(Math.min(BYTES_MAX, disk.size(file)));
  bytes = bytes.subarray(0, disk.read(file, bytes, 0, bytes.length, 0));
  disk.close(file);
  const match = /^([^\n]*)\n([0-9a-f]{8})\n$/.exec(bytes.toString("latin1"));
  const line = Buffer.from(match?.[1] ?? "", "latin1");
  if (match === null || Number.parseInt(match[2], 16) !== crc32(line))
    throw new CorruptionError(MEMBER_NAME, 0, "its checksum is wrong");
  const { format, ...data } = JSON.parse(line.toString()) as MemberData & { format: number };
  if (format !== FORMAT) throw new FormatError(MEMBER_NAME, format, FORMAT);
  return data;
}

/** Replace the file. Durable when it returns. @throws DiskError: then it is the old one or the new one. */
export function writeMember(disk: Disk, data: MemberData): void {
  const { id, members, quorums, boot, starts, peers, shipped } = data;
  const line = JSON.stringify({ format: FORMAT, id, members, quorums, boot, starts, peers, shipped });
  const crc = crc32(Buffer.from(line)).toString(16).padStart(8, "0");
  const bytes = Buffer.from(`${line}\n${crc}\n`);
  try {
    if (disk.exists(TEMPORARY_NAME)) disk.remove(TEMPORARY_NAME);
    const file = disk.open(TEMPORARY_NAME, { create: true });
    disk.write(file, bytes, 0, bytes.length, 0);
    disk.sync(file);
    disk.close(file);
    disk.rename(TEMPORARY_NAME, MEMBER_NAME);
    disk.syncDirectory();
  } catch (error) {
    throw new DiskError(`cannot write ${MEMBER_NAME}`, error);
  }
}

/**
 * A start of a member: is the directory its own, or a new one? Then the start is counted. To be called before the engine is made, which makes
 * the directory a member's: a crash between the two leaves an empty directory that knows its id.
 * @param members ids of all members, this one included, in any order. @param run what this start is told from others by.
 * @returns what is remembered from now on, durable.
 * @throws ConfigurationError: the directory is another node's, of other members or other n, r, w, or holds the data of a node alone;
 * CorruptionError, FormatError; DiskError.
 */
export function openMember(
  disk: Disk,
  id: string,
  members: readonly string[],
  { n, r, w }: KeptQuorums,
  run: string,
): MemberData {
  const sorted = [...members].sort();
  const known = readMember(disk);
  if (known === undefined) refuseUsed(disk);
  else if (known.id !== id)
    throw new ConfigurationError(`the data directory is that of node ${known.id}; this node is ${id}`);
  else if (known.members.join() !== sorted.join())
    throw new ConfigurationError(
      `the data directory is that of a cluster of ${known.members.join(", ")}; the peers and the id of this node say ${sorted.join(", ")}. Members cannot be changed yet`,
    );
  const quorums = { n, r, w };
  refuseOther(known?.quorums ?? quorums, quorums);
  const data: MemberData = {
    id,
    members: sorted,
    peers: {},
    shipped: {},
    ...known,
    quorums,
    boot: (known?.boot ?? 0) + 1,
    starts: [{ run, lsn: undefined }, ...(known?.starts ?? [])].slice(0, STARTS_MAX),
  };
  writeMember(disk, data);
  return data;
}

function refuseOther(known: KeptQuorums, wanted: KeptQuorums): void {
  const [kept, given] = [known, wanted].map(({ n, r, w }) => `n ${n}, r ${r}, w ${w}`);
  if (kept !== given)
    throw new ConfigurationError(
      `the data directory is that of a cluster with ${kept}; this node is set to ${given}. They cannot be changed yet: reads would miss what was acknowledged before`,
    );
}

/** Without the file only a directory in which there is nothing yet can become a member's. */
function refuseUsed(disk: Disk): void {
  const meta = readMeta(disk);
  if (meta === undefined) return;
  // What it promised, and which start it was, is not known any more.
  if (meta.member === true) throw new CorruptionError(MEMBER_NAME, 0, "it is missing");
  if (holdsRecords(disk)) throw new ConfigurationError(HAS_BEEN_ALONE);
}
