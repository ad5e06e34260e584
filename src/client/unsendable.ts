/**
 * client/unsendable.ts: commands that a client does not send, since it matches the replies of its one connection to its calls by their
 * order: those that would change how many replies come.
 * Invariant: what is refused here was not sent, so the error's `applied` is "no".
 */
import type { CommandWords } from "./commands.js";
import { StoreError } from "./store-error.js";

/**
 * Not queued by MULTI but carried out at once, or refused there, so that EXEC has fewer replies than there were commands, or ends
 * another transaction than was meant.
 */
const NOT_QUEUED: ReadonlySet<string> = new Set(["multi", "exec", "discard", "watch", "reset", "quit"]);

/** @returns the error for commands that cannot be given to transaction(), undefined when all can. */
export function unsendableInTransaction(commands: readonly CommandWords[]): StoreError | undefined {
  for (const [name] of commands) {
    if (NOT_QUEUED.has(name.toLowerCase())) {
      const text = `${name.toUpperCase()} cannot stand in a transaction: it is not queued. Nothing was sent.`;
      return new StoreError("REFUSED", text, "no");
    }
  }
  return undefined;
}
