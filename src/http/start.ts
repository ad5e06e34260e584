/**
 * http/start.ts: HTTP of a running node: from its options to a server that listens.
 * Invariant: after a start that failed nothing listens.
 */
import { viewed } from "../lib/view.js";
import type { RunningNode } from "../node.js";
import { Pipes } from "../pipe.js";
import { KeyState } from "../ports/keyspace.js";
import { HttpServer } from "./server.js";

export interface RunningHttp {
  /** "127.0.0.1:7379"; the first is the one to tell. */
  readonly addresses: readonly string[];
  /** @param ms how long what is under way may take. */
  stop(ms: number): Promise<void>;
}

/**
 * @param addresses as in bind: one with a minus sign may be missing. @param port 0: any free one, the same for all addresses.
 * @throws what listening failed with, with `where` it was to be.
 */
export async function startHttp(
  { config, server, log }: RunningNode,
  addresses: readonly string[],
  port: number,
): Promise<RunningHttp> {
  const { default: Parser } = await import("redis-parser");
  const pipes = new Pipes(Parser, server, () => config.requirepass);
  const http = new HttpServer({
    open: () => pipes.client("http:0"),
    password: () => config.requirepass,
    protectedMode: () => config.protectedMode,
    names: [config.announceHost, ...addresses].map((name) => name.replace(/^-/, "").toLowerCase()),
    valueBytesMax: () => config.maxValueBytes,
    bytesHeld: (key) => {
      const state = new KeyState();
      return server.space.find(0, viewed(key), 0, key.length, state, false) ? state.valueBytes : 0;
    },
    fault: (text) => log("warning", text),
  });
  const stop = (ms: number): Promise<void> => http.stop(ms).finally(() => pipes.end());
  const listening: string[] = [];
  let shared = port;
  for (const address of addresses) {
    const host = address.replace(/^-/, "");
    const shown = host.includes(":") ? `[${host}]` : host;
    try {
      shared = await http.listen(host, shared);
      listening.push(`${shown}:${shared}`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (address.startsWith("-") && (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT")) continue;
      await stop(0);
      throw Object.assign(error as Error, { where: `${shown}:${shared}` });
    }
  }
  return { addresses: listening, stop };
}
