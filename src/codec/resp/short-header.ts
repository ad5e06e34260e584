/**
 * codec/resp/short-header.ts: the headers that nearly all commands consist of, each read as one word of four bytes, little endian:
 *
 *   * d CR LF        a command of d = 1..9 arguments
 *   $ d CR LF        an argument of d = 0..9 bytes
 *   $ d d CR         one of 10..99 bytes; LF is the fifth byte
 *
 * Anything else is for the general way (request-parser.ts). As there, LF is skipped and not compared.
 */

const ZERO = 48;
const STAR_CR: number = 42 | (13 << 16);
const DOLLAR_CR: number = 36 | (13 << 16);
const FIRST_AND_THIRD = 0x00ff00ff;
const DOLLAR_CR_LAST: number = 36 | (13 << 24);
const FIRST_AND_FOURTH: number = 0xff0000ff | 0;

/** Bytes of a command's short header. */
export const SHORT_COUNT_BYTES = 4;
/** So many bytes must be there for an argument's to be looked at. */
export const SHORT_LENGTH_BYTES_MAX = 5;

/** @returns the number of arguments, 1..9, or 0: no such header. */
export function shortCount(word: number): number {
  if ((word & FIRST_AND_THIRD) !== STAR_CR) return 0;
  const digit = ((word >>> 8) & 255) - ZERO;
  return digit > 0 && digit <= 9 ? digit : 0;
}

/** @returns the argument's length << 3 | bytes of the header, or -1: no such header. */
export function shortLength(word: number): number {
  const first = ((word >>> 8) & 255) - ZERO;
  if (first < 0 || first > 9) return -1;
  if ((word & FIRST_AND_THIRD) === DOLLAR_CR) return (first << 3) | 4;
  if ((word & FIRST_AND_FOURTH) !== DOLLAR_CR_LAST || first === 0) return -1;
  const second = ((word >>> 16) & 255) - ZERO;
  return second >= 0 && second <= 9 ? ((first * 10 + second) << 3) | 5 : -1;
}
