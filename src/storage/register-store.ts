/**
 * storage/register-store.ts: the keyspace of a replica, as it lies here. Keys change by rounds of their registers (storage/registers.ts) and
 * in no other way: nothing here writes. What other replicas may know better is for the coordinator to ask.
 *
 * Invariants: a tombstone is absent to every reader, and so is an expired key, but both stay: only a round over a quorum ends a key. What is
 * absent has a version all the same, that of its record, and the answer depends on that record.
 * A class of its own, so that the paths of a node alone have no branch for it.
 */
import { expireAtOf, FLAG_TOMBSTONE } from "../codec/record/record.js";
import { assert } from "../lib/assert.js";
import type { Viewed } from "../lib/view.js";
import type { KeyState } from "../ports/keyspace.js";
import type { EvictionPolicy } from "./eviction.js";
import { versionOf } from "./register-replay.js";
import { Store } from "./store.js";
import { walk } from "./walk.js";

const STEP_RECORDS = 256;

export class RegisterStore extends Store {
  /** Of the record that the last lookup found to be no key; 0: there is none. */
  private goneVersion = 0;

  /** Dots are made by the time that the cluster has (cluster/peer-clocks.ts), and not by this machine's clock alone. */
  override setTime(nowMs: number): void {
    if (nowMs <= this.now) return;
    this.now = nowMs;
    this.usage.observe(nowMs);
  }

  override find(db: number, bytes: Viewed, at: number, length: number, state: KeyState, touch: boolean): boolean {
    if (super.find(db, bytes, at, length, state, touch)) return true;
    state.version = this.goneVersion;
    return false;
  }

  protected override lookup(db: number, bytes: Viewed, at: number, length: number): number {
    const { table } = this;
    this.goneVersion = 0;
    const ref = table.find(db, bytes, at, length);
    if (ref === 0) return 0;
    const { body, bodyAt } = table;
    const expireAt = expireAtOf(body, bodyAt);
    const dead = (body[bodyAt + 5] & FLAG_TOMBSTONE) !== 0;
    if (!dead && (expireAt === 0 || expireAt > this.now)) return ref;
    this.goneVersion = versionOf(body, bodyAt);
    this.needRecord(ref);
    return 0;
  }

  protected override fill(state: KeyState): void {
    super.fill(state);
    const { body, bodyAt } = this.table;
    state.present = (body[bodyAt + 5] & FLAG_TOMBSTONE) === 0;
    state.version = versionOf(body, bodyAt);
  }

  protected override isGone(state: KeyState): boolean {
    return !state.present || super.isGone(state);
  }

  /** Expired keys are absent but stay. */
  override get frozen(): boolean {
    return true;
  }

  /** O(records) when hardly any of them is a key. */
  override randomKey(db: number, state: KeyState): boolean {
    if (super.randomKey(db, state)) return true;
    if (this.table.keys[db] === 0) return false;
    const from = this.random.below(this.table.partitions) * 2 ** 32;
    return this.firstBetween(db, from, Number.POSITIVE_INFINITY, state) || this.firstBetween(db, 0, from, state);
  }

  /** The first key from one place in the order of hashes on, before another. */
  private firstBetween(db: number, from: number, to: number, state: KeyState): boolean {
    let found = 0;
    let cursor = from;
    do {
      cursor = walk(this.table, db, cursor, STEP_RECORDS, (ref) => {
        if (found !== 0) return;
        this.table.locate(ref);
        this.fill(state);
        if (!this.isGone(state)) found = ref;
      });
    } while (found === 0 && cursor !== 0 && cursor < to);
    if (found === 0) {
      state.present = false;
      return false;
    }
    this.table.locate(found);
    this.fill(state);
    this.needRecord(found);
    return true;
  }

  override put(): void {
    assert(false, "a replica's keys change by rounds");
  }

  override remove(): boolean {
    assert(false, "a replica's keys change by rounds");
    return false;
  }

  override flush(): void {
    assert(false, "a replica's keys change by rounds");
  }

  /** Nothing is evicted: a key that went here only would come back from the others. */
  override setPolicy(policy: EvictionPolicy): void {
    assert(policy === "noeviction", "with several nodes nothing is evicted", policy);
  }
}
