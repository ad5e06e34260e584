/**
 * storage/inline-sync.ts: may a batch be synced on the loop? A hop to a thread and back costs 0.1 to 0.2 ms, as much as the sync of a fast
 * disk itself; but while the loop syncs, nobody else is served. So it is done for a writer who is alone, and for many when nobody else is
 * about; only on a disk that has shown itself fast; and each time it was not, twice as many flushes as before go the other way first. That
 * many must be fast again until a slow one counts as the first: of a disk that stalls every now and then the loop sees few stalls.
 * Measured: docs/decisions/0031
 */
import type { Audience } from "./log.js";

const SYNC_MS_MAX = 0.5;
/** Nodes of a cluster may share a processor; and what a thread costs, each write costs on several nodes. */
const SYNC_MS_MAX_OF_MEMBER = 2;
const DETOUR_LEAST = 8;
const DETOUR_MOST = 1024;

export class InlineSync {
  private detour = 0;
  private nextDetour = DETOUR_LEAST;
  private readonly syncMsMax: number;

  /** @param member the log of one node of several. */
  constructor(member = false) {
    this.syncMsMax = member ? SYNC_MS_MAX_OF_MEMBER : SYNC_MS_MAX;
  }

  /** Asked once per flush. */
  allowed(audience: Audience): boolean {
    if (this.detour === 0) return audience.waiters <= 1 || audience.onlyWriters;
    this.detour--;
    return false;
  }

  /** So long it took on the loop. */
  took(ms: number): void {
    if (ms <= this.syncMsMax) {
      this.nextDetour = Math.max(DETOUR_LEAST, this.nextDetour - 1);
      return;
    }
    this.detour = this.nextDetour;
    this.nextDetour = Math.min(DETOUR_MOST, this.nextDetour * 2);
  }
}
