/**
 * test/unit/server/cluster-transaction.test.ts: commands on several keys, MULTI and WATCH in a cluster: what is one operation, what is read
 * before, and what is refused.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HOST } from "../../lib/command-driver.js";
import { randomFrom } from "../../lib/command-generator.js";
import { FakeCluster, type FakeOptions } from "../../lib/fake-cluster.js";
import { command, type Harness, type HarnessOptions, sleep, startServer, until } from "./harness.js";

function inCluster(
  name: string,
  options: FakeOptions,
  body: (h: Harness, cluster: FakeCluster) => Promise<void>,
  harness: HarnessOptions = {},
): void {
  test(name, async () => {
    const cluster = new FakeCluster({ random: randomFrom(5), ...options });
    const h = await startServer({ ...harness, cluster });
    try {
      await body(h, cluster);
    } finally {
      await h.close();
    }
  });
}

const NO_QUORUM = { applied: "no", why: "no quorum" } as const;
const MAYBE = { applied: "maybe" } as const;
const CROSS_SLOT = /^-CROSSSLOT Keys in request don't hash to the same slot \(/;
const ONE_SLOT = /^-CROSSSLOT Keys in request are several, though of one slot \(/;

/** MULTI, the commands, EXEC; leaves the reply to EXEC to be read. */
function queue(...commands: readonly string[]): string {
  return [command("MULTI"), ...commands.map((text) => command(...text.split(" "))), command("EXEC")].join("");
}

function queued(count: number): string {
  return `+OK\r\n${"+QUEUED\r\n".repeat(count)}`;
}

inCluster("commands that write one key and read others", {}, async (h) => {
  const c = await h.client();
  await c.ask("MSET", "a", "abc", "b", "abd");
  assert.is(await c.ask("COPY", "a", "d"), ":1");
  assert.is(await c.ask("COPY", "a", "d"), ":0");
  assert.is(await c.ask("COPY", "b", "d", "REPLACE"), ":1");
  c.send("GET", "d");
  await c.expect("$3\r\nabd\r\n");
  assert.is(await c.ask("COPY", "a", "a", "DB", "1"), ":1");
  assert.is(await c.ask("BITOP", "XOR", "x", "a", "b"), ":3");
  c.send("GET", "x");
  await c.expect("$3\r\n\0\0\x07\r\n");
  assert.is(await c.ask("BITOP", "OR", "a", "a", "x"), ":3");
  c.send("GET", "a");
  await c.expect("$3\r\nabg\r\n");
  c.send("LCS", "a", "b");
  await c.expect("$2\r\nab\r\n");
  assert.is(await c.ask("MSETNX", "only", "1"), ":1");
  assert.is(await c.ask("RENAME", "a", "a"), "+OK");
  assert.is(await c.ask("RENAME", "nokey", "nokey"), "-ERR no such key");
});

inCluster("what writes several keys is refused, and says what is possible", {}, async (h, cluster) => {
  const c = await h.client();
  await c.ask("MSET", "a", "1", "b", "2");
  for (const text of ["RENAME a c", "RENAMENX a c", "MSETNX c 1 d 1", "RENAME nokey c", "MSETNX {t}1 1 {t}2 1 c 1"])
    assert.match(await c.ask(...text.split(" ")), CROSS_SLOT, text);
  // A key and its namesake of another database share a slot, as those with one tag do.
  for (const text of ["MSETNX {t}1 1 {t}2 1", "RENAME {t}1 {t}2", "MOVE a 1"])
    assert.match(await c.ask(...text.split(" ")), ONE_SLOT, text);
  c.write(queue("SET {t}1 1", "SET {t}2 1"));
  await c.expect(queued(2));
  assert.match(await c.line(), ONE_SLOT);
  assert.is(await c.ask("WATCH", "{t}1"), "+OK");
  c.write(queue("SET {t}2 1"));
  await c.expect(queued(1));
  assert.match(await c.line(), ONE_SLOT);
  assert.equal(cluster.keys(), ["a", "b"]);
  // Mistakes in the arguments are told as alone.
  assert.is(await c.ask("MOVE", "a", "99"), "-ERR DB index is out of range");
  assert.is(await c.ask("MOVE", "a", "0"), "-ERR source and destination objects are the same");
  assert.is(await c.ask("COPY", "a", "a"), "-ERR source and destination objects are the same");
  assert.is(await c.ask("COPY", "a", "b", "foo"), "-ERR syntax error");
  assert.is(await c.ask("BITOP", "x", "a", "b"), "-ERR syntax error");
  assert.match(await c.ask("SWAPDB", "0", "1"), /^-ERR SWAPDB is not supported/);
});

inCluster("nothing of the same client comes between the reads and the write", { manual: true }, async (h, cluster) => {
  cluster.set("a", "old");
  const c = await h.client();
  c.write(command("COPY", "a", "b") + command("SET", "a", "new") + command("GET", "b") + command("PING"));
  await until(() => cluster.underWay === 1, "the read");
  await sleep(10);
  assert.is(cluster.performed, 1);
  cluster.release();
  cluster.release();
  await until(() => cluster.performed === 4, "what came behind");
  cluster.release();
  await c.expect(":1\r\n+OK\r\n$3\r\nold\r\n+PONG\r\n");
});

inCluster("an EXEC on one key is one work", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.write(queue("SET n 5", "INCR n", "GET n", "EXPIRE n 100", "DEL n", "LPOP", "EXISTS n") + command("PING"));
  await c.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
  assert.match(await c.line(), /^-ERR unknown command/);
  await c.expect("+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n");
  c.write(queue("SET n 5", "INCR n", "GET n", "EXPIRE n 100", "GETDEL n", "EXISTS n") + command("PING"));
  await until(() => cluster.underWay === 1, "one work");
  cluster.release();
  await c.expect(`${queued(6)}*6\r\n+OK\r\n:6\r\n$1\r\n6\r\n:1\r\n$1\r\n6\r\n:0\r\n+PONG\r\n`);
  assert.is(cluster.performed, 1);
});

inCluster(
  "with cluster-enabled a queued SELECT leads nowhere",
  { host: { ...HOST, clusterEnabled: true } },
  async (h, cluster) => {
    const c = await h.client();
    c.write(queue("SET a 1", "SELECT 1", "SET a 2", "COPY a b DB 1"));
    const refused = "-ERR SELECT is not allowed in cluster mode\r\n";
    const uncopied = "-ERR Copying to another database is not allowed in cluster mode\r\n";
    await c.expect(`${queued(4)}*4\r\n+OK\r\n${refused}+OK\r\n${uncopied}`);
    assert.equal([...cluster.states.keys()], ["\0a"]);
    assert.is(await c.ask("COPY", "a", "b", "DB", "1"), uncopied.trimEnd());
    assert.is(await c.ask("MOVE", "a", "1"), "-ERR MOVE is not allowed in cluster mode");
  },
  { config: { clusterEnabled: true } },
);

inCluster("an EXEC that writes two keys is refused, and nothing of it is done", {}, async (h, cluster) => {
  const c = await h.client();
  for (const commands of [
    ["SET a 1", "SET b 1"],
    ["MSET a 1 b 1"],
    ["SET a 1", "COPY a b"],
    ["SET a 1", "SELECT 1", "SET a 1"],
    ["SET a 1", "FLUSHALL"],
  ]) {
    c.write(queue(...commands));
    await c.expect(queued(commands.length));
    assert.match(await c.line(), /^-CROSSSLOT /, commands.join());
  }
  assert.equal([...cluster.states.keys()], []);
  assert.is(await c.ask("EXEC"), "-ERR EXEC without MULTI", "the transaction is over");
});

inCluster("an EXEC may read other keys, and ask this node", {}, async (h, cluster) => {
  cluster.set("other", "x");
  const c = await h.client();
  const commands = ["GET other", "SET a 1", "MGET a other nokey", "PING", "SELECT 1", "GET other", "ECHO hi", "DBSIZE"];
  c.write(queue(...commands) + command("GET", "other"));
  await c.expect(queued(commands.length));
  await c.expect(
    "*8\r\n$1\r\nx\r\n+OK\r\n*3\r\n$1\r\n1\r\n$1\r\nx\r\n$-1\r\n+PONG\r\n+OK\r\n$-1\r\n$2\r\nhi\r\n:0\r\n",
  );
  await c.expect("$-1\r\n");
});

inCluster("a SELECT that fails changes no database", {}, async (h, cluster) => {
  const c = await h.client();
  c.write(queue("SELECT 01", "SET a 1", "SELECT 99", "GET a"));
  await c.expect(queued(4));
  await c.expect(
    "*4\r\n-ERR value is not an integer or out of range\r\n+OK\r\n-ERR DB index is out of range\r\n$1\r\n1\r\n",
  );
  assert.equal(cluster.keys(0), ["a"]);
});

inCluster(
  "what an EXEC changes of the client holds for the commands behind it, while one before it is not answered",
  { manual: true },
  async (h, cluster) => {
    const c = await h.client();
    c.write(command("GET", "k") + queue("SELECT 1", "HELLO 3") + command("SET", "x", "y") + command("GET", "k"));
    await until(() => cluster.underWay === 1, "the first read");
    await sleep(10);
    assert.is(cluster.performed, 1, "nothing of it runs before");
    cluster.release();
    await until(() => cluster.underWay === 2, "what is behind");
    cluster.release();
    assert.equal([cluster.keys(0), cluster.keys(1)], [[], ["x"]]);
    await c.until(() => c.received.includes("modules") && c.received.includes("+OK\r\n_\r\n"), "protocol 3");
    c.received = Buffer.alloc(0);
    // RESET is not undone by what stands before it.
    c.write(command("GET", "k") + queue("SELECT 2") + command("RESET") + command("SET", "z", "y"));
    await until(() => cluster.underWay === 1, "the next read");
    cluster.release();
    await until(() => cluster.underWay === 1, "the write");
    cluster.release();
    await c.expect(`_\r\n${queued(1)}*1\r\n+OK\r\n+RESET\r\n+OK\r\n`);
    assert.equal(cluster.keys(0), ["z"]);
    // Nor does an UNWATCH end a WATCH behind it.
    c.write(command("GET", "k") + queue("UNWATCH") + command("WATCH", "z"));
    await until(() => cluster.underWay === 1, "the read");
    cluster.release();
    await until(() => cluster.underWay === 1, "the WATCH");
    cluster.release();
    await c.expect(`$-1\r\n${queued(1)}*1\r\n+OK\r\n+OK\r\n`);
    cluster.set("z", "other");
    c.write(queue("INCR z"));
    await until(() => cluster.underWay === 1, "the EXEC");
    cluster.release();
    await c.expect(`${queued(1)}*-1\r\n`);
  },
);

inCluster("errors of single commands stand in the reply", {}, async (h) => {
  const c = await h.client();
  c.write(queue("SET a x", "INCR a", "STRLEN a"));
  await c.expect(`${queued(3)}*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n:1\r\n`);
  const { statistics } = h.server;
  assert.is(statistics.errors.get("ERR"), 1);
});

inCluster("an EXEC without quorum, or with an unknown outcome", {}, async (h, cluster) => {
  const c = await h.client();
  cluster.forced.push(NO_QUORUM);
  c.write(queue("SET a 1", "GET a"));
  await c.expect(queued(2));
  assert.match(await c.line(), /^-NOREPLICAS /);
  cluster.forced.push(MAYBE);
  c.write(queue("SET a 1", "GET a"));
  await c.expect(queued(2));
  assert.match(await c.line(), /^-UNCERTAIN /);
  cluster.forced.push(NO_QUORUM);
  c.write(queue("SET a 1", "GET b"));
  await c.expect(queued(2));
  assert.match(await c.line(), /^-CLUSTERDOWN /, "what it reads before");
  assert.equal(cluster.keys(), []);
});

inCluster("WATCH", {}, async (h, cluster) => {
  const c = await h.client();
  const other = await h.client();
  await c.ask("SET", "a", "1");
  // Nothing happens to it.
  assert.is(await c.ask("WATCH", "a"), "+OK");
  c.write(queue("INCR a"));
  await c.expect(`${queued(1)}*1\r\n:2\r\n`);
  // Another client writes it, the same value too.
  assert.is(await c.ask("WATCH", "a"), "+OK");
  await other.ask("SET", "a", "2");
  c.write(queue("INCR a"));
  await c.expect(`${queued(1)}*-1\r\n`);
  // So does the client itself.
  assert.is(await c.ask("WATCH", "a"), "+OK");
  await c.ask("SET", "a", "2");
  c.write(queue("INCR a"));
  await c.expect(`${queued(1)}*-1\r\n`);
  // A key that is not there, is made and goes again.
  assert.is(await c.ask("WATCH", "gone"), "+OK");
  await other.ask("SET", "gone", "1");
  await other.ask("DEL", "gone");
  c.write(queue("SET gone 1"));
  await c.expect(`${queued(1)}*-1\r\n`);
  // UNWATCH, and a second WATCH of what is watched.
  assert.is(await c.ask("WATCH", "a"), "+OK");
  await other.ask("SET", "a", "3");
  assert.is(await c.ask("WATCH", "a"), "+OK");
  c.write(queue("INCR a"));
  await c.expect(`${queued(1)}*-1\r\n`);
  assert.is(await c.ask("WATCH", "a"), "+OK");
  await other.ask("SET", "a", "3");
  assert.is(await c.ask("UNWATCH"), "+OK");
  c.write(queue("INCR a"));
  await c.expect(`${queued(1)}*1\r\n:4\r\n`);
  cluster.forced.push(NO_QUORUM);
  assert.is(await c.ask("WATCH", "a"), "-CLUSTERDOWN The cluster is down");
  c.write(command("MULTI") + command("WATCH", "a") + command("DISCARD"));
  await c.expect("+OK\r\n-ERR WATCH inside MULTI is not allowed\r\n+OK\r\n");
});

inCluster(
  "keys that are watched, or read before something is written, are read some at a time",
  {},
  async (h, cluster) => {
    const c = await h.client();
    const names = Array.from({ length: 2000 }, (_, i) => `k${i}`);
    for (const name of names) cluster.set(name, "a");
    assert.is(await c.ask("WATCH", ...names), "+OK");
    c.send("CLIENT", "INFO");
    assert.match(await c.bulk(), / watch=2000 /);
    c.write(queue("PING"));
    await c.expect(`${queued(1)}*1\r\n+PONG\r\n`);
    assert.is(await c.ask("BITOP", "OR", "all", ...names), ":1");
    c.write(command("MULTI") + command("MGET", ...names) + command("EXEC"));
    await c.expect(`${queued(1)}*1\r\n*2000\r\n${"$1\r\na\r\n".repeat(2000)}`);
    assert.ok(cluster.mostUnderWay <= 128, `${cluster.mostUnderWay} at a time`);
    // Of a call that has failed no further keys are read.
    const before = cluster.performed;
    cluster.forced.push(NO_QUORUM);
    assert.is(await c.ask("WATCH", ...names), "-CLUSTERDOWN The cluster is down");
    assert.ok(cluster.performed - before <= 256, `${cluster.performed - before} reads`);
  },
);

inCluster("a version that is told behind writes of the same pipeline is the one that is there", {}, async (h) => {
  const c = await h.client();
  const before = command("SET", "k", "0") + command("EXPIRE", "k", "60");
  c.write(before + command("WATCH", "k") + queue("INCR k"));
  await c.expect(`+OK\r\n:1\r\n+OK\r\n${queued(1)}*1\r\n:1\r\n`);
  c.write(before + command("KV.GET", "k") + command("GET", "k"));
  await c.expect("+OK\r\n:1\r\n*3\r\n$1\r\n0\r\n");
  const version = await c.bulk();
  assert.match(await c.line(), /^:\d+$/);
  await c.expect("$1\r\n0\r\n");
  c.send("KV.SET", "k", "1", "IFMATCH", version);
  await c.expect("*2\r\n$-1\r\n:0\r\n");
  c.write(before + queue("KV.GET k"));
  await c.expect(`+OK\r\n:1\r\n${queued(1)}*1\r\n*3\r\n$1\r\n0\r\n`);
  const inExec = await c.bulk();
  await c.line();
  c.send("KV.DEL", "k", "IFMATCH", inExec);
  await c.expect(":1\r\n");
});

inCluster("KV.GET behind a write of the key in one EXEC tells null for the version, as KV.SET does", {}, async (h) => {
  const c = await h.client();
  c.write(queue("SET k 1", "KV.GET k", "KV.SET k 2", "KV.GET k"));
  const got = (value: string): string => `*3\r\n$1\r\n${value}\r\n$-1\r\n:-1\r\n`;
  await c.expect(`${queued(4)}*4\r\n+OK\r\n${got("1")}*2\r\n$-1\r\n:0\r\n${got("2")}`);
});

inCluster("WATCH of a key that is not the one written", {}, async (h, cluster) => {
  const c = await h.client();
  assert.is(await c.ask("WATCH", "a", "b"), "+OK");
  c.write(queue("SET a 1"));
  await c.expect(queued(1));
  assert.match(await c.line(), CROSS_SLOT);
  assert.equal(cluster.keys(), []);
  // Where nothing is written it does.
  await c.ask("MSET", "a", "1", "b", "2");
  assert.is(await c.ask("WATCH", "a", "b"), "+OK");
  c.write(queue("GET a", "PING"));
  await c.expect(`${queued(2)}*2\r\n$1\r\n1\r\n+PONG\r\n`);
  assert.is(await c.ask("WATCH", "a", "b"), "+OK");
  await c.ask("SET", "b", "3");
  c.write(queue("GET a", "SELECT 1") + command("GET", "a"));
  await c.expect(`${queued(2)}*-1\r\n$1\r\n1\r\n`);
  assert.is(await c.ask("WATCH", "a"), "+OK");
  c.write(queue());
  await c.expect("+OK\r\n*0\r\n");
});

inCluster("a watched key that expires has changed", {}, async (h, cluster) => {
  let ahead = 0;
  cluster.now = () => Date.now() + ahead;
  const c = await h.client();
  await c.ask("SET", "a", "1", "PX", "10000");
  assert.is(await c.ask("WATCH", "a"), "+OK");
  ahead = 20_000;
  c.write(queue("SET a 2"));
  await c.expect(`${queued(1)}*-1\r\n`);
});

inCluster(
  "a watched key that had expired before is absent, and has not changed as long as it stays so",
  {},
  async (h, cluster) => {
    let ahead = 0;
    cluster.now = () => Date.now() + ahead;
    const c = await h.client();
    const expired = async (): Promise<void> => {
      await c.ask("SET", "a", "1", "PX", "10000");
      ahead += 20_000;
    };
    for (const commands of [["PING"], ["SET a 2"]]) {
      await expired();
      assert.is(await c.ask("WATCH", "a"), "+OK");
      c.write(queue(...commands));
      await c.expect(`${queued(1)}*1\r\n${commands[0] === "PING" ? "+PONG" : "+OK"}\r\n`);
    }
    await expired();
    assert.is(await c.ask("WATCH", "a"), "+OK");
    assert.is(await c.ask("DEL", "a"), ":0");
    c.write(queue("SET a 2"));
    await c.expect(`${queued(1)}*1\r\n+OK\r\n`);
    // Made and deleted since, also in one go with the question.
    await expired();
    c.write(command("WATCH", "a") + command("SET", "a", "1") + command("DEL", "a") + queue("SET a 2"));
    await c.expect(`+OK\r\n+OK\r\n:1\r\n${queued(1)}*-1\r\n`);
  },
);

inCluster("protocol 3: an EXEC that is broken off, and one that is not", {}, async (h) => {
  const c = await h.client();
  c.send("HELLO", "3");
  await c.until(() => c.received.includes("modules"), "HELLO");
  await sleep(5);
  c.received = Buffer.alloc(0);
  assert.is(await c.ask("WATCH", "a"), "+OK");
  await c.ask("SET", "a", "2");
  c.write(queue("GET a"));
  await c.expect(`${queued(1)}_\r\n`);
  c.write(queue("GET nokey", "PING"));
  await c.expect(`${queued(2)}*2\r\n_\r\n+PONG\r\n`);
});

inCluster("CLIENT REPLY OFF: an EXEC's own commands are run", {}, async (h, cluster) => {
  const c = await h.client();
  c.write(
    command("CLIENT", "REPLY", "OFF") + queue("SET a 1", "SELECT 1", "SET a 2") + command("CLIENT", "REPLY", "ON"),
  );
  await c.expect("+OK\r\n");
  assert.equal(cluster.keys(0), [], "two databases, two keys");
  c.write(command("CLIENT", "REPLY", "OFF") + queue("SET a 1", "SELECT 1") + command("CLIENT", "REPLY", "ON"));
  await c.expect("+OK\r\n");
  assert.is(await c.ask("SET", "b", "1"), "+OK");
  assert.equal([cluster.keys(0), cluster.keys(1)], [["a"], ["b"]]);
});

inCluster("CLIENT REPLY inside EXEC withholds all of its answer, SKIP the next command's too", {}, async (h) => {
  const c = await h.client();
  c.write(queue("CLIENT REPLY SKIP", "PING") + command("ECHO", "no") + command("ECHO", "yes"));
  await c.expect(`${queued(2)}$3\r\nyes\r\n`);
  c.write(queue("SET a 1", "CLIENT REPLY OFF") + command("ECHO", "no") + command("CLIENT", "REPLY", "ON"));
  await c.expect(`${queued(2)}+OK\r\n`);
  // ON gives all of it after OFF; a mistake does not, nor does an ON that is taken back.
  c.write(command("CLIENT", "REPLY", "OFF") + queue("SET a 2", "CLIENT REPLY ON", "GET a") + command("ECHO", "yes"));
  await c.expect("*3\r\n+OK\r\n+OK\r\n$1\r\n2\r\n$3\r\nyes\r\n");
  c.write(command("CLIENT", "REPLY", "OFF") + queue("CLIENT REPLY ON", "CLIENT REPLY OFF", "PING"));
  c.write(queue("CLIENT REPLY maybe", "PING") + command("CLIENT", "REPLY", "ON"));
  await c.expect("+OK\r\n");
  assert.is(await c.ask("PING"), "+PONG");
});

inCluster("MONITOR shows what an EXEC does", {}, async (h) => {
  const m = await h.client();
  const c = await h.client();
  assert.is(await m.ask("MONITOR"), "+OK");
  c.write(queue("SET a 1", "PING"));
  await c.expect(`${queued(2)}*2\r\n+OK\r\n+PONG\r\n`);
  const lines = [await m.line(), await m.line(), await m.line(), await m.line()].join("\n");
  for (const text of ['"MULTI"', '"SET" "a" "1"', '"PING"', '"EXEC"']) assert.ok(lines.includes(text), lines);
});

inCluster(
  "without room no write is begun",
  {},
  async (h, cluster) => {
    const c = await h.client();
    h.storage.room = false;
    assert.match(await c.ask("SET", "a", "1"), /^-OOM /);
    assert.is(await c.ask("DEL", "a"), ":0");
    assert.equal(cluster.keys(), []);
  },
  { config: { maxmemory: "1mb" } },
);

test.run();
