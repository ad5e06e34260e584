/**
 * storage/cell-pool.ts: memory for the index's blocks, cut from chunks of a MiB, with a free list per size.
 * An ArrayBuffer per block would come from the system's small heap: measured at a million keys, what growth leaves behind there
 * until the next collection, and the holes after it, cost 30 bytes a key.
 * Invariants: an area is handed out zeroed, and to one owner; chunks are never given back singly (the whole pool is dropped
 * when the table is empty).
 */

const CHUNK_INTS: number = 1 << 18;

export class CellPool {
  private chunk: Int32Array = new Int32Array(0);
  private used = 0;
  private readonly free: Map<number, Int32Array[]> = new Map();
  /** Bytes handed out and not given back. */
  bytes = 0;

  /** An area of `ints` zeros. O(ints). */
  take(ints: number): Int32Array {
    this.bytes += ints * 4;
    const area = this.free.get(ints)?.pop();
    if (area !== undefined) return area.fill(0);
    if (ints > CHUNK_INTS >> 2) return new Int32Array(ints);
    if (this.used + ints > this.chunk.length) {
      this.chunk = new Int32Array(CHUNK_INTS);
      this.used = 0;
    }
    const fresh = this.chunk.subarray(this.used, this.used + ints);
    this.used += ints;
    return fresh;
  }

  /** The area is not used any more. */
  give(area: Int32Array): void {
    this.bytes -= area.length * 4;
    if (area.length > CHUNK_INTS >> 2) return;
    const list = this.free.get(area.length);
    if (list === undefined) this.free.set(area.length, [area]);
    else list.push(area);
  }
}
