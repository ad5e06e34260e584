/**
 * testing.ts: `import { startTestServer } from "kvorum/testing"`: a real server for a test: the engine that production runs, on a
 * free port, with memory for a disk, there in milliseconds and gone without a trace.
 */
import { type Node, type OpenOptions, open } from "./index.js";

export interface TestServer extends AsyncDisposable {
  /** For any client of Redis. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly node: Node;
  close(): Promise<void>;
}

/** @param options as open's; by default `port: 0` and `memory: true`. */
export async function startTestServer(options: OpenOptions = {}): Promise<TestServer> {
  const host = "127.0.0.1";
  const node = await open({ bind: [host], memory: true, ...options, port: options.port ?? 0 });
  const close = (): Promise<void> => node.close();
  return { url: node.url as string, host, port: node.port as number, node, close, [Symbol.asyncDispose]: close };
}
