/**
 * server/inbox.ts: bytes of one client that came and cannot be used yet: the beginning of a command, or what follows a
 * command that has to wait.
 * A buffer for a large command has room in front (lib/room.ts), and whoever runs the command may keep it.
 * When more is ready than a turn has time for (server/turns.ts), everything passes through here: so a few buffers of 16 KiB go round among
 * all clients, for what fits. They carry a view of themselves, as the buffer that is read into does (lib/copy.ts).
 * Invariant: memory grows with what has come, never with what was declared, and is given back when all is used up; but for the buffers that go round,
 * 1 MiB at most, which stay.
 */

import { grownTo } from "../lib/growth.js";
import { LARGE_BYTES, ROOM_BYTES } from "../lib/room.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";

const POOLED_BYTES_MAX = 4096;
const SHARED_BYTES = 16 * 1024;
/** More clients than that with something in their inbox have buffers of their own: 10,000 halves of commands are not to take 160 MB. */
const SHARED_MAX = 64;

/** Buffers that nobody has now, and how many somebody has. */
const spare: Viewed[] = [];
let lent = 0;

export class Inbox {
  /** bytes[from .. end) wait; undefined when nothing does. */
  bytes: Viewed | undefined = undefined;
  from = 0;
  end = 0;
  private kept = false;
  /** The buffer is one of those that go round. */
  private shared = false;

  get length(): number {
    return this.end - this.from;
  }

  /**
   * Add source[from .. to) behind what waits. Copies.
   * @param needed how many bytes the command under way is known to need in all; 0 = unknown. Only a bound on growth.
   */
  append(source: Viewed, from: number, to: number, needed: number): void {
    const waiting = this.length;
    const more = to - from;
    let target = this.bytes;
    if (target === undefined || this.end + more > target.length) {
      const need = waiting + more;
      if (target === undefined || need > target.length) {
        const room = needed > LARGE_BYTES ? ROOM_BYTES : 0;
        const shared = Math.max(need, needed) <= SHARED_BYTES && lent < SHARED_MAX;
        const bigger = shared ? borrow() : ownBuffer(room + (needed > need ? grownTo(need, needed) : need));
        target?.copy(bigger, room, this.from, this.end);
        this.letGo(!this.kept);
        this.shared = shared;
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
    if (from === end) this.empty(!kept);
    else if (kept) {
      this.clear();
      this.append(bytes as Viewed, from, end, 0);
    } else this.from = from;
  }

  /** May be called while a command runs in these bytes: nobody else gets them. */
  clear(): void {
    this.empty(false);
  }

  private empty(reuse: boolean): void {
    this.letGo(reuse);
    this.bytes = undefined;
    this.from = 0;
    this.end = 0;
    this.kept = false;
  }

  /** @param reuse nothing points into the buffer any more: it goes round again. */
  private letGo(reuse: boolean): void {
    if (!this.shared) return;
    this.shared = false;
    lent--;
    if (reuse) spare.push(this.bytes as Viewed);
  }
}

function borrow(): Viewed {
  lent++;
  return spare.pop() ?? viewedOf(SHARED_BYTES);
}

function ownBuffer(bytes: number): Viewed {
  return bytes <= POOLED_BYTES_MAX ? viewed(Buffer.allocUnsafe(bytes)) : viewedOf(bytes);
}
