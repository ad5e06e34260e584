/**
 * storage/table.ts: the memory table: every key of every database, off-heap, by partitions.
 * It knows bytes, references and positions; it knows no clock, log or client. storage/store.ts stands on it.
 *
 * Invariants: every record that is not dead is referenced by exactly one cell of the index of its database and partition;
 * `keys[db]` and `expiring[db]` count them, `tombstones[db]` those that a replica keeps (storage/registers.ts). `cursor*` fields describe the last lookup and hold until the next change.
 */
import {
  FLAG_EXPIRES,
  HEADER_BYTES,
  headOf,
  isPlain,
  keyLength,
  keyOffset,
  plainKeyBytes,
} from "../codec/record/record.js";
import { keySlot, SLOTS } from "../core/ring/slot.js";
import { assert } from "../lib/assert.js";
import { equalBytes } from "../lib/equal.js";
import { halfSipHash } from "../lib/half-siphash.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import type { KeysAhead } from "../ports/keyspace.js";
import type { ReleaseMemory } from "../ports/memory.js";
import {
  Arena,
  EXTENT_MASK,
  EXTENT_SHIFT,
  EXTENTS_MAX,
  EXTERNAL_BYTES_MIN,
  MARK_EXTERNAL,
  MEMORY_HEADER_BYTES,
} from "./arena.js";
import { CellHeap, CHUNK_SHIFT, firstInt } from "./cell-heap.js";
import { cellsBegin, cellsEnd, firstCell, metaAt, nextCell } from "./index-block.js";
import { Lookahead } from "./lookahead.js";
import { PartitionIndex } from "./partition-index.js";
import { PartitionShares } from "./partition-shares.js";
import { copySurvivor } from "./survivor.js";
import { clockOf } from "./usage-clock.js";

export const DATABASES = 16;
const INDEX_BYTES_PER_KEY = 12; // two words a cell at 65 % fill
const NOTHING: Viewed = viewed(Buffer.alloc(0));
const NO_INTS: Int32Array = new Int32Array(0);
/** With fewer keys the processor's caches hold what is needed. */
const AHEAD_KEYS_MIN = 10_000;

export class Table {
  arena: Arena;
  private readonly extentsMax: number;
  /** Memory of a flushed table that is to go back to the system, a piece at a time. */
  private dropped: ArrayBuffer[] = [];
  private readonly releaseMemory: ReleaseMemory;
  heap: CellHeap = new CellHeap();
  readonly partitions: number;
  readonly keys: Float64Array = new Float64Array(DATABASES);
  /** Records in the table that are no keys. */
  readonly tombstones: Float64Array = new Float64Array(DATABASES);
  readonly expiring: Float64Array = new Float64Array(DATABASES);
  readonly ahead: Lookahead = new Lookahead();
  readonly shares: PartitionShares = new PartitionShares();
  private readonly slotShift: number;
  private readonly k0: number;
  private readonly k1: number;
  /** Index by db * partitions + partition; made when first written to. */
  private indexes: (PartitionIndex | undefined)[];
  /** Per database, when it has an index: the root cells of its partitions' indexes (storage/partition-index.ts); zeros = none. */
  private readonly roots: (Int32Array | undefined)[] = new Array(DATABASES).fill(undefined);
  /** LSN at which a database was last emptied: what an index begins with, and what holds where there is none. */
  private readonly emptiedLsn: Float64Array = new Float64Array(DATABASES);

  // The last lookup: where the key is, or would be. Valid until the next change of the table.
  cursorHash = 0;
  cursorPartition = 0;
  private cursorDb = 0;
  private cursorBlock = 0;
  private cursorInts: Int32Array = NO_INTS;
  /** Where in cursorInts the key's cell is; -1 when it was not found. */
  private cursorAt = -1;
  /** Body of the record found: its buffer and offset. */
  body: Viewed = NOTHING;
  bodyAt = 0;

  /**
   * @param partitions a power of two up to 16384. @param k0 @param k1 the hash secret: the same on every node of a cluster,
   * so that SCAN's cursor means the same everywhere. @param extentsMax see Arena.
   */
  constructor(
    partitions: number,
    k0: number,
    k1: number,
    releaseMemory: ReleaseMemory = () => {},
    extentsMax: number = EXTENTS_MAX,
  ) {
    assert(
      partitions >= 1 && partitions <= SLOTS && (partitions & (partitions - 1)) === 0,
      "partitions: a power of two",
    );
    this.releaseMemory = releaseMemory;
    this.extentsMax = extentsMax;
    this.arena = new Arena(extentsMax);
    this.partitions = partitions;
    this.slotShift = Math.log2(SLOTS / partitions);
    this.k0 = k0 | 0;
    this.k1 = k1 | 0;
    this.indexes = new Array(DATABASES * partitions).fill(undefined);
  }

  // HOT: once per key of every command. No allocation. Guard: bench/micro/table.ts
  /**
   * Look a key up.
   * @returns its reference, or 0. Sets the cursor fields and, when found, body and bodyAt.
   */
  find(db: number, key: Viewed, keyAt: number, keyBytes: number): number {
    const { ahead } = this;
    const known = ahead.find(key, keyAt, keyBytes);
    const hash = known >= 0 ? ahead.hash[known] : halfSipHash(key, keyAt, keyBytes, this.k0, this.k1);
    const partition = known >= 0 ? ahead.partition[known] : keySlot(key, keyAt, keyBytes) >>> this.slotShift;
    this.cursorDb = db;
    this.cursorHash = hash;
    this.cursorPartition = partition;
    this.cursorAt = -1;
    const root = this.roots[db];
    if (root === undefined) return 0;
    const { chunks } = this.heap;
    let block = root[partition * 2];
    let meta = root[partition * 2 + 1];
    if (block === 0) return 0;
    if (meta < 0) {
      const entry = (block + (hash >>> (32 - (meta & 31)))) | 0;
      const directory = chunks[entry >>> CHUNK_SHIFT];
      const at = firstInt(entry);
      block = directory[at];
      meta = directory[at + 1];
    }
    const ints = chunks[block >>> CHUNK_SHIFT];
    const base = firstInt(block);
    for (let at = firstCell(ints, base, meta, hash); at >= 0; at = nextCell(ints, base, meta, at)) {
      const ref = ints[at + 1];
      this.locate(ref);
      if (this.keyEquals(key, keyAt, keyBytes)) {
        this.cursorBlock = block;
        this.cursorInts = ints;
        this.cursorAt = at;
        return ref;
      }
    }
    return 0;
  }

  /** Keys that find() is about to be asked for, in this order. The bytes must stay as they are until ahead.forget(). @param inserting most are new. */
  fetchAhead(db: number, bytes: Viewed, keys: KeysAhead, inserting = false): void {
    const root = this.roots[db];
    this.ahead.forget();
    if (root === undefined || this.keys[db] < AHEAD_KEYS_MIN) return;
    const { ahead } = this;
    ahead.begin(bytes, keys);
    for (let i = 0; i < keys.count; i++) {
      ahead.hash[i] = halfSipHash(bytes, keys.at[i], keys.length[i], this.k0, this.k1);
      ahead.partition[i] = keySlot(bytes, keys.at[i], keys.length[i]) >>> this.slotShift;
    }
    if (inserting) ahead.fetchBlocks(root, this.heap);
    ahead.fetch(root, this.heap, this.arena);
  }

  // HOT: the body behind a reference, into body and bodyAt.
  locate(ref: number): void {
    const extent = ref >>> EXTENT_SHIFT;
    const at = (ref & EXTENT_MASK) << 3;
    const ints = this.arena.ints[extent];
    if (ints[(at >> 2) - 1] & MARK_EXTERNAL) {
      this.body = this.arena.large.at[ints[at >> 2]] as Viewed;
      this.bodyAt = 0;
      return;
    }
    this.body = this.arena.bytes[extent];
    this.bodyAt = at;
  }

  private keyEquals(key: Viewed, keyAt: number, keyBytes: number): boolean {
    const body = this.body;
    const at = this.bodyAt;
    const head = headOf(body, at);
    const plain = isPlain(head);
    if ((plain ? plainKeyBytes(head) : keyLength(body, at)) !== keyBytes) return false;
    return equalBytes(body, at + (plain ? HEADER_BYTES : keyOffset(body, at)), key, keyAt, keyBytes);
  }

  /** Low 32 bits of the record's log position. */
  lsnOf(ref: number): number {
    return this.arena.ints[ref >>> EXTENT_SHIFT][((ref & EXTENT_MASK) << 1) - 2];
  }

  setLsn(ref: number, lsn: number): void {
    this.arena.ints[ref >>> EXTENT_SHIFT][((ref & EXTENT_MASK) << 1) - 2] = lsn | 0;
  }

  /**
   * Make room for a new state of the key that find() just looked up, in place of the old one if there is one; body and bodyAt
   * then point at bodyBytes bytes that the caller fills at once. The old body's bytes may be overwritten: nothing the
   * caller is to copy from may lie in them.
   * @param ref what find() returned. @param own the body, in place already: taken as it is where a buffer of its own is wanted.
   * @returns the record's reference.
   */
  replace(db: number, ref: number, bodyBytes: number, lsn: number, clock: number, own?: Viewed): number {
    const external = bodyBytes >= EXTERNAL_BYTES_MIN;
    const size = (bodyBytes + MEMORY_HEADER_BYTES + 7) & ~7;
    if (ref !== 0) {
      this.uncountDeadline(db);
      if (!external && this.arena.sizeOf(ref) === size && !this.isExternal(ref)) {
        this.setLsn(ref, lsn);
        return ref;
      }
      const kept = clockOf(this.arena, ref);
      const fresh = this.allocate(bodyBytes, size, external, own);
      this.writeHeader(fresh, lsn, kept, external);
      this.cursorInts[this.cursorAt + 1] = fresh;
      this.arena.free(ref);
      this.locate(fresh);
      return fresh;
    }
    const fresh = this.allocate(bodyBytes, size, external, own);
    this.writeHeader(fresh, lsn, clock, external);
    const index = this.cursorIndex() ?? this.makeIndex(db, this.cursorPartition);
    this.cursorBlock = index.insert(this.cursorHash, fresh);
    this.keys[db]++;
    this.locate(fresh);
    return fresh;
  }

  /** To be called once the new body is in place: counts its deadline. */
  noteBody(db: number, expireAt: number): void {
    if (expireAt === 0) return;
    const index = this.cursorIndex() as PartitionIndex;
    index.expiring++;
    this.expiring[db]++;
    index.noteDeadline(this.cursorBlock, expireAt);
  }

  /** The record that find() just found, or that replace() just made, is a tombstone from now on (1), or no longer one (-1). */
  countTombstone(db: number, by: 1 | -1): void {
    this.keys[db] -= by;
    this.tombstones[db] += by;
    (this.cursorIndex() as PartitionIndex).tombstones += by;
  }

  /** Remove the record that find() just found. @param lsn the removal's log position: answers "absent" wait for it. */
  remove(db: number, ref: number, lsn: number): void {
    const index = this.cursorIndex() as PartitionIndex;
    this.uncountDeadline(db);
    index.remove(this.cursorHash, this.cursorBlock, this.cursorAt);
    index.removedLsn = lsn;
    this.keys[db]--;
    this.cursorAt = -1;
    this.arena.free(ref);
  }

  /** Does the body lie in a buffer of its own? Such a buffer is never written to again: another state gets another one. */
  isExternal(ref: number): boolean {
    return (this.arena.ints[ref >>> EXTENT_SHIFT][((ref & EXTENT_MASK) << 1) - 1] & MARK_EXTERNAL) !== 0;
  }

  private allocate(bodyBytes: number, size: number, external: boolean, own: Viewed | undefined): number {
    if (!external) return this.arena.allocate(size, false);
    return this.arena.allocateExternal(own ?? viewedOf(bodyBytes));
  }

  private writeHeader(ref: number, lsn: number, clock: number, external: boolean): void {
    const ints = this.arena.ints[ref >>> EXTENT_SHIFT];
    const at = (ref & EXTENT_MASK) << 1;
    ints[at - 2] = lsn | 0;
    ints[at - 1] = (external ? MARK_EXTERNAL : 0) | (clock & 0xffffff);
  }

  private uncountDeadline(db: number): void {
    if ((this.body[this.bodyAt + 5] & FLAG_EXPIRES) === 0) return;
    (this.cursorIndex() as PartitionIndex).expiring--;
    this.expiring[db]--;
  }

  /** The index that the last lookup went to. */
  private cursorIndex(): PartitionIndex | undefined {
    return this.indexes[this.cursorDb * this.partitions + this.cursorPartition];
  }

  private makeIndex(db: number, partition: number): PartitionIndex {
    let root = this.roots[db];
    if (root === undefined) {
      root = new Int32Array(this.partitions * 2);
      this.roots[db] = root;
    }
    const index = new PartitionIndex(this.heap, root, partition * 2, partition);
    index.removedLsn = this.emptiedLsn[db];
    this.indexes[db * this.partitions + partition] = index;
    return index;
  }

  indexOf(db: number, partition: number): PartitionIndex | undefined {
    return this.indexes[db * this.partitions + partition];
  }

  /** LSN that an answer "absent" about the key just looked up depends on. */
  absentLsn(): number {
    return this.cursorIndex()?.removedLsn ?? this.emptiedLsn[this.cursorDb];
  }

  /**
   * Take the indexes of a database away, all keys with them, in O(partitions); the records are still in the arena: free them in
   * slices with freeBlock. @param lsn see remove().
   */
  detach(db: number, lsn: number): PartitionIndex[] {
    const taken: PartitionIndex[] = [];
    const first = db * this.partitions;
    for (let i = first; i < first + this.partitions; i++) {
      const index = this.indexes[i];
      if (index === undefined) continue;
      index.detach();
      taken.push(index);
      this.indexes[i] = undefined;
    }
    this.roots[db] = undefined;
    this.emptiedLsn[db] = lsn;
    this.keys[db] = 0;
    this.expiring[db] = 0;
    return taken;
  }

  /** Free a block of a detached index and its records. @returns how many. */
  freeBlock(index: PartitionIndex, block: number): number {
    const ints = this.heap.ints(block);
    const base = firstInt(block);
    const end = cellsEnd(base, metaAt(ints, base));
    let freed = 0;
    for (let i = cellsBegin(base); i < end; i += 2) {
      if (ints[i + 1] === 0) continue;
      this.arena.free(ints[i + 1]);
      freed++;
    }
    index.release(block);
    return freed;
  }

  /**
   * A survivor of cleaning: copy the record elsewhere and let its cell point there. O(1).
   * @param ref of a record that is not dead.
   */
  relocate(ref: number): void {
    this.locate(ref);
    const body = this.body;
    const at = this.bodyAt;
    const db = body[at + 4] >>> 4;
    const from = at + keyOffset(body, at);
    const found = this.find(db, body, from, keyLength(body, at));
    assert((found | 0) === (ref | 0), "a live record that no index knows", ref);
    this.cursorInts[this.cursorAt + 1] = copySurvivor(this.arena, ref);
  }

  /** Every database is empty: start over with fresh memory; the old goes back to the system as a whole. @param lsn see remove(). */
  dropArena(lsn: number): void {
    assert(
      this.keys.every((keys) => keys === 0),
      "arena dropped with keys in it",
    );
    this.dropped.push(...this.arena.memory(), ...this.heap.memory());
    this.body = NOTHING;
    this.cursorInts = NO_INTS;
    this.arena = new Arena(this.extentsMax);
    this.heap = new CellHeap();
    this.indexes.fill(undefined);
    this.roots.fill(undefined);
    // No removal is newer than the flush that brought us here.
    this.emptiedLsn.fill(lsn);
  }

  /** Give a piece of memory that is not used any more back to the system: at most 2 ms. @returns whether there was one. */
  releaseDropped(): boolean {
    const memory = this.dropped.pop();
    if (memory !== undefined) this.releaseMemory(memory);
    return memory !== undefined;
  }

  /** Give an extent without records back, if there is one and `keep` free segments remain. @returns whether there was. */
  releaseFreeExtent(keep: number): boolean {
    const memory = this.arena.takeFreeExtent(keep);
    if (memory !== undefined) this.releaseMemory(memory);
    return memory !== undefined;
  }

  /** Bytes of records alive, large values and index: what maxmemory counts. O(1). */
  usedBytes(): number {
    return this.arena.liveBytes + this.arena.large.bytes + this.heap.bytes;
  }

  /** Bytes a record holds: record, header, padding, its share of the index. */
  footprint(ref: number): number {
    this.locate(ref);
    return this.arena.sizeOf(ref) + (this.isExternal(ref) ? this.body.length : 0) + INDEX_BYTES_PER_KEY;
  }
}
