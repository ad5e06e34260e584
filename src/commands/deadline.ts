/**
 * commands/deadline.ts: times that clients give (seconds or milliseconds, from now or absolute) to deadlines.
 * Invariant: a deadline that is stored is above now and at most DEADLINE_MAX. Redis stores up to 2^63 - 1 ms; here a later
 * deadline than the record can hold (the year 10889) becomes that one, instead of an error where Redis has none.
 */
import type { Context } from "./context.js";
import { INT64_MAX, type Integer } from "./numbers.js";

/** Largest deadline a record holds: 6 bytes. */
export const DEADLINE_MAX: number = 2 ** 48 - 1;

/** A time as given: in seconds, and counted from now. */
export const SECONDS = 1;
export const RELATIVE = 2;

/** A deadline of 64 bits as one that can be stored. Below 0 stays below 0. */
export function storable(deadline: Integer): number {
  return deadline > DEADLINE_MAX ? DEADLINE_MAX : Number(deadline);
}

/**
 * A time that must lie above 0, as SET, GETEX and SETEX take it, to a deadline (which may have passed already).
 * @param unit SECONDS, RELATIVE, both or none.
 * @returns NaN when it is out of range; the caller writes the error.
 */
export function deadlineOf(c: Context, time: Integer, unit: number): number {
  if (time <= 0) return Number.NaN;
  return signedDeadlineOf(c, time, unit);
}

/** The same for EXPIRE and its kin, which take negative times as well. */
export function signedDeadlineOf(c: Context, time: Integer, unit: number): number {
  // Numbers have at most 15 digits: a thousand times that is far from 2^63, and what it loses of its last digits is
  // beyond DEADLINE_MAX.
  if (typeof time === "number") return storable((unit & SECONDS ? time * 1000 : time) + (unit & RELATIVE ? c.now : 0));
  if (unit & SECONDS) {
    if (time > INT64_MAX / 1000n || time < -INT64_MAX / 1000n) return Number.NaN;
    time *= 1000n;
  }
  if (unit & RELATIVE) {
    if (time > INT64_MAX - BigInt(c.now)) return Number.NaN;
    time += BigInt(c.now);
  }
  return storable(time);
}

/** The error for a time out of range. @param name the command's full name. */
export function writeExpireError(c: Context, name: string): void {
  c.reply.error(`ERR invalid expire time in '${name}' command`);
}
