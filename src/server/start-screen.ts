/**
 * server/start-screen.ts: what a person sees when the server is up: where it listens, where the data is, and honestly which
 * failures an acknowledged write survives.
 */
import type { Config } from "../config/config.js";

export interface StartFacts {
  readonly version: string;
  readonly config: Config;
  readonly addresses: readonly string[];
  /** Undefined: memory only. */
  readonly directory: string | undefined;
  readonly keys: number;
  readonly loadMs: number;
  /** Bytes of an unfinished, never acknowledged write that were dropped at the log's end. */
  readonly droppedBytes: number;
  readonly pid: number;
}

/** Which failures an acknowledged write survives, in one line. */
function durabilityLine(mode: Config["appendfsync"], memory: boolean): string {
  if (memory) return "process crash NO, power loss NO (memory only)";
  if (mode === "always")
    return "process crash yes, power loss yes (synced before each reply), loss of this disk NO (one node)";
  const seconds = mode === "everysec" ? "UP TO A SECOND OF WRITES IS LOST" : "WHAT THE SYSTEM HAD NOT WRITTEN IS LOST";
  return `process crash yes, power loss NO: ${seconds} (appendfsync ${mode}), loss of this disk NO (one node)`;
}

export function startScreen(facts: StartFacts): string {
  const { config, addresses } = facts;
  const port = config.port > 0 ? ` -p ${config.port}` : "";
  const lines = [
    `kvorum ${facts.version}  pid ${facts.pid}`,
    "",
    `  listening   ${addresses.length > 0 ? addresses.join("  ") : "nowhere (port 0 and no unixsocket)"}`,
    `  data        ${facts.directory ?? "memory only"}${facts.keys > 0 ? `  (${facts.keys} keys loaded in ${Math.round(facts.loadMs)} ms)` : ""}`,
    `  acknowledged writes survive: ${durabilityLine(config.appendfsync, facts.directory === undefined)}`,
    ...(facts.droppedBytes > 0
      ? [`  dropped the torn end of the log: ${facts.droppedBytes} bytes of a write that was never acknowledged`]
      : []),
    ...config.unsafe().map((line) => `  ${line}`),
    "",
    `  connect with  redis-cli${port}`,
    "  Ctrl-C to stop",
    "",
  ];
  return lines.join("\n");
}
