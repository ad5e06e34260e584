/**
 * server/info-sections.ts: the sections of INFO: Redis's fields under Redis's names wherever they mean something here,
 * so that exporters, dashboards and client libraries find what they look for.
 * Invariant: a figure is either true or 0; nothing is made up.
 */
import { ALL_SPECS } from "../commands/table.js";
import { clientsMax } from "./admission.js";
import { clusterFields } from "./cluster-info.js";
import { survives } from "./guarantees.js";
import { REDIS_VERSION } from "./host-connection.js";
import type { Server } from "./server.js";
import type { Session } from "./session.js";

export type SectionName =
  | "server"
  | "clients"
  | "memory"
  | "persistence"
  | "stats"
  | "replication"
  | "cpu"
  | "modules"
  | "commandstats"
  | "errorstats"
  | "latencystats"
  | "cluster"
  | "keyspace";
export type Field = readonly [name: string, value: string | number];
/** @param session who asks. */
type Section = (server: Server, session: Session) => Field[];

const GIT = "00000000";

function server(s: Server): Field[] {
  const { system, version, port, nodeId } = s.parts;
  const seconds = Math.floor((s.nowMs - s.startedMs) / 1000);
  return [
    ["redis_version", REDIS_VERSION],
    ["server_name", "kvorum"],
    ["kvorum_version", version],
    ["redis_git_sha1", GIT],
    ["redis_git_dirty", 0],
    ["redis_build_id", nodeId.slice(0, 16)],
    ["redis_mode", s.config.clusterEnabled ? "cluster" : "standalone"],
    ["os", system.os],
    ["arch_bits", 64],
    ["runtime", system.runtime],
    ["multiplexing_api", "libuv"],
    ["process_id", system.pid],
    ["process_supervised", "no"],
    ["run_id", s.runId],
    ["node_id", nodeId],
    ["tcp_port", port()],
    ["server_time_usec", s.nowMs * 1000],
    ["uptime_in_seconds", seconds],
    ["uptime_in_days", Math.floor(seconds / 86400)],
    ["hz", s.config.hz],
    ["configured_hz", s.config.hz],
    ["lru_clock", Math.floor(s.nowMs / 1000) & 0xffffff],
    ["executable", system.executable],
    ["config_file", s.config.file ?? ""],
    ["io_threads_active", 0],
  ];
}

function clients(s: Server): Field[] {
  let largestIn = 0;
  let largestOut = 0;
  for (const session of s.sessions.values()) {
    largestIn = Math.max(largestIn, session.queryBytes);
    largestOut = Math.max(largestOut, session.unsentBytes);
  }
  return [
    ["connected_clients", s.sessions.size],
    ["cluster_connections", 0],
    ["maxclients", clientsMax(s)],
    ["client_recent_max_input_buffer", largestIn],
    ["client_recent_max_output_buffer", largestOut],
    ["blocked_clients", s.blockedClients + s.pausedSessions.size],
    ["tracking_clients", 0],
    ["clients_in_timeout_table", 0],
  ];
}

function human(bytes: number): string {
  const units = ["B", "K", "M", "G", "T"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes}B` : `${bytes.toFixed(2)}${units[unit]}`;
}

function memory(s: Server): Field[] {
  const { rssBytes, heapBytes } = s.parts.system.memory();
  const { totalMemoryBytes } = s.parts.system;
  const dataset = s.storage.figures().usedBytes;
  const used = dataset + heapBytes;
  s.peakUsedBytes = Math.max(s.peakUsedBytes, used);
  return [
    ["used_memory", used],
    ["used_memory_human", human(used)],
    ["used_memory_rss", rssBytes],
    ["used_memory_rss_human", human(rssBytes)],
    ["used_memory_peak", s.peakUsedBytes],
    ["used_memory_peak_human", human(s.peakUsedBytes)],
    ["used_memory_peak_perc", `${((used / s.peakUsedBytes) * 100).toFixed(2)}%`],
    ["used_memory_overhead", heapBytes],
    ["used_memory_startup", 0],
    ["used_memory_dataset", dataset],
    ["used_memory_dataset_perc", `${((dataset / used) * 100).toFixed(2)}%`],
    ["total_system_memory", totalMemoryBytes],
    ["total_system_memory_human", human(totalMemoryBytes)],
    ["used_memory_lua", 0],
    ["used_memory_scripts", 0],
    ["maxmemory", s.config.maxmemory],
    ["maxmemory_human", human(s.config.maxmemory)],
    ["maxmemory_policy", s.config.maxmemoryPolicy],
    ["mem_fragmentation_ratio", (rssBytes / used).toFixed(2)],
    ["mem_fragmentation_bytes", rssBytes - used],
    ["mem_allocator", "node"],
    ["active_defrag_running", 0],
    ["lazyfree_pending_objects", 0],
  ];
}

function persistence(s: Server): Field[] {
  const { storage, config } = s;
  const figures = storage.figures();
  const { loading } = storage;
  const running = figures.snapshotRunning ? 1 : 0;
  const fields: Field[] = [
    ["loading", loading === undefined ? 0 : 1],
    ["async_loading", 0],
    ["rdb_changes_since_last_save", figures.dirty],
    ["rdb_bgsave_in_progress", running],
    ["rdb_last_save_time", Math.floor(figures.lastSaveMs / 1000)],
    ["rdb_last_bgsave_status", figures.lastSaveOk ? "ok" : "err"],
    ["rdb_last_bgsave_time_sec", -1],
    ["rdb_current_bgsave_time_sec", running === 1 ? Math.floor((s.nowMs - figures.snapshotStartedMs) / 1000) : -1],
    ["rdb_last_load_keys_expired", 0],
    ["rdb_last_load_keys_loaded", 0],
    ["aof_enabled", 1],
    ["aof_rewrite_in_progress", 0],
    ["aof_rewrite_scheduled", 0],
    ["aof_last_rewrite_time_sec", -1],
    ["aof_current_rewrite_time_sec", -1],
    ["aof_last_bgrewrite_status", "ok"],
    ["aof_last_write_status", storage.failed || storage.refusal !== undefined ? "err" : "ok"],
    ["aof_current_size", figures.logBytes],
    ["aof_pending_bio_fsync", 0],
    ["kvorum_appendfsync", config.appendfsync],
    ["kvorum_acknowledged_writes_survive", survives(config.appendfsync, storage.backup === undefined, s.parts.cluster)],
    ["kvorum_appended_lsn", storage.appendedLsn],
    ["kvorum_durable_lsn", s.space.durableLsn],
    ["kvorum_synced_lsn", storage.syncedLsn],
    ["kvorum_log_flushes", figures.logFlushes],
    ["kvorum_last_flush_ms", figures.lastFlushMs.toFixed(3)],
    ["kvorum_load_ms", figures.loadMs.toFixed(0)],
  ];
  if (loading !== undefined) {
    const percent = loading.totalBytes === 0 ? 0 : (loading.loadedBytes / loading.totalBytes) * 100;
    fields.push(
      ["loading_start_time", Math.floor(loading.startedMs / 1000)],
      ["loading_total_bytes", loading.totalBytes],
      ["loading_loaded_bytes", loading.loadedBytes],
      ["loading_loaded_perc", percent.toFixed(2)],
      ["loading_eta_seconds", Math.ceil(loading.etaSeconds)],
    );
  }
  return fields;
}

function stats(s: Server): Field[] {
  const { traffic, statistics } = s;
  const figures = s.storage.figures();
  return [
    ["total_connections_received", traffic.connections],
    ["total_commands_processed", statistics.totalCalls],
    ["instantaneous_ops_per_sec", Math.round(traffic.commandsPerSecond)],
    ["total_net_input_bytes", traffic.inBytes],
    ["total_net_output_bytes", traffic.outBytes],
    ["instantaneous_input_kbps", (traffic.inBytesPerSecond / 1024).toFixed(2)],
    ["instantaneous_output_kbps", (traffic.outBytesPerSecond / 1024).toFixed(2)],
    ["rejected_connections", traffic.rejected],
    ["sync_full", 0],
    ["sync_partial_ok", 0],
    ["sync_partial_err", 0],
    ["expired_keys", figures.expired],
    ["expired_stale_perc", "0.00"],
    ["expired_time_cap_reached_count", 0],
    ["evicted_keys", figures.evicted],
    ["evicted_clients", 0],
    ["keyspace_hits", figures.hits],
    ["keyspace_misses", figures.misses],
    ["pubsub_channels", 0],
    ["pubsub_patterns", 0],
    ["pubsubshard_channels", 0],
    ["latest_fork_usec", 0],
    ["total_forks", 0],
    ["migrate_cached_sockets", 0],
    ["slave_expires_tracked_keys", 0],
    ["active_defrag_hits", 0],
    ["tracking_total_keys", 0],
    ["tracking_total_items", 0],
    ["unexpected_error_replies", 0],
    ["total_error_replies", statistics.totalErrors],
    ["client_query_buffer_limit_disconnections", traffic.queryLimitDisconnections],
    ["client_output_buffer_limit_disconnections", traffic.outputLimitDisconnections],
  ];
}

function replication(s: Server): Field[] {
  return [
    ["role", "master"],
    ["connected_slaves", 0],
    ["master_failover_state", "no-failover"],
    ["master_replid", s.runId],
    ["master_replid2", "0".repeat(40)],
    ["master_repl_offset", s.storage.appendedLsn],
    ["second_repl_offset", -1],
    ["repl_backlog_active", 0],
    ["repl_backlog_size", 0],
    ["repl_backlog_first_byte_offset", 0],
    ["repl_backlog_histlen", 0],
  ];
}

function cpu(s: Server): Field[] {
  const { userSeconds, systemSeconds } = s.parts.system.cpu();
  return [
    ["used_cpu_sys", systemSeconds.toFixed(6)],
    ["used_cpu_user", userSeconds.toFixed(6)],
    ["used_cpu_sys_children", "0.000000"],
    ["used_cpu_user_children", "0.000000"],
  ];
}

function commandstats(s: Server): Field[] {
  const { calls, usec, rejected, failed } = s.statistics;
  return ALL_SPECS.filter(({ index }) => calls[index] > 0 || rejected[index] > 0).map(({ fullName, index }) => {
    const each = calls[index] === 0 ? 0 : usec[index] / calls[index];
    return [
      `cmdstat_${fullName}`,
      `calls=${calls[index]},usec=${Math.round(usec[index])},usec_per_call=${each.toFixed(2)},rejected_calls=${rejected[index]},failed_calls=${failed[index]}`,
    ];
  });
}

function errorstats(s: Server): Field[] {
  return [...s.statistics.errors].map(([code, count]) => [`errorstat_${code}`, `count=${count}`]);
}

function latencystats(s: Server): Field[] {
  const { statistics } = s;
  return ALL_SPECS.filter(({ index }) => statistics.calls[index] > 0).map(({ fullName, index }) => {
    const at = (share: number): string => statistics.percentile(index, share).toFixed(3);
    return [`latency_percentiles_usec_${fullName}`, `p50=${at(0.5)},p99=${at(0.99)},p99.9=${at(0.999)}`];
  });
}

function keyspace(s: Server): Field[] {
  const fields: Field[] = [];
  if (s.storage.loading !== undefined) return fields;
  for (let db = 0; db < s.config.databases; db++) {
    const keys = s.space.size(db);
    if (keys > 0) fields.push([`db${db}`, `keys=${keys},expires=${s.space.expiring(db)},avg_ttl=0`]);
  }
  return fields;
}

export const SECTIONS: Readonly<Record<SectionName, Section>> = {
  server,
  clients,
  memory,
  persistence,
  stats,
  replication,
  cpu,
  modules: () => [],
  commandstats,
  errorstats,
  latencystats,
  cluster: clusterFields,
  keyspace,
};
