/**
 * commands/texts.ts: error texts that more than one command uses. Clients match them, so they are Redis's, byte for byte.
 */
export const SYNTAX = "ERR syntax error";
export const NOT_INTEGER = "ERR value is not an integer or out of range";
export const NOT_FLOAT = "ERR value is not a valid float";
export const WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
export const NO_SUCH_KEY = "ERR no such key";
export const SAME_OBJECT = "ERR source and destination objects are the same";
export const DB_RANGE = "ERR DB index is out of range";
export const TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
export const TOO_MUCH = "MISCONF Errors writing to the log: too much waits to be written";
export const NO_ROOM = "MISCONF Errors writing to the log: No space left on device";

/** Where Redis reads or prints an argument as a C string, a NUL ends it. */
export function upToNul(text: string): string {
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.slice(0, nul);
}
