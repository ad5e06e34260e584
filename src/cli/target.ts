/**
 * cli/target.ts: the server that a client verb talks to, as -s names it: host and port, the path of a unix socket, or a URL as clients of
 * Redis take it.
 */
import { isIPv6 } from "node:net";

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Path of a unix socket; host and port mean nothing then. */
  readonly path?: string;
  readonly tls?: true;
  readonly user?: string;
  readonly password?: string;
  readonly db?: number;
}

const DEFAULT_PORT = 6379;
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;
const FORMS = "It must be host:port, the path of a unix socket, redis://host:port or rediss://host:port (TLS).";

/** `host`, `host:port`, `[::1]:port`, `:port`, a path with a slash, or a URL. @returns what is wrong with it, as text, when it is none of these. */
export function parseTarget(text: string): Target | string {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) return fromUrl(scheme, text);
  if (text.includes("/")) return { host: "", port: 0, path: text };
  const match = /^(\[[0-9A-Fa-f:.%a-z]+\]|[^\s:[\]]*)(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return isIPv6(text) ? { host: text, port: DEFAULT_PORT } : FORMS;
  const port = match[2] === undefined ? DEFAULT_PORT : Number(match[2]);
  const host = plainHost(match[1] as string);
  return port >= 1 && port <= 65535 && text !== "" ? { host, port } : FORMS;
}

/** redis://[[user]:password@]host[:port][/db] */
function fromUrl(scheme: string, text: string): Target | string {
  if (scheme === "http" || scheme === "https") return `It must be the Redis port, not that of HTTP. ${FORMS}`;
  if (scheme !== "redis" && scheme !== "rediss") return FORMS;
  try {
    const url = new URL(text);
    const db = /^(?:\/?|\/([0-9]{1,9}))$/.exec(url.pathname);
    if (db === null || url.search !== "" || url.hash !== "" || url.port === "0") return FORMS;
    return {
      host: plainHost(url.hostname),
      port: url.port === "" ? DEFAULT_PORT : Number(url.port),
      ...(scheme === "rediss" ? { tls: true as const } : {}),
      ...(url.username === "" ? {} : { user: decodeURIComponent(url.username) }),
      ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
      ...(db[1] === undefined ? {} : { db: Number(db[1]) }),
    };
  } catch {
    return FORMS;
  }
}

function plainHost(host: string): string {
  return host.replace(/^\[|\]$/g, "") || "127.0.0.1";
}
