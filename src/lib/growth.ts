/**
 * lib/growth.ts: how large a buffer is to become that collects something whose length was announced: by the size of what has come, so that an
 * announcement alone makes nobody hold memory.
 * Once so much has come that the announcement is believed, the buffer gets its whole size: doubling would copy megabytes within one turn of the
 * loop, into memory that the system has to lay out first (measured: 4 ns a byte). What was not written to yet is address space, not memory.
 */

const BELIEVED_BYTES: number = 4 << 20;

/** @param have bytes that must find room. @param most as announced, at least `have`. @returns at most 16 times what has come. */
export function grownTo(have: number, most: number): number {
  return have >= BELIEVED_BYTES ? most : Math.min(most, have * 2);
}
