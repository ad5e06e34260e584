/**
 * test/unit/config/rules.test.ts: what is refused though each word of it is good: dangerous names, options that do not go together, members of a
 * cluster; and what is only warned of.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { load, problems } from "./loading.js";

test("what would be dangerous to pass over is refused", () => {
  for (const line of [
    "replicaof 10.0.0.1 6379",
    "slaveof 10.0.0.1 6379",
    "aclfile /etc/redis/users.acl",
    "user alice on >secret ~* +@all",
    "user default on >secret ~* +@all",
    "user default on nopass ~cache:* +@read",
    "rename-command FLUSHALL ''",
    "loadmodule /x.so",
    "join 10.0.0.1:16379",
  ]) {
    const found = problems(() => load(["a"], {}, { "/work-dir/a": line }));
    assert.is(found.length, 1, line);
    assert.match(found[0] as string, "is not supported");
    assert.not.match(found[0] as string, "secret");
  }
  // What Redis's own CONFIG REWRITE leaves in every file.
  const harmless = load(
    ["a"],
    {},
    { "/work-dir/a": 'user default on nopass ~* &* +@all\ncluster-enabled no\nreplicaof ""\n' },
  );
  assert.equal(harmless.warnings, []);
});

/** Given, then what it becomes. */
const WIDER: readonly (readonly [name: string, given: string, becomes: string, how: string])[] = [
  ["hz", "1000", "500", "is lowered to 500, the most hz allows"],
  ["hz", "0", "1", "is raised to 1, the least hz allows"],
  ["maxmemory-samples", "2000", "1000", "is lowered to 1000, the most maxmemory-samples allows"],
  ["slowlog-max-len", "10000000", "1000000", "is lowered to 1000000, the most slowlog-max-len allows"],
  ["slowlog-max-len", "9223372036854775807", "1000000", "is lowered to 1000000, the most slowlog-max-len allows"],
  ["tcp-backlog", "100000", "65535", "is lowered to 65535, the most tcp-backlog allows"],
  [
    "client-query-buffer-limit",
    "3gb",
    "2146435072",
    "is lowered to 2146435072, the most client-query-buffer-limit allows",
  ],
  [
    "client-query-buffer-limit",
    "9223372036854775807",
    "2146435072",
    "is lowered to 2146435072, the most client-query-buffer-limit allows",
  ],
  ...["9007199254740993", "9223372036854775807", "18446744073709551615"].map(
    (given) =>
      ["maxmemory", given, "9007199254740991", "is lowered to 9007199254740991, the most maxmemory allows"] as const,
  ),
  ["proto-max-bulk-len", "1gb", "536870912", "is lowered to 536870912, the most max-value-bytes allows"],
];

test("a number that Redis takes becomes the nearest there is, with a warning: in a file, as a flag, by CONFIG SET", () => {
  for (const [name, given, becomes, how] of WIDER) {
    const filed = load(["a"], {}, { "/work-dir/a": `${name} ${given}` });
    assert.equal([filed.get(name), filed.warnings], [becomes, [`/work-dir/a:1: ${name} ${how}`]]);
    const flagged = load([`--${name}`, given]);
    assert.equal([flagged.get(name), flagged.warnings], [becomes, [`--${name} ${how}`]]);
    const config = load([]);
    const said: string[] = [];
    config.onWarning((text) => said.push(text));
    if (name === "tcp-backlog") {
      assert.match(config.set(name, given) ?? "", "can't set immutable config");
      continue;
    }
    assert.is(config.set(name, given), undefined);
    assert.is(config.get(name), becomes);
    assert.match(said[0] as string, how);
  }
});

test("a number that Redis does not take either is refused in its words; a later one in its bounds takes the warning back", () => {
  for (const [name, given, text] of [
    ["hz", "-1", "between 0 and 2147483647 inclusive"],
    ["hz", "2147483648", "between 0 and 2147483647 inclusive"],
    ["maxmemory-samples", "0", "between 1 and 2147483647 inclusive"],
    ["slowlog-max-len", "-1", "between 0 and 9223372036854775807 inclusive"],
    ["slowlog-max-len", "9223372036854775808", "couldn't be parsed into an integer"],
    ["maxmemory", "18446744073709551616", "between 0 and 18446744073709551615 inclusive"],
    ["tcp-backlog", "2147483648", "between 0 and 2147483647 inclusive"],
  ] as const) {
    assert.match(problems(() => load([`--${name}`, given]))[0] as string, text);
  }
  const config = load(["a", "--hz", "20"], {}, { "/work-dir/a": "hz 1000" });
  assert.equal([config.hz, config.warnings], [20, []]);
});

test("a size that Redis allows and kvorum does not is lowered, under Redis's name only", () => {
  const config = load(["a"], {}, { "/work-dir/a": "proto-max-bulk-len 1gb" });
  assert.is(config.maxValueBytes, 512 * 1024 * 1024);
  assert.match(config.warnings[0] as string, "lowered");
  assert.is(config.get("proto-max-bulk-len"), "536870912");
  assert.match(problems(() => load(["--max-value-bytes", "1gb"]))[0] as string, "between 1024 and 536870912");
});

test("rules between options", () => {
  assert.equal(
    problems(() => load(["--r", "1"])),
    ["--r: r + w must be more than n, or a read may miss a write: 1 + 2 <= 3"],
  );
  assert.match(problems(() => load(["--r", "4"]))[0] as string, "more than the 3 replicas");
  assert.match(problems(() => load(["--n", "2", "--w", "3"]))[0] as string, "more than the 2 replicas");
  assert.match(problems(() => load(["--partitions", "1000"]))[0] as string, "power of two");
  assert.is(load(["--partitions", "16384"]).partitions, 16384);
  assert.equal(
    problems(() => load(["--port", "65000"])),
    ["http-port: follows port and would be 66000, over 65535: choose one with --http-port"],
  );
  const high = load(["--port", "65000", "--http-port", "0"]);
  assert.equal([high.httpPort, high.peerPort], [0, 0]);
  assert.match(problems(() => load(["--http-port", "6379"]))[0] as string, "the same as port");
  assert.match(problems(() => load(["--port", "0"]))[0] as string, "nothing to listen on");
  const socket = load(["--port", "0", "--unixsocket", "s.sock"]);
  assert.equal([socket.port, socket.httpPort, socket.unixsocket], [0, 0, "/work-dir/s.sock"]);
  assert.equal([socket.origin("http-port").where, socket.origin("peer-port").where], ["port is 0", "no port"]);
  const tls = ["--tls-port", "7001", "--tls-cert-file", "c", "--tls-key-file", "k"];
  const secure = load(["--port", "0", ...tls]);
  assert.equal([secure.httpPort, secure.peerPort], [0, 17001], "no plain port comes by itself");
  assert.equal([secure.origin("http-port").where, secure.origin("peer-port").where], ["port is 0", "tls-port + 10000"]);
  assert.is(load(["--port", "0", "--http-port", "8000", ...tls]).httpPort, 8000);
  assert.match(problems(() => load(["--client-query-buffer-limit", "1mb"]))[0] as string, "less than max-value-bytes");
});

test("a node with peers has a name, a port for them and, off this machine, a secret", () => {
  const peers = ["--peers", "n2=127.0.0.1:17002,n3=127.0.0.1:17003"];
  const config = load(["--id", "n1", "--port", "7001", "--http-port", "0", ...peers]);
  assert.equal([config.peerPort, config.peers.length, config.warnings], [17001, 2, []]);
  const refused: readonly (readonly [argv: string[], text: RegExp])[] = [
    [peers, /^--peers: id: is needed with peers: a name for this node, say --id n1$/],
    [["--id", "n2", ...peers], /^--peers: must name the other nodes only: n2 is the id of this one$/],
    [["--id", "n1", "--port", "7002", "--http-port", "0", ...peers], /n2 is at this one's own peer port$/],
    [["--id", "n1", "--peer-port", "7003", "--peers", "n2=localhost:7003"], /n2 is at this one's own peer port$/],
    [["--id", "n1", "--peers", "n2=h:1,n2=h:2"], /names n2 twice/],
    ...["n2=h:1,", ",n2=h:1", "n2=h:1, ,n3=h:2", ","].map(
      (list) => [["--id", "n1", "--peers", list], /a comma with nothing before or behind it/] as [string[], RegExp],
    ),
    [["--id", "n1", "--peers", "n2=h:1,n3=h:1"], /gives n2 and n3 the same address/],
    [["--id", "n1", "--peers", "n2=h"], /must be id=host:peerPort/],
    [["--id", "n1", "--peers", "n2=h:65536"], /must be id=host:peerPort/],
    [["--id", "n1", "--peers", "n 2=h:1"], /must be id=host:peerPort/],
    [
      ["--id", "n1", "--peers", "n2=h:1"],
      /^--peers: cluster-secret: is needed: n2 is at h, and nodes on other machines/,
    ],
    [["--id", "n1", "--port", "60000", "--http-port", "0", ...peers], /^peer-port: follows port and would be 70000/],
    [["--id", "n1", "--port", "0", "--unixsocket", "s", ...peers], /^peer-port: has no port to follow/],
    [["--id", "n1", "--peer-port", "6379", ...peers], /the same as port/],
    [["--id", "n1", "--maxmemory-policy", "allkeys-lru", ...peers], /^--maxmemory-policy: is allkeys-lru; with peers/],
  ];
  for (const [argv, text] of refused) {
    const found = problems(() => load(argv));
    assert.is(found.length, 1, argv.join(" "));
    assert.match(found[0] as string, text);
  }
  const secret = ["--cluster-secret", "sixteen letters!"];
  const away = load(["--id", "n1", "--peers", "n2=[2001:db8::2]:17002", "--zone", "a", ...secret]);
  assert.match(
    away.warnings.join("\n"),
    /^bind has addresses of this machine only, and n2 is on another.*\nzone has no/,
  );
  assert.equal(load(["--id", "n1", "--peers", "n2=[::1]:17002,n3=localhost:1"]).warnings, []);
  assert.equal(load(["--id", "n1", "--bind", "*", "--peers", "n2=h:17002", ...secret]).warnings, []);
  assert.match(
    config.set("maxmemory-policy", "allkeys-lru") ?? "",
    /^ERR CONFIG SET failed .*only noeviction is there/,
  );
  assert.is(load(["--cluster-announce-ip", "host.example"]).announceHost, "host.example");
  assert.match(problems(() => load(["--announce-host", "a b"]))[0] as string, "must be a host name");
});

test("what unsafe values give up is said in capitals", () => {
  assert.match(load(["--appendfsync", "everysec"]).unsafe()[0] as string, /LOSES UP TO A SECOND/);
  assert.match(load(["--appendfsync", "no"]).unsafe()[0] as string, /POWER CUT LOSES/);
  assert.is(load(["--protected-mode", "no"]).unsafe().length, 0, "only this machine can reach it");
  assert.is(load(["--protected-mode", "no", "--bind", "*"]).unsafe().length, 1);
  assert.is(load(["--protected-mode", "no", "--bind", "*", "--requirepass", "x"]).unsafe().length, 0);
  assert.is(load(["--maxmemory-policy", "allkeys-lru"]).unsafe().length, 1);
});

test.run();
