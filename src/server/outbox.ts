/**
 * server/outbox.ts: replies of one connection that cannot leave yet: because what they depend on is not durable, because
 * the kernel took no more, or because one of these stands before them.
 * Invariants: bytes leave in the order they came; a chunk leaves only when its position and those before it are durable;
 * positions of chunks never fall. Memory is one buffer, given back when it grew and is empty.
 */
import { type Viewed, viewed, viewedOf } from "../lib/view.js";
import { UNCERTAIN } from "./texts.js";

const BYTES_START = 128;
const KEPT_BYTES_MAX = 4096;

export class Outbox {
  /** Bytes from `head` on wait; a release hands out bytes[head .. end). */
  buf: Viewed | undefined;
  head = 0;
  private tail = 0;
  // One entry per chunk: the first `chunks` of each list. Chunks of equal position are joined, so there are few. (Emptying an
  // array is a slow call, and growing it again another.)
  private chunks = 0;
  private readonly ends: number[] = [];
  private readonly lsns: number[] = [];
  private readonly replies: number[] = [];

  get bytes(): number {
    return this.tail - this.head;
  }

  get empty(): boolean {
    return this.tail === this.head;
  }

  /** Highest position that anything here waits for; 0 when empty. */
  get lastLsn(): number {
    return this.chunks === 0 ? 0 : this.lsns[this.chunks - 1];
  }

  // HOT: once per write command under appendfsync always.
  /**
   * Add source[from .. to): `count` replies that depend on `lsn` (0 = on nothing but order); 0 of them is a message that answers nothing.
   * Copies.
   */
  push(source: Uint8Array, from: number, to: number, lsn: number, count: number): void {
    const length = to - from;
    const buf = this.room(length);
    if (length <= 64) for (let i = 0; i < length; i++) buf[this.tail + i] = source[from + i];
    else buf.set(source.subarray(from, to), this.tail);
    this.tail += length;
    const last = this.chunks - 1;
    if (last >= 0 && lsn <= this.lsns[last]) {
      this.ends[last] = this.tail;
      this.replies[last] += count;
    } else {
      const next = this.chunks++;
      this.ends[next] = this.tail;
      this.lsns[next] = lsn;
      this.replies[next] = count;
    }
  }

  /** End of the bytes that may leave now; equal to head when none may. */
  releasable(durableLsn: number): number {
    let end = this.head;
    for (let i = 0; i < this.chunks && this.lsns[i] <= durableLsn; i++) end = this.ends[i];
    return end;
  }

  /**
   * The bytes up to `end` (from releasable) have been sent.
   * @param kept the buffer was taken by the writer: what remains moves to a new one.
   */
  sent(end: number, kept: boolean): void {
    let gone = 0;
    while (gone < this.chunks && this.ends[gone] <= end) gone++;
    if (gone === this.chunks) {
      this.chunks = 0;
      this.head = 0;
      this.tail = 0;
      if (kept || (this.buf as Viewed).length > KEPT_BYTES_MAX) this.buf = undefined;
      return;
    }
    this.chunks -= gone;
    for (const list of [this.ends, this.lsns, this.replies]) list.splice(0, gone);
    this.head = end;
    if (kept) this.move(viewedOf(this.tail - end));
  }

  /** The log failed: what depends on more than `durableLsn` of it, or stands behind that, is answered with UNCERTAIN, reply by reply. */
  fail(durableLsn: number): void {
    const lost = this.dropUndurable(durableLsn);
    for (let i = 0; i < lost; i++) this.push(UNCERTAIN, 0, UNCERTAIN.length, 0, 1);
  }

  /** Drop every chunk above `durableLsn`; returns how many replies they held. */
  dropUndurable(durableLsn: number): number {
    let kept = 0;
    let end = this.head;
    while (kept < this.chunks && this.lsns[kept] <= durableLsn) end = this.ends[kept++];
    let replies = 0;
    for (let i = kept; i < this.chunks; i++) replies += this.replies[i];
    this.chunks = kept;
    this.tail = end;
    return replies;
  }

  clear(): void {
    this.dropUndurable(-1);
    this.head = 0;
    this.tail = 0;
    this.buf = undefined;
  }

  private room(length: number): Viewed {
    const buf = this.buf;
    if (buf !== undefined && this.tail + length <= buf.length) return buf;
    const waiting = this.tail - this.head;
    const need = waiting + length;
    if (buf !== undefined && need <= buf.length && this.head >= waiting) {
      this.move(buf);
      return buf;
    }
    let size = buf === undefined ? BYTES_START : buf.length * 2;
    while (size < need) size *= 2;
    const bigger = viewed(Buffer.allocUnsafe(size));
    this.move(bigger);
    return bigger;
  }

  /** Move what waits to the front of `target`. */
  private move(target: Viewed): void {
    const head = this.head;
    if (this.buf !== undefined) this.buf.copy(target, 0, head, this.tail);
    for (let i = 0; i < this.chunks; i++) this.ends[i] -= head;
    this.tail -= head;
    this.head = 0;
    this.buf = target;
  }
}
