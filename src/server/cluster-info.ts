/**
 * server/cluster-info.ts: INFO cluster: what this node knows of its cluster. Names that begin with cluster_ are Redis's, the others ours;
 * `kvorum cluster status` reads them. One line per member: member_ and its place in the order of ids.
 */
import type { MemberView } from "../cluster/work.js";
import type { Field } from "./info-sections.js";
import type { Server } from "./server.js";
import type { Session } from "./session.js";
import { slotHealth } from "./slot-map.js";

const UNMEASURED = -1;

export function clusterFields(server: Server, session: Session): Field[] {
  const { config } = server;
  const { cluster } = server.parts;
  const fields: Field[] = [["cluster_enabled", config.clusterEnabled ? 1 : 0]];
  if (cluster === undefined) return fields;
  const members = cluster.members();
  const { ok, suspect, fail, readOnly } = slotHealth(cluster);
  fields.push(
    ["kvorum_cluster_state", fail === 0 ? "ok" : "fail"],
    ["kvorum_cluster_name", config.clusterName],
    ["kvorum_cluster_id", cluster.clusterId],
    ["kvorum_cluster_self", members[cluster.selfIndex].id],
    ["kvorum_cluster_members", members.length],
    ["kvorum_cluster_members_up", members.filter(({ state }) => state === "up").length],
    ["kvorum_cluster_partitions", cluster.partitions],
    ["kvorum_cluster_n", cluster.n],
    ["kvorum_cluster_r", cluster.r],
    ["kvorum_cluster_w", cluster.w],
    ["kvorum_cluster_slots_ok", ok],
    ["kvorum_cluster_slots_suspect", suspect],
    ["kvorum_cluster_slots_fail", fail],
    ["kvorum_cluster_slots_read_only", readOnly],
  );
  const held = heldBy(cluster.partitions, cluster.n, members.length, (partition) => cluster.replicas(partition));
  for (const member of members) fields.push([`member_${member.index}`, memberLine(session, member, held)]);
  for (const [name, value] of Object.entries(cluster.figures())) fields.push([`kvorum_${name}`, shown(value)]);
  return fields;
}

interface Held {
  readonly replicas: Uint32Array;
  readonly firsts: Uint32Array;
}

function heldBy(partitions: number, n: number, members: number, replicas: (p: number) => readonly number[]): Held {
  const held = { replicas: new Uint32Array(members), firsts: new Uint32Array(members) };
  for (let partition = 0; partition < partitions; partition++) {
    const row = replicas(partition);
    for (let i = 0; i < n; i++) held.replicas[row[i]]++;
    held.firsts[row[0]]++;
  }
  return held;
}

/** Values hold no comma and no equals sign: ids and hosts cannot. */
function memberLine(session: Session, member: MemberView, { replicas, firsts }: Held): string {
  const { face, config } = session.server;
  // As CLUSTER NODES shows them to who asks.
  const { host, port } = face.addressOf(member, session);
  const bus = member.isSelf ? config.peerPort : member.peerPort;
  const values: [string, string | number][] = [
    ["id", member.id],
    ["state", member.state],
    ["self", member.isSelf ? 1 : 0],
    ["host", host],
    ["port", port],
    ["peer_port", bus],
    ["round_trip_ms", member.isSelf ? 0 : shown(member.roundTripMs)],
    ["clock_offset_ms", member.isSelf || member.roundTripMs === UNMEASURED ? 0 : shown(member.clockOffsetMs)],
    ["partitions", replicas[member.index]],
    ["first", firsts[member.index]],
    ["node_id", face.idOf(member)],
    ["version", face.versionOf(member)],
  ];
  return values.map(([name, value]) => `${name}=${value}`).join(",");
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}
