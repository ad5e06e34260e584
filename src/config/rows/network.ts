/**
 * config/rows/network.ts: options about listening, clients and access. Rows only, no code.
 */
import { VALUE_BYTES_MOST } from "../../lib/limits.js";
import type { ClassLimits, Rows } from "../row.js";

export interface NetworkValues {
  readonly bind: readonly string[];
  readonly port: number;
  readonly httpPort: number;
  readonly httpBind: readonly string[];
  readonly unixsocket: string;
  readonly unixsocketperm: number;
  readonly tcpBacklog: number;
  readonly tcpKeepalive: number;
  readonly timeout: number;
  readonly protectedMode: boolean;
  readonly requirepass: string;
  readonly enableDebugCommand: "no" | "yes" | "local";
  readonly shutdownTimeout: number;
}

export const networkRows: Rows<NetworkValues> = {
  bind: {
    kind: "list",
    default: ["127.0.0.1", "-::1"],
    doc: "Addresses to listen on. A minus sign before one means that it may be missing on this machine; * and ::* are all.",
  },
  port: {
    kind: "int",
    default: 6379,
    min: 0,
    max: 65535,
    doc: "TCP port of the Redis protocol. 0: no TCP.",
  },
  httpPort: {
    kind: "int",
    default: 7379,
    min: 0,
    max: 65535,
    derived: "port + 1000",
    doc: "TCP port of HTTP. 0: no HTTP, as when port is 0 and nothing is said here. The library opens none unless it is given.",
  },
  httpBind: {
    kind: "list",
    default: [],
    doc: "Addresses to listen on for HTTP, written as those of bind. Empty: those of bind that are this machine's own only (loopback), which 127.0.0.1 is when there is none.",
  },
  unixsocket: {
    kind: "string",
    default: "",
    path: true,
    doc: "Path of a unix socket to listen on as well. Empty: none.",
  },
  unixsocketperm: {
    kind: "octal",
    default: 0,
    min: 0,
    max: 0o777,
    unit: "octal mode",
    doc: "File mode of the unix socket. 0: as the umask has it.",
  },
  tcpBacklog: {
    kind: "int",
    default: 511,
    min: 0,
    max: 65535,
    redis: { min: 0n, max: 2147483647n },
    unit: "connections",
    doc: "Connections the system may hold ready before they are accepted.",
  },
  tcpKeepalive: {
    kind: "int",
    default: 300,
    min: 0,
    max: 2147483647,
    unit: "s",
    change: "reloadable",
    doc: "Idle time after which TCP probes whether a client is still there. 0: never.",
  },
  timeout: {
    kind: "int",
    default: 0,
    min: 0,
    max: 2147483647,
    unit: "s",
    change: "reloadable",
    doc: "Idle time after which a client is disconnected. 0: never.",
  },
  protectedMode: {
    kind: "bool",
    default: true,
    change: "reloadable",
    unsafe: "WITH no AND WITHOUT requirepass ANYONE WHO REACHES THE PORT READS AND DELETES EVERYTHING.",
    doc: "Refuse clients from other machines while no password is set.",
  },
  requirepass: {
    kind: "string",
    default: "",
    secret: true,
    change: "reloadable",
    doc: "Password that clients must send with AUTH. Empty: none.",
  },
  enableDebugCommand: {
    kind: "enum",
    default: "no",
    values: ["no", "yes", "local"],
    doc: "Who may use DEBUG: nobody, everybody, or clients on this machine.",
  },
  shutdownTimeout: {
    kind: "duration",
    default: 10_000,
    min: 0,
    max: 3_600_000,
    unit: "s",
    change: "reloadable",
    doc: "How long a stop waits for replies under way before it closes the connections.",
  },
};

export interface LimitValues {
  readonly maxclients: number;
  readonly maxValueBytes: number;
  readonly clientQueryBufferLimit: number;
  readonly clientOutputBytesMax: number;
  readonly clientOutputBufferLimit: ClassLimits;
  readonly commandArgsMax: number;
  readonly inlineBytesMax: number;
  readonly unauthenticatedArgsMax: number;
  readonly unauthenticatedBytesMax: number;
  readonly databases: number;
}

export const limitRows: Rows<LimitValues> = {
  maxclients: {
    kind: "int",
    default: 10_000,
    min: 1,
    max: 4294967295,
    unit: "connections",
    change: "reloadable",
    doc: "Connected clients; more are told so and closed. At most what the process may have open (ulimit -n), less 64.",
  },
  maxValueBytes: {
    kind: "bytes",
    default: 64 * 1024 ** 2,
    min: 1024,
    max: VALUE_BYTES_MOST,
    scope: "cluster",
    change: "reloadable",
    aliases: ["proto-max-bulk-len"],
    redis: { min: 2n ** 20n, max: 2n ** 63n - 1n, alias: "proto-max-bulk-len" },
    doc: "Largest value, and largest single argument of a command. In a cluster the limit of the key's proposer counts for what a command makes (APPEND, SETRANGE...): keep it the same everywhere, nodes do not compare theirs.",
  },
  clientQueryBufferLimit: {
    kind: "bytes",
    default: 1024 ** 3,
    min: 1024 ** 2,
    max: 2047 * 1024 ** 2,
    redis: { min: 1024n ** 2n, max: 2n ** 63n - 1n },
    change: "reloadable",
    doc: "Bytes of one unfinished command of one client; more closes the connection. At least max-value-bytes; places in a command have 31 bits.",
  },
  clientOutputBytesMax: {
    kind: "bytes",
    default: 256 * 1024 ** 2,
    min: 64 * 1024,
    max: 2 * 1024 ** 3,
    change: "reloadable",
    doc: "Reply bytes that may wait for one slow reader of any class before it is cut off; a single larger reply, of up to 1 GiB, is still sent when nothing else waits. In a cluster 16 MiB more may wait.",
  },
  clientOutputBufferLimit: {
    kind: "limits",
    default: {
      normal: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
      replica: { hardBytes: 256 * 1024 ** 2, softBytes: 64 * 1024 ** 2, softSeconds: 60 },
      pubsub: { hardBytes: 32 * 1024 ** 2, softBytes: 8 * 1024 ** 2, softSeconds: 60 },
    },
    change: "reloadable",
    repeat: true,
    doc: "Redis's limits by class (normal, replica, pubsub): hard bytes, soft bytes, soft seconds; 0 sets none. client-output-bytes-max holds besides them and is never off.",
  },
  commandArgsMax: {
    kind: "int",
    default: 1024 * 1024,
    min: 16,
    max: 16 * 1024 * 1024,
    unit: "arguments",
    doc: "Arguments of one command.",
  },
  inlineBytesMax: {
    kind: "bytes",
    default: 64 * 1024,
    min: 1024,
    max: 1024 ** 2,
    doc: "Longest inline command, and longest line of the protocol.",
  },
  unauthenticatedArgsMax: {
    kind: "int",
    default: 10,
    min: 4,
    max: 1024,
    unit: "arguments",
    doc: "Arguments of one command before AUTH, while a password is set.",
  },
  unauthenticatedBytesMax: {
    kind: "bytes",
    default: 16 * 1024,
    min: 1024,
    max: 1024 ** 2,
    doc: "Bytes of one argument before AUTH, while a password is set.",
  },
  databases: {
    kind: "int",
    default: 16,
    min: 1,
    max: 16,
    doc: "Databases that SELECT can reach.",
  },
};
