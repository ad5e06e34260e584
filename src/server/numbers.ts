/**
 * server/numbers.ts: integers among the arguments of server commands, as strictly as Redis reads them.
 */
import type { Args } from "../codec/resp/args.js";

/** A whole number as Redis reads one, of 64 bits; undefined when it is none. */
export function parseLong(args: Args, index: number): bigint | undefined {
  const text = args.text(index);
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** A whole number without plus sign, blanks or leading zeros, of safe size; undefined when it is none. */
export function parseInteger(args: Args, index: number): number | undefined {
  const text = args.text(index);
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
