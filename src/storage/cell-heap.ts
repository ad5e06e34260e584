/**
 * storage/cell-heap.ts: memory for the index: areas of 8-byte cells, by address, off the JavaScript heap.
 * No object stands for an area: a million of them would be what the garbage collector has to walk, and every object on the
 * way to a key is one more cache miss per lookup.
 *
 * An address counts cells: chunk number * 2^22 + place in the chunk, 32 bits; as a signed integer it may be negative. 0 is none.
 * Chunks are 32 MiB, as the arena's extents and for the same reason (they go back to the system), but for the first, which is
 * small, and those of a single larger area. Untouched pages of a chunk take no memory.
 * Invariants: an area is handed out zeroed, and to one owner; chunks are never given back singly (the whole heap is dropped
 * when the table is empty); an area lies in one chunk.
 */

/** Cells of a chunk, as a shift. */
export const CHUNK_SHIFT = 22;
const CHUNK_CELLS: number = 1 << CHUNK_SHIFT;
/** The first chunk is 256 KiB: most stores in tests never need another, and asking for 32 MiB costs more than their whole life. */
const FIRST_CELLS: number = 1 << 15;
const CELL_MASK: number = CHUNK_CELLS - 1;

export class CellHeap {
  readonly chunks: Int32Array[] = [new Int32Array(FIRST_CELLS * 2)];
  /** Next cell of the current chunk that was never handed out, and its last. The first of all is no area's: address 0 is none. */
  private used = 1;
  private end = FIRST_CELLS;
  private current = 0;
  private readonly free: Map<number, number[]> = new Map();
  /** Bytes handed out and not given back. */
  bytes = 0;

  /** An area of `cells` zeroed cells. @returns its address. O(cells). */
  take(cells: number): number {
    this.bytes += cells * 8;
    const known = this.free.get(cells)?.pop();
    if (known !== undefined) {
      const first = firstInt(known);
      this.ints(known).fill(0, first, first + cells * 2);
      return known;
    }
    if (cells > CHUNK_CELLS) {
      this.chunks.push(new Int32Array(cells * 2));
      return ((this.chunks.length - 1) << CHUNK_SHIFT) | 0;
    }
    if (this.used + cells > this.end) {
      this.chunks.push(new Int32Array(CHUNK_CELLS * 2));
      this.current = this.chunks.length - 1;
      this.used = 0;
      this.end = CHUNK_CELLS;
    }
    const address = (this.current << CHUNK_SHIFT) | this.used;
    this.used += cells;
    return address;
  }

  /** The area is not used any more. */
  give(address: number, cells: number): void {
    this.bytes -= cells * 8;
    const list = this.free.get(cells);
    if (list === undefined) this.free.set(cells, [address]);
    else list.push(address);
  }

  /** All memory that it holds: it is not to be used any more. */
  memory(): ArrayBuffer[] {
    return this.chunks.map((chunk) => chunk.buffer as ArrayBuffer);
  }

  // HOT: a few times per lookup.
  /** The memory that an address lies in. */
  ints(address: number): Int32Array {
    return this.chunks[address >>> CHUNK_SHIFT];
  }
}

/** Where in ints(address) the address's cell begins. */
export function firstInt(address: number): number {
  return (address & CELL_MASK) << 1;
}
