/**
 * server/gate.ts: which replies of the run under way depend on what is not durable yet. Replies keep their order, so all behind the first
 * such reply wait with it.
 */
export class Gate {
  /** What they wait for, and how many they are. */
  lsn = 0;
  replies = 0;
  /** In the shared writer, the first byte that must wait; -1: none. */
  private from = -1;

  // HOT: once per command.
  /** A command has answered from byte `replyFrom` on, and read or wrote what log position `lsn` makes durable. */
  after(replyFrom: number, lsn: number, durableLsn: number): void {
    if (lsn > this.lsn && lsn > durableLsn) {
      if (this.from < 0) this.from = replyFrom;
      this.lsn = lsn;
    }
    if (this.from >= 0) this.replies++;
  }

  /** The first byte that must wait now; `end` when none must. */
  waitsFrom(end: number, durableLsn: number): number {
    return this.from >= 0 && this.lsn > durableLsn ? this.from : end;
  }

  clear(): void {
    this.from = -1;
    this.lsn = 0;
    this.replies = 0;
  }
}
