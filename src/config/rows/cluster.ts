/**
 * config/rows/cluster.ts: options about peers, quorums and encrypted links. Rows only; the rules that tie several of them
 * together are in rules.ts.
 */
import { checkPeers, ID_PATTERN, parseHostPort } from "../peers.js";
import type { Rows } from "../row.js";

export interface ClusterValues {
  readonly id: string;
  readonly peers: readonly string[];
  readonly join: readonly string[];
  readonly peerPort: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly partitions: number;
  readonly quorumTimeout: number;
  readonly clusterName: string;
  readonly clusterSecret: string;
  readonly zone: string;
  readonly announceHost: string;
  readonly announcePort: number;
  readonly clusterEnabled: boolean;
}

const NO_JOIN = "members are given by peers when a cluster is made; one that runs cannot be joined yet";

export const clusterRows: Rows<ClusterValues> = {
  id: {
    kind: "string",
    default: "",
    doc: "Name of this node: letters, digits, dot, dash, underscore, at most 64. Needed with peers, and never changed then.",
    check: (value) =>
      value === "" || ID_PATTERN.test(value) ? undefined : "argument must be 1 to 64 letters, digits, '.', '-' or '_'",
  },
  peers: {
    kind: "list",
    separator: ",",
    default: [],
    doc: "The other nodes: id=host:peerPort,id=host:peerPort,... Who is a member is fixed at the first start; where a member is may change.",
    check: checkPeers,
  },
  join: {
    kind: "list",
    separator: ",",
    default: [],
    refuse: NO_JOIN,
    doc: "host:peerPort of any node of a running cluster to join.",
    check: (value) =>
      value.every((text) => parseHostPort(text) !== undefined) ? undefined : "argument must be host:peerPort,...",
  },
  peerPort: {
    kind: "int",
    default: 16379,
    min: 0,
    max: 65535,
    derived: "port + 10000, or tls-port + 10000 when port is 0",
    doc: "TCP port for the other nodes, on the addresses of bind; opened only when there are any.",
  },
  n: {
    kind: "int",
    default: 3,
    min: 1,
    max: 7,
    scope: "cluster",
    doc: "Replicas of each key. With fewer nodes than n there are as many replicas as nodes, and r and w are at most that. n, r and w are fixed at the first start.",
  },
  r: {
    kind: "int",
    default: 2,
    min: 1,
    max: 7,
    scope: "cluster",
    doc: "Replicas that must answer a read. At most n; r + w must be more than n.",
  },
  w: {
    kind: "int",
    default: 2,
    min: 1,
    max: 7,
    scope: "cluster",
    doc: "Replicas on whose disk a write must lie before it is acknowledged. At most n; r + w must be more than n.",
  },
  partitions: {
    kind: "int",
    default: 1024,
    min: 1,
    max: 16384,
    scope: "cluster",
    doc: "Parts the 16384 slots are divided into: a power of two, fixed when the data directory is made.",
    check: (value) => ((value & (value - 1)) === 0 ? undefined : "argument must be a power of two"),
  },
  clusterName: {
    kind: "string",
    default: "kvorum",
    scope: "cluster",
    doc: "Nodes talk only to nodes of the same cluster name.",
    check: (value) =>
      ID_PATTERN.test(value) ? undefined : "argument must be 1 to 64 letters, digits, '.', '-' or '_'",
  },
  quorumTimeout: {
    kind: "duration",
    default: 2000,
    min: 100,
    max: 60_000,
    doc: "Most time that a command waits for other nodes. Then it ends with an error that says whether it may have been applied. With values above 1 MiB longer: about a second more for each MiB at most.",
  },
  clusterSecret: {
    kind: "string",
    default: "",
    secret: true,
    doc: "Password between nodes, at least 16 characters, the same on all. Needed when a peer is on another machine.",
    check: (value) => (value === "" || value.length >= 16 ? undefined : "argument must have at least 16 characters"),
  },
  zone: {
    kind: "string",
    default: "",
    doc: "Rack, room or region. Without effect so far: peers does not say in which zone a peer is.",
  },
  announceHost: {
    kind: "string",
    default: "",
    aliases: ["cluster-announce-ip"],
    doc: "Host name or address that clients should use for this node (CLUSTER SLOTS and the like). Empty: where it was reached.",
    check: (value) =>
      /^[^\s,@[\]]*$/.test(value) ? undefined : "argument must be a host name, or an address without brackets",
  },
  announcePort: {
    kind: "int",
    default: 0,
    min: 0,
    max: 65535,
    aliases: ["cluster-announce-port"],
    doc: "Port that clients should use for this node. 0: port, or tls-port when there is no other.",
  },
  clusterEnabled: {
    kind: "bool",
    default: false,
    doc: "Say to be a node of a Redis Cluster: INFO has cluster_enabled:1, there is database 0 alone, and SELECT, COPY and MOVE to another are refused. The same on all nodes: it is not compared. With peers CLUSTER SLOTS and the like answer in any case.",
  },
};

export interface TlsValues {
  readonly tlsPort: number;
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  readonly tlsKeyFilePass: string;
  readonly tlsCaCertFile: string;
  readonly tlsAuthClients: "no" | "yes" | "optional";
  readonly tlsProtocols: readonly string[];
}

export const tlsRows: Rows<TlsValues> = {
  tlsPort: {
    kind: "int",
    default: 0,
    min: 0,
    max: 65535,
    doc: "TCP port with TLS. 0: none.",
  },
  tlsCertFile: { kind: "string", default: "", path: true, doc: "Certificate chain in PEM." },
  tlsKeyFile: { kind: "string", default: "", path: true, doc: "Private key in PEM." },
  tlsKeyFilePass: { kind: "string", default: "", secret: true, doc: "Password of the private key." },
  tlsCaCertFile: {
    kind: "string",
    default: "",
    path: true,
    doc: "Certificates that may have signed a client's, in PEM.",
  },
  tlsAuthClients: {
    kind: "enum",
    default: "yes",
    values: ["no", "yes", "optional"],
    doc: "Must clients show a certificate? yes and optional need tls-ca-cert-file.",
  },
  tlsProtocols: {
    kind: "list",
    default: ["TLSv1.2", "TLSv1.3"],
    doc: "Versions of TLS that are spoken.",
    check: (value) =>
      value.length > 0 && value.every((word) => word === "TLSv1.2" || word === "TLSv1.3")
        ? undefined
        : "argument must be TLSv1.2, TLSv1.3 or both",
  },
};
