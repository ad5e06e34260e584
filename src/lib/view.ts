/**
 * lib/view.ts: buffers that carry a DataView of themselves: words of 32 bits through it are plain unaligned loads and stores once compiled,
 * a quarter of what four bytes cost by themselves.
 * A view must exist beforehand: making one costs more than it saves. So the buffers that much is read from or written to carry one, and
 * what has none (small or rare buffers) is read byte by byte, by the same functions.
 * Invariant: a buffer's view covers the same bytes as the buffer.
 */

/** One shape for all that have a view, so that reading it stays cheap. */
export interface Viewed extends Buffer {
  view?: DataView;
}

/** Give a buffer its view. To be done once, where a buffer is made that lives long. @returns the same buffer. */
export function viewed(bytes: Buffer): Buffer {
  (bytes as Viewed).view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return bytes;
}

/** The view that a buffer carries, if it does. */
export function viewOf(bytes: Uint8Array): DataView | undefined {
  return (bytes as Viewed).view;
}

/** 32 bits, little endian, signed, of bytes that may have no view. The caller has looked at whether they do, once for many words. */
export function wordAt(bytes: Uint8Array, view: DataView | undefined, at: number): number {
  if (view !== undefined) return view.getInt32(at, true);
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
