/**
 * server/guarantees.ts: which failures an acknowledged write survives, in words, for the start screen and INFO: never more than what holds.
 *
 * In a cluster a write is answered when it is on w of its n replicas' disks. So it outlives every disk but w - 1 of them, and power loss
 * everywhere. A key can be written while max(r, w) of its n replicas are up, since a write first asks r what there is. It can be read while r are
 * up: when fewer than w are, only if one of them knows that the last write of the key was chosen, as a rule a moment after that write.
 */
import type { Config } from "../config/config.js";
import type { ClusterView } from "./slot-map.js";

type Quorum = Pick<ClusterView, "n" | "r" | "w">;

/** @param quorum undefined: a node alone. */
export function survives(mode: Config["appendfsync"], memory: boolean, quorum: Quorum | undefined): string {
  if (memory) return `process crash NO, power loss NO (memory only)`;
  const disks = quorum === undefined ? "loss of this disk NO (one node)" : disksLine(quorum);
  if (mode === "always") {
    const synced = quorum === undefined ? "synced" : `synced on ${quorum.w} of ${quorum.n} disks`;
    const where = quorum === undefined ? "" : " on all nodes";
    return `process crash yes, power loss${where} yes (${synced} before each reply), ${disks}`;
  }
  const seconds = mode === "everysec" ? "UP TO A SECOND OF WRITES IS LOST" : "WHAT THE SYSTEM HAD NOT WRITTEN IS LOST";
  // It has forgotten what it voted for, and the next quorum may be one of those who never heard of it.
  const any = quorum === undefined ? "" : " of any node";
  return `process crash yes, power loss${any} NO: ${seconds} (appendfsync ${mode}), ${disks}`;
}

function disksLine({ n, w }: Quorum): string {
  if (w === 1) return `loss of a disk NO (w 1 of ${n} disks)`;
  const lost = w - 1;
  return `loss of ${lost} of a key's ${n} disks yes, of ${w} NO`;
}

/** How many nodes may be down while every key can be read and written. */
export function availability({ n, r, w }: Quorum): string {
  const spare = (needed: number): string => `${n - needed} of a key's ${n} nodes down`;
  if (r >= w) return `keys are read and written with ${spare(r)}`;
  return `keys are written with ${spare(w)}, read with ${spare(r)} where the last write is known to be chosen`;
}
