/**
 * storage/registers.ts: what a replica holds: the accepted state of every key, as records in the memory table and in the log. It does what
 * the acceptor's effects say (cluster/replica.ts); which ballot may be accepted is not for it to judge.
 *
 * Durable, once the log is: the accepted record (ballot, value or tombstone, deadline, vector, cut), ceilings. Volatile: the chosen mark, a
 * bit in front of the record in memory; positions.
 * Invariants: a record is in the table and in the open batch, or in neither; the ballot of a key only rises, after a restart too: of two
 * records the higher dot stays. What held() gave away never changes. The clock is above every dot that was seen.
 */
import {
  encodeBody,
  expireAtOf,
  FLAG_TOMBSTONE,
  HEADER_BYTES,
  isStateType,
  keyLength,
  keyOffset,
  readU32,
  TYPE_CEILING,
} from "../codec/record/record.js";
import { compareDots, type Dot, sameDot } from "../core/clock/dot.js";
import type { Held, RegisterState } from "../core/register/state.js";
import { assert } from "../lib/assert.js";
import { copyPlain } from "../lib/copy.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import { isChosen, setChosen } from "./chosen-mark.js";
import { highestHlc, hold, replayRegister, versionOf } from "./register-replay.js";
import type { RegisterStore } from "./register-store.js";
import { ballotOf, dbOf, decodeState, type RecordState, type Value } from "./state-record.js";
import { isExhausted } from "./table-room.js";
import { walk } from "./walk.js";

const TWO_32 = 4_294_967_296;
const NAME_BYTES_START = 256;
/** Names up to here are written byte by byte: a call of the buffer's own method costs as much as 40 of them. */
const WRITTEN_HERE_CHARS_MAX = 40;
/** hasRoom means that there is some for a record up to here. */
const ROOMY_BYTES: number = 32 * 1024;
const EMPTY: Viewed = viewed(Buffer.alloc(0));

/** One record of a page: what a listing over several replicas is put together from. */
export interface PageEntry {
  /** Its place in SCAN's order: the same on every replica. */
  readonly position: number;
  /** A copy. */
  readonly key: Buffer;
  readonly ballot: Dot;
  /** false: a tombstone. A key past its deadline is live: only a round ends it. */
  readonly live: boolean;
  /** Absolute ms, 0 = never. */
  readonly expireAt: number;
  /** TYPE_*; of no meaning for a tombstone. */
  readonly type: number;
  readonly chosen: boolean;
  /** As KeyState.version. */
  readonly version: number;
  /** What this entry says must not leave before the log is durable up to here; 0: it is. */
  readonly lsn: number;
}

export interface Page {
  readonly entries: readonly PageEntry[];
  /** Cursor of the next page; 0 = the end. */
  readonly next: number;
}

export class Registers {
  /** At or above every ceiling that was logged before this start and every dot in the log or a snapshot. Final once recovery ended. */
  recoveredCeiling = 0;
  private loggedCeiling = 0;
  private readonly store: RegisterStore;
  private name: Viewed = viewedOf(NAME_BYTES_START);
  private readonly control: Viewed = viewedOf(HEADER_BYTES);

  constructor(store: RegisterStore) {
    this.store = store;
  }

  get durableLsn(): number {
    return this.store.log.durableLsn;
  }

  get unbegun(): boolean {
    return this.store.readOnly;
  }

  get appendedLsn(): number {
    return this.store.log.appendedLsn;
  }

  /**
   * Is there room on the disk and in memory for more? Where there is none, what is accepted waits in memory for it, acknowledged by nobody; and before the
   * log could be begun nothing can be logged at all. So it is to be asked first, and a peer to be told that this replica takes nothing.
   */
  get hasRoom(): boolean {
    const { log, readOnly, table } = this.store;
    return !readOnly && log.outOfSpace?.() !== true && !isExhausted(table.arena);
  }

  /** And for a record of so many bytes? Asks the system where it is a large one. */
  takes(bytes: number): boolean {
    return bytes <= ROOMY_BYTES || this.store.log.outOfSpace?.(bytes) !== true;
  }

  // HOT: several times an operation. Guard: bench/micro/registers.ts
  /** What is held of a key; undefined: nothing, not even a tombstone. It stays as it is, whatever is accepted later. */
  held(name: string): Held<Value> | undefined {
    const ref = this.find(name);
    if (ref === 0) return undefined;
    const { table } = this.store;
    const { body, bodyAt } = table;
    // A buffer of its own is never written to again; what lies in a segment moves, and is written over.
    let record: Buffer = body;
    if (!table.isExternal(ref)) {
      const length = readU32(body, bodyAt);
      record = Buffer.allocUnsafe(length);
      copyPlain(body, bodyAt, record, 0, length);
    }
    return new HeldRecord(ballotOf(record, 0), record, isChosen(table.arena, ref), this.store.pendingLsn(ref));
  }

  // HOT: once per request to this replica. Guard: bench/micro/registers.ts
  /** As held(), but for a look at once: what is handed out is valid until anything else is asked of the table or put into it. */
  glance(name: string): Held<Value> | undefined {
    const ref = this.find(name);
    if (ref === 0) return undefined;
    const { table } = this.store;
    return new Glance(
      this,
      name,
      ballotOf(table.body, table.bodyAt),
      isChosen(table.arena, ref),
      this.store.pendingLsn(ref),
    );
  }

  /** @returns the reference of a key's record, 0: there is none. Sets the table's cursor. */
  private find(name: string): number {
    const length = name.length;
    if (this.name.length < length) this.name = viewedOf(length * 2);
    const bytes = this.name;
    if (length <= WRITTEN_HERE_CHARS_MAX) for (let i = 1; i < length; i++) bytes[i] = name.charCodeAt(i);
    else bytes.latin1Write(name, 0);
    return this.store.table.find(dbOf(name), bytes, 1, length - 1);
  }

  // HOT: once per accepted state.
  /**
   * Log a record and hold it, in place of an older state of its key.
   * @param bytes one record and nothing else, found well-formed; nobody changes it from now on. @param chosen known to be. @returns its position in the log.
   * @throws DiskError when there is no log yet, for want of room: then nothing has changed.
   */
  accept(bytes: Buffer, chosen: boolean): number {
    const record = viewed(bytes);
    const { store } = this;
    const { table } = store;
    const length = record.length;
    assert(readU32(record, 0) === length, "a record and nothing else", length);
    assert(isStateType(record[4] & 15), "no key's state");
    const ref = table.find(record[4] >>> 4, record, keyOffset(record, 0), keyLength(record, 0));
    assert(ref === 0 || this.isLater(record), "an accepted ballot only rises");
    const lsn = store.log.append(record, 0, length, true);
    // What lies amid other bytes is copied out of them, or it would keep them all in memory.
    const own = record.buffer.byteLength - length <= length >> 3;
    const held = hold(table, ref, record, 0, length, lsn, store.usage.fresh(), own);
    if (chosen) setChosen(table.arena, held, true);
    store.hlc.witness(highestHlc(record, 0));
    store.stats.dirty++;
    return lsn;
  }

  /** Than what the last lookup found. */
  private isLater(record: Buffer): boolean {
    const { body, bodyAt } = this.store.table;
    return compareDots(ballotOf(record, 0), ballotOf(body, bodyAt)) > 0;
  }

  /** This very ballot is chosen. Of no effect when another one is held by now. */
  mark(name: string, ballot: Dot): void {
    const ref = this.find(name);
    const { table } = this.store;
    if (ref !== 0 && sameDot(ballotOf(table.body, table.bodyAt), ballot)) setChosen(table.arena, ref, true);
  }

  /** Log a ceiling (core/clock/ceiling.ts). @returns its position in the log. */
  logCeiling(hlc: number): number {
    const { control } = this;
    const high = Math.floor(hlc / TWO_32);
    encodeBody(control, 0, TYPE_CEILING, 0, hlc >>> 0, high, 0, EMPTY, 0, 0, EMPTY, 0, 0);
    const lsn = this.store.log.append(control, 0, control.length);
    if (hlc > this.loggedCeiling) this.loggedCeiling = hlc;
    return lsn;
  }

  /**
   * What a snapshot has to remember: the log before it goes, with the ceilings in it. At or above every dot, and every ceiling that was
   * appended to the log so far: what was recovered lies at or below the clock, what was logged since is loggedCeiling.
   */
  get highestHlc(): number {
    return Math.max(this.store.hlc.value(), this.loggedCeiling);
  }

  /** A record of a snapshot or of the log, at the start. */
  replay(body: Viewed, at: number, length: number, lsn: number): void {
    const { table, usage } = this.store;
    this.witness(replayRegister(table, body, at, length, lsn, usage.fresh()));
  }

  /** At the start: an hlc that this directory has seen. */
  witness(hlc: number): void {
    if (hlc > this.recoveredCeiling) this.recoveredCeiling = hlc;
    this.store.hlc.witness(hlc);
  }

  /** Records of a database from `cursor` (0 = the start) on, at least `count` unless it ends, in hash order, tombstones too. */
  page(db: number, cursor: number, count: number): Page {
    const entries: PageEntry[] = [];
    const next = walk(this.store.table, db, cursor, count, (ref) => entries.push(this.entry(db, ref)));
    return { entries, next };
  }

  private entry(db: number, ref: number): PageEntry {
    const { store } = this;
    const { table } = store;
    table.locate(ref);
    const { body, bodyAt: at } = table;
    const keyAt = at + keyOffset(body, at);
    const key = viewed(Buffer.from(body.subarray(keyAt, keyAt + keyLength(body, at))));
    table.find(db, key, 0, key.length);
    return {
      position: table.cursorPartition * TWO_32 + (table.cursorHash >>> 0),
      key,
      ballot: ballotOf(body, at),
      live: (body[at + 5] & FLAG_TOMBSTONE) === 0,
      expireAt: expireAtOf(body, at),
      type: body[at + 4] & 15,
      chosen: isChosen(table.arena, ref),
      version: versionOf(body, at),
      lsn: store.pendingLsn(ref),
    };
  }

  /** Keys of one partition of a database, those past their deadline included. O(1). */
  keysIn(db: number, partition: number): number {
    const index = this.store.table.indexOf(db, partition);
    return index === undefined ? 0 : index.count - index.tombstones;
  }

  /** Records that are no keys, in all databases. */
  get tombstones(): number {
    return this.store.table.tombstones.reduce((sum, count) => sum + count, 0);
  }

  /** Keys of a database as they lie here, those included that are past their deadline. */
  keys(db: number): number {
    return this.store.table.keys[db];
  }
}

/** The state is decoded when it is asked for: an acceptor mostly wants the ballot. A class: a spread copy lacks `state`. */
class HeldRecord implements Held<Value> {
  readonly ballot: Dot;
  readonly chosen: boolean;
  readonly lsn: number;
  private readonly record: Buffer;
  private decoded: RecordState | undefined = undefined;

  constructor(ballot: Dot, record: Buffer, chosen: boolean, lsn: number) {
    this.ballot = ballot;
    this.record = record;
    this.chosen = chosen;
    this.lsn = lsn;
  }

  get state(): RecordState {
    if (this.decoded === undefined) {
      this.decoded = decodeState(this.record);
      assert(this.decoded !== undefined, "a record that no node made");
    }
    return this.decoded;
  }
}

/** Most requests are judged by the ballot alone: the record is copied for those that want the state. */
class Glance implements Held<Value> {
  readonly ballot: Dot;
  readonly chosen: boolean;
  readonly lsn: number;
  private readonly registers: Registers;
  private readonly name: string;

  constructor(registers: Registers, name: string, ballot: Dot, chosen: boolean, lsn: number) {
    this.ballot = ballot;
    this.chosen = chosen;
    this.lsn = lsn;
    this.registers = registers;
    this.name = name;
  }

  get state(): RegisterState<Value> {
    const held = this.registers.held(this.name);
    assert(held !== undefined && sameDot(held.ballot, this.ballot), "a glance that is over");
    return held.state;
  }
}
