/**
 * ports/keyspace.ts: what a command may do to keys. Served by storage/store.ts alone and by the coordinator in a cluster.
 * Invariants: all methods are synchronous and act at once in memory; nothing is durable when they return. `gate` tells
 * which log position the answer depends on: a reply must not leave before durableLsn >= gate. Everything done between
 * two commands lies in one batch of the log, so a command is all there after a crash or not at all.
 */

import { type Viewed, viewed } from "../lib/view.js";
import type { Absences } from "./absences.js";

const EMPTY: Viewed = viewed(Buffer.alloc(0));

/** A key's state as a handler sees it. `bytes` is borrowed memory: valid until the next write to the keyspace. */
export class KeyState {
  /** False: the key is absent (or expired, which is the same). The other fields then mean nothing. */
  present = false;
  /** Record type: TYPE_STRING (codec/record/record.ts). */
  type = 0;
  /** True when the value was built in place by APPEND, SETRANGE, SETBIT...: OBJECT ENCODING says raw. */
  raw = false;
  bytes: Viewed = EMPTY;
  keyAt = 0;
  keyBytes = 0;
  valueAt = 0;
  valueBytes = 0;
  /** Absolute deadline, milliseconds since the epoch; 0 = none. */
  expireAt = 0;
  /**
   * Changes with every write of the key, also when the bytes stay the same; 0 = absent. WATCH and ETag compare it. Whether a key was
   * there between two absences (see `absences`). In a cluster it is the hlc of the last change that is known, and a key that was removed
   * has one too.
   */
  version = 0;
  /** In a cluster the node whose change that was, 0 alone: two nodes may have written under the same `version`. */
  versionNode = 0;
}

/** Called per key of a scan with state borrowed until it returns. It must not write to the keyspace. */
export type Visit = (state: KeyState) => void;

/** Keys within some bytes: the first `count` of the lists. In ascending order. */
export interface KeysAhead {
  readonly count: number;
  readonly at: Int32Array;
  readonly length: Int32Array;
}

export interface Keyspace {
  /** Highest LSN that what was seen or done since `gate` was last set to 0 depends on; 0 = nothing undurable. */
  gate: number;
  /** Every record at or below it survives power loss (as appendfsync promises it). */
  readonly durableLsn: number;

  /** The time of the current command, ms; never steps back. Keys with expireAt <= now are absent. */
  now: number;

  /** Told of every key that goes, however it does. */
  readonly absences: Absences;

  /** Do reads count as uses of keys? (CLIENT NO-TOUCH.) Set for the client whose commands run. */
  touching: boolean;

  /**
   * Find a key, expiring it when its deadline has passed.
   * @param touch counts for keyspace_hits/misses, and while `touching` as a use for LRU/LFU.
   * @returns state.present. Cost O(1).
   */
  find(db: number, bytes: Viewed, at: number, length: number, state: KeyState, touch: boolean): boolean;

  /**
   * These keys are about to be looked up, in this order: a hint, which changes nothing but how long that takes. Bytes and lists must stay
   * as they are until forgetAhead().
   */
  fetchAhead?(db: number, bytes: Viewed, keys: KeysAhead): void;
  forgetAhead?(): void;

  /** The version that a put has which is the next change; undefined where it is not known before (in a cluster). */
  readonly nextVersion?: number;

  /** Set a key: value bytes are copied. expireAt 0 = none; one in the past is the caller's error. O(bytes). */
  put(
    db: number,
    key: Viewed,
    keyAt: number,
    keyBytes: number,
    value: Viewed,
    valueAt: number,
    valueBytes: number,
    expireAt: number,
    raw: boolean,
  ): void;

  /** Remove a key. @returns whether it was there (and not expired). */
  remove(db: number, key: Viewed, keyAt: number, keyBytes: number): boolean;

  /** Number of keys, those included that are past their deadline and not swept yet (as in Redis). O(1). */
  size(db: number): number;
  /** Number of keys with a deadline. O(1). */
  expiring(db: number): number;

  /**
   * Visit keys from `cursor` (0 = start) in hash order until about `count` were visited; every key that stays
   * throughout a full iteration is visited at least once. Expired keys are not visited.
   * @returns the next cursor, below 2^53; 0 = done.
   */
  scan(db: number, cursor: number, count: number, visit: Visit): number;

  /** A key chosen at random; false when the database is empty. */
  randomKey(db: number, state: KeyState): boolean;

  /** Make a database (or all, db = -1) empty at once for every reader; memory is given back in slices afterwards. */
  flush(db: number): void;

  /** Bytes the key holds all told (record, header, its share of the index); 0 when absent. */
  memoryUsage(db: number, bytes: Viewed, at: number, length: number): number;
  /** Seconds since last use (LRU policies); -1 when absent. */
  idleSeconds(db: number, bytes: Viewed, at: number, length: number): number;
  /** Logarithmic use counter 0..255 (LFU policies); -1 when absent. */
  frequency(db: number, bytes: Viewed, at: number, length: number): number;
  /** Set idle seconds and frequency (RESTORE ... IDLETIME FREQ); -1 leaves one as it is. */
  setUsage(db: number, bytes: Viewed, at: number, length: number, idleSeconds: number, frequency: number): void;

  /** Keys in a slot of 0..16383, in database 0 (CLUSTER COUNTKEYSINSLOT, GETKEYSINSLOT). O(keys of the partition). */
  keysInSlot(slot: number, max: number, visit: Visit): number;
}
