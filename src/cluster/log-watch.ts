/**
 * cluster/log-watch.ts: does this node's log stand still? A disk that does not answer any more stops neither the loop nor the heartbeats: to its peers
 * such a node looks well, and what it proposes for them waits until their time is over, although others could do it. (Unless it hangs in a sync on the
 * loop, while nobody reads: then the node is to its peers as one that was stopped. docs/decisions/0031)
 *
 * It hangs when records wait and no flush has ended for some looks: looks and not time, so that a loop that did not run accuses no disk.
 * A large value may take long: that is no hang, for as long as the largest takes of those that came since the log moved last. It counts from when
 * it moved: or one that comes now and then would excuse a disk for ever.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";

const LOOK_MS = 150;
/** With the one that notes the position: between 450 and 600 ms. */
const LOOKS = 4;

export interface LogWatchParts {
  readonly scheduler: Scheduler;
  readonly log: { readonly appendedLsn: number; readonly durableLsn: number };
  /** How long what is being stored may take, ms: where that is known to be long. 0: as long as anything. */
  readonly excusedMs: () => number;
  /** At each look while it hangs. */
  readonly onHang: () => void;
}

export class LogWatch {
  hangs = false;
  private readonly parts: LogWatchParts;
  private durableLsn = 0;
  private looks = 0;
  /** The last look at which it had moved, and for how long from then it is excused. */
  private movedMs = 0;
  private excusedMs = 0;
  private cancel: Cancel = () => {};

  constructor(parts: LogWatchParts) {
    this.parts = parts;
    this.await();
  }

  private await(): void {
    this.cancel = this.parts.scheduler.after(LOOK_MS, () => {
      this.look();
      this.await();
    });
  }

  private look(): void {
    const { log, excusedMs, onHang, scheduler } = this.parts;
    const { durableLsn } = log;
    const nowMs = scheduler.monotonicMs();
    const moved = durableLsn !== this.durableLsn || log.appendedLsn === durableLsn;
    if (moved) this.movedMs = nowMs;
    this.excusedMs = Math.max(moved ? 0 : this.excusedMs, excusedMs());
    this.durableLsn = durableLsn;
    this.looks = moved || nowMs - this.movedMs < this.excusedMs ? 0 : this.looks + 1;
    this.hangs = this.looks >= LOOKS - 1;
    if (this.hangs) onHang();
  }

  /** The log has come further. */
  durable(): void {
    this.looks = 0;
    this.hangs = false;
  }

  stop(): void {
    this.cancel();
  }
}
