/**
 * server/ports.ts: what the server room needs of the rest of a node. node.ts puts real things in; tests put models in.
 * Invariants: everything here is synchronous; what takes time calls back later, never inside the call.
 */
import type { Cluster, Dot } from "../cluster/work.js";
import type { Config } from "../config/config.js";
import type { Viewed } from "../lib/view.js";
import type { Keyspace } from "../ports/keyspace.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { StorageFigures } from "../ports/storage-figures.js";
import type { System } from "../ports/system.js";

/** The keyspace, with the clock that its owner winds. */
export interface Space extends Keyspace {
  /** Let time pass; never back. */
  setTime(nowMs: number): void;
}

/** How far a start has come while commands are answered with -LOADING. */
export interface LoadProgress {
  readonly startedMs: number;
  readonly totalBytes: number;
  readonly loadedBytes: number;
  readonly etaSeconds: number;
}

/** The storage under the keyspace, as the server commands see it. */
export interface Storage {
  /** Highest position handed out, and the highest known to be on disk whatever appendfsync says. */
  readonly appendedLsn: number;
  readonly syncedLsn: number;
  /** Undefined once commands may run. */
  readonly loading: LoadProgress | undefined;
  /** Why writes are refused ("No space left on device"), or undefined. Asked once per read. */
  readonly refusal: string | undefined;
  /** Is there room on the disk for what a command of so many bytes may write? Asked before large ones. */
  roomFor(bytes: number): boolean;
  /** Would the batch of the log that is being filled still be none too large with so many bytes more? */
  batchTakes(bytes: number): boolean;
  /** The log failed: nothing will become durable any more. */
  readonly failed: boolean;
  /** More than enough is waiting for the disk: clients that wait for it are read no further. Asked after each read. */
  readonly congested?: boolean;
  /** Hardly any room is left for records, whatever maxmemory says. Asked once per read. */
  readonly full: boolean;
  /** Is there room, also under maxmemory, after evicting where the policy allows? Asked before each denyoom command while either is so. */
  makeRoom(): boolean;
  /** Called after commands that may have left garbage behind. */
  nudge(): void;
  /** Call back when everything appended so far is on disk. Not called after a failure. @returns to wait no more. */
  sync(done: () => void): () => void;
  /** Start a snapshot; false when one is running. `done` hears the error, or undefined. */
  snapshot(done: (error: Error | undefined) => void): boolean;
  /** Start one soon, after the one that is running. */
  snapshotNext(): void;
  /**
   * Copy a snapshot and the log behind it into `directory`, an absolute path that must not exist or be empty; false when a
   * backup is under way. Absent where nothing lies on disk. @param done hears the last LSN in it.
   */
  readonly backup?: (directory: string, done: (error: Error | undefined, lsn: number) => void) => boolean;
  setActiveExpire(on: boolean): void;
  /** Clients are paused: meanwhile no key is removed because it expired or to make room. Expired ones are absent all the same. */
  setPaused(on: boolean): void;
  figures(): StorageFigures;
  /** CONFIG RESETSTAT: hits, misses, expired and evicted begin at 0 again. */
  resetFigures(): void;
}

export type LogLevel = "debug" | "verbose" | "notice" | "warning";

/** How SHUTDOWN was worded. */
export interface ShutdownRequest {
  readonly save: "save" | "nosave" | "default";
  readonly now: boolean;
  readonly force: boolean;
}

/** A key as this node holds it as a replica, for listings over several replicas. */
export interface PageEntry {
  /** Its place in SCAN's order: the same on every replica. Partition * 2^32 + hash. */
  readonly position: number;
  readonly key: Buffer;
  readonly ballot: Dot;
  /** false: a tombstone. A key past its deadline is live. */
  readonly live: boolean;
  readonly type: number;
  readonly expireAt: number;
  /** Known to be. */
  readonly chosen: boolean;
  /** Where it lies in the log. */
  readonly lsn: number;
}

/** What lies on this node as a replica, tombstones included. */
export interface ReplicaKeys {
  readonly durableLsn: number;
  /** From `cursor` (0 = the start) on, at least `count` unless it ends; all of one position in one page. next 0 = the end. */
  page(db: number, cursor: number, count: number): { readonly entries: readonly PageEntry[]; readonly next: number };
  /** Keys, no tombstones, of one partition of a database. */
  keysIn(db: number, partition: number): number;
}

export interface ServerParts {
  /** The cluster that this node is part of; absent: alone. */
  readonly cluster?: Cluster;
  readonly space: Space;
  readonly storage: Storage;
  readonly scheduler: Scheduler;
  readonly system: System;
  readonly config: Config;
  /** kvorum's own version. */
  readonly version: string;
  /** 40 hex digits that name this node for good. */
  readonly nodeId: string;
  /** Slot 0..16383 of a key (core/ring/slot.ts, which this room may not import). */
  readonly keySlot: (bytes: Viewed, at: number, length: number) => number;
  /** Port that INFO tells (tcp_port); 0 when there is no TCP. Known after listening. */
  readonly port: () => number;
  readonly log: (level: LogLevel, text: string) => void;
  /** Stop the node. @returns an error text when it cannot be done; otherwise the connections end with the process. */
  readonly shutdown: (request: ShutdownRequest, refused: (error: string) => void) => void;
}
