/**
 * storage/disposal.ts: deleting files that nothing needs any more, one after the other and off the loop: to unlink a GiB keeps a thread busy
 * for 50 ms, and that thread must not be ours.
 * Invariants: a name given here is never used again (log segments and snapshots are named by positions, which only grow); a file
 * that could not be deleted is tried again when the next one is given. After a crash, or a stop,
 * it is found and needless, as before.
 */
import type { Disk } from "../ports/disk.js";

export class Disposal {
  private readonly disk: Disk;
  private waiting: string[] = [];
  private refused: string[] = [];
  /** A file is being deleted. */
  running = false;
  private ended = false;
  private idle: (() => void) | undefined;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  remove(name: string): void {
    if (this.ended) return;
    this.waiting.push(...this.refused, name);
    this.refused = [];
    this.next();
  }

  /** No file is begun with any more: what waits is for the next start. */
  end(): void {
    this.ended = true;
    this.waiting = [];
  }

  /** After end(). @param idle called once none is being deleted. */
  whenIdle(idle: () => void): void {
    if (this.running) this.idle = idle;
    else idle();
  }

  private next(): void {
    const name = this.waiting[0];
    if (this.running || name === undefined) return;
    this.running = true;
    this.disk.removeAsync(name, (error) => {
      this.running = false;
      if (this.ended) return this.idle?.();
      this.waiting.shift();
      if (error !== null && (error as NodeJS.ErrnoException).code !== "ENOENT") this.refused.push(name);
      this.next();
    });
  }
}
