/**
 * lib/view.ts: buffers that carry a DataView of themselves: words of 32 bits through it are plain unaligned loads and stores once compiled,
 * a quarter of what four bytes cost by themselves.
 * The view is made with the buffer: making one costs more than it saves at a single use.
 * Invariant: a buffer's view covers the same bytes as the buffer. That there is one is a matter of types, and not looked for: were one buffer
 * without it ever seen where compiled code reads the field, that place would be slow for all others from then on (docs/decisions/0029).
 */

export interface Viewed extends Buffer {
  readonly view: DataView;
}

/** Give a buffer its view, if it has none. @returns the same buffer. */
export function viewed(bytes: Buffer): Viewed {
  const made = bytes as Buffer & { view?: DataView };
  if (!Object.hasOwn(made, "view")) made.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return made as Viewed;
}

/** A new one of so many bytes, which may hold anything. */
export function viewedOf(bytes: number): Viewed {
  return viewed(Buffer.allocUnsafeSlow(bytes));
}
