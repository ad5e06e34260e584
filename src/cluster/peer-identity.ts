/**
 * cluster/peer-identity.ts: is the node at the other end one that this node may talk to? Compares what both say about
 * themselves and what is on record about the other. Pure; asked by cluster/handshake.ts once the other has proved the secret.
 *
 * Invariants: refusals name what differs, and both values; a directory that was lost, wiped, restored or cloned is never taken
 * for the node it was: it has forgotten promises, and would vote with amnesia.
 * What a record cannot show: a directory that was restored to exactly where it was when the last handshake took place. The
 * ceiling narrows that to about a second; nothing acknowledged after it is known to this node either.
 */
import type { Identity, Setting } from "../codec/frame/steps.js";
import { type Placement, placementHash } from "../core/ring/placement.js";

/** What this node says of itself. */
export type OwnIdentity = Omit<Identity, "step" | "mac"> & { readonly id: string };

/** What was recorded at the last handshake with a node. */
export type PeerRecord = Pick<Identity, "uuid" | "run" | "boot" | "ceiling">;

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

/**
 * Why the peer must be refused; undefined = it may come in.
 * @param record undefined = never met. @param member is the id in the members that this node knows?
 */
export function refusalOf(
  mine: OwnIdentity,
  peerId: string,
  theirs: Identity,
  record: PeerRecord | undefined,
  member: boolean,
): string | undefined {
  return (
    difference(mine.id, mine.fixed, peerId, theirs.fixed) ??
    (theirs.configVersion === mine.configVersion
      ? difference(mine.id, mine.versioned, peerId, theirs.versioned)
      : undefined) ??
    strangerOf(mine, peerId, theirs, member) ??
    (record === undefined ? undefined : backwards(peerId, theirs, record))
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

function backwards(peerId: string, theirs: Identity, record: PeerRecord): string | undefined {
  const remedy =
    "a directory that was lost, restored or cloned has forgotten what it promised and cannot come back; go on with the others, copy the data into a new cluster";
  if (theirs.uuid !== record.uuid) {
    return `${peerId} has uuid ${theirs.uuid}, and had ${record.uuid}: ${remedy}`;
  }
  if (theirs.boot < record.boot) return `${peerId} is at start ${theirs.boot}, and was at ${record.boot}: ${remedy}`;
  if (theirs.boot === record.boot && theirs.run !== record.run) {
    return `two processes say they are start ${theirs.boot} of ${peerId}: ${remedy}`;
  }
  if (theirs.ceiling < record.ceiling) {
    return `${peerId} has ceiling ${theirs.ceiling}, and had ${record.ceiling}: ${remedy}`;
  }
  return undefined;
}
