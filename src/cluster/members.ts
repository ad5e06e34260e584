/**
 * cluster/members.ts: from what a node was told about its cluster to what all of its nodes have to agree on: who is a member and in which
 * order, which of them holds which partition, how many replicas a read and a write need.
 * Pure: equal options on all nodes, each with its own id and the others as peers, give equal members, placement and cluster id.
 */
import { place } from "../core/ring/balance.js";
import { clusterIdOf, sortedMembers } from "../core/ring/placement.js";
import { Ring } from "../core/ring/ring.js";
import { type OwnIdentity, settingsOf } from "./peer-identity.js";
import type { PeerAddress } from "./peer-link.js";

export interface MembersOptions {
  readonly id: string;
  /** The other members. */
  readonly peers: readonly (PeerAddress & { readonly id: string })[];
  /** As wanted: r + w > n, r and w at most n. */
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly partitions: number;
  readonly clusterName: string;
}

export interface Quorums {
  readonly n: number;
  readonly r: number;
  readonly w: number;
}

export interface Members extends Quorums {
  /** In the one order that dots and placement count in. */
  readonly ids: readonly string[];
  readonly selfIndex: number;
  readonly ring: Ring;
  readonly clusterId: string;
  /** Where the other members' peer ports are, by id. */
  readonly addresses: ReadonlyMap<string, PeerAddress>;
  /** What the handshake compares. */
  readonly settings: Pick<OwnIdentity, "fixed" | "versioned">;
}

/**
 * What holds when there are fewer nodes than replicas wanted: as many replicas as nodes, r and w at most that. They still meet: if one of
 * them was lowered it is all replicas, and if none was, r + w was more than the wanted n already.
 */
export function quorumsOf(n: number, r: number, w: number, members: number): Quorums {
  const least = Math.min(n, members);
  return { n: least, r: Math.min(r, least), w: Math.min(w, least) };
}

/** @throws {InvariantError} for options that config/rules.ts refuses. O(partitions * n) and more: once a start. */
export function membersOf(options: MembersOptions): Members {
  const { id, peers, partitions, clusterName, n, r, w } = options;
  const sorted = sortedMembers([id, ...peers.map((peer) => peer.id)].map((each) => ({ id: each, zone: "" })));
  const ids = sorted.map((member) => member.id);
  const quorums = quorumsOf(n, r, w, ids.length);
  const placement = place(sorted, partitions, quorums.n);
  return {
    ...quorums,
    ids,
    selfIndex: ids.indexOf(id),
    ring: new Ring(placement),
    clusterId: clusterIdOf(clusterName, ids),
    addresses: new Map(peers.map(({ id: peer, host, port }) => [peer, { host, port }])),
    settings: settingsOf(clusterName, placement, n, r, w),
  };
}
