/**
 * cli/exit.ts: exit codes of the command line. Servers use sysexits numbers, which errors carry as `exitCode`.
 */

export const EXIT_OK = 0;
export const EXIT_ERROR = 1;
export const EXIT_USAGE = 2;
/** get, delete: there is no such key. */
export const EXIT_NOT_FOUND = 3;
/** put, delete: the write was sent and nobody said what became of it. */
export const EXIT_UNCERTAIN = 4;
/** What was asked for cannot be: flags, files or variables that contradict each other or what is there. */
export const EXIT_CONFIG = 64;
/** inspect, restore: what lies on disk is not what was written. */
export const EXIT_CORRUPT = 65;
/** An error that nothing expected: a fault of the program. */
export const EXIT_SOFTWARE = 70;

/** The exit code an error carries, or `otherwise`. */
export function exitCodeOf(error: unknown, otherwise: number): number {
  const code = (error as { exitCode?: unknown } | undefined)?.exitCode;
  return typeof code === "number" && Number.isInteger(code) && code > 0 && code < 256 ? code : otherwise;
}
