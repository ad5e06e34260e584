/**
 * server/start-screen.ts: what a person sees when the server is up: where it listens, where the data is, and honestly which
 * failures an acknowledged write survives. And the same facts for a machine, where lines are JSON.
 */
import type { Config } from "../config/config.js";
import { availability, survives } from "./guarantees.js";
import type { ClusterView } from "./slot-map.js";

/** Of a larger cluster only the number is told. */
const IDS_MAX = 9;

export interface StartFacts {
  readonly version: string;
  readonly config: Config;
  readonly addresses: readonly string[];
  /** Where HTTP listens; none: nowhere. */
  readonly http?: readonly string[] | undefined;
  /** Undefined: memory only. */
  readonly directory: string | undefined;
  readonly keys: number;
  readonly loadMs: number;
  /** Bytes of an unfinished, never acknowledged write that were dropped at the log's end. */
  readonly droppedBytes: number;
  readonly pid: number;
  /** Absent: a node alone. */
  readonly cluster?: ClusterFacts | undefined;
}

export interface ClusterFacts {
  readonly view: ClusterView;
  /** Where the other nodes come. */
  readonly peerAddresses: readonly string[];
}

export function startScreen(facts: StartFacts): string {
  const { config, addresses, cluster } = facts;
  const lines = [
    `kvorum ${facts.version}  pid ${facts.pid}`,
    "",
    `  listening   ${addresses.length > 0 ? addresses.join("  ") : "nowhere (port 0 and no unixsocket)"}`,
    ...(facts.http === undefined ? [] : [`  http        http://${facts.http.join("  http://")}`]),
    `  data        ${facts.directory ?? "memory only"}${facts.keys > 0 ? `  (${facts.keys} keys loaded in ${Math.round(facts.loadMs)} ms)` : ""}`,
    ...(cluster === undefined ? [] : clusterLines(cluster, config.n)),
    `  acknowledged writes survive: ${survives(config.appendfsync, facts.directory === undefined, cluster?.view)}`,
    ...(facts.droppedBytes > 0
      ? [`  dropped the torn end of the log: ${facts.droppedBytes} bytes of a write that was never acknowledged`]
      : []),
    ...config.unsafe().map((line) => `  ${line}`),
    "",
    `  connect with  redis-cli${reached(config)}`,
    "  Ctrl-C to stop",
    "",
  ];
  return lines.join("\n");
}

/** The options that lead redis-cli here. */
function reached({ port, tlsPort, tlsAuthClients, unixsocket }: Config): string {
  if (port > 0) return ` -p ${port}`;
  if (tlsPort > 0) return ` --tls -p ${tlsPort}${tlsAuthClients === "yes" ? " --cert FILE --key FILE" : ""}`;
  return unixsocket === "" ? "" : ` -s ${unixsocket}`;
}

function clusterLines({ view, peerAddresses }: ClusterFacts, wantedN: number): string[] {
  const members = view.members();
  const { id } = members[view.selfIndex];
  const shown = members.length > IDS_MAX ? "" : ` (${members.map((member) => member.id).join(" ")})`;
  const fewer = wantedN > view.n ? `, not ${wantedN}: there are no more nodes` : "";
  return [
    `  cluster     node ${id} of ${members.length}${shown}, peers at ${peerAddresses.join("  ")}`,
    `  quorum      n ${view.n}${fewer}, r ${view.r}, w ${view.w}: ${availability(view)}`,
  ];
}

/** Fields of one line of the log. `http` is empty, and `directory` and `cluster` are null, where there is none. */
export function startFields(facts: StartFacts): object {
  const { config, addresses, cluster, directory, version } = facts;
  const { appendfsync } = config;
  return {
    version,
    addresses,
    http: (facts.http ?? []).map((address) => `http://${address}`),
    directory: directory ?? null,
    keys: facts.keys,
    loadMs: Math.round(facts.loadMs),
    droppedBytes: facts.droppedBytes,
    appendfsync: directory === undefined ? null : appendfsync,
    survives: survives(appendfsync, directory === undefined, cluster?.view),
    unsafe: config.unsafe(),
    cluster: cluster === undefined ? null : clusterFields(cluster),
  };
}

function clusterFields({ view, peerAddresses }: ClusterFacts): object {
  const { n, r, w } = view;
  const members = view.members().map((member) => member.id);
  return { id: members[view.selfIndex], members, peerAddresses, n, r, w, availability: availability(view) };
}
