/**
 * server/inbox.ts: bytes of one client that came and cannot be used yet: the beginning of a command, or what follows a
 * command that has to wait.
 * A buffer for a large command has room in front (lib/room.ts), and whoever runs the command may keep it.
 * Invariant: memory grows with what has come, never with what was declared, and is given back when all is used up.
 */

import { grownTo } from "../lib/growth.js";
import { LARGE_BYTES, ROOM_BYTES } from "../lib/room.js";

const POOLED_BYTES_MAX = 4096;

export class Inbox {
  /** bytes[from .. end) wait; undefined when nothing does. */
  bytes: Buffer | undefined = undefined;
  from = 0;
  end = 0;
  private kept = false;

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
        const room = needed > LARGE_BYTES ? ROOM_BYTES : 0;
        const size = room + (needed > need ? grownTo(need, needed) : need);
        const bigger = size <= POOLED_BYTES_MAX ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
        target?.copy(bigger, room, this.from, this.end);
        target = bigger;
        this.bytes = target;
        this.from = room;
      } else {
        target.copyWithin(0, this.from, this.end);
        this.from = 0;
      }
      this.end = this.from + waiting;
    }
    source.copy(target, this.end, from, to);
    this.end += more;
  }

  /** The buffer is somebody else's too from now on: when usedTo() is told how far it was used, the rest moves. */
  keep(): void {
    if (this.bytes !== undefined) this.kept = true;
  }

  /** Everything before `from` was used up. */
  usedTo(from: number): void {
    const { bytes, end, kept } = this;
    if (from === end) this.clear();
    else if (kept) {
      this.clear();
      this.append(bytes as Buffer, from, end, 0);
    } else this.from = from;
  }

  clear(): void {
    this.bytes = undefined;
    this.from = 0;
    this.end = 0;
    this.kept = false;
  }
}
