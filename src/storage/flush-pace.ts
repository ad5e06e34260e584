/** storage/flush-pace.ts: whether the next flush is to wait although none is under way; it ends by itself. */

/** Instead of a time: ask again when the turn of the loop ends. */
export const NEXT_TURN = -1;

export interface FlushPace {
  /**
   * A flush has ended: nobody has been answered yet, or, of one that was synced on the loop, those who were have not been heard of again.
   * @param waiters all who waited. @param open records that gathered while it was under way. @param flushMs what it took.
   * @param onLoop it was synced on the loop: only the first of what gathered have been read.
   */
  begin(waiters: number, open: number, flushMs: number, nowMs: number, onLoop?: boolean): void;
  /** May waitMs() be other than 0? */
  readonly active: boolean;
  /** @returns ms until the next flush may begin; 0: now; NEXT_TURN. */
  waitMs(waiters: number, nowMs: number): number;
}
