/**
 * test/lib/model-keyspace.ts: the keyspace as plainly as it can be written, a Map per database. The oracle for every real
 * implementation, and what command tests run against.
 * It keeps no log: `gate` stays 0 and everything counts as durable.
 */
import { keySlot } from "../../src/core/ring/slot.js";
import { viewed } from "../../src/lib/view.js";
import { Absences } from "../../src/ports/absences.js";
import type { KeyState, Keyspace, Visit } from "../../src/ports/keyspace.js";

interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly expireAt: number;
  readonly raw: boolean;
  readonly version: number;
  usedAt: number;
  frequency: number;
}

/** Bytes an entry is said to take beyond its key and value. */
const OVERHEAD_BYTES = 48;
const FREQUENCY_START = 5;

export class ModelKeyspace implements Keyspace {
  gate = 0;
  readonly durableLsn = 0;
  now = 0;
  touching = true;
  readonly absences: Absences = new Absences();
  /** Lookups that counted as uses, found and not found. */
  hits = 0;
  misses = 0;
  private readonly databases = new Map<number, Map<string, Entry>>();
  /** Far from the numbers that tests make up. */
  private versions = 2 ** 40;
  private readonly random: () => number;

  /** @param random 0 <= x < 1, for randomKey. */
  constructor(random: () => number = () => 0) {
    this.random = random;
  }

  find(db: number, bytes: Buffer, at: number, length: number, state: KeyState, touch: boolean): boolean {
    const entry = this.live(db, bytes, at, length);
    if (touch) {
      if (entry === undefined) this.misses++;
      else {
        this.hits++;
        entry.usedAt = this.now;
      }
    }
    state.present = entry !== undefined;
    if (entry !== undefined) fill(state, entry);
    return state.present;
  }

  get nextVersion(): number {
    return this.versions + 1;
  }

  put(
    db: number,
    key: Buffer,
    keyAt: number,
    keyBytes: number,
    value: Buffer,
    valueAt: number,
    valueBytes: number,
    expireAt: number,
    raw: boolean,
  ): void {
    if (expireAt !== 0 && expireAt <= this.now) throw new Error("put with a deadline that has passed");
    this.database(db).set(nameOf(key, keyAt, keyBytes), {
      key: Buffer.from(key.subarray(keyAt, keyAt + keyBytes)),
      value: Buffer.from(value.subarray(valueAt, valueAt + valueBytes)),
      expireAt,
      raw,
      version: ++this.versions,
      usedAt: this.now,
      frequency: FREQUENCY_START,
    });
  }

  remove(db: number, key: Buffer, keyAt: number, keyBytes: number): boolean {
    const present = this.live(db, key, keyAt, keyBytes) !== undefined;
    this.database(db).delete(nameOf(key, keyAt, keyBytes));
    if (present) this.absences.note(db, key, keyAt, keyBytes);
    return present;
  }

  size(db: number): number {
    return this.database(db).size;
  }

  expiring(db: number): number {
    return [...this.database(db).values()].filter((entry) => entry.expireAt !== 0).length;
  }

  /** The cursor is a place in the order of insertion: good as long as nothing is removed meanwhile. */
  scan(db: number, cursor: number, count: number, visit: Visit): number {
    const entries = [...this.database(db).values()];
    const end = Math.min(cursor + count, entries.length);
    for (const entry of entries.slice(cursor, end)) {
      if (this.expired(entry)) continue;
      visit(stateOf(entry));
    }
    return end === entries.length || end < cursor ? 0 : end;
  }

  randomKey(db: number, state: KeyState): boolean {
    const entries = [...this.database(db).values()].filter((entry) => !this.expired(entry));
    state.present = entries.length > 0;
    if (state.present) fill(state, entries[Math.floor(this.random() * entries.length)]);
    return state.present;
  }

  flush(db: number): void {
    this.absences.noteAll(db, (of, key) => this.live(of, key, 0, key.length) !== undefined);
    if (db < 0) this.databases.clear();
    else this.database(db).clear();
  }

  memoryUsage(db: number, bytes: Buffer, at: number, length: number): number {
    const entry = this.live(db, bytes, at, length);
    return entry === undefined ? 0 : OVERHEAD_BYTES + entry.key.length + entry.value.length;
  }

  idleSeconds(db: number, bytes: Buffer, at: number, length: number): number {
    const entry = this.live(db, bytes, at, length);
    return entry === undefined ? -1 : Math.floor((this.now - entry.usedAt) / 1000);
  }

  frequency(db: number, bytes: Buffer, at: number, length: number): number {
    return this.live(db, bytes, at, length)?.frequency ?? -1;
  }

  setUsage(db: number, bytes: Buffer, at: number, length: number, idleSeconds: number, frequency: number): void {
    const entry = this.live(db, bytes, at, length);
    if (entry === undefined) return;
    if (idleSeconds >= 0) entry.usedAt = this.now - idleSeconds * 1000;
    if (frequency >= 0) entry.frequency = frequency;
  }

  keysInSlot(slot: number, max: number, visit: Visit): number {
    let visited = 0;
    for (const entry of this.database(0).values()) {
      if (visited === max) break;
      if (this.expired(entry) || keySlot(viewed(entry.key), 0, entry.key.length) !== slot) continue;
      visit(stateOf(entry));
      visited++;
    }
    return visited;
  }

  private database(db: number): Map<string, Entry> {
    let entries = this.databases.get(db);
    if (entries === undefined) {
      entries = new Map();
      this.databases.set(db, entries);
    }
    return entries;
  }

  private live(db: number, bytes: Buffer, at: number, length: number): Entry | undefined {
    const name = nameOf(bytes, at, length);
    const entry = this.database(db).get(name);
    if (entry === undefined || !this.expired(entry)) return entry;
    this.database(db).delete(name);
    this.absences.note(db, bytes, at, length);
    return undefined;
  }

  private expired(entry: Entry): boolean {
    return entry.expireAt !== 0 && entry.expireAt <= this.now;
  }
}

function nameOf(bytes: Buffer, at: number, length: number): string {
  return bytes.toString("latin1", at, at + length);
}

function stateOf(entry: Entry): KeyState {
  return fill({} as KeyState, entry);
}

function fill(state: KeyState, entry: Entry): KeyState {
  // Key and value lie in one buffer, as they do in a record.
  state.present = true;
  state.type = 0;
  state.raw = entry.raw;
  state.bytes = viewed(Buffer.concat([entry.key, entry.value]));
  state.keyAt = 0;
  state.keyBytes = entry.key.length;
  state.valueAt = entry.key.length;
  state.valueBytes = entry.value.length;
  state.expireAt = entry.expireAt;
  state.version = entry.version;
  return state;
}
