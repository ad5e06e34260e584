/**
 * test/unit/server/host.test.ts: the connection and server commands whose answers are our own (redis-server judges the
 * others in test/integration/clients-protocol.test.ts).
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ALL_SPECS } from "../../../src/commands/table.js";
import { HOSTS } from "../../../src/server/hosts.js";
import { command, type Harness, type HarnessOptions, type RawClient, sleep, startServer } from "./harness.js";

function served(name: string, options: HarnessOptions, body: (c: RawClient, h: Harness) => Promise<void>): void {
  test(name, async () => {
    const h = await startServer(options);
    try {
      await body(await h.client(), h);
    } finally {
      await h.close();
    }
  });
}

/** Fields that clients, exporters and dashboards read. */
const INFO_FIELDS =
  "redis_version server_name kvorum_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days hz executable config_file " +
  "connected_clients blocked_clients maxclients tracking_clients used_memory used_memory_human used_memory_rss used_memory_peak used_memory_dataset " +
  "used_memory_overhead total_system_memory maxmemory maxmemory_policy mem_fragmentation_ratio loading rdb_changes_since_last_save rdb_bgsave_in_progress " +
  "rdb_last_save_time rdb_last_bgsave_status aof_enabled aof_rewrite_in_progress aof_last_write_status total_connections_received total_commands_processed " +
  "instantaneous_ops_per_sec total_net_input_bytes total_net_output_bytes instantaneous_input_kbps instantaneous_output_kbps rejected_connections " +
  "expired_keys evicted_keys keyspace_hits keyspace_misses pubsub_channels pubsub_patterns latest_fork_usec total_error_replies role connected_slaves " +
  "master_replid master_repl_offset used_cpu_sys used_cpu_user cluster_enabled db0";

served("INFO has every field that is relied on", {}, async (c) => {
  assert.is(await c.ask("SET", "k", "v"), "+OK");
  c.send("INFO");
  const text = await c.bulk();
  for (const field of INFO_FIELDS.split(" ")) assert.ok(text.includes(`\r\n${field}:`), field);
  assert.not.match(text, /# Commandstats/);
  assert.match(text, /redis_version:7\.2\.4\r\n/);
  assert.match(text, /db0:keys=1,expires=0,avg_ttl=0\r\n/);
  for (const [words, sections] of [
    [["keyspace"], ["Keyspace"]],
    [
      ["CPU", "Clients"],
      ["Clients", "CPU"],
    ],
    [["nosuch"], []],
    [["default", "errorstats"], undefined],
  ] as const) {
    c.send("INFO", ...words);
    const part = await c.bulk();
    const titles = [...part.matchAll(/^# (\w+)/gm)].map(([, title]) => title);
    if (sections !== undefined) assert.equal(titles, sections);
    else assert.ok(titles.includes("Errorstats") && titles.includes("Keyspace"));
  }
});

served("counters: calls, rejected, failed, errors; RESETSTAT", {}, async (c) => {
  // An error within EXEC is counted once, where it arose.
  c.write("get a\r\nget a\r\nget\r\nset s x\r\nmulti\r\nincr s\r\nexec\r\nnosuch\r\nconfig get hz\r\n");
  await c.until(() => c.received.includes("hz"), "the last reply");
  await sleep(5);
  c.received = Buffer.alloc(0);
  c.send("INFO", "commandstats", "errorstats", "latencystats");
  const text = await c.bulk();
  assert.match(text, /cmdstat_get:calls=2,usec=\d+,usec_per_call=[\d.]+,rejected_calls=1,failed_calls=0\r\n/);
  assert.match(text, /cmdstat_incr:calls=1,usec=\d+,usec_per_call=[\d.]+,rejected_calls=0,failed_calls=1\r\n/);
  assert.match(text, /cmdstat_exec:calls=1,usec=\d+,usec_per_call=[\d.]+,rejected_calls=0,failed_calls=0\r\n/);
  assert.match(text, /cmdstat_config\|get:calls=1/);
  assert.match(text, /errorstat_ERR:count=3\r\n/);
  assert.match(text, /latency_percentiles_usec_get:p50=[\d.]+,p99=[\d.]+,p99\.9=[\d.]+\r\n/);
  assert.is(await c.ask("CONFIG", "RESETSTAT"), "+OK");
  c.send("INFO", "commandstats", "errorstats");
  const after = await c.bulk();
  // The one that reset them is the first that counts; INFO is counted when it is over.
  assert.equal([...after.matchAll(/^(?:cmdstat|errorstat)_[^,]*/gm)].flat(), ["cmdstat_config|resetstat:calls=1"]);
});

served("HELLO in both protocols", {}, async (c) => {
  c.send("HELLO");
  assert.is(await c.line(), "*14");
  await c.until(() => c.received.includes("modules\r\n*0\r\n"), "the rest");
  c.received = Buffer.alloc(0);
  c.send("HELLO", "3", "SETNAME", "me");
  assert.is(await c.line(), "%7");
  await c.until(() => c.received.includes("modules\r\n*0\r\n"), "the rest");
  c.received = Buffer.alloc(0);
  c.write("client getname\r\nget nokey\r\nmulti\r\nexec\r\nreset\r\nget nokey\r\n");
  await c.expect("$2\r\nme\r\n_\r\n+OK\r\n*0\r\n+RESET\r\n$-1\r\n");
});

served("CLIENT LIST and INFO describe a client", {}, async (c, h) => {
  const other = await h.client();
  c.write(
    "client setname me\r\nclient setinfo lib-name ioredis\r\nclient setinfo LIB-VER 6.0.0\r\nselect 3\r\nmulti\r\nset a 1\r\n",
  );
  await c.expect("+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n");
  assert.is(await c.ask("CLIENT", "SETINFO", "lib-name", "a b"), "+QUEUED");
  other.send("CLIENT", "LIST", "ID", "1");
  const line = await other.bulk();
  assert.match(
    line,
    /^id=1 addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ fd=\d+ name=me age=\d+ idle=\d+ flags=x db=3 sub=0 psub=0 ssub=0 multi=2 /,
  );
  assert.match(line, / cmd=client\|setinfo user=default redir=-1 resp=2 lib-name=ioredis lib-ver=6\.0\.0\n$/);
  other.send("CLIENT", "INFO");
  assert.match(await other.bulk(), /^id=2 .* flags=N db=0 .* cmd=client\|info /);
  other.send("CLIENT", "LIST");
  assert.is((await other.bulk()).split("\n").length, 3);
});

served("CONFIG GET and SET", {}, async (c) => {
  c.send("CONFIG", "GET", "databases");
  await c.expect("*2\r\n$9\r\ndatabases\r\n$2\r\n16\r\n");
  assert.is(await c.ask("CONFIG", "SET", "slowlog-max-len", "5", "timeout", "100"), "+OK");
  c.send("CONFIG", "GET", "slowlog-max-len");
  await c.expect("*2\r\n$15\r\nslowlog-max-len\r\n$1\r\n5\r\n");
  assert.match(
    await c.ask("CONFIG", "SET", "port", "1"),
    /^-ERR CONFIG SET failed \(possibly related to argument 'port'\) - can't set immutable config/,
  );
  c.send("CONFIG", "GET", "*");
  await c.until(() => c.received.includes("appendonly"), "all options");
});

served("a password set at run time locks the next client out, not this one", {}, async (c, h) => {
  assert.is(await c.ask("CONFIG", "SET", "requirepass", "secret"), "+OK");
  assert.is(await c.ask("PING"), "+PONG");
  const other = await h.client();
  assert.is(await other.ask("PING"), "-NOAUTH Authentication required.");
  assert.is(await other.ask("AUTH", "secret"), "+OK");
  assert.is(await other.ask("PING"), "+PONG");
  c.send("ACL", "LIST");
  assert.is(await c.line(), "*1");
  assert.match(await c.bulk(), /^user default on #[0-9a-f]{64} ~\* &\* \+@all$/);
});

served("ACL GENPASS: so many hexadecimal digits, others each time; MEMORY MALLOC-STATS", {}, async (c) => {
  const seen = new Set<string>();
  for (const [bits, digits] of [
    [undefined, 64],
    ["256", 64],
    ["1", 1],
    ["5", 2],
    ["4096", 1024],
  ] as const) {
    c.send("ACL", "GENPASS", ...(bits === undefined ? [] : [bits]));
    const text = await c.bulk();
    assert.match(text, /^[0-9a-f]+$/);
    assert.is(text.length, digits);
    seen.add(text);
  }
  assert.is(seen.size, 5);
  c.send("MEMORY", "MALLOC-STATS");
  assert.match(await c.bulk(), "INFO memory");
});

served("ACL GETUSER in RESP3 is the map that redis-server 7.0 answers", {}, async (c) => {
  c.send("HELLO", "3");
  await c.until(() => c.received.includes("modules\r\n*0\r\n"), "HELLO's reply");
  c.received = Buffer.alloc(0);
  c.send("ACL", "GETUSER", "default");
  await c.expect(
    "%6\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$6\r\nnopass\r\n$9\r\npasswords\r\n*0\r\n$8\r\ncommands\r\n$5\r\n+@all\r\n" +
      "$4\r\nkeys\r\n$2\r\n~*\r\n$8\r\nchannels\r\n$2\r\n&*\r\n$9\r\nselectors\r\n*0\r\n",
  );
  c.send("ACL", "GETUSER", "nobody");
  await c.expect("_\r\n");
});

served("CLIENT KILL MAXAGE: those connected for so long", {}, async (c, h) => {
  assert.is(await c.ask("PING"), "+PONG");
  const old = await h.client();
  assert.is(await old.ask("PING"), "+PONG");
  const session = [...h.server.sessions.values()].at(-1) as { createdMs: number };
  session.createdMs -= 60_000;
  assert.is(await c.ask("CLIENT", "KILL", "MAXAGE", "100", "SKIPME", "no"), ":0");
  assert.is(await c.ask("CLIENT", "KILL", "MAXAGE", "50", "SKIPME", "no"), ":1");
  await old.until(() => old.ended, "its end");
  assert.is(await c.ask("CLIENT", "KILL", "MAXAGE", "0"), "-ERR maxage is not an integer or out of range");
});

served("SLOWLOG", { config: { slowlogLogSlowerThan: 0, slowlogMaxLen: 3 } }, async (c) => {
  assert.is(await c.ask("SET", "k", "x".repeat(300)), "+OK");
  assert.is(await c.ask("AUTH", "default", "secret"), "+OK");
  assert.is(await c.ask("DEL", ...Array.from({ length: 40 }, (_, i) => `k${i}`)), ":0");
  c.send("SLOWLOG", "GET", "2");
  assert.is(await c.line(), "*2");
  assert.is(await c.line(), "*6");
  assert.is(await c.line(), ":2");
  await c.until(() => c.received.includes("(redacted)"), "the rest");
  const rest = c.received.latin1Slice();
  assert.match(rest, /\.\.\. \(10 more arguments\)/);
  assert.not.match(rest, /secret/);
  c.received = Buffer.alloc(0);
  await sleep(5);
  c.received = Buffer.alloc(0);
  assert.is(await c.ask("SLOWLOG", "LEN"), ":3");
  assert.is(await c.ask("SLOWLOG", "RESET"), "+OK");
});

served(
  "slow commands are found in a pipeline of fast ones",
  { config: { slowlogLogSlowerThan: 5000 } },
  async (c, h) => {
    const find = h.space.find.bind(h.space);
    h.space.find = (...args) => {
      const until = performance.now() + 8;
      if (args[1].latin1Slice(args[2], args[2] + args[3]) === "slow") while (performance.now() < until);
      return find(...args);
    };
    c.write(command("PING").repeat(50) + command("TYPE", "slow") + command("EXPIRE", "slow", "5") + command("PING"));
    await c.until(() => c.received.includes(":0\r\n+PONG"), "all replies");
    c.received = Buffer.alloc(0);
    c.send("GET", "slow");
    await c.expect("$-1\r\n");
    const names = h.server.slowlog.newest(-1).map(({ args }) => args[0]);
    assert.ok(names.includes("GET"));
    assert.not.ok(names.includes("PING"));
  },
);

served("LATENCY", { config: { latencyMonitorThreshold: 50 } }, async (c, h) => {
  const find = h.space.find.bind(h.space);
  h.space.find = (...args) => {
    const until = performance.now() + 60;
    while (performance.now() < until);
    return find(...args);
  };
  assert.is(await c.ask("GET", "k"), "$-1");
  c.send("LATENCY", "LATEST");
  assert.is(await c.line(), "*1");
  assert.is(await c.line(), "*4");
  assert.is(await c.bulk(), "fast-command");
  await c.line();
  assert.match(await c.line(), /^:\d+$/);
  await c.line();
  c.send("LATENCY", "HISTOGRAM", "get");
  await c.expect("*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n*2\r\n");
  await c.line();
  await c.line();
  assert.is(await c.ask("LATENCY", "RESET"), ":1");
  c.send("LATENCY", "DOCTOR");
  assert.match(await c.bulk(), /No delay/);
});

served("MONITOR shows commands, not secrets", {}, async (c, h) => {
  const other = await h.client();
  assert.is(await c.ask("MONITOR"), "+OK");
  other.write('set "a\\n\\x01" v\r\nauth default secret\r\nconfig get hz\r\nselect 2\r\nget b\r\n');
  assert.match(await c.line(), /^\+\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "set" "a\\n\\x01" "v"$/);
  assert.match(await c.line(), / "auth" "\(redacted\)" "\(redacted\)"$/);
  assert.match(await c.line(), / "select" "2"$/);
  assert.match(await c.line(), / \[2 127\.0\.0\.1:\d+\] "get" "b"$/);
  other.send("echo", '"\\\r\t\x07\b\x7f\xff ~');
  assert.ok((await c.line()).endsWith(' "echo" "\\"\\\\\\r\\t\\a\\b\\x7f\\xff ~"'));
  other.write("multi\r\nget c\r\nexec\r\n");
  for (const word of ["multi", "get", "exec"]) assert.ok((await c.line()).includes(` "${word}"`), word);
  c.destroy();
  await sleep(20);
  assert.is(h.server.monitors.count, 0);
  assert.is(h.server.guards, 0);
});

served("MONITOR cuts long arguments and long lines", {}, async (c, h) => {
  const other = await h.client();
  assert.is(await c.ask("MONITOR"), "+OK");
  // The whole of it, escaped, would be a line of 128 MiB.
  const large = "\xff".repeat(32 * 1024 * 1024);
  other.send("SET", "big", large);
  const line = await c.line();
  assert.ok(line.endsWith(` "SET" "big" "${"\\xff".repeat(1024)}... (${large.length - 1024} more bytes)"`));
  await other.expect("+OK\r\n");
  other.write(`*100001\r\n$6\r\nEXISTS\r\n${"$1\r\na\r\n".repeat(100_000)}`);
  const [, shown = "", more] = /^[^"]*"EXISTS"((?: "a")*) \.\.\. \((\d+) more arguments\)$/.exec(await c.line()) ?? [];
  assert.is(shown.length / 4 + Number(more), 100_000);
  assert.ok(shown.length > 60_000 && shown.length < 70_000);
});

served("names of clients are short", {}, async (c) => {
  const [fits, long] = ["n".repeat(1024), "n".repeat(1025)];
  assert.is(await c.ask("CLIENT", "SETNAME", fits), "+OK");
  assert.is(await c.ask("CLIENT", "SETNAME", long), "-ERR Client names cannot have more than 1024 bytes.");
  assert.is(await c.ask("HELLO", "3", "SETNAME", long), "-ERR Client names cannot have more than 1024 bytes.");
  for (const attribute of ["lib-name", "lib-ver"]) {
    assert.is(await c.ask("CLIENT", "SETINFO", attribute, fits), "+OK");
    assert.is(await c.ask("CLIENT", "SETINFO", attribute, long), `-ERR ${attribute} cannot have more than 1024 bytes.`);
  }
  c.send("CLIENT", "GETNAME");
  assert.is(await c.bulk(), fits);
});

served(
  "CLIENT LIST ID shows in the order asked, twice what is named twice, nothing of who is not there",
  {},
  async (c, h) => {
    const other = await h.client();
    const [mine, others] = [(await c.ask("CLIENT", "ID")).slice(1), (await other.ask("CLIENT", "ID")).slice(1)];
    c.send("CLIENT", "LIST", "ID", others, "0", mine, "-1", "9223372036854775807", others);
    const ids = [...(await c.bulk()).matchAll(/^id=(\d+)/gm)].map(([, id]) => id);
    assert.equal(ids, [others, mine, others]);
    for (const wrong of ["x", "9223372036854775808", "01", ""])
      assert.is(await c.ask("CLIENT", "LIST", "ID", wrong), "-ERR Invalid client ID");
  },
);

served("CLIENT KILL: of a filter that is given twice the last counts", {}, async (c, h) => {
  const other = await h.client();
  const id = (await other.ask("CLIENT", "ID")).slice(1);
  const none = "9223372036854775807";
  assert.is(await c.ask("CLIENT", "KILL", "ID", id, "ID", none), ":0");
  assert.is(await c.ask("CLIENT", "KILL", "TYPE", "normal", "ID", id, "TYPE", "pubsub"), ":0");
  assert.is(await c.ask("CLIENT", "KILL", "ADDR", "x", "LADDR", "x", "ID", id, "ADDR", "y"), ":0");
  for (const wrong of ["0", "-1", "9223372036854775808"])
    assert.is(await c.ask("CLIENT", "KILL", "ID", wrong, "SKIPME", "yes"), "-ERR client-id should be greater than 0");
  assert.is(await c.ask("CLIENT", "KILL", "ID", none, "ID", id, "TYPE", "pubsub", "TYPE", "normal"), ":1");
  await other.closed();
});

served(
  "UNWATCH gives back what WATCH counted",
  { config: { clientQueryBufferLimit: 2 ** 20, maxValueBytes: 2 ** 20 } },
  async (c) => {
    const key = "k".repeat(200_000);
    for (let i = 0; i < 10; i++) {
      assert.is(await c.ask("WATCH", key), "+OK");
      assert.is(await c.ask("UNWATCH"), "+OK");
    }
    c.send("CLIENT", "LIST");
    assert.match(await c.bulk(), / watch=0 .* multi-mem=0 /);
  },
);

served("WAITAOF leaves no timer behind", {}, async (c, h) => {
  let timers = 0;
  const after = h.server.after.bind(h.server);
  h.server.after = (ms, run) => {
    timers++;
    const cancel = after(ms, run);
    return () => {
      timers--;
      cancel();
    };
  };
  assert.is(await c.ask("SET", "a", "1"), "+OK");
  assert.is(await c.ask("WAITAOF", "1", "0", "1000000"), "*2");
  await c.expect(":1\r\n:0\r\n");
  assert.is(timers, 0);
});

served("WAITAOF that is out of time waits for no sync any more", {}, async (c, h) => {
  h.storage.syncMs = 100;
  assert.is(await c.ask("SET", "a", "1"), "+OK");
  for (let i = 0; i < 5; i++) {
    assert.is(await c.ask("WAITAOF", "1", "0", "1"), "*2");
    await c.expect(":0\r\n:0\r\n");
    assert.is(h.storage.waiters.size, 0);
  }
});

served("a full table refuses as maxmemory does, though there is none", {}, async (c, h) => {
  assert.is(await c.ask("MULTI"), "+OK");
  assert.is(await c.ask("SET", "a", "1"), "+QUEUED");
  h.storage.room = false;
  h.storage.full = true;
  assert.match(await c.ask("EXEC"), /^-EXECABORT .*OOM/);
  assert.match(await c.ask("SET", "a", "1"), /^-OOM /);
  assert.is(await c.ask("GET", "a"), "$-1");
  assert.is(await c.ask("DEL", "a"), ":0");
  h.storage.room = true;
  h.storage.full = false;
  assert.is(await c.ask("SET", "a", "1"), "+OK");
});

served("OOM, MISCONF and LOADING refuse, reads go on", { config: { maxmemory: 1024 * 1024 } }, async (c, h) => {
  h.storage.room = false;
  assert.is(await c.ask("SET", "a", "1"), "-OOM command not allowed when used memory > 'maxmemory'.");
  assert.is(await c.ask("GET", "a"), "$-1");
  assert.is(await c.ask("DEL", "a"), ":0");
  assert.is(await c.ask("MULTI"), "+OK");
  assert.is(await c.ask("GET", "a"), "-OOM command not allowed when used memory > 'maxmemory'.");
  assert.is(await c.ask("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
  h.storage.room = true;
  h.storage.refusal = "No space left on device";
  assert.is(await c.ask("SET", "a", "1"), "-MISCONF Errors writing to the log: No space left on device");
  assert.is(await c.ask("GET", "a"), "$-1");
  h.storage.refusal = undefined;
  assert.is(await c.ask("SET", "a", "1"), "+OK");
  // Queued while writes were taken, refused as a whole when they are not.
  for (const [queued, answer] of [
    ["SET", "-EXECABORT Transaction discarded because of: MISCONF Errors writing to the log: No space left on device"],
    ["GET", "*1"],
  ]) {
    assert.is(await c.ask("MULTI"), "+OK");
    assert.is(await c.ask(queued, "a", ...(queued === "SET" ? ["2"] : [])), "+QUEUED");
    h.storage.refusal = "No space left on device";
    assert.is(await c.ask("EXEC"), answer);
    h.storage.refusal = undefined;
  }
  await c.expect("$1\r\n1\r\n");
  (h.storage as { loading: unknown }).loading = { startedMs: 0, totalBytes: 10, loadedBytes: 5, etaSeconds: 3 };
  assert.is(await c.ask("GET", "a"), "-LOADING Redis is loading the dataset in memory");
  c.send("INFO", "persistence");
  const text = await c.bulk();
  assert.match(text, /\r\nloading:1\r\n/);
  assert.match(text, /\r\nloading_eta_seconds:3\r\n/);
  (h.storage as { loading: unknown }).loading = undefined;
  assert.is(await c.ask("DEBUG", "SLEEP", "0").then((line) => line.slice(0, 31)), "-ERR DEBUG command not allowed.");
});

served("DEBUG while it loads, and with odd numbers", { config: { enableDebugCommand: "yes" } }, async (c, h) => {
  (h.storage as { loading: unknown }).loading = { startedMs: 0, totalBytes: 10, loadedBytes: 5, etaSeconds: 3 };
  for (const word of ["RELOAD", "LOADAOF"])
    assert.is(await c.ask("DEBUG", word), "-LOADING Redis is loading the dataset in memory");
  (h.storage as { loading: unknown }).loading = undefined;
  for (const [length, answer] of [
    ["-5", 0],
    ["x", 0],
    ["3", 3],
    ["9999999999", 1 << 20],
  ] as const)
    assert.is(await c.ask("DEBUG", "STRINGMATCH-LEN", length, "*"), `:${answer}`);
});

served("SAVE is answered once, also where the snapshot ends at once", {}, async (c, h) => {
  h.storage.snapshotAtOnce = true;
  assert.is(await c.ask("SAVE"), "+OK");
  h.storage.snapshotError = new Error("the disk is full");
  assert.is(await c.ask("SAVE"), "-ERR the disk is full");
  h.storage.snapshotAtOnce = false;
  assert.is(await c.ask("SAVE"), "-ERR the disk is full");
  assert.is(await c.ask("PING"), "+PONG");
  h.storage.snapshotBusy = true;
  assert.is(await c.ask("SAVE"), "-ERR Background save already in progress");
});

served("BGSAVE and BGREWRITEAOF while a snapshot is running; WAITAOF's numbers", {}, async (c, h) => {
  assert.is(await c.ask("BGSAVE"), "+Background saving started");
  assert.is(await c.ask("BGREWRITEAOF"), "+Background append only file rewriting started");
  h.storage.snapshotBusy = true;
  assert.is(await c.ask("BGSAVE"), "-ERR Background save already in progress");
  assert.is(h.storage.snapshotsNext, 0);
  assert.is(await c.ask("BGSAVE", "schedule"), "+Background saving scheduled");
  assert.is(await c.ask("BGREWRITEAOF"), "+Background append only file rewriting scheduled");
  assert.is(h.storage.snapshots, 2);
  assert.is(h.storage.snapshotsNext, 2);
  for (const words of [
    ["x", "0", "0"],
    ["0", "x", "0"],
  ])
    assert.is(await c.ask("WAITAOF", ...words), "-ERR value is not an integer or out of range");
  assert.is(await c.ask("WAITAOF", "2", "0", "0"), "-ERR value is out of range, must be between 0 and 1");
  assert.is(await c.ask("WAITAOF", "0", "9223372036854775807", "-1"), "-ERR timeout is negative");
  assert.is(await c.ask("WAITAOF", "0", "-1", "0"), "-ERR value is out of range, must be positive");
});

served("CLIENT NO-TOUCH is each client's own, TOUCH touches all the same", {}, async (c, h) => {
  const other = await h.client();
  assert.is(await c.ask("CLIENT", "NO-TOUCH", "ON"), "+OK");
  assert.is(h.space.touching, false);
  assert.is(await other.ask("PING"), "+PONG");
  assert.is(h.space.touching, true);
  assert.is(await c.ask("PING"), "+PONG");
  assert.is(h.space.touching, false);
  let touched: boolean | undefined;
  const { find } = h.space;
  h.space.find = (...words): boolean => {
    touched = h.space.touching;
    return find.apply(h.space, words);
  };
  assert.is(await c.ask("GET", "k"), "$-1");
  assert.is(touched, false);
  assert.is(await c.ask("TOUCH", "k"), ":0");
  assert.is(touched, true);
  assert.is(h.space.touching, false);
  assert.is(await c.ask("RESET"), "+RESET");
  assert.is(h.space.touching, true);
});

served("DEBUG RELOAD makes a snapshot", { config: { enableDebugCommand: "local" } }, async (c, h) => {
  assert.is(await c.ask("DEBUG", "RELOAD"), "+OK");
  assert.is(h.storage.snapshots, 1);
  h.storage.snapshotBusy = true;
  assert.is(await c.ask("DEBUG", "RELOAD"), "+OK");
  assert.is(await c.ask("DEBUG", "LOADAOF"), "+OK");
  assert.match(await c.ask("DEBUG", "RELOAD", "NOSAVE"), /^-ERR /);
});

served(
  "a command whose answer comes later is timed with the waiting, once",
  { config: { enableDebugCommand: "local", slowlogLogSlowerThan: 50_000, latencyMonitorThreshold: 50 } },
  async (c, h) => {
    assert.is(await c.ask("DEBUG", "SLEEP", "0.06"), "+OK");
    assert.equal(
      h.server.slowlog.newest(-1).map(({ args }) => args.join(" ")),
      ["DEBUG SLEEP 0.06"],
    );
    assert.is(h.server.latency.history("command").length, 1);
    c.send("INFO", "commandstats", "latencystats");
    const text = await c.bulk();
    assert.ok(Number(/cmdstat_debug:calls=1,usec=(\d+)/.exec(text)?.[1]) >= 50_000, text);
    assert.ok(Number(/usec_debug:p50=([\d.]+)/.exec(text)?.[1]) >= 50_000, text);
    h.storage.snapshotError = new Error("the disk is full");
    assert.is(await c.ask("SAVE"), "-ERR the disk is full");
    c.send("INFO", "commandstats");
    assert.match(await c.bulk(), /cmdstat_save:calls=1,.*failed_calls=1/);
  },
);

served("DEBUG PROTOCOL", { config: { enableDebugCommand: "local" } }, async (c) => {
  const number = "1234567999999999999999999999999999999";
  const push = "server-cpu-usage\r\n:42\r\n$40\r\nSome real reply following the push reply\r\n";
  const attribute = "$39\r\nSome real reply following the attribute\r\n";
  c.send("DEBUG", "PROTOCOL", "bignum");
  await c.expect(`$37\r\n${number}\r\n`);
  assert.is(await c.ask("DEBUG", "PROTOCOL", "push"), "-ERR RESP2 is not supported by this command");
  c.send("DEBUG", "PROTOCOL", "attrib");
  await c.expect(attribute);
  c.send("HELLO", "3");
  await c.until(() => c.received.includes("modules"), "HELLO's reply");
  await sleep(5);
  c.received = Buffer.alloc(0);
  c.send("DEBUG", "PROTOCOL", "bignum");
  await c.expect(`(${number}\r\n`);
  c.send("DEBUG", "PROTOCOL", "push");
  await c.expect(`>2\r\n$16\r\n${push}`);
  c.send("DEBUG", "PROTOCOL", "attrib");
  await c.expect(`|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n${attribute}`);
});

served("DEBUG, where it is allowed", { config: { enableDebugCommand: "local" } }, async (c) => {
  for (const seconds of ["0.01", "x", "-1", "", "0.001x", "inf", "-Infinity", "nan"])
    assert.is(await c.ask("DEBUG", "SLEEP", seconds), "+OK", seconds);
  assert.is(await c.ask("DEBUG", "SLEEP", "3601"), "-ERR value is out of range, must be at most 3600");
  assert.is(await c.ask("DEBUG", "SET-ACTIVE-EXPIRE", "0"), "+OK");
  assert.is(await c.ask("SET", "k", "12"), "+OK");
  assert.match(
    await c.ask("DEBUG", "OBJECT", "k"),
    /^\+Value at:0x0 refcount:1 encoding:int serializedlength:\d+ lru:\d+ lru_seconds_idle:0$/,
  );
  assert.is(await c.ask("DEBUG", "OBJECT", "nokey"), "-ERR no such key");
  assert.match(await c.ask("DEBUG", "NOSUCH"), /^-ERR unknown subcommand .*Try DEBUG HELP/);
  assert.match(await c.ask("DEBUG", "HELP"), /^\*\d+$/);
  await c.until(() => c.received.includes("Print this help.\r\n"), "the help");
});

served("CLUSTER KEYSLOT, ROLE, TIME, WAIT, LOLWUT, LASTSAVE, COMMAND COUNT", {}, async (c) => {
  assert.is(await c.ask("CLUSTER", "KEYSLOT", "123456789"), ":12739");
  assert.is(await c.ask("LASTSAVE"), ":1");
  assert.is(await c.ask("WAIT", "1", "100"), ":0");
  assert.match(await c.ask("COMMAND", "COUNT"), /^:\d+$/);
  c.send("ROLE");
  await c.expect("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
  c.send("TIME");
  assert.is(await c.line(), "*2");
  const seconds = Number(await c.bulk());
  assert.ok(Math.abs(seconds - Date.now() / 1000) < 5);
  await c.bulk();
  c.send("LOLWUT");
  assert.match(await c.bulk(), /kvorum ver\. 0\.0\.0-test/);
  c.send("CLIENT", "HELP");
  assert.match(await c.line(), /^\*\d+$/);
});

test("every command that is the server's has a handler", () => {
  const missing = ALL_SPECS.filter(
    ({ kind, run, subcommands, fullName }) =>
      kind === "host" && run === undefined && subcommands === undefined && HOSTS[fullName] === undefined,
  );
  assert.equal(
    missing.map(({ fullName }) => fullName),
    [],
  );
});

test.run();
