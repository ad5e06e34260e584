/**
 * ports/memory.ts: giving memory back to the system now, and not when a garbage collection happens to come by.
 * Served by platform/node-memory.ts; where it is absent the collector does it.
 */

/** The buffer is not used any more by anyone: every view of it is empty afterwards. */
export type ReleaseMemory = (memory: ArrayBuffer) => void;
