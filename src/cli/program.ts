/**
 * cli/program.ts: a verb's grammar, read by commander: it ends with an exit code and not the process, and what it says begins as all else does.
 */
import { Command, CommanderError } from "commander";
import { EXIT_OK, EXIT_USAGE } from "./exit.js";

/** Commands made of it have the same manners. */
export function grammar(name: string): Command {
  return new Command(name).exitOverride().configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "kvorum: ")),
  });
}

/** @param code what the action found, once it has run. @returns the exit code. */
export async function run(program: Command, argv: readonly string[], code: () => number): Promise<number> {
  try {
    await program.parseAsync(argv, { from: "user" });
    return code();
  } catch (error) {
    // commander has said it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    throw error;
  }
}
