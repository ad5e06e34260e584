/**
 * http/guard.ts: who may ask at all.
 *
 * Browsers are the danger of a port on loopback: a page from anywhere can send requests to it.
 *   reading        no answer carries a CORS header, so a page cannot read one
 *   writing        PUT and DELETE are asked for beforehand (OPTIONS), which is not granted; a request from a page of another origin is refused
 *   rebinding      a page whose name is made to point here is of the same origin. It comes by that name: without a password only addresses,
 *                  localhost and names that the configuration has are taken as Host
 *   content        values are never text/html, and no sniffing: http/replies.ts
 * As on the Redis port: with requirepass every request needs the password; without, protected-mode lets in clients of this machine only.
 * Invariant: passwords are compared by their digests in constant time.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { HttpError } from "./http-error.js";

export interface Door {
  /** requirepass; "": none. Asked at each request: it can change. */
  readonly password: () => string;
  readonly protectedMode: () => boolean;
  /** Names by which this node is known to its operator. */
  readonly names: readonly string[];
}

const USERS = ["", "default"];
const CHALLENGE: Readonly<Record<string, string>> = {
  "www-authenticate": 'Basic realm="kvorum", charset="UTF-8", Bearer realm="kvorum"',
};

/** @param authority of an absolute request target. @throws HttpError 401, 403. */
export function checkRequest(
  door: Door,
  headers: IncomingHttpHeaders,
  authority: string | undefined,
  remote: string,
  free: boolean,
): void {
  const password = door.password();
  const host = authority ?? headers.host;
  checkOrigin(headers, host);
  if (password === "") {
    if (door.protectedMode() && !isLoopback(remote)) throw new HttpError(403, "DENIED", PROTECTED);
    if (host !== undefined && !isKnownHost(host, door.names)) throw new HttpError(403, "DENIED", unknownHost(host));
  } else if (!free && !opens(password, headers.authorization)) {
    throw new HttpError(401, "NOAUTH", "the password is needed: Authorization: Bearer, or Basic", {
      headers: CHALLENGE,
    });
  }
}

const PROTECTED =
  "protected mode: without a password only clients of this machine are served; set requirepass, or protected-mode no";

function unknownHost(host: string): string {
  return `Host is "${host.slice(0, 80)}", which is neither an address nor localhost nor a name in announce-host or http-bind; set one of these, or requirepass`;
}

function checkOrigin({ origin }: IncomingHttpHeaders, host: string | undefined): void {
  if (origin === undefined || (host !== undefined && origin.replace(/^https?:\/\//i, "") === host)) return;
  throw new HttpError(403, "DENIED", "a page of another origin is not served");
}

function isKnownHost(authority: string, names: readonly string[]): boolean {
  const host = authority
    .replace(/:\d*$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .toLowerCase();
  return isIP(host) !== 0 || host === "localhost" || host.endsWith(".localhost") || names.includes(host);
}

/** @param remote as a socket has it. */
function isLoopback(remote: string): boolean {
  return remote === "::1" || /^(::ffff:)?127\./.test(remote);
}

function opens(password: string, header: string | undefined): boolean {
  const [, scheme, given] = /^(\w+) +(\S+) *$/.exec(header ?? "") ?? [];
  if (given === undefined) return false;
  // Node gives the bytes of headers as chars.
  if (/^bearer$/i.test(scheme as string)) return same(password, Buffer.from(given, "latin1"));
  if (!/^basic$/i.test(scheme as string)) return false;
  const pair = Buffer.from(given, "base64");
  const colon = pair.indexOf(":");
  const user = pair.toString("latin1", 0, Math.max(colon, 0));
  return colon >= 0 && USERS.includes(user) && same(password, pair.subarray(colon + 1));
}

function same(password: string, given: Uint8Array): boolean {
  return timingSafeEqual(digest(Buffer.from(password)), digest(given));
}

function digest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
