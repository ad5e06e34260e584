/**
 * config/rows/redis-names.ts: names from Redis 7.0's redis.conf that kvorum does not follow, so that a redis.conf loads as
 * it stands. Three kinds: without effect (stored, shown by CONFIG GET, a warning when given), fixed (always read the same,
 * a warning when something else is asked for) and refused (an error: to pass over them silently would open the store, lose a
 * command's protection or feign a feature).
 * Invariant: values are checked as Redis checks them, so that a typo is found here too.
 */
import type { Row } from "../row.js";

/**
 * name, Redis's default, check, further names. A check is "bool", "bytes", "words", "text", "int min max" or
 * "enum a b c"; a "!" in front means that Redis does not let CONFIG SET change it.
 */
type Name = readonly [name: string, preset: string, check: string, alias?: string];

const INT = "int 0 2147483647";
const LONG = `int 0 ${Number.MAX_SAFE_INTEGER}`;
const PORT = "int 0 65535";

const NO_EFFECT: readonly (readonly [why: string, names: readonly Name[]])[] = [
  [
    "kvorum keeps a log and snapshots of its own instead of RDB and AOF files",
    [
      ["stop-writes-on-bgsave-error", "yes", "bool"],
      ["rdbcompression", "yes", "bool"],
      ["rdbchecksum", "yes", "!bool"],
      ["dbfilename", "dump.rdb", "!text"],
      ["rdb-del-sync-files", "no", "bool"],
      ["rdb-save-incremental-fsync", "yes", "bool"],
      ["sanitize-dump-payload", "no", "enum no yes clients"],
      ["appendfilename", "appendonly.aof", "!text"],
      ["appenddirname", "appendonlydir", "!text"],
      ["no-appendfsync-on-rewrite", "no", "bool"],
      ["auto-aof-rewrite-percentage", "100", INT],
      ["auto-aof-rewrite-min-size", "67108864", "bytes"],
      ["aof-load-truncated", "yes", "bool"],
      ["aof-use-rdb-preamble", "yes", "bool"],
      ["aof-timestamp-enabled", "no", "bool"],
      ["aof-rewrite-incremental-fsync", "yes", "bool"],
      ["aof-disable-auto-gc", "no", "bool"],
    ],
  ],
  [
    "kvorum has no primaries and replicas of whole servers; see the cluster options",
    [
      ["masterauth", "", "text"],
      ["masteruser", "", "text"],
      ["replica-serve-stale-data", "yes", "bool", "slave-serve-stale-data"],
      ["replica-read-only", "yes", "bool", "slave-read-only"],
      ["replica-priority", "100", INT, "slave-priority"],
      ["replica-announced", "yes", "bool"],
      ["replica-announce-ip", "", "text", "slave-announce-ip"],
      ["replica-announce-port", "0", PORT, "slave-announce-port"],
      ["replica-ignore-maxmemory", "yes", "bool", "slave-ignore-maxmemory"],
      ["replica-ignore-disk-write-errors", "no", "bool"],
      ["replica-lazy-flush", "no", "bool", "slave-lazy-flush"],
      ["repl-diskless-sync", "yes", "bool"],
      ["repl-diskless-sync-delay", "5", INT],
      ["repl-diskless-sync-max-replicas", "0", INT],
      ["repl-diskless-load", "disabled", "enum disabled on-empty-db swapdb"],
      ["repl-disable-tcp-nodelay", "no", "bool"],
      ["repl-ping-replica-period", "10", "int 1 2147483647", "repl-ping-slave-period"],
      ["repl-timeout", "60", "int 1 2147483647"],
      ["repl-backlog-size", "1048576", "bytes"],
      ["repl-backlog-ttl", "3600", LONG],
      ["min-replicas-to-write", "0", INT, "min-slaves-to-write"],
      ["min-replicas-max-lag", "10", INT, "min-slaves-max-lag"],
      ["propagation-error-behavior", "ignore", "enum ignore panic panic-on-replicas"],
    ],
  ],
  [
    "part of Redis Cluster",
    [
      ["cluster-config-file", "nodes.conf", "!text"],
      ["cluster-node-timeout", "15000", LONG],
      ["cluster-port", "0", `!${PORT}`],
      ["cluster-announce-hostname", "", "text"],
      ["cluster-announce-tls-port", "0", PORT],
      ["cluster-announce-bus-port", "0", PORT],
      ["cluster-replica-validity-factor", "10", INT, "cluster-slave-validity-factor"],
      ["cluster-replica-no-failover", "no", "bool", "cluster-slave-no-failover"],
      ["cluster-migration-barrier", "1", INT],
      ["cluster-allow-replica-migration", "yes", "bool"],
      ["cluster-require-full-coverage", "yes", "bool"],
      ["cluster-allow-reads-when-down", "no", "bool"],
      ["cluster-allow-pubsubshard-when-down", "yes", "bool"],
      ["cluster-link-sendbuf-limit", "0", "bytes"],
      ["cluster-preferred-endpoint-type", "ip", "enum ip hostname unknown-endpoint"],
    ],
  ],
  [
    "memory is laid out differently here",
    [
      ["hash-max-listpack-entries", "512", LONG, "hash-max-ziplist-entries"],
      ["hash-max-listpack-value", "64", "bytes", "hash-max-ziplist-value"],
      ["list-max-listpack-size", "-2", "int -2147483648 2147483647", "list-max-ziplist-size"],
      ["list-compress-depth", "0", INT],
      ["set-max-intset-entries", "512", LONG],
      ["zset-max-listpack-entries", "128", LONG, "zset-max-ziplist-entries"],
      ["zset-max-listpack-value", "64", "bytes", "zset-max-ziplist-value"],
      ["hll-sparse-max-bytes", "3000", "bytes"],
      ["stream-node-max-bytes", "4096", "bytes"],
      ["stream-node-max-entries", "100", LONG],
      ["activerehashing", "yes", "bool"],
      ["activedefrag", "no", "bool"],
      ["active-defrag-ignore-bytes", "104857600", "bytes"],
      ["active-defrag-threshold-lower", "10", "int 0 1000"],
      ["active-defrag-threshold-upper", "100", "int 0 1000"],
      ["active-defrag-cycle-min", "1", "int 1 99"],
      ["active-defrag-cycle-max", "25", "int 1 99"],
      ["active-defrag-max-scan-fields", "1000", `int 1 ${Number.MAX_SAFE_INTEGER}`],
      ["jemalloc-bg-thread", "yes", "bool"],
      ["lazyfree-lazy-eviction", "no", "bool"],
      ["lazyfree-lazy-expire", "no", "bool"],
      ["lazyfree-lazy-server-del", "no", "bool"],
      ["lazyfree-lazy-user-del", "no", "bool"],
      ["lazyfree-lazy-user-flush", "no", "bool"],
      ["maxmemory-clients", "0", "text"],
      ["maxmemory-eviction-tenacity", "10", "int 0 100"],
    ],
  ],
  [
    "the process, its name, its log and its threads are managed differently here",
    [
      ["always-show-logo", "no", "!bool"],
      ["set-proc-title", "yes", "!bool"],
      ["proc-title-template", "{title} {listen-addr} {server-mode}", "text"],
      ["syslog-enabled", "no", "!bool"],
      ["syslog-ident", "redis", "!text"],
      ["syslog-facility", "local0", "!text"],
      ["crash-log-enabled", "yes", "bool"],
      ["crash-memcheck-enabled", "yes", "bool"],
      ["oom-score-adj", "no", "enum no yes relative absolute"],
      ["oom-score-adj-values", "0 200 800", "words"],
      ["disable-thp", "yes", "!bool"],
      ["ignore-warnings", "", "words"],
      ["dynamic-hz", "yes", "bool"],
      ["io-threads-do-reads", "no", "!bool"],
      ["server_cpulist", "", "!text"],
      ["bio_cpulist", "", "!text"],
      ["aof_rewrite_cpulist", "", "!text"],
      ["bgsave_cpulist", "", "!text"],
      ["socket-mark-id", "0", "!int 0 4294967295"],
      ["bind-source-addr", "", "text"],
      ["shutdown-on-sigint", "default", "words"],
      ["shutdown-on-sigterm", "default", "words"],
      ["enable-protected-configs", "no", "!enum no yes local"],
      ["enable-module-command", "no", "!enum no yes local"],
    ],
  ],
  [
    "part of a feature that this version does not have",
    [
      ["notify-keyspace-events", "", "events"],
      ["tracking-table-max-keys", "1000000", LONG],
      ["acl-pubsub-default", "resetchannels", "enum allchannels resetchannels"],
      ["acllog-max-len", "128", LONG],
      ["busy-reply-threshold", "5000", LONG, "lua-time-limit"],
      ["latency-tracking", "yes", "bool"],
      ["latency-tracking-info-percentiles", "50 99 99.9", "words"],
      ["tls-ca-cert-dir", "", "text"],
      ["tls-client-cert-file", "", "text"],
      ["tls-client-key-file", "", "text"],
      ["tls-client-key-file-pass", "", "text"],
      ["tls-dh-params-file", "", "text"],
      ["tls-ciphers", "", "text"],
      ["tls-ciphersuites", "", "text"],
      ["tls-prefer-server-ciphers", "no", "bool"],
      ["tls-session-caching", "yes", "bool"],
      ["tls-session-cache-size", "20480", INT],
      ["tls-session-cache-timeout", "300", INT],
      ["tls-cluster", "no", "bool"],
      ["tls-replication", "no", "bool"],
    ],
  ],
];

const SECRETS = ["masterauth", "tls-client-key-file-pass"];
const DOC = "A name from redis.conf, accepted and stored.";

function checkEvents(value: unknown): string | undefined {
  return /^[Ag$lshzxeKEtmdn]*$/.test(value as string)
    ? undefined
    : "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
}

function noEffectRow([name, preset, checkText, alias]: Name, why: string): Row {
  const fixedInRedis = checkText.startsWith("!");
  const [check, ...rest] = (fixedInRedis ? checkText.slice(1) : checkText).split(" ");
  const common = {
    doc: DOC,
    noEffect: why,
    ...(fixedInRedis ? {} : { change: "reloadable" as const }),
    ...(alias === undefined ? {} : { aliases: [alias] }),
    ...(SECRETS.includes(name) ? { secret: true as const } : {}),
  };
  switch (check) {
    case "bool":
      return { ...common, kind: "bool", default: preset === "yes" };
    case "int":
      return { ...common, kind: "int", default: Number(preset), min: Number(rest[0]), max: Number(rest[1]) };
    case "bytes":
      return { ...common, kind: "bytes", default: Number(preset), min: 0, max: Number.MAX_SAFE_INTEGER };
    case "enum":
      return { ...common, kind: "enum", default: preset, values: rest };
    case "words":
      return { ...common, kind: "words", default: preset };
    case "events":
      return { ...common, kind: "string", default: preset, check: checkEvents };
    default:
      return { ...common, kind: "string", default: preset };
  }
}

function checkSave(value: unknown): string | undefined {
  const numbers = (value as string).split(" ").filter((word) => word !== "");
  if (numbers.length % 2 === 0 && numbers.every((word) => /^(0|[1-9][0-9]{0,9})$/.test(word))) return undefined;
  return "Invalid save parameters";
}

/** `user default` with no password and all rights is what an open Redis writes down, and what kvorum does anyway. */
function harmlessUser(words: readonly string[]): boolean {
  const rights = ["on", "nopass", "sanitize-payload", "~*", "&*", "+@all", "allkeys", "allchannels", "allcommands"];
  return words[0] === "default" && words.slice(1).every((word) => rights.includes(word)) && words.includes("nopass");
}

const ACL = "kvorum has no ACL users yet; requirepass is the one password";
const REPLICA = "kvorum does not follow a Redis primary; import the data, or let nodes form a cluster (peers)";

/** Rows by name; the name of the row is the key. */
const OTHERS: Readonly<Record<string, Row>> = {
  save: {
    kind: "words",
    default: "",
    repeat: true,
    bare: true,
    change: "reloadable",
    fixed: "every write is logged and snapshots start by log size (snapshot-wal-bytes), so no save points are needed",
    doc: "Save points of Redis.",
    check: checkSave,
  },
  appendonly: {
    kind: "bool",
    default: true,
    change: "reloadable",
    fixed: "there is no mode without the log; appendfsync says how soon it reaches the disk",
    doc: "Always yes.",
  },
  daemonize: {
    kind: "bool",
    default: false,
    fixed: "kvorum stays in the foreground; let systemd, a container or & put it in the background",
    doc: "Always no.",
  },
  supervised: {
    kind: "enum",
    default: "no",
    values: ["upstart", "systemd", "auto", "no"],
    fixed: "readiness is not signalled to the supervisor; ask /health or PING",
    doc: "Always no.",
  },
  pidfile: {
    kind: "string",
    default: "",
    fixed: "no pid file is written there; the data directory names its holder",
    doc: "Always empty.",
  },
  logfile: {
    kind: "string",
    default: "",
    fixed: "the log goes to standard output; redirect it where it should be",
    doc: "Always empty: standard output.",
  },
  "io-threads": {
    kind: "int",
    default: 1,
    min: 1,
    max: 128,
    fixed: "commands run on one thread",
    doc: "Always 1.",
  },
  replicaof: { kind: "words", default: "", aliases: ["slaveof"], refuse: REPLICA, doc: "Refused." },
  aclfile: { kind: "string", default: "", refuse: ACL, doc: "Refused." },
  user: {
    kind: "words",
    default: "",
    hidden: true,
    repeat: true,
    refuse: ACL,
    doc: "Refused, but for a default user with all rights and no password.",
    harmless: harmlessUser,
  },
  "rename-command": {
    kind: "words",
    default: "",
    hidden: true,
    repeat: true,
    refuse: "kvorum does not rename commands: one that should be out of reach would stay in reach",
    doc: "Refused.",
  },
  loadmodule: {
    kind: "words",
    default: "",
    hidden: true,
    repeat: true,
    refuse: "Redis modules do not run here",
    doc: "Refused.",
  },
};

/** Every name with its row, in the order CONFIG GET shows them. */
export function redisNameRows(): [string, Row][] {
  const rows: [string, Row][] = Object.entries(OTHERS);
  for (const [why, names] of NO_EFFECT) for (const name of names) rows.push([name[0], noEffectRow(name, why)]);
  return rows;
}
