/**
 * cluster/peer-identity.ts: is the node at the other end one that this node may talk to? Compares what both say about
 * themselves and what is on record about the other. Pure; asked by cluster/handshake.ts once the other has proved the secret.
 *
 * Invariants: refusals name what differs, and both values; a directory that was lost, wiped, restored or cloned is never taken
 * for the node it was: it has forgotten promises, and would vote with amnesia.
 * What tells: the uuid, for another directory; the number of the start; what the start on record was told from others by, for one that went
 * another way since (by being started again its number catches up with the record, its history does not); how far the log went that was found by the start
 * after that one, for one that was set back within a start: not less far than this node was told that it was synced, by heartbeats. A process
 * is not taken in beside another one of the same id that is there.
 * What a record cannot show: what came after the last heartbeat that this node had. A directory that was set back no further than there is taken in
 * here; others, who know of more, refuse it.
 */
import type { Hello, Identity, Setting } from "../codec/frame/steps.js";
import { type Placement, placementHash } from "../core/ring/placement.js";

/** What this node says of itself. */
export type OwnIdentity = Omit<Identity, "step" | "mac"> & Pick<Hello, "id" | "starts">;

/** What a peer says of itself, all that was proved. */
export type PeerSaid = Identity & Pick<Hello, "starts">;

/** What was recorded of a node at the last handshake. */
export interface PeerRecord extends Pick<Identity, "uuid" | "run" | "boot" | "ceiling"> {
  /** So far its log is known to have been synced since; undefined: it never said. */
  readonly lsn?: number | undefined;
}

/** What this node knows of the other one. */
export interface Acquaintance {
  /** Undefined: never met. */
  readonly record: PeerRecord | undefined;
  /** Is the id among the members that this node knows? */
  readonly member: boolean;
  /** The process of that id that is connected, and was heard of late. */
  readonly here: string | undefined;
}

const VALUE_CHARS_MAX = 120;
/** Longer lists of members are compared by their hash, which the placement's is too. */
const MEMBERS_CHARS_MAX = 4096;

/** What a node is set to, as the handshake compares it. @param n as it is wanted, which may be more than there are members. */
export function settingsOf(
  clusterName: string,
  placement: Placement,
  n: number,
  r: number,
  w: number,
): Pick<OwnIdentity, "fixed" | "versioned"> {
  const members = placement.members.map(({ id }) => id).join(",");
  const shownMembers = members.length <= MEMBERS_CHARS_MAX ? members : `${placement.members.length} members`;
  return {
    fixed: [
      ["cluster-name", clusterName],
      ["partitions", String(placement.partitions)],
    ],
    versioned: [
      ["n", String(n)],
      ["r", String(r)],
      ["w", String(w)],
      ["members", shownMembers],
      ["placement", placementHash(placement)],
    ],
  };
}

/** Why the peer must be refused; undefined = it may come in. */
export function refusalOf(
  mine: OwnIdentity,
  peerId: string,
  theirs: PeerSaid,
  { record, member, here }: Acquaintance,
): string | undefined {
  return (
    difference(mine.id, mine.fixed, peerId, theirs.fixed) ??
    (theirs.configVersion === mine.configVersion
      ? difference(mine.id, mine.versioned, peerId, theirs.versioned)
      : undefined) ??
    strangerOf(mine, peerId, theirs, member) ??
    (record === undefined ? undefined : backwards(peerId, theirs, record)) ??
    (here === undefined || here === theirs.run
      ? undefined
      : `${peerId} is connected as another process; this one is refused as long as that one is there`)
  );
}

/** The first setting that differs, in words. */
function difference(
  myId: string,
  mine: readonly Setting[],
  peerId: string,
  theirs: readonly Setting[],
): string | undefined {
  const values = new Map(theirs);
  for (const [name, value] of mine) {
    const other = values.get(name);
    if (other !== value) return `${name} is ${shown(value)} on ${myId} and ${shown(other)} on ${peerId}`;
    values.delete(name);
  }
  for (const [name, value] of values)
    return `${name} is ${shown(undefined)} on ${myId} and ${shown(value)} on ${peerId}`;
  return undefined;
}

function shown(value: string | undefined): string {
  if (value === undefined) return "not known";
  return value.length > VALUE_CHARS_MAX ? `${value.slice(0, VALUE_CHARS_MAX)}...` : value;
}

function strangerOf(mine: OwnIdentity, peerId: string, theirs: Identity, member: boolean): string | undefined {
  if (theirs.clusterId !== mine.clusterId) {
    return `the cluster is ${mine.clusterId} for ${mine.id} and ${theirs.clusterId} for ${peerId}`;
  }
  // One that has a newer configuration may know of members that we do not know of yet.
  if (!member && theirs.configVersion <= mine.configVersion)
    return `${peerId} is no member of the cluster of ${mine.id}`;
  if (theirs.uuid === mine.uuid)
    return `${peerId} runs on a copy of the data directory of ${mine.id} (uuid ${mine.uuid})`;
  return undefined;
}

function backwards(peerId: string, theirs: PeerSaid, record: PeerRecord): string | undefined {
  const remedy =
    "a directory that was lost, restored or cloned has forgotten what it promised and cannot come back; go on with the others, copy the data into a new cluster";
  if (theirs.uuid !== record.uuid) {
    return `${peerId} has uuid ${theirs.uuid}, and had ${record.uuid}: ${remedy}`;
  }
  if (theirs.boot < record.boot) return `${peerId} is at start ${theirs.boot}, and was at ${record.boot}: ${remedy}`;
  const ago = theirs.boot - record.boot;
  const then = ago === 0 ? theirs.run : theirs.starts[ago]?.run;
  if (then !== undefined && then !== record.run) {
    return `two processes say they are start ${record.boot} of ${peerId}: ${remedy}`;
  }
  // One that came to no log left it as it was.
  const found = theirs.starts.slice(0, ago).findLast(({ lsn }) => lsn !== undefined)?.lsn;
  if (found !== undefined && found < (record.lsn ?? 0)) {
    return `${peerId} went on from LSN ${found} of its log, and had been at ${record.lsn}: ${remedy}`;
  }
  if (theirs.ceiling < record.ceiling) {
    return `${peerId} has ceiling ${theirs.ceiling}, and had ${record.ceiling}: ${remedy}`;
  }
  return undefined;
}
