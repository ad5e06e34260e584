/**
 * storage/served.ts: the engine as the server room asks about it: may writes go on, how far is loading, what are the figures.
 */
import type { BackupTarget } from "../ports/backup-target.js";
import type { StorageFigures } from "../ports/storage-figures.js";
import type { BackupDone } from "./backup.js";
import type { Engine } from "./engine.js";
import { isFull } from "./table-room.js";
import { OPEN_BYTES_MAX } from "./wal.js";

export class ServedStorage {
  /** Absent where there is nothing on disk to copy. See server/ports.ts. */
  readonly backup?: (directory: string, done: BackupDone) => boolean;
  /** Two such batches are the most memory that the log takes, but for a single larger command (wal-batch-bytes-max). */
  congestedBytes: number = 1 << 20;
  /** The largest command that the disk had no room for; the owner sets it back once there is. */
  refusedBytes = 0;
  private readonly engine: Engine;
  private loaded = false;
  private readonly startedMs: number;
  private readonly monotonicMs: () => number;
  private readonly loadStartedMs: number;

  /** @param backupTo makes the directory that a backup goes into; absent = this node has no files. */
  constructor(
    engine: Engine,
    startedMs: number,
    monotonicMs: () => number,
    backupTo?: (directory: string) => BackupTarget,
  ) {
    if (backupTo !== undefined) this.backup = (directory, done) => engine.backup(backupTo(directory), done);
    this.engine = engine;
    this.startedMs = startedMs;
    this.monotonicMs = monotonicMs;
    this.loadStartedMs = monotonicMs();
  }

  /** Recovery ended: commands may run. */
  ready(): void {
    this.loaded = true;
  }

  get appendedLsn(): number {
    return this.engine.wal?.appendedLsn ?? 0;
  }

  get syncedLsn(): number {
    return this.engine.wal?.syncedLsn ?? 0;
  }

  get loading(): { startedMs: number; totalBytes: number; loadedBytes: number; etaSeconds: number } | undefined {
    if (this.loaded) return undefined;
    const recovery = this.engine.recovery;
    const progress = recovery?.progress() ?? 0;
    const totalBytes = recovery?.totalBytes() ?? 0;
    const seconds = (this.monotonicMs() - this.loadStartedMs) / 1000;
    const etaSeconds = progress > 0 ? Math.ceil((seconds / progress) * (1 - progress)) : 1;
    return {
      startedMs: this.startedMs,
      totalBytes,
      loadedBytes: Math.floor(totalBytes * progress),
      etaSeconds: Math.max(1, etaSeconds),
    };
  }

  get refusal(): string | undefined {
    const wal = this.engine.wal;
    if (wal === undefined) return undefined;
    if (wal.failure !== undefined) return wal.failure.message;
    if (!this.engine.store.readOnly && !wal.outOfSpace()) return undefined;
    if (!this.engine.store.readOnly && !wal.lacksRoom()) return "too much waits to be written";
    return wal.maker.hindrance ?? "No space left on device";
  }

  roomFor(bytes: number): boolean {
    if (this.engine.store.readOnly) return false;
    const { wal } = this.engine;
    if (wal?.outOfSpace(bytes) !== true) return true;
    if (wal.lacksRoom(bytes)) this.refusedBytes = Math.max(this.refusedBytes, bytes);
    return false;
  }

  batchTakes(bytes: number): boolean {
    const wal = this.engine.wal;
    return wal === undefined || wal.openBytes() + bytes <= OPEN_BYTES_MAX;
  }

  /**
   * More waits to be written than is good: those who write are not read until the log has come further. Not where it waits for room, which may
   * never come: writes are refused then, which bounds what waits as well, and who is refused is to hear so.
   */
  get congested(): boolean {
    const wal = this.engine.wal;
    return wal !== undefined && wal.openBytes() > this.congestedBytes && !wal.waitsForRoom;
  }

  get failed(): boolean {
    return this.engine.wal?.failure !== undefined;
  }

  makeRoom(): boolean {
    const { store, wal } = this.engine;
    // Nothing can be evicted either; the command is refused for want of room on the disk. Or, as in Redis, since all is
    // still loading, or clients are paused: then it is held back, and asks again.
    if (store.readOnly || store.paused || wal === undefined) return true;
    return store.eviction.makeRoom() && !this.full;
  }

  get full(): boolean {
    return isFull(this.engine.store.table.arena);
  }

  nudge(): void {
    this.engine.nudge();
  }

  sync(done: () => void): () => void {
    return this.engine.sync(done);
  }

  snapshot(done: (error: Error | undefined) => void): boolean {
    return this.engine.snapshot(done);
  }

  snapshotNext(): void {
    this.engine.snapshotNext();
  }

  setActiveExpire(on: boolean): void {
    this.engine.store.activeExpire = on;
  }

  setPaused(on: boolean): void {
    this.engine.store.paused = on;
  }

  figures(): StorageFigures {
    const { engine } = this;
    const { store, snapshotter, wal } = engine;
    return {
      hits: store.stats.hits,
      misses: store.stats.misses,
      expired: store.stats.expired,
      evicted: store.stats.evicted,
      dirty: store.stats.dirty,
      usedBytes: store.usedBytes(),
      logBytes: engine.diskBytes(),
      logFlushes: wal?.flushes ?? 0,
      lastFlushMs: wal?.lastFlushMs ?? 0,
      snapshotRunning: snapshotter.running,
      snapshotStartedMs: engine.snapshotStartedMs,
      lastSaveMs: engine.lastSaveMs,
      lastSaveOk: engine.lastSaveOk,
      loadMs: engine.loadMs,
    };
  }

  resetFigures(): void {
    const { stats } = this.engine.store;
    stats.hits = 0;
    stats.misses = 0;
    stats.expired = 0;
    stats.evicted = 0;
  }
}
