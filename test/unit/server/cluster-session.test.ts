/**
 * test/unit/server/cluster-session.test.ts: clients of a node in a cluster: the order of replies while works are under way, works on one key in
 * order, what is refused and how, limits, and how connections end.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
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
    const cluster = new FakeCluster({ random: randomFrom(7), ...options });
    const h = await startServer({ ...harness, cluster });
    try {
      await body(h, cluster);
    } finally {
      await h.close();
    }
  });
}

const NO_QUORUM = { applied: "no", why: "no quorum" } as const;
const TOO_MANY = { applied: "no", why: "too many" } as const;
const MAYBE = { applied: "maybe" } as const;

inCluster("commands on one key", {}, async (h) => {
  const c = await h.client();
  assert.is(await c.ask("SET", "a", "1"), "+OK");
  assert.is(await c.ask("INCR", "a"), ":2");
  c.send("GET", "a");
  await c.expect("$1\r\n2\r\n");
  assert.is(await c.ask("DEL", "a"), ":1");
  assert.is(await c.ask("DEL", "a"), ":0");
  assert.is(await c.ask("GET", "a"), "$-1");
  assert.is(await c.ask("APPEND", "a", "x"), ":1");
  assert.is(await c.ask("LPUSH", "a", "x"), "-ERR unknown command 'LPUSH', with args beginning with: 'a' 'x' ");
});

inCluster("what concerns this node alone is answered by it, without a work", {}, async (h, cluster) => {
  const c = await h.client();
  assert.is(await c.ask("MEMORY", "PURGE"), "+OK");
  assert.is(await c.ask("ACL", "LOG"), "*0");
  assert.is(await c.ask("ACL", "LOG", "RESET"), "+OK");
  assert.is(await c.ask("ACL", "DRYRUN", "default", "SET", "a", "1"), "+OK");
  assert.is(await c.ask("ACL", "GETUSER", "nobody"), "$-1");
  c.send("ACL", "GENPASS", "8");
  assert.match(await c.bulk(), /^[0-9a-f]{2}$/);
  assert.is(cluster.performed, 0);
});

inCluster(
  "a key past its deadline on a node that ends none yet is there, listed, and has 0 left",
  {},
  async (h, cluster) => {
    const c = await h.client();
    assert.is(await c.ask("SET", "k", "v", "EX", "100"), "+OK");
    cluster.now = () => Date.now() + 150_000;
    cluster.unmeasured = true;
    assert.is(await c.ask("PTTL", "k"), ":0");
    assert.is(await c.ask("TTL", "k"), ":0");
    c.send("SCAN", "0");
    await c.expect("*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n");
  },
);

inCluster("replies leave in the order of the commands", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.write(
    command("PING") + command("SET", "a", "1") + command("PING") + command("SET", "b", "2") + command("ECHO", "x"),
  );
  await c.expect("+PONG\r\n");
  await until(() => cluster.underWay === 2, "both are under way");
  await sleep(10);
  assert.is(c.received.length, 0, "what was answered at once waits for what stands before it");
  cluster.release();
  await c.expect("+OK\r\n+PONG\r\n+OK\r\n$1\r\nx\r\n");
  assert.is(await c.ask("PING"), "+PONG");
});

inCluster("works answered inside of perform", { atOnce: true }, async (h) => {
  const c = await h.client();
  let bytes = "";
  let expected = "";
  for (let i = 1; i <= 1000; i++) {
    bytes += command("INCR", "n") + command("PING");
    expected += `:${i}\r\n+PONG\r\n`;
  }
  c.write(bytes);
  await c.expect(expected);
  assert.is(await c.ask("MSET", "a", "1", "b", "2"), "+OK");
  assert.is(await c.ask("COPY", "a", "c"), ":1");
});

inCluster("a long pipeline on some keys: each key in order, all replies in order", {}, async (h, cluster) => {
  const c = await h.client();
  const random = randomFrom(3);
  const counts: number[] = new Array(200).fill(0);
  let bytes = "";
  let expected = "";
  for (let i = 0; i < 5_000; i++) {
    // A few of them often.
    const key = Math.floor(random() ** 2 * counts.length);
    if (random() < 0.1) {
      bytes += command("ECHO", String(i));
      expected += `$${String(i).length}\r\n${i}\r\n`;
    } else if (random() < 0.2) {
      bytes += command("GET", `k${key}`);
      const value = String(counts[key]);
      expected += counts[key] === 0 ? "$-1\r\n" : `$${value.length}\r\n${value}\r\n`;
    } else {
      bytes += command("INCR", `k${key}`);
      expected += `:${++counts[key]}\r\n`;
    }
  }
  c.write(bytes);
  await c.expect(expected);
  assert.ok(cluster.mostUnderWay > 100, `works are under way side by side: ${cluster.mostUnderWay}`);
  assert.ok(cluster.mostUnderWay <= 256, `and not without end: ${cluster.mostUnderWay}`);
});

inCluster(
  "pipelined commands on one key: one is under way, and then all others together, in order",
  { manual: true },
  async (h, cluster) => {
    const c = await h.client();
    // Until something is known of its replies it reads little at a time.
    c.send("SET", "other", "1");
    await until(() => cluster.underWay === 1, "one before");
    cluster.release();
    await c.expect("+OK\r\n");
    cluster.performed = 0;
    cluster.set("a", "1");
    c.write(command("GET", "a").repeat(20) + command("SET", "a", "2") + command("GET", "a") + command("INCR", "a"));
    await until(() => cluster.underWay === 1, "the first read");
    await sleep(10);
    assert.is(cluster.performed, 1);
    cluster.release(1);
    assert.is(cluster.performed, 2);
    cluster.release();
    await c.expect(`${"$1\r\n1\r\n".repeat(20)}+OK\r\n$1\r\n2\r\n:3\r\n`);
    assert.is(cluster.performed, 2);
  },
);

inCluster("each key: joined replies", {}, async (h) => {
  const c = await h.client();
  assert.is(await c.ask("MSET", "a", "1", "b", "2", "a", "3"), "+OK");
  c.send("MGET", "a", "x", "b");
  await c.expect("*3\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n");
  assert.is(await c.ask("EXISTS", "a", "a", "b", "x"), ":3");
  assert.is(await c.ask("TOUCH", "a", "x"), ":1");
  assert.is(await c.ask("DEL", "a", "a", "x"), ":1");
  assert.is(await c.ask("MSET", "a", "1", "b"), "-ERR wrong number of arguments for 'mset' command");
});

inCluster("more keys than may be under way at a time", {}, async (h, cluster) => {
  const c = await h.client();
  const pairs = Array.from({ length: 3000 }, (_, i) => [`k${i}`, String(i)]).flat();
  c.write(command("MSET", ...pairs) + command("GET", "k2999") + command("DEL", ...pairs) + command("PING"));
  await c.expect("+OK\r\n$4\r\n2999\r\n:3000\r\n+PONG\r\n");
  assert.ok(cluster.mostUnderWay <= 256, String(cluster.mostUnderWay));
});

inCluster("protocol 3, and the protocol a command was sent under", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.write(command("GET", "x") + command("HELLO", "3") + command("GET", "y") + command("RESET") + command("GET", "z"));
  await until(() => cluster.underWay === 3, "all are under way");
  cluster.release();
  await c.expect("$-1\r\n%7\r\n");
  await c.until(() => c.received.includes("+RESET"), "the reply to RESET");
  const text = c.received.latin1Slice();
  assert.ok(text.endsWith("_\r\n+RESET\r\n$-1\r\n"), JSON.stringify(text));
});

inCluster("refusals say what may have happened", {}, async (h, cluster) => {
  const c = await h.client();
  cluster.forced.push(NO_QUORUM, NO_QUORUM, TOO_MANY, MAYBE, MAYBE);
  assert.match(await c.ask("SET", "a", "1"), /^-NOREPLICAS Not enough good replicas to write\. \(/);
  assert.is(await c.ask("GET", "a"), "-CLUSTERDOWN The cluster is down");
  assert.match(await c.ask("SET", "a", "1"), /^-TRYAGAIN /);
  assert.match(await c.ask("SET", "a", "1"), /^-UNCERTAIN /);
  assert.is(await c.ask("GET", "a"), "-CLUSTERDOWN The cluster is down", "a read has no effect that could be unknown");
  cluster.down.add(1).add(2);
  assert.match(await c.ask("INCR", "a"), /^-NOREPLICAS /);
  assert.is(await c.ask("MGET", "a", "b"), "-CLUSTERDOWN The cluster is down");
  cluster.down.clear();
  const { statistics } = h.server;
  assert.is(statistics.errors.get("NOREPLICAS"), 2);
  assert.is(statistics.errors.get("CLUSTERDOWN"), 3);
  assert.is(statistics.errors.get("UNCERTAIN"), 1);
});

inCluster("of several keys, the worst outcome counts", {}, async (h, cluster) => {
  const c = await h.client();
  cluster.forced.push(NO_QUORUM, NO_QUORUM);
  assert.match(await c.ask("MSET", "a", "1", "b", "2"), /^-NOREPLICAS /, "surely none");
  cluster.forced.push(NO_QUORUM);
  assert.match(await c.ask("MSET", "a", "1", "b", "2"), /^-UNCERTAIN /, "one and not the other");
  cluster.forced.push(MAYBE, NO_QUORUM);
  assert.match(await c.ask("DEL", "a", "b", "c"), /^-UNCERTAIN /);
  cluster.forced.push(NO_QUORUM);
  assert.is(await c.ask("EXISTS", "a", "b"), "-CLUSTERDOWN The cluster is down");
});

inCluster("CLIENT REPLY: works are done and not answered", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.write(command("CLIENT", "REPLY", "SKIP") + command("SET", "a", "1") + command("SET", "b", "1"));
  await until(() => cluster.underWay === 2, "under way");
  cluster.release();
  await c.expect("+OK\r\n");
  c.write(
    command("CLIENT", "REPLY", "OFF") + command("INCR", "a") + command("INCR", "a") + command("CLIENT", "REPLY", "ON"),
  );
  await until(() => cluster.underWay === 1, "under way");
  cluster.release();
  c.send("GET", "a");
  await until(() => cluster.underWay === 1, "the read");
  cluster.release();
  await c.expect("+OK\r\n$1\r\n3\r\n");
});

inCluster("MONITOR shows commands as they come; its lines keep their place", { manual: true }, async (h, cluster) => {
  const m = await h.client();
  const c = await h.client();
  m.write(command("GET", "own") + command("MONITOR"));
  await until(() => cluster.underWay === 1, "its own read is under way");
  c.send("SET", "a", "1");
  await until(() => cluster.underWay === 2, "under way");
  await sleep(5);
  assert.is(m.received.length, 0, "behind the reply that is waited for");
  cluster.release();
  await m.expect("$-1\r\n+OK\r\n");
  assert.match(await m.line(), /"SET" "a" "1"$/);
  await c.expect("+OK\r\n");
});

inCluster("QUIT, and what is sent behind it", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.write(command("SET", "a", "1") + command("QUIT") + command("SET", "a", "2"));
  await until(() => cluster.underWay === 1, "under way");
  await sleep(10);
  assert.not(c.ended);
  cluster.release();
  await c.expect("+OK\r\n+OK\r\n");
  await c.closed();
  assert.is(cluster.performed, 1);
});

inCluster("a half-closed client gets all answers that are due", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.socket.end(command("SET", "a", "1") + command("GET", "a") + command("PING"));
  await until(() => cluster.underWay === 1, "under way");
  await sleep(10);
  assert.not(c.ended);
  cluster.release(1);
  await c.expect("+OK\r\n");
  cluster.release();
  await c.expect("$1\r\n1\r\n+PONG\r\n");
  await c.closed();
});

inCluster(
  "a connection that is gone: its works go on, the answers are dropped",
  { manual: true },
  async (h, cluster) => {
    const c = await h.client();
    c.write(command("SET", "a", "1") + command("COPY", "a", "b"));
    await until(() => cluster.underWay === 1, "under way");
    await sleep(5);
    c.destroy();
    await sleep(5);
    for (let i = 0; i < 3; i++) cluster.release();
    assert.equal(cluster.keys(), ["a", "b"]);
    await until(() => h.server.sessions.size === 0, "the session is gone");
    const other = await h.client();
    assert.is(await other.ask("PING"), "+PONG");
  },
);

inCluster("a server that stops waits for the answers", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.send("SET", "a", "1");
  await until(() => cluster.underWay === 1, "under way");
  assert.ok(h.server.draining);
  h.server.close(false);
  await sleep(10);
  assert.not(c.ended);
  cluster.release();
  await c.expect("+OK\r\n");
  await c.closed();
  await until(() => !h.server.draining, "drained");
});

inCluster("a protocol error comes behind what is waited for", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.write(`${command("SET", "a", "1")}*1\r\n:5\r\n`);
  await until(() => cluster.underWay === 1, "under way");
  cluster.release();
  await c.expect("+OK\r\n-ERR Protocol error: expected '$', got ':'\r\n");
  await c.closed();
});

inCluster("what one client has under way is bounded in bytes", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  const large = "x".repeat(200_000);
  for (let i = 0; i < 20; i++) c.send("SET", `k${i}`, large);
  await until(() => cluster.underWay >= 6, "some are under way");
  await sleep(50);
  assert.is(cluster.underWay, 6);
  while (cluster.performed < 20 || cluster.underWay > 0) {
    cluster.release(1);
    await sleep(1);
  }
  await c.expect("+OK\r\n".repeat(20));
});

inCluster(
  "large replies: few are asked for at a time once they are known to be large",
  { manual: true },
  async (h, cluster) => {
    for (let i = 0; i < 11; i++) cluster.set(`big${i}`, "x".repeat(4 * 1024 * 1024));
    const c = await h.client();
    c.send("GET", "big10");
    await until(() => cluster.underWay === 1, "one");
    cluster.release();
    await c.take(4 * 1024 * 1024 + "$4194304\r\n\r\n".length);
    for (let i = 0; i < 10; i++) c.send("GET", `big${i}`);
    await until(() => cluster.underWay >= 4, "some");
    await sleep(20);
    assert.is(cluster.underWay, 4);
    c.destroy();
  },
);

inCluster(
  "a client that waits is not idle",
  { manual: true },
  async (h, cluster) => {
    cluster.set("b", "x");
    const [reads, empties, held, pauses] = [await h.client(), await h.client(), await h.client(), await h.client()];
    reads.send("GET", "a");
    empties.send("FLUSHALL");
    await until(() => cluster.underWay === 2, "under way");
    assert.is(await pauses.ask("CLIENT", "PAUSE", "60000", "WRITE"), "+OK");
    held.send("SET", "a", "1");
    await sleep(2500);
    assert.equal([reads.ended, empties.ended, held.ended, pauses.ended], [false, false, false, true]);
    cluster.release();
    await reads.expect("$-1\r\n");
    await empties.expect("+OK\r\n");
    const other = await h.client();
    assert.is(await other.ask("CLIENT", "UNPAUSE"), "+OK");
    await until(() => cluster.underWay === 1, "it goes on");
    cluster.release();
    await held.expect("+OK\r\n");
    for (const c of [reads, empties, held]) await c.closed();
  },
  { config: { timeout: 1 } },
);

inCluster("WAIT tells on how many further replicas the writes lie", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.write(command("SET", "a", "1") + command("WAIT", "1", "0") + command("WAITAOF", "1", "1", "0"));
  await until(() => cluster.underWay === 1, "under way");
  await sleep(5);
  assert.is(c.received.length, 0);
  cluster.release();
  await c.expect("+OK\r\n:1\r\n*2\r\n:1\r\n:1\r\n");
  const most = "9223372036854775807";
  c.write(command("WAIT", most, most) + command("WAITAOF", "1", most, most));
  await c.expect(":1\r\n*2\r\n:1\r\n:1\r\n");
  c.write(command("SET", "a", "1") + command("WAIT", "1", "20"));
  await until(() => cluster.underWay === 1, "under way");
  await sleep(50);
  cluster.release();
  await c.expect("+OK\r\n:0\r\n");
  cluster.forced.push(MAYBE);
  c.write(command("SET", "a", "1") + command("WAIT", "1", "0") + command("WAIT", "1", "0"));
  await until(() => cluster.underWay === 1, "under way");
  cluster.release();
  assert.match(await c.line(), /^-UNCERTAIN /);
  await c.expect(":0\r\n:1\r\n");
  assert.match(await c.ask("WAIT", "x", "0"), /^-ERR value is not an integer/);
});

inCluster("SAVE and others that put their answer off keep their place", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  c.write(command("SET", "a", "1") + command("SAVE") + command("PING"));
  await until(() => cluster.underWay === 1 && h.storage.snapshots === 1, "both began");
  await sleep(50);
  assert.is(c.received.length, 0);
  cluster.release();
  await c.expect("+OK\r\n+OK\r\n+PONG\r\n");
});

inCluster(
  "the slow log and the statistics tell how long the cluster took",
  { manual: true },
  async (h, cluster) => {
    const c = await h.client();
    c.send("SET", "a", "1");
    await until(() => cluster.underWay === 1, "under way");
    await sleep(30);
    cluster.release();
    await c.expect("+OK\r\n");
    const [entry] = h.server.slowlog.newest(1);
    assert.equal(entry.args, ["SET", "a", "1"]);
    assert.ok(entry.usec >= 25_000, String(entry.usec));
  },
  { config: { slowlogLogSlowerThan: 10_000 } },
);

inCluster(
  "replies that wait behind one that is not known count to the output limit",
  { manual: true },
  async (h, cluster) => {
    for (const key of ["big0", "big1", "big2"]) cluster.set(key, "x".repeat(12 * 1024 * 1024));
    const c = await h.client();
    for (const key of ["first", "big0", "big1", "big2"]) c.send("GET", key);
    await until(() => cluster.underWay === 4, "all are under way");
    cluster.releaseKey("big0");
    await sleep(20);
    assert.not(c.ended, "a single reply of any size is let pass");
    cluster.releaseKey("big1");
    await sleep(20);
    assert.not(c.ended, "and what may be under way at a time");
    cluster.releaseKey("big2");
    await c.closed();
    assert.is(h.server.traffic.outputLimitDisconnections, 1);
  },
  { config: { clientOutputBytesMax: 100 * 1024 } },
);

for (const quits of [false, true]) {
  inCluster(
    `large replies that become known at once all reach a client that reads${quits ? ", and one that quits behind them" : ""}`,
    { manual: true },
    async (h, cluster) => {
      const value = "x".repeat(100_000);
      const names = Array.from({ length: 100 }, (_, i) => `k${i}`);
      for (const name of names) cluster.set(name, value);
      const c = await h.client();
      // It reads when all is there.
      c.socket.pause();
      c.write(names.map((name) => command("GET", name)).join("") + (quits ? command("QUIT") : command("PING")));
      await until(() => cluster.underWay === 5, "a few, as long as nothing is known of their size");
      cluster.release(1);
      await until(() => cluster.underWay === 99, "the rest");
      cluster.release();
      await sleep(20);
      c.socket.resume();
      await c.expect(`$100000\r\n${value}\r\n`.repeat(100) + (quits ? "+OK\r\n" : "+PONG\r\n"));
      if (quits) await c.closed();
      else {
        c.send("ECHO", "on");
        await c.expect("$2\r\non\r\n");
      }
      assert.is(h.server.traffic.outputLimitDisconnections, 0);
    },
    { config: { clientOutputBytesMax: "1mb" } },
  );
}

inCluster(
  "a new client that asks for many huge values gets them, few at a time",
  {},
  async (h, cluster) => {
    const value = "x".repeat(6 * 1024 * 1024);
    for (let i = 0; i < 12; i++) cluster.set(`k${i}`, value);
    const c = await h.client();
    for (let i = 0; i < 12; i++) c.send("GET", `k${i}`);
    for (let i = 0; i < 12; i++) assert.is((await c.bulk()).length, value.length);
    assert.is(h.server.traffic.outputLimitDisconnections, 0);
    assert.ok(cluster.mostUnderWay <= 5, String(cluster.mostUnderWay));
  },
  { config: { clientOutputBytesMax: "16mb" } },
);

test.run();
