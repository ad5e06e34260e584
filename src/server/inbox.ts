/**
 * server/inbox.ts: bytes of one client that came and cannot be used yet: the beginning of a command, or what follows a
 * command that has to wait.
 * Invariant: memory grows with what has come, never with what was declared, and is given back when all is used up.
 */

import { grownTo } from "../lib/growth.js";

const POOLED_BYTES_MAX = 4096;

export class Inbox {
  /** bytes[from .. end) wait; undefined when nothing does. */
  bytes: Buffer | undefined = undefined;
  from = 0;
  end = 0;

  get length(): number {
    return this.end - this.from;
  }

  /**
   * Add source[from .. to) behind what waits. Copies.
   * @param needed how many bytes the command under way is known to need in all; 0 = unknown. Only a bound on growth.
   */
  append(source: Buffer, from: number, to: number, needed: number): void {
    const waiting = this.length;
    const more = to - from;
    let target = this.bytes;
    if (target === undefined || this.end + more > target.length) {
      const need = waiting + more;
      if (target === undefined || need > target.length) {
        const size = needed > need ? grownTo(need, needed) : need;
        const bigger = size <= POOLED_BYTES_MAX ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
        target?.copy(bigger, 0, this.from, this.end);
        target = bigger;
        this.bytes = target;
      } else target.copyWithin(0, this.from, this.end);
      this.from = 0;
      this.end = waiting;
    }
    source.copy(target, this.end, from, to);
    this.end += more;
  }

  /** Everything before `from` was used up. */
  usedTo(from: number): void {
    if (from === this.end) this.clear();
    else this.from = from;
  }

  clear(): void {
    this.bytes = undefined;
    this.from = 0;
    this.end = 0;
  }
}
