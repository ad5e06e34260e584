/**
 * server/host-cluster.ts: CLUSTER, READONLY, READWRITE. Any node serves any key, so clients see a single server with cluster
 * mode off: a plain client would not follow redirections. What works without a cluster works: slots of keys, the node's id.
 */
import type { Context } from "../commands/context.js";
import type { HostHandler } from "./hosts.js";
import type { Session } from "./session.js";
import { CLUSTER_DISABLED } from "./texts.js";

function disabled(_session: Session, c: Context): void {
  c.reply.error(CLUSTER_DISABLED);
}

function keyslot(session: Session, c: Context): void {
  c.reply.int(session.server.parts.keySlot(c.args.bytes, c.args.start[2], c.args.length[2]));
}

export const clusterHosts: Readonly<Record<string, HostHandler>> = {
  "cluster|keyslot": keyslot,
  "cluster|info": disabled,
  "cluster|slots": disabled,
  "cluster|shards": disabled,
  "cluster|nodes": disabled,
  "cluster|myid": disabled,
  "cluster|countkeysinslot": disabled,
  "cluster|getkeysinslot": disabled,
  readonly: disabled,
  readwrite: disabled,
};
