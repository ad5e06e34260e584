/** lib/limits.ts: bounds that several rooms go by, where none of them may import from the other. */

/** The most that max-value-bytes can be: no value, and no single argument, is ever longer. */
export const VALUE_BYTES_MOST: number = 512 * 1024 * 1024;
