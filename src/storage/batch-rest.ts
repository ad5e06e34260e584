/**
 * storage/batch-rest.ts: the content of a batch from its first large record on. A large record whose bytes nobody changes is not copied into the
 * batch: it is there already, and a copy of it takes as much memory again, and a while in which nothing else runs.
 */

const CHUNK_BYTES = 64 * 1024;
const EMPTY: Buffer = Buffer.alloc(0);

export class BatchRest {
  private readonly pieces: Buffer[] = [];
  /** Short records lie in it, one behind the other; those from `from` on are not among the pieces yet. */
  private chunk: Buffer = EMPTY;
  private from = 0;
  private used = 0;

  /** Copies. */
  add(body: Buffer, at: number, length: number): void {
    if (length > this.chunk.length - this.used) {
      this.cut();
      this.chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, length));
      this.from = 0;
      this.used = 0;
    }
    body.copy(this.chunk, this.used, at, at + length);
    this.used += length;
  }

  /** @param body borrowed until the batch is written. */
  addOwn(body: Buffer): void {
    this.cut();
    this.pieces.push(body);
  }

  private cut(): void {
    if (this.used > this.from) this.pieces.push(this.chunk.subarray(this.from, this.used));
    this.from = this.used;
  }

  /** All of it, in order. */
  content(): readonly Buffer[] {
    this.cut();
    return this.pieces;
  }
}
