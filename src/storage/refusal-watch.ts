/**
 * storage/refusal-watch.ts: says when writes begin to be refused, as a rule since the disk is full, and when they are taken again. It looks once a second:
 * where they are refused they are asked for on the hot path, or by a peer, and none of these is to write lines.
 * Invariants: what stays as it is is told once; of what goes to and fro no more is told than a line in SAY_AGAIN_MS; a log that failed is not told
 * of here.
 */
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import type { ServedStorage } from "./served.js";

const LOOK_MS = 1000;
const SAY_AGAIN_MS = 5000;

/** Which writes are refused. */
type Refused = "none" | "larger" | "all";

export interface RefusalWatchParts {
  readonly scheduler: Scheduler;
  readonly storage: Pick<ServedStorage, "refusal" | "failed" | "roomFor"> & { refusedBytes: number };
  /** The log could not be begun: nothing can be written until it is. */
  readonly readOnly: () => boolean;
  readonly log: (level: "notice" | "warning", text: string) => void;
}

export class RefusalWatch {
  private readonly parts: RefusalWatchParts;
  private told: Refused = "none";
  private toldMs = Number.NEGATIVE_INFINITY;
  private cancel: Cancel = () => {};

  constructor(parts: RefusalWatchParts) {
    this.parts = parts;
  }

  start(): void {
    if (this.parts.storage.failed) return;
    this.look();
    this.cancel = this.parts.scheduler.after(LOOK_MS, () => this.start());
  }

  private look(): void {
    const { storage, scheduler } = this.parts;
    const { refusal } = storage;
    // Asked of the largest: by a smaller one that fits meanwhile it would go to and fro.
    if (refusal === undefined && storage.refusedBytes > 0 && storage.roomFor(storage.refusedBytes))
      storage.refusedBytes = 0;
    const now: Refused = refusal !== undefined ? "all" : storage.refusedBytes > 0 ? "larger" : "none";
    const nowMs = scheduler.monotonicMs();
    if (now === this.told || nowMs < this.toldMs + SAY_AGAIN_MS) return;
    this.told = now;
    this.toldMs = nowMs;
    this.tell(refusal);
  }

  private tell(refusal: string | undefined): void {
    const { storage, readOnly, log } = this.parts;
    if (this.told === "none") log("notice", "writes are taken again");
    else if (this.told === "larger")
      log(
        "warning",
        `larger writes are refused, one of ${storage.refusedBytes} bytes was: no room on the disk for the log`,
      );
    else if (readOnly()) log("warning", `the log cannot be begun, read-only until it can: ${refusal}`);
    else log("warning", `writes are refused, reads are served: ${refusal}`);
  }

  stop(): void {
    this.cancel();
  }
}
