/**
 * storage/engine-log.ts: what stands in for the log while there is none, and what a snapshot sees of it: an engine is made before its log is
 * open.
 */
import { DiskError } from "../lib/errors.js";
import type { Log } from "./log.js";
import type { LogView } from "./snapshotter.js";
import type { Wal } from "./wal.js";

/** Before the log is open nothing may be written: an expired key is absent and stays, as where the disk is full. */
export class NoLog implements Log {
  readonly appendedLsn = 0;
  readonly durableLsn = 0;
  outOfSpace(): boolean {
    return true;
  }
  append(): number {
    throw new DiskError("the log is not open yet", "loading");
  }
}

/** The engine, as far as its log is concerned. */
interface HasLog {
  readonly wal: Wal | undefined;
  readonly snapshotter: { abort(): void };
}

/** The snapshotter's view of a log that does not exist yet when the engine is made. */
export class LogOf implements LogView {
  private readonly engine: HasLog;
  constructor(engine: HasLog) {
    this.engine = engine;
  }
  get appendedLsn(): number {
    return this.engine.wal?.appendedLsn ?? 0;
  }
  get syncedLsn(): number {
    return this.engine.wal?.syncedLsn ?? 0;
  }
  get failure(): DiskError | undefined {
    return this.engine.wal?.failure;
  }
  syncNow(done: () => void): void {
    const { wal, snapshotter } = this.engine;
    // A snapshot waits for the log it leans on. Where that waits for room, the snapshot lets go of its own.
    if (wal?.waitsForRoom) snapshotter.abort();
    wal?.syncNow(done);
  }
}
