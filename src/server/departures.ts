/**
 * server/departures.ts: replies that may leave, of all clients that ran in this turn of the loop, one behind the other in the shared
 * writer, until the turn ends and each client is written its own.
 * Writing them at once would wake a client up while others are still to be read: it then takes the processor, the caches and the lock
 * of its socket in the middle of our work. Measured, 50 clients with pipelines of 64 GETs: see docs/decisions/0013.
 * Invariants: a client has at most one stretch here, and nothing in its connection before it; what it is to be sent beyond that is in
 * its outbox, and leaves afterwards. Between runs the writer holds these stretches and nothing else.
 * Price: the first reply of a turn waits for the last command of it (server/turns.ts).
 */
import type { ReplyWriter } from "../codec/resp/reply-writer.js";
import { type Viewed, viewedOf } from "../lib/view.js";

/** One who is written to. @returns true when the buffer was kept (ports/network.ts). */
interface Departing {
  depart(bytes: Viewed, from: number, to: number): boolean;
}

/** To begin with; it grows. */
const WRITER_BYTES = 64 * 1024;
/** So much is written without waiting for the end of the turn. */
const TOGETHER_BYTES_MAX = 192 * 1024;
/** The shared writer is made anew when one reply made it larger than this. */
const WRITER_BYTES_KEPT_MAX = 1024 * 1024;

export class Departures {
  private readonly writer: ReplyWriter;
  private readonly who: (Departing | undefined)[] = [];
  /** Where each one's stretch ends; it begins where the one before ends. */
  private readonly ends: number[] = [];
  private count = 0;
  /** Stretches since the server began. */
  added = 0;

  constructor(writer: ReplyWriter) {
    this.writer = writer;
  }

  /** Where the stretch of the client that runs begins. */
  get end(): number {
    return this.count === 0 ? 0 : this.ends[this.count - 1];
  }

  // HOT: once per read.
  /** What the writer holds beyond end() is for `one`, up to `to`. */
  add(one: Departing, to: number): void {
    this.added++;
    this.who[this.count] = one;
    this.ends[this.count++] = to;
    if (to > TOGETHER_BYTES_MAX) this.send();
  }

  // HOT: once per turn.
  /** Write to all. Not while the client that runs has something in the writer. */
  send(): void {
    if (this.count > 0) this.empty(this.writeAll());
  }

  /** The client that runs has much to send, bytes[from .. to) and nothing behind it: to all who came before, then to it. */
  writeNow(one: Departing, from: number, to: number): void {
    this.added++;
    const { buf } = this.writer;
    const kept = this.writeAll();
    this.empty(one.depart(buf, from, to) || kept);
  }

  /** The client that ran has nothing here. */
  keepSmall(): void {
    if (this.count === 0) this.empty(false);
  }

  private writeAll(): boolean {
    const { buf } = this.writer;
    const { count } = this;
    // Before the first one is written to: that may bring more.
    this.count = 0;
    let kept = false;
    let from = 0;
    for (let i = 0; i < count; i++) {
      const to = this.ends[i];
      kept = (this.who[i] as Departing).depart(buf, from, to) || kept;
      this.who[i] = undefined;
      from = to;
    }
    return kept;
  }

  /** Nothing in the writer is needed any more. @param kept its buffer is not ours any more. */
  private empty(kept: boolean): void {
    const { writer } = this;
    writer.at = 0;
    if (kept || writer.buf.length > WRITER_BYTES_KEPT_MAX) writer.buf = viewedOf(WRITER_BYTES);
  }
}
