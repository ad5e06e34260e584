/**
 * bench/lib/redis-trio.ts: a Redis primary with two replicas, each with a directory of its own and appendfsync always, in sync and at rest
 * when it is handed out.
 * Invariant: everything on loopback, ended like any server of a bench.
 */
import type { Context } from "../compare/scenario.js";
import { sleep } from "./process-facts.js";
import { askOnce } from "./resp-client.js";
import type { RunningServer } from "./servers.js";

export const ALWAYS = ["--appendonly", "yes", "--appendfsync", "always"] as const;
const SYNC_MS_MAX = 60_000;
const POLL_MS = 50;

export interface RedisTrio {
  readonly primary: RunningServer;
  readonly replicas: readonly RunningServer[];
  readonly pids: readonly number[];
}

export async function redisTrio(context: Context): Promise<RedisTrio> {
  // A replica that asks is sent the data at once, not when others may have come too.
  const args = [...ALWAYS, "--repl-diskless-sync-delay", "0"];
  const primary = await context.start({ kind: "redis", label: "Redis primary", args });
  const replicas: RunningServer[] = [];
  for (let i = 1; i <= 2; i++) {
    const follows = ["--replicaof", "127.0.0.1", String(primary.port)];
    replicas.push(await context.start({ kind: "redis", label: `Redis replica ${i}`, args: [...args, ...follows] }));
  }
  for (const replica of replicas) {
    await told(replica, "replication", /^master_link_status:up\r?$/m);
    await told(replica, "replication", /^master_sync_in_progress:0\r?$/m);
  }
  await told(primary, "replication", /^connected_slaves:2\r?$/m);
  await told(primary, "replication", /^slave0:.*state=online[\s\S]*^slave1:.*state=online/m);
  // A replica writes its log anew when it has taken over the data; that is not part of its work.
  for (const server of [primary, ...replicas]) {
    await told(server, "persistence", /^aof_rewrite_in_progress:0\r?$/m);
    await told(server, "persistence", /^aof_last_bgrewrite_status:ok\r?$/m);
  }
  return { primary, replicas, pids: [primary, ...replicas].map(({ pid }) => pid) };
}

/** Wait until INFO says so. */
async function told(server: RunningServer, section: string, what: RegExp): Promise<void> {
  const limit = performance.now() + SYNC_MS_MAX;
  let text = "";
  while (performance.now() < limit) {
    text = String(await askOnce(server.port, "INFO", section));
    if (what.test(text)) return;
    await sleep(POLL_MS);
  }
  throw new Error(`${server.spec.label} does not come to say ${what.source}:\n${text}`);
}
