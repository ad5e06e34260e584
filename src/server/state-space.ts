/**
 * server/state-space.ts: the keyspace as a work sees it: the one key it may change, as the register has it, and keys that were read
 * before. Handlers run on it as they run on the real one.
 * Invariants: a key that nobody told of is a programmer's error, and so is a write to any but the own key. States that were given are
 * never changed; what is written is copied, or lies in memory that stays as it is.
 */
import { nameOf } from "../cluster/work.js";
import { assert } from "../lib/assert.js";
import { type Viewed, viewed } from "../lib/view.js";
import { Absences } from "../ports/absences.js";
import type { KeyState, Keyspace } from "../ports/keyspace.js";
import type { KnownState } from "./work-bytes.js";

/** As storage's records: header, and a key's cell in the index with its share of what is free there. */
const OVERHEAD_BYTES = 32;

/** The real keyspace of this node, for what only a replica has. */
type Local = Pick<Keyspace, "idleSeconds" | "frequency" | "gate">;

export class StateSpace implements Keyspace {
  gate = 0;
  readonly durableLsn = 0;
  now = 0;
  touching = true;
  readonly absences: Absences = new Absences();
  /** What became of the own key; undefined while nothing was written. */
  written: KnownState | undefined = undefined;
  /** A command on one key runs: what that key holds, if anything. */
  only: { readonly bytes: Buffer } | undefined = undefined;
  private own: string | undefined = undefined;
  private states: ReadonlyMap<string, KnownState> = new Map();
  private readonly local: Local;

  constructor(local: Local) {
    this.local = local;
  }

  /** @param own the key that may be written; undefined: none. @param states of all keys that are looked at, the own one included. */
  begin(own: string | undefined, states: ReadonlyMap<string, KnownState>, now: number): void {
    this.only = undefined;
    this.own = own;
    this.states = states;
    this.written = undefined;
    this.now = now;
  }

  private state(name: string): KnownState {
    const state = name === this.own && this.written !== undefined ? this.written : this.states.get(name);
    assert(state !== undefined, "a key that was not announced", name.length);
    return state;
  }

  find(db: number, bytes: Viewed, at: number, length: number, state: KeyState, _touch: boolean): boolean {
    const { present, type, raw, value, expireAt, version, versionNode } = this.state(nameOf(db, bytes, at, length));
    state.present = present;
    state.type = type;
    state.raw = raw;
    state.bytes = viewed(value);
    state.valueAt = 0;
    state.valueBytes = value.length;
    state.expireAt = expireAt;
    state.version = version;
    state.versionNode = versionNode;
    return present;
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
    const copy = Buffer.from(value.subarray(valueAt, valueAt + valueBytes));
    const name = nameOf(db, key, keyAt, keyBytes);
    this.write(name, { present: true, type: 0, raw, expireAt, version: 0, versionNode: 0, value: copy });
  }

  remove(db: number, key: Viewed, keyAt: number, keyBytes: number): boolean {
    const name = nameOf(db, key, keyAt, keyBytes);
    if (!this.state(name).present) return false;
    this.write(name, ABSENT);
    return true;
  }

  private write(name: string, state: KnownState): void {
    assert(name === this.own, "a write to a key that is only read");
    this.written = state;
  }

  /** An estimate from what the key is; replicas differ in where they keep it. */
  memoryUsage(db: number, bytes: Viewed, at: number, length: number): number {
    if (this.only !== undefined) return OVERHEAD_BYTES + length + this.only.bytes.length;
    const { present, value } = this.state(nameOf(db, bytes, at, length));
    return present ? OVERHEAD_BYTES + length + value.length : 0;
  }

  /** What this node knows: each replica counts the uses it sees. */
  idleSeconds(db: number, bytes: Viewed, at: number, length: number): number {
    return Math.max(
      0,
      this.ofLocal(() => this.local.idleSeconds(db, bytes, at, length)),
    );
  }

  frequency(db: number, bytes: Viewed, at: number, length: number): number {
    return Math.max(
      0,
      this.ofLocal(() => this.local.frequency(db, bytes, at, length)),
    );
  }

  /** The lookup must not hold up the reply of whoever runs at the moment. */
  private ofLocal(ask: () => number): number {
    const { local } = this;
    const { gate } = local;
    const answer = ask();
    local.gate = gate;
    return answer;
  }

  /** Of a key that RESTORE is about to make: no replica has it yet. */
  setUsage(): void {}

  size(): number {
    return unreachable();
  }

  expiring(): number {
    return unreachable();
  }

  scan(): number {
    return unreachable();
  }

  randomKey(): boolean {
    return unreachable();
  }

  flush(): void {
    unreachable();
  }

  keysInSlot(): number {
    return unreachable();
  }
}

/** A key that is not there. */
const ABSENT: KnownState = {
  present: false,
  raw: false,
  type: 0,
  expireAt: 0,
  version: 0,
  versionNode: 0,
  value: viewed(Buffer.alloc(0)),
};

function unreachable(): never {
  assert(false, "a work looked at the whole keyspace");
}
