/**
 * test/lib/shown-cluster.ts: a cluster as the server room sees it, with a real placement, whose members go up and down and answer as a test
 * says.
 */

import type { LinkState } from "../../src/cluster/link-health.js";
import { membersOf } from "../../src/cluster/members.js";
import type { Answer, Cluster, MemberView, Work } from "../../src/cluster/work.js";
import { dbOf, keyOf } from "../../src/storage/state-record.js";

export interface FakeOptions {
  readonly ids: readonly string[];
  readonly self: string;
  readonly n?: number;
  readonly r?: number;
  readonly w?: number;
  readonly partitions?: number;
}

const UNMEASURED = { roundTripMs: -1, clockOffsetMs: 0 };

export class ShownCluster implements Cluster {
  readonly selfIndex: number;
  readonly partitions: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly clusterId: string;
  readonly states: LinkState[];
  /** What was asked: "member kind". */
  readonly asked: string[] = [];
  /** By id: what a member says to a question. */
  answer: (id: string, kind: number, bytes: Buffer) => Buffer | undefined = () => undefined;
  clockOffsetMs = 1;
  /** Where the peers are. */
  hostOf: (id: string) => string = () => "127.0.0.1";
  private readonly ids: readonly string[];
  private readonly rows: readonly (readonly number[])[];

  constructor({ ids, self, n = 3, r = 2, w = 2, partitions = 16 }: FakeOptions) {
    const peers = ids.filter((id) => id !== self).map((id) => ({ id, host: "127.0.0.1", port: 1 }));
    const members = membersOf({ id: self, peers, n, r, w, partitions, clusterName: "fake" });
    const { ring } = members;
    this.ids = members.ids;
    this.selfIndex = members.selfIndex;
    this.partitions = partitions;
    this.n = members.n;
    this.r = members.r;
    this.w = members.w;
    this.clusterId = members.clusterId;
    this.states = members.ids.map(() => "up");
    this.rows = Array.from({ length: partitions }, (_, i) => [...ring.table.subarray(i * ring.n, (i + 1) * ring.n)]);
  }

  members(): readonly MemberView[] {
    return this.ids.map((id, index) => {
      const isSelf = index === this.selfIndex;
      const where = isSelf ? { host: "", peerPort: 0 } : { host: this.hostOf(id), peerPort: 17_001 + index };
      return {
        index,
        id,
        isSelf,
        state: this.states[index] as LinkState,
        ...where,
        ...(this.states[index] === "down" ? UNMEASURED : { roundTripMs: 0.25, clockOffsetMs: this.clockOffsetMs }),
      };
    });
  }

  set(id: string, state: LinkState): void {
    this.states[this.ids.indexOf(id)] = state;
  }

  partitionOf(): number {
    return 0;
  }

  replicas(partition: number): readonly number[] {
    return this.rows[partition] as readonly number[];
  }

  perform(_work: Work, done: (answer: Answer) => void): void {
    done({ applied: "no", why: "no quorum" });
  }

  ask(member: number, kind: number, bytes: Buffer, done: (answer: Buffer | undefined) => void): void {
    const id = this.ids[member] as string;
    this.asked.push(`${id} ${kind}`);
    const answer = this.answer(id, kind, bytes);
    setTimeout(() => done(answer), 1);
  }

  explain(name: string, done: (text: string) => void): void {
    setTimeout(() => done(`db ${dbOf(name)}, key ${keyOf(name).toString()}: three agree\n`), 1);
  }

  expiryMs(): number {
    return Date.now();
  }

  figures(): Readonly<Record<string, number>> {
    return { rounds: 7, wait_ms: 1.5 };
  }
}
