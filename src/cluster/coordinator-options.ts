/** cluster/coordinator-options.ts: what a coordinator is made with: who it is, what it stands on, and what is asked of it. */

import type { Hlc } from "../core/clock/hlc.js";
import type { AcceptorRules } from "../core/register/acceptor-rules.js";
import type { ProposerRules } from "../core/register/proposer-rules.js";
import type { Ring } from "../core/ring/ring.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { MemberAddress } from "./member-view.js";
import type { PeerClocks } from "./peer-clocks.js";
import type { ReplicaBounds, ReplicaStorage } from "./replica.js";
import type { LogReader, ShippedStorage } from "./ship-source.js";
import type { Performer } from "./work.js";

/** How much there may be at a time, where that is not to be as usual: the simulator meets bounds that are low. */
export interface Bounds extends ReplicaBounds {
  /** Works in flight, of this node's clients and of other nodes. */
  readonly works?: number;
  /** Requests to peers that are waited for: a power of two. */
  readonly asked?: number;
  /** As ProposerOptions has them. */
  readonly owned?: number;
  readonly queue?: number;
}

export interface CoordinatorOptions {
  readonly selfIndex: number;
  /** In the order of ids, this node among them. */
  readonly members: readonly MemberAddress[];
  readonly clusterId: string;
  readonly ring: Ring;
  readonly r: number;
  readonly w: number;
  readonly storage: ReplicaStorage & ShippedStorage;
  /** By index: up to where of this node's log each peer was known to have everything, as it was saved. */
  readonly positions: readonly number[];
  readonly logFrom: (lsn: number) => LogReader;
  /** The log cannot be read where it is to be shipped from. */
  readonly onDamage: (error: Error) => void;
  /** A member sent what this node cannot take over. Once a reason. */
  readonly onStrange: (member: number, why: string) => void;
  /** The storage's own; above the recovered ceiling. */
  readonly clock: Hlc;
  /** This life of the process, durable before it is used. */
  readonly boot: number;
  readonly scheduler: Scheduler;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly performer: Performer;
  readonly clocks: PeerClocks;
  /** Within it every work is answered. */
  readonly deadlineMs: number;
  readonly acceptorRules?: AcceptorRules;
  readonly proposerRules?: ProposerRules;
  readonly bounds?: Bounds;
}

/** As ProposerOptions has them. */
export function queuesOf({ owned, queue }: Bounds): { readonly ownedMax?: number; readonly queueMax?: number } {
  return { ...(owned === undefined ? {} : { ownedMax: owned }), ...(queue === undefined ? {} : { queueMax: queue }) };
}
