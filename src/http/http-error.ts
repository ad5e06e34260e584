/**
 * http/http-error.ts: what a request is answered with when it is not done: a status, a word that programs match, a text for people, and of
 * writes whether they may have been done all the same. From the errors of the in-process client to those.
 * Invariant: 504 stands for "may have been applied" and for nothing else; with 503 nothing was.
 */

export type Applied = "no" | "maybe";

export class HttpError extends Error {
  readonly status: number;
  readonly code: string;
  /** Told when there is something to tell: of writes, and where it is not plain from the status. */
  readonly applied: Applied | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { readonly applied?: Applied; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.name = "HttpError";
    this.status = status;
    this.code = code;
    this.applied = more.applied;
    this.headers = more.headers ?? {};
  }
}

export function badRequest(message: string): HttpError {
  return new HttpError(400, "BAD_REQUEST", message);
}

/** Too much is under way. Nothing was done. */
export function busy(what: string): HttpError {
  return new HttpError(503, "TRYAGAIN", `${what}: try again`, { applied: "no", headers: RETRY });
}

const RETRY: Readonly<Record<string, string>> = { "retry-after": "1" };

/** The in-process client's error (client/store-error.ts), by its members: it comes from another room. */
interface ClientError {
  readonly code?: unknown;
  readonly message: string;
  readonly applied?: unknown;
}

/** Words of error replies that mean more than "not now". */
const STATUS: Readonly<Record<string, number>> = { WRONGTYPE: 409, OOM: 507, ERR: 500 };

/** @param write may the request change something? A read leaves no doubt. */
export function errorOf(error: unknown, write: boolean): HttpError {
  if (error instanceof HttpError) return error;
  const { code, message, applied } = error as ClientError;
  if (typeof code !== "string" || typeof applied !== "string") throw error;
  // The code has a place of its own.
  const text = message.startsWith(`${code} `) ? message.slice(code.length + 1) : message;
  if (write && applied === "maybe") return new HttpError(504, code, text, { applied: "maybe" });
  const refused = code === "ERR" && /^ERR (max number of clients|the server is going down)/.test(message);
  const status = refused ? 503 : (STATUS[code] ?? 503);
  return new HttpError(status, code, text, { applied: "no", ...(status === 503 ? { headers: RETRY } : {}) });
}
