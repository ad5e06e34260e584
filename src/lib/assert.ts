/**
 * lib/assert.ts: stop at the first thing that cannot be. Every room asserts with this, in production too: a crash
 * replays the WAL, a wrong answer spreads.
 * It must never be used for what a client, a peer or a disk can cause: that is an operating error (lib/errors.ts), not a
 * programmer's. Nothing catches InvariantError to carry on.
 * Invariant: a passing assert costs one branch; no string is built and nothing is formatted unless it fails.
 */

/** A broken invariant: the program is wrong and must stop. `details` are the values that were given to assert. */
export class InvariantError extends Error {
  readonly details: readonly unknown[];

  constructor(message: string, details: readonly unknown[] = []) {
    super(details.length === 0 ? message : `${message} (${details.map(detailText).join(", ")})`);
    this.name = "InvariantError";
    this.details = details;
  }
}

/**
 * Throw unless `condition` holds.
 *
 * On hot paths give a constant message and at most plain local values as details: a template string or an object literal
 * in the call is built whether or not the assert fails, and a details list is an array the engine may not remove.
 * @param condition what must be true; also narrows types for the compiler.
 * @param message what was expected, as a constant string.
 * @param details values to show when it fails; they are kept on the error as they are.
 * @throws {InvariantError} when `condition` is false.
 */
export function assert(condition: boolean, message: string, ...details: readonly unknown[]): asserts condition {
  if (!condition) fail(message, details);
}

// Apart from assert so that assert stays small enough for the engine to inline.
function fail(message: string, details: readonly unknown[]): never {
  const error = new InvariantError(message, details);
  // The stack begins at the assert that failed, not in here.
  Error.captureStackTrace(error, assert);
  throw error;
}

const DETAIL_CHARS_MAX = 200;

function detailText(detail: unknown): string {
  let text: string;
  try {
    if (typeof detail === "string") text = JSON.stringify(detail);
    else if (detail instanceof Uint8Array) text = `${detail.length} bytes`;
    else if (detail instanceof Error) text = detail.message;
    else if (typeof detail === "object" && detail !== null) text = JSON.stringify(detail);
    else text = String(detail);
  } catch {
    // A cycle, a bigint inside, a throwing getter: the failure that brought us here matters more.
    text = typeof detail;
  }
  return text.length > DETAIL_CHARS_MAX ? `${text.slice(0, DETAIL_CHARS_MAX)}...` : text;
}
