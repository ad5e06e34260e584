/**
 * cluster/log-watch.ts: does this node's log stand still? A disk that does not answer any more stops neither the loop nor the heartbeats: to its peers
 * such a node looks well, and what it proposes for them waits until their time is over, although others could do it.
 *
 * It hangs when records wait and no flush has ended for some looks: looks and not time, so that a loop that did not run accuses no disk.
 * A large value may take long: that is no hang.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";

const LOOK_MS = 150;
/** With the one that notes the position: between 450 and 600 ms. */
const LOOKS = 4;

export interface LogWatchParts {
  readonly scheduler: Scheduler;
  readonly log: { readonly appendedLsn: number; readonly durableLsn: number };
  /** It is known what takes so long. */
  readonly excused: () => boolean;
  /** At each look while it hangs. */
  readonly onHang: () => void;
}

export class LogWatch {
  hangs = false;
  private readonly parts: LogWatchParts;
  private durableLsn = 0;
  private looks = 0;
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
    const { log, excused, onHang } = this.parts;
    const { durableLsn } = log;
    if (durableLsn !== this.durableLsn || log.appendedLsn === durableLsn || excused()) {
      this.durableLsn = durableLsn;
      this.looks = 0;
    } else this.looks++;
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
