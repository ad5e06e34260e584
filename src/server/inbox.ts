/**
 * server/inbox.ts: bytes of one client that came and cannot be used yet: the beginning of a command, or what follows a
 * command that has to wait.
 * A buffer for a large command has room in front (lib/room.ts), and whoever runs the command may keep it.
 * When more is ready than a turn has time for (server/turns.ts), everything passes through here: so a few buffers of two sizes go round among
 * all clients, for what fits. One client that sends without end would otherwise leave one of 64 to 190 KiB behind for each read, until the garbage collector
 * comes, and the process as large as that once was: 7 MB. All carry a view of themselves (lib/view.ts).
 * Invariant: memory grows with what has come, never with what was declared, and is given back when all is used up; but for the buffers that go round,
 * 2 MiB at most, which stay.
 */

import { grownTo } from "../lib/growth.js";
import { LARGE_BYTES, ROOM_BYTES } from "../lib/room.js";
import { type Viewed, viewed, viewedOf } from "../lib/view.js";

const POOLED_BYTES_MAX = 4096;

/** Buffers of one size: those that nobody has now, and how many somebody has. */
interface Pool {
  readonly bytes: number;
  /** More than so many clients with something in their inbox have buffers of their own: 10,000 halves of commands are not to take 160 MB. */
  readonly most: number;
  readonly spare: Viewed[];
  lent: number;
}

const POOLS: readonly Pool[] = [
  { bytes: 16 * 1024, most: 64, spare: [], lent: 0 },
  { bytes: 192 * 1024, most: 5, spare: [], lent: 0 },
];

export class Inbox {
  /** bytes[from .. end) wait; undefined when nothing does. */
  bytes: Viewed | undefined = undefined;
  from = 0;
  end = 0;
  private kept = false;
  /** Where the buffer came from, if it is one of those that go round. */
  private pool: Pool | undefined = undefined;

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
        // One with room in front is perhaps kept.
        const pool = room > 0 ? undefined : poolFor(Math.max(need, needed));
        const bigger =
          pool === undefined ? ownBuffer(room + (needed > need ? grownTo(need, needed) : need)) : borrow(pool);
        target?.copy(bigger, room, this.from, this.end);
        this.letGo(!this.kept);
        this.pool = pool;
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
    const { pool } = this;
    if (pool === undefined) return;
    this.pool = undefined;
    pool.lent--;
    if (reuse) pool.spare.push(this.bytes as Viewed);
  }
}

function poolFor(bytes: number): Pool | undefined {
  const fits = POOLS.find((pool) => bytes <= pool.bytes);
  return fits !== undefined && fits.lent < fits.most ? fits : undefined;
}

function borrow(pool: Pool): Viewed {
  pool.lent++;
  return pool.spare.pop() ?? viewedOf(pool.bytes);
}

function ownBuffer(bytes: number): Viewed {
  return bytes <= POOLED_BYTES_MAX ? viewed(Buffer.allocUnsafe(bytes)) : viewedOf(bytes);
}
