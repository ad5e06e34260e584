/**
 * cluster/link-health.ts: is a peer to be relied on, judged by how long it has been silent? Each side sends a heartbeat every
 * 300 ms, so silence means trouble there, on the way, or here.
 *
 * Here: when this node's own loop was late, the peer's bytes may have lain unread all that time. The lag is therefore taken off the
 * silence, until the peer is heard again. So a busy or paused node accuses nobody; it notices a dead peer later by its own lag.
 *
 * The same lag says how old the bytes may be that are read now: what they ask for may not be wanted any more.
 *
 * Invariants: suspect comes before down, unless the silence was that long between two ticks; anything heard ends the silence.
 */

export type LinkState = "up" | "suspect" | "down";

/** Timers are late by a millisecond or two on an idle machine: that is no lag. */
export const LAG_MS_LEAST = 20;

export class LinkHealth {
  /** How late the last tick came, ms. */
  lagMs = 0;
  private readonly suspectMs: number;
  private readonly downMs: number;
  private heardMs: number;
  private dueMs: number;
  private periodMs: number;
  private forgivenMs = 0;

  /** @param nowMs steady clock: the link has just opened. @param dueMs when the first tick is due. */
  constructor(suspectMs: number, downMs: number, nowMs: number, dueMs: number) {
    this.suspectMs = suspectMs;
    this.downMs = downMs;
    this.heardMs = nowMs;
    this.dueMs = dueMs;
    this.periodMs = dueMs - nowMs;
  }

  /** Bytes came at `atMs`; may be told more than once. */
  heard(atMs: number): void {
    if (atMs <= this.heardMs) return;
    this.heardMs = atMs;
    this.forgivenMs = 0;
  }

  /** @param nextMs when the next tick is due. */
  tick(nowMs: number, nextMs: number): LinkState {
    const late = nowMs - this.dueMs;
    this.lagMs = late < LAG_MS_LEAST ? 0 : late;
    this.dueMs = nextMs;
    this.periodMs = nextMs - nowMs;
    this.forgivenMs += this.lagMs;
    const silentMs = nowMs - this.heardMs - this.forgivenMs;
    if (silentMs >= this.downMs) return "down";
    return silentMs >= this.suspectMs ? "suspect" : "up";
  }

  /** At most how long what is read now may have lain unread because this node did not run; 0: it ran. */
  unreadMs(nowMs: number): number {
    // A tick that is due may come only after what is read.
    const late = Math.max(this.lagMs, nowMs - this.dueMs);
    // It may have stopped just after a tick.
    return late < LAG_MS_LEAST ? 0 : late + this.periodMs;
  }
}
