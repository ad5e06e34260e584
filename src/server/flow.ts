/**
 * server/flow.ts: whether one session may run commands at present, and whether its connection is read.
 * Invariant: a connection that is not read has a reason to be stalled; a session that only waits for its turn, or for CLIENT PAUSE to
 * end, is read on for a while: stopping and starting cost system calls, and who is not read cannot be seen to go.
 */
import type { Connection } from "../ports/network.js";

// Why a session runs nothing at present.
/** Its slice of time is over, or the turn's; goes on in a later turn. */
export const STALLED_SLICE = 1;
/** Too many replies are waiting to be sent. */
export const STALLED_FULL = 2;
/** A command's answer comes later. */
export const STALLED_BLOCKED = 4;
/** CLIENT PAUSE holds a command back. */
export const STALLED_PAUSED = 8;
/** The log has more than enough to write. */
export const STALLED_LOG = 16;
/** In a cluster: enough of its commands are under way, or one of them must be over first. */
export const STALLED_WORKS = 32;

/** What a client that runs nothing may send ahead before it is not read any more. */
const AHEAD_BYTES_MAX: number = 128 * 1024;

export class Flow {
  /** Reasons, as bits; 0: it may run. */
  stalled = 0;
  /** The peer sends no more. */
  ended = false;
  private reading = true;
  private readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  has(why: number): boolean {
    return (this.stalled & why) !== 0;
  }

  /** The peer sends no more, and what it sent has run. */
  get over(): boolean {
    return this.ended && this.stalled === 0;
  }

  /** It goes on by itself: when its turn comes, when replies have left, when the log has come further. */
  get willRun(): boolean {
    return this.stalled !== 0 && !this.has(STALLED_BLOCKED | STALLED_PAUSED);
  }

  /** Run nothing, for one more reason, and read nothing. */
  stall(why: number): void {
    this.stalled |= why;
    this.stopReading();
  }

  /** Run nothing, for one more reason; read on for a while, so that it is seen when the client goes. */
  giveWay(why: number): void {
    this.stalled |= why;
  }

  clear(why: number): void {
    this.stalled &= ~why;
  }

  /** @param bytes that came and cannot be used yet. */
  ahead(bytes: number): void {
    if (this.stalled !== 0 && bytes > AHEAD_BYTES_MAX) this.stopReading();
  }

  private stopReading(): void {
    if (!this.reading) return;
    this.reading = false;
    this.connection.pause();
  }

  /** Nothing stalls any more: read again. */
  readOn(): void {
    if (this.reading || this.stalled !== 0) return;
    this.reading = true;
    this.connection.resume();
  }
}
