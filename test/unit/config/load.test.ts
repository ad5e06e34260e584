/**
 * test/unit/config/load.test.ts: precedence, origins, secrets from files, rules between options, and messages for people.
 */
import * as fs from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Files } from "../../../src/config/config.js";
import { configFromOptions, loadConfig } from "../../../src/config/load.js";
import { cpuMs } from "../../lib/pace.js";
import { CWD, load, problems } from "./loading.js";
import { memoryFiles } from "./memory-files.js";

test("defaults", () => {
  const config = load([]);
  assert.is(config.port, 6379);
  assert.equal(config.bind, ["127.0.0.1", "-::1"]);
  assert.is(config.dir, "/work-dir/kvorum-data");
  assert.is(config.appendfsync, "always");
  assert.is(config.maxValueBytes, 64 * 1024 * 1024);
  assert.is(config.httpPort, 7379);
  assert.is(config.peerPort, 16379);
  assert.equal([config.n, config.r, config.w, config.partitions], [3, 2, 2, 1024]);
  assert.equal(config.warnings, []);
  assert.equal(config.unsafe(), []);
  assert.is(config.anyPort, false);
  assert.is(config.file, undefined);
});

test("flags win over the environment, that over the file, that over defaults", () => {
  const files = { "/work-dir/a.conf": "port 1001\ntimeout 1\nhz 20\n" };
  const env = { KVORUM_PORT: "1002", KVORUM_TIMEOUT: "2" };
  const config = load(["a.conf", "--port", "1003"], env, files);
  assert.equal([config.port, config.timeout, config.hz, config.tcpKeepalive], [1003, 2, 20, 300]);
  assert.equal(config.origin("port"), { kind: "flag", where: "--port" });
  assert.equal(config.origin("timeout"), { kind: "environment", where: "KVORUM_TIMEOUT" });
  assert.equal(config.origin("hz"), { kind: "file", where: "/work-dir/a.conf:3" });
  assert.equal(config.origin("tcp-keepalive").kind, "default");
  assert.equal(config.origin("http-port"), { kind: "derived", where: "port + 1000" });
  assert.is(config.file, "/work-dir/a.conf");
});

test("flags in Redis's manner: several words, empty words, words with one dash, =", () => {
  const config = load(["--save", "", "--bind", "127.0.0.1", "-::1", "--maxmemory=10mb", "--PORT", "7777"]);
  assert.equal(config.bind, ["127.0.0.1", "-::1"]);
  assert.is(config.maxmemory, 10 * 1024 * 1024);
  assert.is(config.port, 7777);
  assert.is(config.get("save"), "");
  assert.equal(
    problems(() => load(["--port", "1", "x.conf"])),
    ['--port: wrong number of arguments (given: "1 x.conf")'],
  );
  assert.match(problems(() => load(["-p", "1"]))[0] as string, "two dashes");
  assert.match(problems(() => load(["--port"]))[0] as string, "needs a value");
});

test("standard input is a file called -", () => {
  const sources = { env: {}, cwd: CWD, files: memoryFiles({}) };
  const config = loadConfig({ ...sources, argv: ["-"], stdin: () => Buffer.from("port 1234\n") });
  assert.is(config.port, 1234);
  assert.is(config.file, undefined);
  const found = problems(() => loadConfig({ ...sources, argv: ["-"], stdin: () => Buffer.from("\nprot 1234\n") }));
  assert.equal(found, ['standard input:2: unknown option "prot"; did you mean "port"?']);
});

test("unknown names are errors with file, line and the nearest name; all are told at once", () => {
  const files = { "/work-dir/a.conf": '# x\nmaxmemroy 1\n\nport x\nsave "1\nzzzzzzzz 1\n' };
  assert.equal(
    problems(() => load(["a.conf", "--appendfsnc", "no"], {}, files)),
    [
      "/work-dir/a.conf:5: Unbalanced quotes in configuration line",
      '/work-dir/a.conf:2: unknown option "maxmemroy"; did you mean "maxmemory"?',
      '/work-dir/a.conf:4: port: argument couldn\'t be parsed into an integer (given: "x")',
      '/work-dir/a.conf:6: unknown option "zzzzzzzz"',
      '--appendfsnc: unknown option "appendfsnc"; did you mean "--appendfsync"?',
    ],
  );
  assert.equal(
    problems(() => load(["gone.conf"])),
    ["cannot read the config file /work-dir/gone.conf: no such file"],
  );
  assert.match(problems(() => load(["a.conf"], {}, { "/work-dir/a.conf": "hz 10 # ten" }))[0] as string, "a comment");
});

test("an unknown variable is an error, because a slip may leave the store open", () => {
  assert.equal(
    problems(() => load([], { KVORUM_REQUIREPAS: "x" })),
    ['KVORUM_REQUIREPAS: unknown variable; did you mean "KVORUM_REQUIREPASS"?'],
  );
  assert.equal(
    problems(() => load([], { KVORUM_PORT_FILE: "/run/port" })),
    ["KVORUM_PORT_FILE: unknown variable: only a secret is read from a file; give the value itself by KVORUM_PORT"],
  );
  // What Kubernetes makes for a service called kvorum, and empty variables, say nothing.
  const config = load([], {
    KVORUM_SERVICE_HOST: "10.0.0.1",
    KVORUM_SERVICE_PORT_REDIS: "6379",
    KVORUM_PORT: "tcp://10.0.0.1:6379",
    KVORUM_PORT_6379_TCP_ADDR: "10.0.0.1",
    KVORUM_MAXMEMORY: "",
    // The project's own: README has them exported.
    KVORUM_CLI: "dist/cli.js",
    KVORUM_SEED: "1",
    KVORUM_FUZZ_SECONDS: "20",
    KVORUM_TESTS_BUILT: "/tmp",
    PATH: "/bin",
  });
  assert.is(config.port, 6379);
  assert.is(config.maxmemory, 0);
});

test("environment: several words, aliases, secrets from files", () => {
  const files = { "/run/secrets/pass": "s3cret word\n", "/work-dir/rel": "abcdefghijklmnop" };
  const config = load(
    [],
    {
      KVORUM_BIND: "127.0.0.1 ::1",
      KVORUM_PROTO_MAX_BULK_LEN: "1mb",
      KVORUM_REQUIREPASS_FILE: "/run/secrets/pass",
      KVORUM_CLUSTER_SECRET_FILE: "rel",
      KVORUM_TLS_KEY_FILE: "key.pem",
    },
    files,
  );
  assert.equal(config.bind, ["127.0.0.1", "::1"]);
  assert.is(config.maxValueBytes, 1024 * 1024);
  assert.is(config.requirepass, "s3cret word");
  assert.equal(config.origin("requirepass"), { kind: "environment", where: "KVORUM_REQUIREPASS_FILE" });
  assert.is(config.clusterSecret, "abcdefghijklmnop");
  assert.is(config.tlsKeyFile, "/work-dir/key.pem");
  assert.match(
    problems(() =>
      load([], { KVORUM_REQUIREPASS: "a", KVORUM_REQUIREPASS_FILE: "/run/secrets/pass" }, files),
    )[0] as string,
    "is set too",
  );
  assert.match(
    problems(() => load([], { KVORUM_REQUIREPASS_FILE: "/gone" }))[0] as string,
    "cannot read /gone: no such file",
  );
  // _FILE is for secrets only.
  assert.match(problems(() => load([], { KVORUM_PORT_FILE: "/gone" }))[0] as string, "unknown variable");
});

test("secrets never appear in messages", () => {
  const found = problems(() => load(["--requirepass", "hunter2", "more", "--cluster-secret", "short"]));
  assert.not.match(found.join("\n"), /hunter2|short/);
  assert.is(found.length, 2);
});

test("include: nested, relative to the working directory, wildcards in order, no loops", () => {
  const config = load(
    ["conf/a.conf"],
    {},
    {
      "/work-dir/conf/a.conf": "port 1\ninclude more/*.conf\ntimeout 7\n",
      "/work-dir/more/1.conf": "port 2\nhz 11\n",
      "/work-dir/more/2.conf": "port 3\n",
      "/work-dir/more/.hidden.conf": "port 4\n",
    },
  );
  assert.equal([config.port, config.hz, config.timeout], [3, 11, 7]);
  assert.is(config.origin("port").where, "/work-dir/more/2.conf:1");
  assert.match(
    problems(() => load(["a"], {}, { "/work-dir/a": "include b", "/work-dir/b": "include a" }))[0] as string,
    "includes itself",
  );
  assert.equal(
    problems(() => load(["a"], {}, { "/work-dir/a": "\ninclude gone" })),
    ["/work-dir/a:2: include: cannot read /work-dir/gone: no such file"],
  );
  const deep = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`/work-dir/${i}`, `include ${i + 1}`]));
  assert.match(problems(() => load(["0"], {}, deep))[0] as string, "nested too deep");
});

test("the last line counts; client-output-buffer-limit adds up; a stronger source replaces all of it", () => {
  const file =
    "port 1\nport 2\nclient-output-buffer-limit normal 1mb 0 0\nclient-output-buffer-limit slave 2mb 1mb 5\n";
  const config = load(["a"], {}, { "/work-dir/a": file });
  assert.is(config.port, 2);
  assert.is(
    config.get("client-output-buffer-limit"),
    "normal 1048576 0 0 slave 2097152 1048576 5 pubsub 33554432 8388608 60",
  );
  const flag = load(["a", "--client-output-buffer-limit", "pubsub", "1mb", "1mb", "1"], {}, { "/work-dir/a": file });
  assert.is(
    flag.get("client-output-buffer-limit"),
    "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 1048576 1",
  );
});

test("names without effect warn once each and keep what was said; fixed ones keep their value", () => {
  const file =
    "rdbcompression no\nrdbcompression yes\nsave 900 1\nsave 60 5\nappendonly no\ndaemonize no\nslave-priority 5\n";
  const config = load(["a"], {}, { "/work-dir/a": file });
  assert.is(config.warnings.length, 4);
  const [save, , priority, compression] = config.warnings as [string, string, string, string];
  assert.match(save, "/work-dir/a:4: save is not followed: ");
  assert.match(priority, "/work-dir/a:7: slave-priority has no effect here: ");
  assert.match(compression, "/work-dir/a:2: rdbcompression has no effect here: ");
  assert.is(config.get("rdbcompression"), "yes");
  assert.is(config.get("save"), "");
  assert.is(config.get("appendonly"), "yes");
  assert.is(config.get("replica-priority"), "5");
  assert.is(config.get("slave-priority"), "5");
  // A bare "save" is Redis's other way to say that there are no save points.
  assert.is(load(["a", "--save", "--hz", "20"], {}, { "/work-dir/a": "save\nhz 10" }).warnings.length, 0);
  assert.match(problems(() => load(["a"], {}, { "/work-dir/a": "save 900" }))[0] as string, "Invalid save parameters");
  assert.match(problems(() => load(["--rdbcompression", "maybe"]))[0] as string, "argument must be 'yes' or 'no'");
});

test("options of the library", () => {
  const config = configFromOptions(
    {
      port: 0,
      maxmemory: "1mb",
      protectedMode: false,
      bind: ["::1"],
      shutdownTimeout: 1500,
      unixsocketperm: 0o700,
      dir: undefined,
    },
    CWD,
  );
  assert.equal([config.port, config.anyPort, config.maxmemory, config.protectedMode], [0, true, 1024 ** 2, false]);
  assert.equal([config.shutdownTimeout, config.unixsocketperm, config.bind], [1500, 0o700, ["::1"]]);
  assert.equal(config.origin("port"), { kind: "options", where: "port" });
  assert.is(configFromOptions({ port: 7000 }, CWD).anyPort, false);
  const silent = configFromOptions({}, CWD);
  assert.equal([silent.port, silent.anyPort], [0, false], "no port, no TCP");
  assert.equal(
    problems(() => configFromOptions({ maxMemory: 1, hz: 0.5 } as object, CWD)),
    [
      'unknown option "maxMemory"; did you mean "maxmemory"?',
      'hz: argument couldn\'t be parsed into an integer (given: "0.5")',
    ],
  );
});

test("what asks for nothing is one line for each reason; what asks for something has its own", () => {
  const file = "rdbcompression yes\nrdbchecksum yes\nactivedefrag yes\nactiverehashing yes\ntls-cluster no\n";
  const { warnings } = load(["a", "--dbfilename", "x.rdb"], {}, { "/work-dir/a": file });
  assert.equal(warnings, [
    "/work-dir/a:3: activedefrag has no effect here: memory is laid out differently here",
    "--dbfilename has no effect here: kvorum keeps a log and snapshots of its own instead of RDB and AOF files",
    "2 options have no effect here (kvorum keeps a log and snapshots of its own instead of RDB and AOF files): rdbcompression, rdbchecksum",
    "/work-dir/a:4: activerehashing has no effect here: memory is laid out differently here",
    "/work-dir/a:5: tls-cluster has no effect here: part of a feature that this version does not have",
  ]);
  // The last value counts, in whichever kind of line.
  assert.match(
    load(["a", "--rdbchecksum", "no"], {}, { "/work-dir/a": file }).warnings.join("\n"),
    /^\/work-dir\/a:1: rdbcompression/m,
  );
});

test("the redis.conf of Debian's redis-server loads", () => {
  const path = "/etc/redis/redis.conf";
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch {
    console.log(`SKIPPED: ${path} is not readable here; install redis-server`);
    return;
  }
  const disk: Files = { ...memoryFiles({}), read: (name) => fs.readFileSync(name) };
  const config = loadConfig({ argv: [path], env: {}, cwd: CWD, files: disk });
  assert.equal([config.port, config.dir, config.appendfsync], [6379, "/var/lib/redis", "everysec"]);
  for (const name of ["daemonize", "pidfile", "logfile", "appendonly"]) {
    assert.is(config.warnings.filter((line) => line.includes(`: ${name} `)).length, 1, name);
  }
  assert.ok(config.warnings.length < 12, "a line for each reason, not for each name");
  assert.ok(config.warnings.some((line) => /^\d+ options have no effect here \(.*\): .*\brdbcompression, /.test(line)));
  // Each directive that is commented out is known as well, whatever one has to say about its value.
  const directive = /^# ([a-z][a-z0-9_]*-[a-z0-9_-]+|save|port|bind|user|loadmodule|replicaof|unixsocket) \S+$/gm;
  for (const [, name] of text.matchAll(directive)) {
    if (name === undefined || /^(client-only|slaves|redis-cli)/.test(name)) continue;
    try {
      load([`--${name}`, "x"]);
    } catch (error) {
      assert.not.match((error as Error).message, "unknown option", name);
    }
  }
});

test("a problem is one line that a terminal can show, whatever was written", () => {
  const [name, long] = problems(() => load(["/f"], {}, { "/f": `"\\x1b[2J\\nport" 1\n${"x".repeat(10_000)} 1\n` }));
  assert.is(name, '/f:1: unknown option "?[2j?port"');
  assert.match(long as string, /^\/f:2: unknown option "x+\.\.\.$/);
  assert.is(long?.length, 503);
});

test("files of a directory that all include the directory are read to an end", () => {
  const names = Array.from({ length: 14 }, (_, i) => `/d/${i}.conf`);
  const started = cpuMs();
  const found = problems(() =>
    load(["/d/0.conf"], {}, Object.fromEntries(names.map((name) => [name, "include /d/*"]))),
  );
  assert.match(found[0] as string, /^\/d\/\d+\.conf:1: include: /);
  assert.ok(cpuMs() - started < 5000);
});

test("an option of the library that no text can be made of is a problem, not a TypeError", () => {
  const odd = { bind: { toString: [] } } as unknown as Parameters<typeof configFromOptions>[0];
  assert.equal(
    problems(() => configFromOptions(odd, CWD)),
    ["bind: the value cannot be read as text"],
  );
});

test.run();
