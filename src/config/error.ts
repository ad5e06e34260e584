/**
 * config/error.ts: the one error of this room. Its message is fit for the terminal as it stands, one problem a line, and
 * never holds a secret.
 */

/** Exit code for a bad flag, file or environment variable (sysexits: EX_USAGE). */
const EXIT_CONFIG = 64;

export class ConfigError extends Error {
  readonly exitCode: number = EXIT_CONFIG;
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}
