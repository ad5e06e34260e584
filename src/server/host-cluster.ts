/**
 * server/host-cluster.ts: CLUSTER, READONLY, READWRITE. Any node serves any key, so nobody is ever redirected, and by default clients see
 * a single server: a plain client would not follow redirections. Who asks is told which nodes hold which slots, and saves a hop; with
 * peers CLUSTER answers whatever cluster-enabled says. Shapes and texts are those of Redis 7.2.
 * What there is not is shown so: each node is a master, of the slots that it serves first; nobody is elected, so epochs stay as they are.
 */

import type { MemberView } from "../cluster/work.js";
import type { ReplyWriter } from "../codec/resp/reply-writer.js";
import type { Context } from "../commands/context.js";
import { type Viewed, viewed } from "../lib/view.js";
import type { HostHandler } from "./hosts.js";
import type { Session } from "./session.js";
import { countArgs, listArgs } from "./slot-args.js";
import { SLOTS, type SlotRange, shardsOf, slotHealth, slotRanges } from "./slot-map.js";
import { CLUSTER_DISABLED, EXPLAINS_GET } from "./texts.js";

/** The handler, for where there is a cluster to be shown. */
function shown(handler: HostHandler): HostHandler {
  return (session, c) => {
    if (session.server.face.shown) handler(session, c);
    else c.reply.error(CLUSTER_DISABLED);
  };
}

function rangesOf({ server }: Session): SlotRange[] {
  return slotRanges(server.face.view, (member) => server.face.reachable(member));
}

function slots(session: Session, c: Context): void {
  const { reply } = c;
  const { face } = session.server;
  const members = face.view.members();
  const ranges = rangesOf(session);
  reply.array(ranges.length);
  for (const { from, to, nodes } of ranges) {
    reply.array(2 + nodes.length);
    reply.int(from);
    reply.int(to);
    for (const node of nodes) {
      const { host, port } = face.addressOf(members[node], session);
      reply.array(4);
      reply.bulkText(host);
      reply.int(port);
      reply.bulkText(face.idOf(members[node]));
      reply.array(0);
    }
  }
}

function shards(session: Session, c: Context): void {
  const { reply } = c;
  const members = session.server.face.view.members();
  const all = shardsOf(rangesOf(session));
  reply.array(all.length);
  for (const ranges of all) {
    reply.map(2);
    reply.bulkText("slots");
    reply.array(ranges.length * 2);
    for (const { from, to } of ranges) {
      reply.int(from);
      reply.int(to);
    }
    reply.bulkText("nodes");
    const { nodes } = ranges[0];
    reply.array(nodes.length);
    for (const [i, node] of nodes.entries()) shardNode(session, reply, members[node], i === 0);
  }
}

function shardNode(session: Session, reply: ReplyWriter, member: MemberView, first: boolean): void {
  const { face, storage } = session.server;
  const { host, port } = face.addressOf(member, session);
  reply.map(7);
  for (const [name, value] of [
    ["id", face.idOf(member)],
    ["port", port],
    ["ip", host],
    ["endpoint", host],
    ["role", first ? "master" : "replica"],
    ["replication-offset", member.isSelf ? storage.appendedLsn : 0],
    ["health", "online"],
  ] as const) {
    reply.bulkText(name);
    if (typeof value === "number") reply.int(value);
    else reply.bulkText(value);
  }
}

/** One line of CLUSTER NODES. */
function nodeLine(session: Session, member: MemberView, ranges: readonly SlotRange[]): string {
  const { face, config } = session.server;
  const { host, port } = face.addressOf(member, session);
  const flags = [
    ...(member.isSelf ? ["myself"] : []),
    "master",
    ...(member.state === "suspect" ? ["fail?"] : member.state === "down" ? ["fail"] : []),
    ...(port === 0 ? ["noaddr"] : []),
  ];
  const served = ranges
    .filter(({ nodes }) => nodes[0] === member.index)
    .map(({ from, to }) => (from === to ? ` ${from}` : ` ${from}-${to}`));
  const bus = member.isSelf ? config.peerPort : member.peerPort;
  const link = member.state === "down" ? "disconnected" : "connected";
  return `${face.idOf(member)} ${host}:${port}@${bus} ${flags.join(",")} - 0 0 ${member.index + 1} ${link}${served.join("")}\n`;
}

function nodes(session: Session, c: Context): void {
  const members = session.server.face.view.members();
  const ranges = mastersOnly(rangesOf(session));
  c.reply.verbatim(members.map((member) => nodeLine(session, member, ranges)).join(""));
}

/** Neighbours with the same master as one range. */
function mastersOnly(ranges: readonly SlotRange[]): SlotRange[] {
  const merged: SlotRange[] = [];
  for (const { from, to, nodes } of ranges) {
    const last = merged.at(-1);
    if (last?.nodes[0] === nodes[0]) merged[merged.length - 1] = { ...last, to };
    else merged.push({ from, to, nodes: [nodes[0]] });
  }
  return merged;
}

function info(session: Session, c: Context): void {
  const { view } = session.server.face;
  const members = view.members();
  const { ok, suspect, fail } = slotHealth(view);
  const masters = new Set(rangesOf(session).map(({ nodes: [first] }) => first));
  const lines = [
    ["cluster_state", fail === 0 ? "ok" : "fail"],
    ["cluster_slots_assigned", SLOTS],
    ["cluster_slots_ok", ok],
    ["cluster_slots_pfail", suspect],
    ["cluster_slots_fail", fail],
    ["cluster_known_nodes", members.length],
    ["cluster_size", masters.size],
    ["cluster_current_epoch", members.length],
    ["cluster_my_epoch", view.selfIndex + 1],
    ["cluster_stats_messages_sent", 0],
    ["cluster_stats_messages_received", 0],
    ["total_cluster_links_buffer_limit_exceeded", 0],
  ];
  c.reply.verbatim(lines.map(([name, value]) => `${name}:${value}\r\n`).join(""));
}

function myid(session: Session, c: Context): void {
  const { face } = session.server;
  c.reply.bulkText(face.idOf(face.view.members()[face.view.selfIndex]));
}

function keyslot(session: Session, c: Context): void {
  c.reply.int(session.server.parts.keySlot(c.args.bytes, c.args.start[2], c.args.length[2]));
}

/** Alone; in a cluster they ask several nodes (keyspace-calls.ts). */
function countkeysinslot({ server }: Session, c: Context): void {
  const slot = countArgs(c.args);
  if (typeof slot === "string") c.reply.error(slot);
  else c.reply.int(server.space.keysInSlot(slot, Number.POSITIVE_INFINITY, () => {}));
}

function getkeysinslot({ server }: Session, c: Context): void {
  const asked = listArgs(c.args);
  if (typeof asked === "string") c.reply.error(asked);
  else {
    const { slot, most } = asked;
    const keys: Viewed[] = [];
    server.space.keysInSlot(slot, most, ({ bytes, keyAt, keyBytes }) =>
      keys.push(viewed(Buffer.from(bytes.subarray(keyAt, keyAt + keyBytes)))),
    );
    c.reply.array(keys.length);
    for (const key of keys) c.reply.bulk(key, 0, key.length);
  }
}

/** READONLY and READWRITE: every node answers reads and writes anyway. */
function nothingToDo(_session: Session, c: Context): void {
  c.reply.ok();
}

/** KV.EXPLAIN GET key on a node alone. Of a cluster: explain-call.ts. */
function explain(session: Session, c: Context): void {
  const { args, reply } = c;
  const { space, parts } = session.server;
  if (args.lower(1) !== "get") {
    reply.error(EXPLAINS_GET);
    return;
  }
  const found = space.find(c.db, args.bytes, args.start[2], args.length[2], c.key, false);
  const slot = parts.keySlot(args.bytes, args.start[2], args.length[2]);
  const version = found ? `version ${c.key.version}, ${c.key.valueBytes} bytes` : "absent";
  reply.verbatim(`slot ${slot}\nthis node, which is alone: ${version}\n`);
}

export const clusterHosts: Readonly<Record<string, HostHandler>> = {
  "cluster|keyslot": keyslot,
  "cluster|info": shown(info),
  "cluster|slots": shown(slots),
  "cluster|shards": shown(shards),
  "cluster|nodes": shown(nodes),
  "cluster|myid": shown(myid),
  "cluster|countkeysinslot": shown(countkeysinslot),
  "cluster|getkeysinslot": shown(getkeysinslot),
  readonly: shown(nothingToDo),
  readwrite: shown(nothingToDo),
  "kv.explain": explain,
};
