/**
 * storage/wal-stop.ts: the end of a log: wait until nothing of it is under way, then flush, seal and close.
 * Invariant: no descriptor is closed while a write to it is under way: its number might be another file's by the time the write is done.
 * A log that failed may have failed since the disk hangs: then its end is told after a while all the same. Until the disk
 * comes back its files stay open, and nobody else may open the directory: what hangs might be written over what they recovered.
 */
import type { DiskError } from "../lib/errors.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { Wal } from "./wal.js";

const POLL_MS = 1;
/** A disk that failed has so long to be done with what is under way, and any disk with a segment that nobody needs any more. */
const SETTLE_MS = 5000;
const HANGING_POLL_MS = 100;

/**
 * @param busy is there anything else that writes to the directory, or waits for the log?
 * @param done once it is safe to exit. @param quiet then, or later: nothing touches the directory any more.
 */
export function stopLog(
  wal: Wal,
  scheduler: Scheduler,
  busy: () => boolean,
  done: (error: DiskError | undefined) => void,
  quiet: () => void,
): void {
  let told = false;
  /** What was acknowledged does not depend on what is waited for from here on. */
  let patientUntilMs = Number.POSITIVE_INFINITY;
  const underWay = (): boolean => wal.busy() || busy();
  const look = (): void => {
    const nowMs = scheduler.monotonicMs();
    // The next segment may be in the making still.
    if (!underWay()) wal.close(true);
    if (wal.closed || wal.failure !== undefined) patientUntilMs = Math.min(patientUntilMs, nowMs + SETTLE_MS);
    const waits = underWay();
    if (!told && (!waits || nowMs >= patientUntilMs)) {
      told = true;
      done(wal.failure);
    }
    if (waits) scheduler.after(told ? HANGING_POLL_MS : POLL_MS, look);
    else quiet();
  };
  look();
}
