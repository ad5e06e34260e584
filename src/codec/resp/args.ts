/**
 * codec/resp/args.ts: the arguments of one command, as offsets into the bytes they arrived in.
 * Nothing is copied or made into strings here: a handler reads the bytes in place and copies only what it stores.
 * Invariants: argument i is bytes[start[i] .. start[i] + length[i]); argument 0 is the command's name; the bytes are
 * borrowed and valid only until the handler returns (a command that is kept for later, as in MULTI, is copied whole).
 */
import { type Viewed, viewed, viewedOf } from "../../lib/view.js";

// In every supported Node, though not in its types. toString("latin1", ...) ends here after looking at its arguments again.
declare global {
  interface Buffer<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> extends Uint8Array<TArrayBuffer> {
    latin1Slice(start?: number, end?: number): string;
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}

const CAPACITY_START = 16;
const EMPTY: Viewed = viewed(Buffer.alloc(0));

export class Args {
  /** The buffer the command lies in. Borrowed. */
  bytes: Viewed = EMPTY;
  /** Number of arguments, the command's name included. */
  count = 0;
  start: Int32Array = new Int32Array(CAPACITY_START);
  length: Int32Array = new Int32Array(CAPACITY_START);

  /** Append one argument. Amortised O(1). */
  push(start: number, length: number): void {
    const count = this.count;
    if (count === this.start.length) this.grow();
    this.start[count] = start;
    this.length[count] = length;
    this.count = count + 1;
  }

  /** The argument as a latin1 string: one character per byte, so nothing is lost. For names, options and error texts. */
  text(index: number): string {
    const start = this.start[index];
    return this.bytes.latin1Slice(start, start + this.length[index]);
  }

  /** The argument as lower-case latin1 text (options are case-insensitive). */
  lower(index: number): string {
    return this.text(index).toLowerCase();
  }

  /** The argument's bytes, borrowed: a view, not a copy. */
  view(index: number): Buffer {
    const start = this.start[index];
    return this.bytes.subarray(start, start + this.length[index]);
  }

  /** A copy that owns its bytes. O(total bytes). */
  clone(): Args {
    let total = 0;
    for (let i = 0; i < this.count; i++) total += this.length[i];
    const copy = new Args();
    copy.bytes = viewedOf(total);
    copy.start = new Int32Array(this.count);
    copy.length = new Int32Array(this.count);
    let at = 0;
    for (let i = 0; i < this.count; i++) {
      this.bytes.copy(copy.bytes, at, this.start[i], this.start[i] + this.length[i]);
      copy.push(at, this.length[i]);
      at += this.length[i];
    }
    return copy;
  }

  /** Build arguments from buffers: for the embedded client and for tests. O(total bytes). */
  static of(parts: readonly (Buffer | string)[]): Args {
    const args = new Args();
    const buffers = parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part));
    args.bytes = viewed(Buffer.concat(buffers));
    let at = 0;
    for (const buffer of buffers) {
      args.push(at, buffer.length);
      at += buffer.length;
    }
    return args;
  }

  private grow(): void {
    const start = new Int32Array(this.start.length * 2);
    const length = new Int32Array(this.start.length * 2);
    start.set(this.start);
    length.set(this.length);
    this.start = start;
    this.length = length;
  }
}
