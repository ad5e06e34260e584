/**
 * config/rows/storage.ts: options about memory and about what lies on disk. Rows only, no code.
 */
import type { Rows } from "../row.js";

export type MaxmemoryPolicy =
  | "volatile-lru"
  | "volatile-lfu"
  | "volatile-random"
  | "volatile-ttl"
  | "allkeys-lru"
  | "allkeys-lfu"
  | "allkeys-random"
  | "noeviction";

export interface MemoryValues {
  readonly maxmemory: number;
  readonly maxmemoryPolicy: MaxmemoryPolicy;
  readonly maxmemorySamples: number;
  readonly lfuLogFactor: number;
  readonly lfuDecayTime: number;
  readonly activeExpireEffort: number;
  readonly hz: number;
}

export const memoryRows: Rows<MemoryValues> = {
  maxmemory: {
    kind: "bytes",
    default: 0,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    redis: { min: 0n, max: 2n ** 64n - 1n },
    change: "reloadable",
    doc: "Memory for data; above it maxmemory-policy acts. 0: no limit.",
  },
  maxmemoryPolicy: {
    kind: "enum",
    default: "noeviction",
    values: [
      "volatile-lru",
      "volatile-lfu",
      "volatile-random",
      "volatile-ttl",
      "allkeys-lru",
      "allkeys-lfu",
      "allkeys-random",
      "noeviction",
    ],
    change: "reloadable",
    unsafe: "EVERY VALUE BUT noeviction DELETES ACKNOWLEDGED KEYS WHEN MEMORY IS FULL.",
    doc: "What gives way when maxmemory is reached; noeviction refuses writes instead.",
  },
  maxmemorySamples: {
    kind: "int",
    default: 5,
    min: 1,
    max: 1000,
    redis: { min: 1n, max: 2147483647n },
    unit: "keys",
    change: "reloadable",
    doc: "Keys looked at for each one evicted: more is closer to true LRU and slower.",
  },
  lfuLogFactor: {
    kind: "int",
    default: 10,
    min: 0,
    max: 2147483647,
    change: "reloadable",
    doc: "How slowly the LFU counter of a busy key saturates.",
  },
  lfuDecayTime: {
    kind: "int",
    default: 1,
    min: 0,
    max: 2147483647,
    unit: "minutes",
    change: "reloadable",
    doc: "Time after which an unused key's LFU counter loses one. 0: never.",
  },
  activeExpireEffort: {
    kind: "int",
    default: 1,
    min: 1,
    max: 10,
    change: "reloadable",
    doc: "Taken, as Redis has it, and without effect: each sweep goes on, in slices of a millisecond, until nothing is due.",
  },
  hz: {
    kind: "int",
    default: 10,
    min: 1,
    max: 500,
    redis: { min: 0n, max: 2147483647n },
    unit: "per second",
    change: "reloadable",
    doc: "Rounds of background work: expiry, timeouts, figures.",
  },
};

export interface DurabilityValues {
  readonly dir: string;
  readonly appendfsync: "everysec" | "always" | "no";
  readonly walSegmentBytes: number;
  readonly walBatchBytesMax: number;
  readonly walRetainBytes: number;
  readonly snapshotWalBytes: number;
}

export const durabilityRows: Rows<DurabilityValues> = {
  dir: {
    kind: "string",
    default: "./kvorum-data",
    path: true,
    change: "protected",
    doc: "Directory of the log and the snapshots; made when missing. One process at a time.",
    check: (value) => (value === "" ? "argument must be a directory" : undefined),
  },
  appendfsync: {
    kind: "enum",
    default: "always",
    values: ["everysec", "always", "no"],
    change: "reloadable",
    unsafe:
      "everysec LOSES UP TO A SECOND OF ACKNOWLEDGED WRITES AT A POWER CUT; no LOSES WHATEVER THE SYSTEM HAD NOT WRITTEN.",
    doc: "When a write is acknowledged: always = when it is on disk, everysec = at once, synced each second, no = at once, synced when the system likes.",
  },
  walSegmentBytes: {
    kind: "bytes",
    default: 64 * 1024 ** 2,
    min: 64 * 1024,
    max: 1024 ** 3,
    doc: "Size of one log file; a larger record gets a file of its own.",
  },
  walBatchBytesMax: {
    kind: "bytes",
    default: 1024 ** 2,
    min: 64 * 1024,
    max: 64 * 1024 ** 2,
    doc: "Bytes of writes that may wait for one sync; above it, clients that write are not read until the log has come further.",
  },
  walRetainBytes: {
    kind: "bytes",
    default: 1024 ** 3,
    min: 0,
    max: 1024 ** 4,
    change: "reloadable",
    doc: "Log kept for peers that are behind, beyond what this node needs itself. A full disk comes first: then none is. Without effect on a node alone.",
  },
  snapshotWalBytes: {
    kind: "bytes",
    default: 64 * 1024 ** 2,
    min: 64 * 1024,
    max: 1024 ** 4,
    change: "reloadable",
    doc: "Growth of the log that starts a snapshot. With much data the engine waits for more, in proportion to it.",
  },
};

export interface LogValues {
  readonly loglevel: "debug" | "verbose" | "notice" | "warning";
  readonly logFormat: "text" | "json";
  readonly slowlogLogSlowerThan: number;
  readonly slowlogMaxLen: number;
  readonly latencyMonitorThreshold: number;
}

export const logRows: Rows<LogValues> = {
  loglevel: {
    kind: "enum",
    default: "notice",
    values: ["debug", "verbose", "notice", "warning"],
    change: "reloadable",
    doc: "How much is logged.",
  },
  logFormat: {
    kind: "enum",
    default: "text",
    values: ["text", "json"],
    doc: "Lines for people, or one JSON object a line.",
  },
  slowlogLogSlowerThan: {
    kind: "int",
    default: 10_000,
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    unit: "us",
    change: "reloadable",
    doc: "Commands that take longer go to SLOWLOG. 0: all, -1: none.",
  },
  slowlogMaxLen: {
    kind: "int",
    default: 128,
    min: 0,
    max: 1_000_000,
    redis: { min: 0n, max: 2n ** 63n - 1n },
    unit: "entries",
    change: "reloadable",
    doc: "Entries SLOWLOG keeps.",
  },
  latencyMonitorThreshold: {
    kind: "int",
    default: 0,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    unit: "ms",
    change: "reloadable",
    doc: "Events at least this long are kept for LATENCY. 0: none.",
  },
};
