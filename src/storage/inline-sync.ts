/**
 * storage/inline-sync.ts: may a lone writer's batch be synced on the loop? A hop to a thread and back costs 0.1 to 0.2 ms, as much as the
 * sync itself; but while the loop syncs, nobody else is served. So only a disk that has shown itself fast is written to that way,
 * and each time it was not, twice as many flushes as before go the other way first.
 */

const SYNC_MS_MAX = 0.5;
const DETOUR_LEAST = 8;
const DETOUR_MOST = 1024;

export class InlineSync {
  private detour = 0;
  private nextDetour = DETOUR_LEAST;

  /** Asked once per flush. */
  allowed(): boolean {
    if (this.detour === 0) return true;
    this.detour--;
    return false;
  }

  /** So long it took on the loop. */
  took(ms: number): void {
    if (ms <= SYNC_MS_MAX) {
      this.nextDetour = DETOUR_LEAST;
      return;
    }
    this.detour = this.nextDetour;
    this.nextDetour = Math.min(DETOUR_MOST, this.nextDetour * 2);
  }
}
