/**
 * server/gate.ts: which replies of the run under way depend on what is not durable yet. Replies keep their order, so all behind the first
 * such reply wait with it.
 * A command that is not answered (CLIENT REPLY) is never told of here: `from` is a place in a writer that all clients share, and would point
 * at the bytes of others once this client's run is over.
 */
export class Gate {
  /** What they wait for, and how many they are. */
  lsn = 0;
  replies = 0;
  /** How many stand before them, and depend on nothing. */
  private before = 0;
  /**
   * The highest position that an unanswered command of this client stands for. The next answer waits for it: with it the client knows that
   * what it sent before, and was not answered, is safe.
   */
  owed = 0;
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
    else this.before++;
  }

  /** An answer that depends on nothing, from byte `replyFrom` to `end`; none where they are the same. */
  free(replyFrom: number, end: number): void {
    if (end > replyFrom) this.after(replyFrom, 0, 0);
  }

  /** A command stands for log position `lsn`, and is not answered. */
  owe(lsn: number): void {
    if (lsn > this.owed) this.owed = lsn;
  }

  /** The first byte that must wait now; `end` when none must. */
  waitsFrom(end: number, durableLsn: number): number {
    return this.from >= 0 && this.lsn > durableLsn ? this.from : end;
  }

  /** How many answers lie before that byte. */
  repliesBefore(gated: number): number {
    return this.from < 0 || gated === this.from ? this.before : this.before + this.replies;
  }

  /** The run's answers are handed on; what is owed is not. */
  clear(): void {
    this.from = -1;
    this.lsn = 0;
    this.replies = 0;
    this.before = 0;
  }
}
