/**
 * cluster/wall-time.ts: the time that rounds and reads of this node are shown: its wall clock, as its peers' clocks correct it, and what deadlines are set
 * by. It also moves the hybrid clock on.
 */
import type { Hlc } from "../core/clock/hlc.js";
import type { PeerClocks } from "./peer-clocks.js";

export class WallTime {
  /** As it was last observed. */
  ms = 0;
  private correctionMs = 0;
  private readonly clocks: PeerClocks;
  private readonly clock: Hlc;

  constructor(clocks: PeerClocks, clock: Hlc) {
    this.clocks = clocks;
    this.clock = clock;
  }

  // HOT: once per command, and per message of a peer.
  observe(): void {
    const { clocks } = this;
    const correctionMs = clocks.correctionMs + clocks.leadMs;
    const nowMs = clocks.nowMs() + clocks.leadMs;
    // Never back, unless what was shown before is known to have been wrong. Dots do not go back even then, and go by what is surely right.
    if (nowMs <= this.ms && correctionMs === this.correctionMs) return;
    this.correctionMs = correctionMs;
    this.ms = nowMs;
    this.clock.observe(clocks.expiryMs());
  }
}
