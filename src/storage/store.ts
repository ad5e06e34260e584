/**
 * storage/store.ts: one node's keyspace: the memory table, the log under it, and the rule that ties them: what a reply says must
 * be durable before it leaves. Serves the Keyspace port when alone; storage/register-store.ts is what is left of it in a cluster.
 * Every change is encoded once, into the table, and appended to the log from there. `gate` gathers what the current command depends on: the
 * position of a record read (when not durable yet), of the last removal in its partition when the answer is "absent", of what was written.
 * Invariants: a change is in the table and in the open batch, or in neither; `now` never steps back, and an expired key that was seen as
 * gone is removed and logged at once (but where `frozen`), so that no clock brings it back; positions only grow.
 */
import {
  bodyBytesOf,
  encodeBody,
  expireAtOf,
  FLAG_RAW,
  FLAG_TOMBSTONE,
  keyLength,
  keyOffset,
  TYPE_FLUSH,
  TYPE_STRING,
} from "../codec/record/record.js";
import { Hlc } from "../core/clock/hlc.js";
import { keySlot, SLOTS } from "../core/ring/slot.js";
import { assert } from "../lib/assert.js";
import type { Random } from "../lib/random.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import { Absences } from "../ports/absences.js";
import { KeyState, type KeysAhead, type Keyspace, type Visit } from "../ports/keyspace.js";
import { DetachedIndexes } from "./detached-indexes.js";
import { Eviction, type EvictionPolicy } from "./eviction.js";
import { fillState } from "./fill-state.js";
import { LastLookup } from "./last-lookup.js";
import type { Log } from "./log.js";
import { StoreStats } from "./store-stats.js";
import { DATABASES, type Table } from "./table.js";
import { clockOf, setClock, UsageClock } from "./usage-clock.js";
import { randomRef, refsOf, walk } from "./walk.js";

const RANDOM_TRIES = 100;
/** Less memory than this (the small first extent and two more) is not worth giving back to the system only to ask for it again. */
const DROP_EXTENTS_MIN = 3;
const EMPTY: Viewed = viewed(Buffer.alloc(0));
const EVERYTHING: Viewed = viewed(Buffer.from("*"));

export class Store implements Keyspace {
  table: Table;
  log: Log;
  now = 0;
  readonly hlc: Hlc = new Hlc();
  readonly usage: UsageClock;
  readonly eviction: Eviction;
  readonly stats: StoreStats = new StoreStats();
  /** False during recovery and when told so (DEBUG SET-ACTIVE-EXPIRE): keys stay, expired or not, until asked for. */
  activeExpire = true;
  /** There is no log to take a change, for want of room: an expired key is absent, and stays until there is one. */
  readOnly = false;
  paused = false;
  touching = true;
  readonly absences: Absences = new Absences();
  private gateLsn = 0;
  /** LSN of the last removal anywhere: what a listing lacks depends on it. */
  private removedLsn = 0;
  private readonly last: LastLookup = new LastLookup();
  private stage: Viewed = viewedOf(1024);
  protected readonly random: Random;
  private readonly scratchState = new KeyState();
  readonly detached: DetachedIndexes;

  constructor(table: Table, log: Log, random: Random) {
    this.table = table;
    this.log = log;
    this.random = random;
    this.detached = new DetachedIndexes(table);
    this.usage = new UsageClock(random);
    this.eviction = new Eviction(this, random);
  }

  get gate(): number {
    return this.gateLsn;
  }

  /** Setting it starts a new command: nothing found before counts any more, the bytes it lay in may have changed. */
  set gate(lsn: number) {
    this.gateLsn = lsn;
    this.last.forget();
  }

  get durableLsn(): number {
    return this.log.durableLsn;
  }

  /** Let time pass; never back. Called once a turn, and before a command that waited. */
  setTime(nowMs: number): void {
    if (nowMs <= this.now) return;
    this.now = nowMs;
    this.hlc.observe(nowMs);
    this.usage.observe(nowMs);
  }

  // HOT: once per key of every command. No allocation. Guard: bench/micro/store.ts
  find(db: number, bytes: Viewed, at: number, length: number, state: KeyState, touch: boolean): boolean {
    const ref = this.lookup(db, bytes, at, length);
    if (ref === 0) {
      state.present = false;
      state.version = 0;
      this.needLsn(this.table.absentLsn());
      if (touch) this.stats.misses++;
      return false;
    }
    this.needRecord(ref);
    this.fill(state);
    if (touch) {
      this.stats.hits++;
      if (this.touching) this.usage.touch(this.table.arena, ref);
    }
    return true;
  }

  fetchAhead(db: number, bytes: Viewed, keys: KeysAhead): void {
    this.table.fetchAhead(db, bytes, keys);
  }

  forgetAhead(): void {
    this.table.ahead.forget();
  }

  /** Find a key that has not expired; one that has is removed first. Where it stays, a power cut might take its deadline back: who hears of it waits. */
  protected lookup(db: number, bytes: Viewed, at: number, length: number): number {
    const ref = this.table.find(db, bytes, at, length);
    this.last.note(db, bytes, at, length, ref);
    if (ref === 0) return 0;
    const expireAt = expireAtOf(this.table.body, this.table.bodyAt);
    if (expireAt === 0 || expireAt > this.now) return ref;
    if (this.frozen) this.needRecord(ref);
    else this.expireFound(db, ref);
    return 0;
  }

  /** Expired keys are absent but stay: where there is no room for a record, nobody who reads is to depend on one; or since clients are paused. */
  get frozen(): boolean {
    return this.readOnly || this.paused || this.log.outOfSpace?.() === true;
  }

  /** @param state becomes what the table's last lookup found. */
  protected fill(state: KeyState): void {
    fillState(state, this.table.body, this.table.bodyAt);
  }

  protected needLsn(lsn: number): void {
    if (lsn > this.gateLsn && lsn > this.log.durableLsn) this.gateLsn = lsn;
  }

  protected needRecord(ref: number): void {
    this.needLsn(this.pendingLsn(ref));
  }

  /** A record's position while it is not durable, else 0. It keeps 32 bits of it: enough to tell those, which are the newest few. */
  pendingLsn(ref: number): number {
    const durable = this.log.durableLsn;
    const ahead = (this.table.lsnOf(ref) - (durable | 0)) | 0;
    return ahead > 0 && ahead <= this.log.appendedLsn - durable ? durable + ahead : 0;
  }

  /** Is what a walk came upon no key? */
  protected isGone(state: KeyState): boolean {
    return state.expireAt !== 0 && state.expireAt <= this.now;
  }

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
  ): void {
    const { table, last } = this;
    const known = last.isOf(db, key, keyAt, keyBytes);
    const ref = known ? last.ref : table.find(db, key, keyAt, keyBytes);
    if (known && ref !== 0) table.locate(ref);
    // When the value lies in the table (EXPIRE, RENAME, COPY) its place may be written over before it is read.
    const owned = table.arena.owns(value);
    const from = owned ? this.staged(value, valueAt, valueBytes) : value;
    const bodyBytes = bodyBytesOf(keyBytes, valueBytes, expireAt !== 0);
    const lsn = this.log.appendedLsn + 1;
    this.hlc.tick();
    const held = table.replace(db, ref, bodyBytes, lsn, this.usage.fresh());
    if (ref !== 0 && this.touching) this.usage.touch(table.arena, held);
    encodeBody(
      table.body,
      table.bodyAt,
      TYPE_STRING | (db << 4),
      raw ? FLAG_RAW : 0,
      this.hlc.low,
      this.hlc.high,
      expireAt,
      key,
      keyAt,
      keyBytes,
      from,
      owned ? 0 : valueAt,
      valueBytes,
    );
    table.noteBody(db, expireAt);
    this.log.append(table.body, table.bodyAt, bodyBytes);
    this.changed(lsn);
  }

  get nextVersion(): number {
    return this.hlc.value() + 1;
  }

  private changed(lsn: number): void {
    this.last.forget();
    this.gateLsn = lsn;
    this.stats.dirty++;
  }

  private staged(bytes: Viewed, at: number, length: number): Viewed {
    if (this.stage.length < length) this.stage = viewedOf(length);
    bytes.copy(this.stage, 0, at, at + length);
    return this.stage;
  }

  remove(db: number, key: Viewed, keyAt: number, keyBytes: number): boolean {
    const known = this.last.isOf(db, key, keyAt, keyBytes);
    if (known && this.last.ref !== 0) this.table.locate(this.last.ref);
    const ref = known ? this.last.ref : this.lookup(db, key, keyAt, keyBytes);
    if (ref === 0) {
      this.needLsn(this.table.absentLsn());
      return false;
    }
    this.removeFound(db, ref);
    return true;
  }

  /** Log a tombstone for the record the table's cursor stands on, and let it go. */
  private removeFound(db: number, ref: number): void {
    const table = this.table;
    const body = table.body;
    const keyAt = table.bodyAt + keyOffset(body, table.bodyAt);
    const keyBytes = keyLength(body, table.bodyAt);
    if (this.absences.size > 0) this.absences.note(db, body, keyAt, keyBytes);
    const lsn = this.appendControl(db << 4, FLAG_TOMBSTONE, body, keyAt, keyBytes);
    table.remove(db, ref, lsn);
    this.removedLsn = lsn;
    this.changed(lsn);
  }

  private appendControl(typeAndDb: number, flags: number, key: Viewed, keyAt: number, keyBytes: number): number {
    const bytes = bodyBytesOf(keyBytes, 0, false);
    if (this.stage.length < bytes) this.stage = viewedOf(bytes);
    this.hlc.tick();
    encodeBody(this.stage, 0, typeAndDb, flags, this.hlc.low, this.hlc.high, 0, key, keyAt, keyBytes, EMPTY, 0, 0);
    return this.log.append(this.stage, 0, bytes);
  }

  private expireFound(db: number, ref: number): void {
    this.removeFound(db, ref);
    this.last.ref = 0;
    this.stats.removedByTime();
  }

  /** Remove a record by reference: the sweep and eviction. Its key is looked up anew. @returns its LSN. */
  removeRef(db: number, ref: number): void {
    const table = this.table;
    table.locate(ref);
    const { body, bodyAt: at } = table;
    const found = table.find(db, body, at + keyOffset(body, at), keyLength(body, at));
    assert((found | 0) === (ref | 0), "record not in the index", ref);
    this.removeFound(db, ref);
  }

  size(db: number): number {
    // A count depends on every change there is; it does not wait for an operator to make room for one.
    if (this.log.waitsForRoom !== true) this.needLsn(this.log.appendedLsn);
    return this.table.keys[db];
  }

  expiring(db: number): number {
    return this.table.expiring[db];
  }

  scan(db: number, cursor: number, count: number, visit: Visit): number {
    const state = this.scratchState;
    this.needLsn(this.removedLsn);
    return walk(this.table, db, cursor, count, (ref) => {
      this.table.locate(ref);
      this.fill(state);
      // Before its deadline is looked at: that may be what a power cut takes back.
      this.needRecord(ref);
      if (this.isGone(state)) return;
      visit(state);
    });
  }

  randomKey(db: number, state: KeyState): boolean {
    for (let tries = 0; tries < RANDOM_TRIES; tries++) {
      const ref = randomRef(this.table, db, (bound) => this.random.below(bound), false);
      if (ref === 0) break;
      this.table.locate(ref);
      this.fill(state);
      if (!this.isGone(state)) {
        this.needRecord(ref);
        return true;
      }
      if (!this.frozen) this.expireLocated(db, ref);
    }
    state.present = false;
    this.needLsn(this.log.appendedLsn);
    return false;
  }

  /** Remove an expired record that a walk came upon. */
  expireLocated(db: number, ref: number): void {
    const gate = this.gateLsn;
    this.removeRef(db, ref);
    this.gateLsn = gate;
    this.stats.removedByTime();
  }

  flush(db: number): void {
    if (this.absences.size > 0) this.absences.noteAll(db, (of, key) => this.lookup(of, key, 0, key.length) !== 0);
    const lsn = this.appendControl((Math.max(db, 0) << 4) | TYPE_FLUSH, FLAG_TOMBSTONE, EVERYTHING, 0, db < 0 ? 1 : 0);
    for (let i = 0; i < DATABASES; i++) {
      if (db >= 0 && i !== db) continue;
      this.stats.dirty += this.table.keys[i];
      this.detach(i, lsn);
    }
    this.removedLsn = lsn;
    this.changed(lsn);
  }

  detach(db: number, lsn: number): void {
    for (const index of this.table.detach(db, lsn)) this.detached.add(index);
    if (this.table.arena.extents < DROP_EXTENTS_MIN || !this.table.keys.every((keys) => keys === 0)) return;
    // Nothing is left anywhere: the memory goes as a whole, extent by extent, without looking at a record.
    this.detached.forget();
    this.table.dropArena(lsn);
  }

  memoryUsage(db: number, bytes: Viewed, at: number, length: number): number {
    const ref = this.lookup(db, bytes, at, length);
    return ref === 0 ? 0 : this.table.footprint(ref);
  }

  idleSeconds(db: number, bytes: Viewed, at: number, length: number): number {
    const ref = this.lookup(db, bytes, at, length);
    return ref === 0 ? -1 : this.usage.idleSeconds(clockOf(this.table.arena, ref));
  }

  frequency(db: number, bytes: Viewed, at: number, length: number): number {
    const ref = this.lookup(db, bytes, at, length);
    return ref === 0 ? -1 : this.usage.frequency(clockOf(this.table.arena, ref));
  }

  setUsage(db: number, bytes: Viewed, at: number, length: number, idleSeconds: number, frequency: number): void {
    const ref = this.lookup(db, bytes, at, length);
    if (ref !== 0) setClock(this.table.arena, ref, this.usage.encode(idleSeconds, frequency));
  }

  keysInSlot(slot: number, max: number, visit: Visit): number {
    const { table, scratchState: state } = this;
    const index = table.indexOf(0, Math.floor((slot * table.partitions) / SLOTS));
    let found = 0;
    this.needLsn(this.removedLsn);
    if (index === undefined) return 0;
    for (const ref of refsOf(table.heap, index)) {
      if (found >= max) break;
      table.locate(ref);
      this.fill(state);
      if (keySlot(state.bytes, state.keyAt, state.keyBytes) !== slot) continue;
      this.needRecord(ref);
      if (this.isGone(state)) continue;
      found++;
      visit(state);
    }
    return found;
  }

  setPolicy(policy: EvictionPolicy): void {
    this.eviction.policy = policy;
    this.usage.lfu = policy.endsWith("-lfu");
  }

  /** Bytes that maxmemory counts: records alive, large values, the index. */
  usedBytes(): number {
    return this.table.usedBytes();
  }
}
