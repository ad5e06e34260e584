/**
 * config/rows/cluster.ts: options about peers, quorums and encrypted links. Rows only; the rules that tie several of them
 * together are in rules.ts.
 */
import type { Rows } from "../row.js";

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const HOST_PORT = /^(\[[0-9A-Fa-f:.%]+\]|[^\s:=,]+):([1-9][0-9]{0,4})$/;

function checkHostPort(text: string): boolean {
  const match = HOST_PORT.exec(text);
  return match !== null && Number(match[2]) <= 65535;
}

function checkPeer(text: string): boolean {
  const equals = text.indexOf("=");
  return equals > 0 && ID.test(text.slice(0, equals)) && checkHostPort(text.slice(equals + 1));
}

export interface ClusterValues {
  readonly id: string;
  readonly peers: readonly string[];
  readonly join: readonly string[];
  readonly peerPort: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly partitions: number;
  readonly clusterName: string;
  readonly clusterSecret: string;
  readonly zone: string;
  readonly announceHost: string;
  readonly announcePort: number;
  readonly clusterEnabled: boolean;
}

const NO_PEERS = "this version runs alone: it has no peers yet";

export const clusterRows: Rows<ClusterValues> = {
  id: {
    kind: "string",
    default: "",
    doc: "Name of this node: letters, digits, dot, dash, underscore, at most 64. Empty: made up at the first start and kept in dir.",
    check: (value) =>
      value === "" || ID.test(value) ? undefined : "argument must be 1 to 64 letters, digits, '.', '-' or '_'",
  },
  peers: {
    kind: "list",
    separator: ",",
    default: [],
    refuse: NO_PEERS,
    doc: "The other nodes: id=host:peerPort,id=host:peerPort,...",
    check: (value) => (value.every(checkPeer) ? undefined : "argument must be id=host:peerPort,..."),
  },
  join: {
    kind: "list",
    separator: ",",
    default: [],
    refuse: NO_PEERS,
    doc: "host:peerPort of any node of a running cluster to join.",
    check: (value) => (value.every(checkHostPort) ? undefined : "argument must be host:peerPort,..."),
  },
  peerPort: {
    kind: "int",
    default: 16379,
    min: 0,
    max: 65535,
    derived: "port + 10000",
    doc: "TCP port for the other nodes; opened only when there are any.",
  },
  n: {
    kind: "int",
    default: 3,
    min: 1,
    max: 7,
    scope: "cluster",
    doc: "Replicas of each key; never more than there are nodes.",
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
    check: (value) => (ID.test(value) ? undefined : "argument must be 1 to 64 letters, digits, '.', '-' or '_'"),
  },
  clusterSecret: {
    kind: "string",
    default: "",
    secret: true,
    doc: "Password between nodes, at least 16 characters.",
    check: (value) => (value === "" || value.length >= 16 ? undefined : "argument must have at least 16 characters"),
  },
  zone: {
    kind: "string",
    default: "",
    doc: "Rack, room or region; replicas of a key go to different zones where they can.",
  },
  announceHost: {
    kind: "string",
    default: "",
    doc: "Host name or address that others should use for this node. Empty: found out.",
  },
  announcePort: {
    kind: "int",
    default: 0,
    min: 0,
    max: 65535,
    doc: "Port that clients should use for this node. 0: port.",
  },
  clusterEnabled: {
    kind: "bool",
    default: false,
    refuse: "kvorum does not speak as a Redis Cluster node yet; any Redis client can use it as a single server",
    doc: "Answer as a node of a Redis Cluster does.",
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
    doc: "Must clients show a certificate?",
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
