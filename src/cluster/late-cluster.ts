/**
 * cluster/late-cluster.ts: the cluster before there is a coordinator. A node listens while it recovers, so its server needs a cluster from the
 * start; the coordinator needs what was recovered.
 * Until open() nothing is done and nobody is up: the server answers -LOADING before it would ask. Afterwards every question is handed on.
 */
import { type MemberAddress, memberViews } from "./member-view.js";
import type { Members } from "./members.js";
import type { Answer, Cluster, MemberView, Work } from "./work.js";

export class LateCluster implements Cluster {
  readonly selfIndex: number;
  readonly partitions: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly clusterId: string;
  private readonly addresses: readonly MemberAddress[];
  private readonly rows: Members["ring"];
  private cluster: Cluster | undefined;
  private more: () => Readonly<Record<string, number>> = () => ({});

  constructor({ ids, addresses, selfIndex, ring, n, r, w, clusterId }: Members) {
    this.selfIndex = selfIndex;
    this.partitions = ring.placement.partitions;
    this.n = n;
    this.r = r;
    this.w = w;
    this.clusterId = clusterId;
    this.rows = ring;
    this.addresses = ids.map((id) => ({ id, ...(addresses.get(id) ?? { host: "", port: 0 }) }));
  }

  /** @param more figures that are not the coordinator's. */
  open(cluster: Cluster, more: () => Readonly<Record<string, number>>): void {
    this.cluster = cluster;
    this.more = more;
  }

  members(): readonly MemberView[] {
    return this.cluster?.members() ?? memberViews(this.addresses, [], this.selfIndex);
  }

  partitionOf(name: string): number {
    return this.cluster?.partitionOf(name) ?? 0;
  }

  replicas(partition: number): readonly number[] {
    const from = partition * this.n;
    return this.cluster?.replicas(partition) ?? [...this.rows.table.subarray(from, from + this.n)];
  }

  // HOT: once per command.
  perform(work: Work, done: (answer: Answer) => void): void {
    if (this.cluster === undefined) done({ applied: "no", why: "no quorum" });
    else this.cluster.perform(work, done);
  }

  ask(member: number, kind: number, bytes: Buffer, done: (answer: Buffer | undefined) => void): void {
    if (this.cluster === undefined) done(undefined);
    else this.cluster.ask(member, kind, bytes, done);
  }

  explain(name: string, done: (text: string) => void): void {
    if (this.cluster === undefined) done("this node has not recovered yet");
    else this.cluster.explain(name, done);
  }

  expiryMs(): number {
    return this.cluster?.expiryMs() ?? 0;
  }

  figures(): Readonly<Record<string, number>> {
    return { ...this.more(), ...this.cluster?.figures() };
  }
}
