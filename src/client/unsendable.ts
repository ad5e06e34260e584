/**
 * client/unsendable.ts: commands that a client does not send, since it matches the replies of its one connection to its calls by their
 * order: those that would change how many replies come.
 * Invariant: what is refused here was not sent, so the error's `applied` is "no".
 */
import type { Argument, CommandWords } from "./commands.js";
import { StoreError } from "./store-error.js";

/** They make the connection one on which replies come unasked, some for each channel, or a stream that is none of replies. */
const STREAMS: ReadonlySet<string> = new Set(
  "monitor subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe sync psync".split(" "),
);

/** @returns the error for a command that cannot be called, undefined when it can. */
export function unsendable(name: string, args: readonly Argument[]): StoreError | undefined {
  const word = name.toLowerCase();
  if (STREAMS.has(word)) return refused(name, "it does not have one reply");
  if (word === "client" && lower(args[0]) === "reply" && lower(args[1]) !== "on")
    return refused("CLIENT REPLY", "each call waits for its reply");
  // RESP3 has types that neither client's parser turns into a Reply.
  if (word === "hello" && lower(args[0]) === "3") return refused("HELLO 3", "the client speaks RESP2");
  return undefined;
}

function lower(word: Argument | undefined): string {
  return (word instanceof Uint8Array ? Buffer.from(word).toString() : String(word)).toLowerCase();
}

function refused(what: string, why: string): StoreError {
  return new StoreError("REFUSED", `${what.toUpperCase()} is not sent by this client: ${why}`, "no");
}

/**
 * Not queued by MULTI but carried out at once, or refused there, so that EXEC has fewer replies than there were commands, or ends
 * another transaction than was meant.
 */
const NOT_QUEUED: ReadonlySet<string> = new Set(["multi", "exec", "discard", "watch", "reset", "quit"]);

/** @returns the error for commands that cannot be given to transaction(), undefined when all can. */
export function unsendableInTransaction(commands: readonly CommandWords[]): StoreError | undefined {
  for (const [name, ...args] of commands) {
    const refusal = NOT_QUEUED.has(name.toLowerCase())
      ? refused(name, "MULTI does not queue it, so it cannot stand in a transaction")
      : unsendable(name, args);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}
