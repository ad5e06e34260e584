/**
 * storage/large-bodies.ts: bodies of records that lie in buffers of their own, by handle. A stub in the arena says which (storage/arena.ts).
 * Invariants: a handle that is in use names one body; bytes = the sum of their lengths.
 */
import { assert } from "../lib/assert.js";
import type { Viewed } from "../lib/view.js";

export class LargeBodies {
  /** By handle; undefined: the handle is free. */
  readonly at: (Viewed | undefined)[] = [];
  bytes = 0;
  private readonly free: number[] = [];

  /** @returns its handle. */
  keep(body: Viewed): number {
    const handle = this.free.pop() ?? this.at.length;
    this.at[handle] = body;
    this.bytes += body.length;
    return handle;
  }

  release(handle: number): void {
    const body = this.at[handle];
    assert(body !== undefined, "large body released twice", handle);
    this.bytes -= body.length;
    this.at[handle] = undefined;
    this.free.push(handle);
  }
}
