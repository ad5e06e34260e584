/**
 * test/lib/tool-options.ts: the command line of the project's tools (simulator, explorer, campaigns, benches): --help says how, and what is not
 * understood is said with it. Exit codes: 0 after --help, 64 for a slip.
 */
import { type ParseArgsConfig, parseArgs } from "node:util";

const EXIT_USAGE = 64;

type Parsed<T extends ParseArgsConfig> = ReturnType<typeof parseArgs<T>> & {
  /** Say what is wrong, and how it would be right, and end. */
  readonly refuse: (problem: string) => never;
  /** A whole number of an option. @returns undefined when it was not given. */
  readonly whole: (option: string, text: string | undefined) => number | undefined;
};

/** @param usage what --help prints, with a line feed at its end. */
export function toolOptions<const T extends ParseArgsConfig>(usage: string, config: T): Parsed<T> {
  const refuse = (problem: string): never => {
    process.stderr.write(`${problem}\n\n${usage}`);
    process.exit(EXIT_USAGE);
  };
  if (process.argv.slice(2).some((word) => word === "--help" || word === "-h")) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const whole = (option: string, text: string | undefined): number | undefined => {
    if (text !== undefined && !/^\d{1,15}$/.test(text)) refuse(`${option} takes a whole number, not "${text}"`);
    return text === undefined ? undefined : Number(text);
  };
  try {
    return { ...parseArgs(config), refuse, whole };
  } catch (error) {
    return refuse((error as Error).message);
  }
}
