/**
 * config/error.ts: the one error of this room. Its message is fit for the terminal as it stands, one problem a line, and
 * never holds a secret.
 */

/** Exit code for a bad flag, file or environment variable (sysexits: EX_USAGE). */
const EXIT_CONFIG = 64;
/** A problem repeats names that somebody wrote: as much of them as helps to find the place. */
const PROBLEM_CHARS_MAX = 500;

export class ConfigError extends Error {
  readonly exitCode: number = EXIT_CONFIG;
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const shown = problems.map(printable);
    super(shown.join("\n"));
    this.name = "ConfigError";
    this.problems = shown;
  }
}

function printable(problem: string): string {
  const short = problem.length <= PROBLEM_CHARS_MAX ? problem : `${problem.slice(0, PROBLEM_CHARS_MAX)}...`;
  return short.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, "?");
}
