/**
 * http/target.ts: what a request is about: path, query, and the key in a path. Keys are bytes: %FF is one, though it is no UTF-8.
 * Invariants: nothing is normalised, so "a//b", "." and ".." are keys; a malformed escape is an error, never taken literally.
 */
import { badRequest, HttpError } from "./http-error.js";

export interface Target {
  /** Of a request that names the server in its first line, as one to a proxy does. */
  readonly authority: string | undefined;
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
}

const PREFIX = "/kv/";
/** An escaped key of this length and other headers fit into what a request's head may have. */
const KEY_BYTES_MAX = 8192;

const PERCENT = 37;

export function targetOf(url: string): Target {
  const absolute = /^https?:\/\/([^/?#]*)/i.exec(url);
  const rest = absolute === null ? url : url.slice(absolute[0].length) || "/";
  const mark = rest.indexOf("?");
  return {
    authority: absolute?.[1],
    path: mark < 0 ? rest : rest.slice(0, mark),
    query: mark < 0 ? "" : rest.slice(mark + 1),
  };
}

/** Is the path about a key? That may be the empty one. */
export function isKeyPath(path: string): boolean {
  return path.startsWith(PREFIX);
}

/** @param path isKeyPath; visible ASCII: Node refuses anything else. @throws HttpError 400, 414. */
export function keyOf(path: string): Buffer {
  const text = path.slice(PREFIX.length);
  const key = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let byte = text.charCodeAt(i);
    if (byte === PERCENT) {
      const digits = text.slice(i + 1, i + 3);
      if (!/^[0-9a-f]{2}$/i.test(digits)) {
        throw badRequest("the key has a % that two hex digits do not follow; a percent sign is written %25");
      }
      byte = Number.parseInt(digits, 16);
      i += 2;
    } else if (byte > 126 || text[i] === "#") throw badRequest("the key has a character that must be escaped");
    key[length++] = byte;
  }
  if (length > KEY_BYTES_MAX) throw new HttpError(414, "KEY_TOO_LONG", `a key has at most ${KEY_BYTES_MAX} bytes here`);
  return key.subarray(0, length);
}
