/**
 * server/cluster-face.ts: the cluster as clients are shown it: by which names, hosts and ports. A node alone is shown as a cluster of one
 * when cluster-enabled asks for it.
 *
 * Hosts. Of this node: announce-host, or the address by which the client came. Of another: its announce-host, or the address in `peers`, which
 * this node reaches it by; where that is of this machine only and the client came from elsewhere, the address it came by, for the other
 * node is on the same machine then. Never "": clients would try for ever.
 * Ids: 40 hex digits, as Redis has them, made from cluster and member: all nodes say the same, also of one that was never met.
 */
import { createHash } from "node:crypto";
import type { MemberView } from "../cluster/work.js";
import { isLoopback } from "../lib/loopback.js";
import type { Cancel } from "../ports/scheduler.js";
import { type NodeCard, writeCard } from "./node-card.js";
import { NodeCards } from "./node-cards.js";
import type { ServerParts } from "./ports.js";
import type { Session } from "./session.js";
import type { ClusterView } from "./slot-map.js";

/** How soon a member that has come up is asked. */
const TICK_MS = 100;

export interface ClientAddress {
  readonly host: string;
  /** 0: not known. */
  readonly port: number;
}

export class ClusterFace {
  readonly view: ClusterView;
  private readonly parts: ServerParts;
  private readonly cards: NodeCards | undefined;
  private readonly ids = new Map<number, string>();
  private cancel: Cancel = () => {};

  constructor(parts: ServerParts) {
    const { cluster } = parts;
    this.parts = parts;
    this.view = cluster ?? alone();
    this.cards = cluster === undefined ? undefined : new NodeCards(cluster);
    if (cluster !== undefined) this.tick();
  }

  private tick(): void {
    const { scheduler } = this.parts;
    this.cards?.tick(scheduler.monotonicMs(), () => scheduler.monotonicMs());
    this.cancel = scheduler.after(TICK_MS, () => this.tick());
  }

  stop(): void {
    this.cancel();
  }

  /** Do CLUSTER and READONLY answer? */
  get shown(): boolean {
    const { peers, clusterEnabled } = this.parts.config;
    return clusterEnabled || peers.length > 0;
  }

  idOf(member: MemberView): string {
    const { cluster, nodeId } = this.parts;
    if (cluster === undefined) return nodeId;
    let id = this.ids.get(member.index);
    if (id === undefined) {
      id = createHash("sha1").update(`kvorum ${cluster.clusterId} ${member.id}`).digest("hex");
      this.ids.set(member.index, id);
    }
    return id;
  }

  /** What this node tells the others. */
  card(): NodeCard {
    const { parts } = this;
    const { config } = parts;
    const { announceHost, announcePort, tlsPort } = config;
    const plain = config.port > 0 || config.anyPort;
    const port = plain ? announcePort || parts.port() : tlsPort > 0 ? 0 : announcePort;
    return {
      host: announceHost,
      port,
      tlsPort: plain || tlsPort === 0 ? tlsPort : announcePort || tlsPort,
      version: parts.version,
    };
  }

  /** The answer to QUESTION_NODE. */
  cardBytes(): Buffer {
    return writeCard(this.card());
  }

  versionOf(member: MemberView): string {
    return (member.isSelf ? this.parts.version : this.cards?.of(member.index)?.version) ?? "";
  }

  /** May clients be sent there? */
  reachable(member: number): boolean {
    const card = this.cards?.of(member);
    return member === this.view.selfIndex || (card !== undefined && (card.port > 0 || card.tlsPort > 0));
  }

  /** How the client of `session` reaches a member. */
  addressOf(member: MemberView, session: Session | undefined): ClientAddress {
    const local = session === undefined ? undefined : parseLocal(session.connection.local);
    const card = member.isSelf ? this.card() : this.cards?.of(member.index);
    const { tlsPort } = this.parts.config;
    const byTls = tlsPort > 0 && local?.port === tlsPort;
    const port = card === undefined ? 0 : byTls ? card.tlsPort || card.port : card.port || card.tlsPort;
    return { host: card?.host || this.hostOf(member, local?.host), port };
  }

  private hostOf(member: MemberView, local: string | undefined): string {
    if (member.isSelf) return local ?? firstBound(this.parts.config.bind);
    if (local !== undefined && isLoopback(member.host) && !isLoopback(local)) return local;
    return member.host;
  }
}

/** The near end of a client's connection; undefined when it is no socket of the network. */
function parseLocal(local: string): ClientAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([0-9.]+)):(\d+)$/.exec(local);
  return match === null ? undefined : { host: (match[1] ?? match[2]) as string, port: Number(match[3]) };
}

function firstBound(bind: readonly string[]): string {
  const first = (bind[0] ?? "").replace(/^-/, "");
  if (first === "" || first === "*" || first === "0.0.0.0") return "127.0.0.1";
  return first === "::*" || first === "::" ? "::1" : first;
}

/** A cluster of this node alone. */
function alone(): ClusterView {
  const self: MemberView = {
    index: 0,
    id: "",
    isSelf: true,
    state: "up",
    host: "",
    peerPort: 0,
    roundTripMs: -1,
    clockOffsetMs: 0,
  };
  const one = [0];
  return {
    members: () => [self],
    selfIndex: 0,
    partitions: 1,
    n: 1,
    r: 1,
    w: 1,
    clusterId: "",
    replicas: () => one,
  };
}
