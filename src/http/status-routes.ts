/**
 * http/status-routes.ts: /health, /cluster/status, /cluster/nodes: what this node knows of itself and of its cluster, from its INFO, which is also
 * where `kvorum cluster status` and CLUSTER INFO have it from.
 *   /health   200 ok, 200 degraded (it serves, with a reason to look), 503 unavailable: loading, or no key has a quorum
 * Invariants: /health answers without a password and tells no names; a node alone is a cluster of one, with the same members in its answers.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isLoopback } from "../lib/loopback.js";
import type { ClientPool } from "./client-pool.js";
import { parametersOf } from "./conditions.js";
import type { Target } from "./target.js";

export const STATUS_PATHS: readonly string[] = ["/health", "/cluster/status", "/cluster/nodes"];

export interface StatusParts {
  readonly pool: ClientPool;
  readonly targetOf: (request: FastifyRequest) => Target;
}

type Fields = ReadonlyMap<string, string>;

interface Info {
  readonly fields: Fields;
  /** None: the node is alone. */
  readonly members: readonly Fields[];
}

export function addStatusRoutes(app: FastifyInstance, { pool, targetOf }: StatusParts): void {
  const answer = (path: string, make: (info: Info, reply: FastifyReply, local: string) => object): void => {
    app.get(path, async (request, reply) => {
      parametersOf(targetOf(request).query, []);
      const text = await pool.run(false, (client) => client.call("INFO", "server", "persistence", "cluster"));
      return reply.send(make(readInfo(String(text)), reply, localOf(request)));
    });
  };
  answer("/health", health);
  answer("/cluster/status", status);
  answer("/cluster/nodes", nodes);
}

/** The address by which the client came. */
function localOf({ socket }: FastifyRequest): string {
  return (socket.localAddress ?? "").replace(/^::ffff:/, "");
}

function readInfo(text: string): Info {
  const fields = new Map<string, string>();
  const members: Fields[] = [];
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1)];
    if (/^member_\d+$/.test(name)) members.push(new Map(value.split(",").map(pairOf)));
    else fields.set(name, value);
  }
  return { fields, members };
}

function pairOf(text: string): [string, string] {
  const equals = text.indexOf("=");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function numberIn(fields: Fields, name: string): number {
  return Number(fields.get(name) ?? 0);
}

interface Reason {
  readonly code: string;
  readonly message: string;
}

function health({ fields, members }: Info, reply: FastifyReply): object {
  const reasons: Reason[] = [];
  const loading = fields.get("loading") === "1";
  if (loading) reasons.push({ code: "LOADING", message: `${fields.get("loading_loaded_perc") ?? "?"} % loaded` });
  if (fields.get("aof_last_write_status") === "err")
    reasons.push({ code: "MISCONF", message: "the log takes no writes; reads are served" });
  const behindMs = numberIn(fields, "kvorum_clock_corrected_ms");
  const doubtMs = numberIn(fields, "kvorum_clock_doubt_ms");
  if (doubtMs !== 0)
    reasons.push({
      code: "CLOCK",
      message: `half of the clocks are ${doubtMs} ms behind the others: which are right?`,
    });
  else if (behindMs !== 0)
    reasons.push({ code: "CLOCK", message: `this node's clock is ${-behindMs} ms ahead of most of its peers'` });
  const quorum = quorumReason({ fields, members });
  if (quorum !== undefined) reasons.push(quorum);
  const unavailable = loading || quorum?.code === "NO_QUORUM";
  if (unavailable) reply.code(503).header("retry-after", "1");
  return { status: unavailable ? "unavailable" : reasons.length > 0 ? "degraded" : "ok", reasons };
}

function quorumReason({ fields, members }: Info): Reason | undefined {
  if (members.length === 0) return undefined;
  const up = `${fields.get("kvorum_cluster_members_up")} of ${members.length} nodes are up`;
  const slots = (name: string): number => numberIn(fields, `kvorum_cluster_slots_${name}`);
  const [ok, suspect, fail, readOnly] = [slots("ok"), slots("suspect"), slots("fail"), slots("read_only")];
  if (readOnly > 0) {
    const written = ok + suspect === 0 ? "no key can be written" : `the keys of ${fail} slots cannot be written`;
    const read = readOnly === fail ? "" : `, and those of ${fail - readOnly} not be read`;
    return { code: "READ_ONLY", message: `${written}${read}: ${up}` };
  }
  if (fail > 0 && ok + suspect === 0) return { code: "NO_QUORUM", message: `no key has a quorum: ${up}` };
  if (fail > 0) return { code: "PARTLY_NO_QUORUM", message: `${fail} of 16384 slots have no quorum: ${up}` };
  if (suspect > 0) return { code: "SUSPECT", message: `${suspect} of 16384 slots may have no quorum: ${up}` };
  return up.startsWith(`${members.length} `) ? undefined : { code: "NODES_DOWN", message: up };
}

const COUNTS = ["members", "members_up", "partitions", "n", "r", "w", "slots_ok", "slots_suspect", "slots_fail"];
const ALONE = [1, 1, 1, 1, 1, 1, 16384, 0, 0];

function status({ fields, members }: Info): object {
  const alone = members.length === 0;
  const get = (name: string): string => fields.get(`kvorum_cluster_${name}`) ?? "";
  const counts = COUNTS.map((name, i) => [camel(name), alone ? ALONE[i] : numberIn(fields, `kvorum_cluster_${name}`)]);
  return {
    ok: alone ? fields.get("loading") !== "1" : get("state") === "ok",
    alone,
    cluster: alone ? null : get("name"),
    id: alone ? null : get("id"),
    seenBy: alone ? nameOf(fields) : get("self"),
    ...Object.fromEntries(counts),
    notUp: members.filter((member) => member.get("state") !== "up").map((member) => member.get("id")),
  };
}

function nodes({ fields, members }: Info, _reply: FastifyReply, local: string): object {
  const self = fields.get("kvorum_cluster_self") ?? nameOf(fields);
  const seen = members.map((member) => nodeOf(member, local));
  return { seenBy: self, nodes: members.length === 0 ? [aloneNode(fields)] : seen };
}

const NUMBERS = ["port", "peer_port", "round_trip_ms", "clock_offset_ms", "partitions", "first"];
/** null of a node that is down, or whose link has just opened. */
const MEASURED = ["round_trip_ms", "clock_offset_ms"];

/** @param local in place of a host that is of this machine only, as server/cluster-face.ts has it: INFO was asked from within. */
function nodeOf(member: Fields, local: string): object {
  const unmeasured = member.get("round_trip_ms") === "-1";
  const elsewhere = local !== "" && (member.get("self") === "1" || !isLoopback(local));
  const value = (name: string, text: string): string | number | boolean | null => {
    if (name === "self") return text === "1";
    if (name === "host" && isLoopback(text) && elsewhere) return local;
    if (unmeasured && MEASURED.includes(name)) return null;
    return NUMBERS.includes(name) ? Number(text) : text;
  };
  return Object.fromEntries([...member].map(([name, text]) => [camel(name), value(name, text)]));
}

function aloneNode(fields: Fields): object {
  return {
    id: nameOf(fields),
    state: fields.get("loading") === "1" ? "loading" : "up",
    self: true,
    port: numberIn(fields, "tcp_port"),
    partitions: 1,
    first: 1,
    nodeId: nameOf(fields),
    version: fields.get("kvorum_version") ?? "",
  };
}

/** A node alone is known by the id of its directory. */
function nameOf(fields: Fields): string {
  return fields.get("node_id") ?? "";
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
