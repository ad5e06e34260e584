/**
 * server/numbers.ts: integers among the arguments of server commands, as strictly as Redis reads them.
 */
import type { Args } from "../codec/resp/args.js";
import type { Context } from "../commands/context.js";

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

/** A time-out in milliseconds, any of 64 bits: rounded where no clock would tell. @returns -1 after having written an error. */
export function timeoutArg(c: Context, index: number): number {
  const timeout = parseLong(c.args, index);
  if (timeout !== undefined && timeout >= 0n) return Number(timeout);
  c.reply.error(timeout === undefined ? "ERR timeout is not an integer or out of range" : "ERR timeout is negative");
  return -1;
}
