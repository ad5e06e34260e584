/**
 * client/store-error.ts: the one error of the client: what went wrong, and whether the command may have been carried out.
 * Invariant: `applied` is "no" only where that is certain: the server said so, or the command never left this process, or it
 * could not have changed anything.
 */

/** "no": surely not. "maybe": it was sent, and nobody said what became of it. */
export type Applied = "no" | "maybe";

/** Error replies after which the same command may be sent again: surely not carried out, and the reason may pass. */
const PASSING: ReadonlySet<string> = new Set(["LOADING", "TRYAGAIN", "NOREPLICAS", "CLUSTERDOWN", "BUSY"]);

export class StoreError extends Error {
  /** The reply's code word (ERR, WRONGTYPE, MISCONF, UNCERTAIN, ...), or CLOSED, TIMEOUT, CONNECT for a connection that failed, REFUSED for what the client does not send. */
  readonly code: string;
  readonly applied: Applied;

  constructor(code: string, message: string, applied: Applied, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StoreError";
    this.code = code;
    this.applied = applied;
  }

  /** Sending the same command again can do no harm and may help. */
  get retryable(): boolean {
    return this.applied === "no" && (PASSING.has(this.code) || this.code === "CONNECT" || this.code === "CLOSED");
  }
}

/** Commands that change nothing: losing their reply leaves no doubt. A name that is not here counts as a write. */
const READS: ReadonlySet<string> = new Set(
  (
    "auth bitcount bitfield_ro bitpos client command config dbsize dump echo exists expiretime get getbit getrange hello " +
    "info keys lastsave lcs mget object pexpiretime ping pttl randomkey scan select strlen substr time touch ttl type wait waitaof"
  ).split(" "),
);

/** May this command have changed something when its reply is lost? CONFIG and CLIENT count as harmless. */
export function writes(name: string): boolean {
  return !READS.has(name.toLowerCase());
}

/** The error for an error reply, whose text begins with the code word. */
export function replyError(text: string, write: boolean): StoreError {
  const code = /^[A-Z][A-Z0-9]*(?= |$)/.exec(text)?.[0] ?? "ERR";
  return new StoreError(code, text, code === "UNCERTAIN" && write ? "maybe" : "no");
}
