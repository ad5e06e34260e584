/**
 * test/unit/server/cluster.test.ts: CLUSTER and what goes with it, as clients see it: a node alone, one that says to be a Redis Cluster, and a
 * member of a cluster whose other members are there or not.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ConfigInput } from "../../../src/config/load.js";
import { keySlot } from "../../../src/core/ring/slot.js";
import { viewed } from "../../../src/lib/view.js";
import { clusterFields } from "../../../src/server/cluster-info.js";
import { writeCard } from "../../../src/server/node-card.js";
import { SLOTS } from "../../../src/server/slot-map.js";
import { type FakeOptions, ShownCluster } from "../../lib/shown-cluster.js";
import { type Harness, type RawClient, startServer, until } from "./harness.js";

const PEERS = { id: "n1", peers: ["n2=127.0.0.1:17002", "n3=127.0.0.1:17003"], peerPort: 17001 };
const ID = "[0-9a-f]{40}";

interface Stage {
  readonly c: RawClient;
  readonly h: Harness;
  readonly cluster: ShownCluster;
}

/** A member n1 of n1, n2, n3; the others answer with a card that gives ports 7002 and 7003. */
function member(
  name: string,
  config: ConfigInput,
  body: (stage: Stage) => Promise<void>,
  options: Partial<FakeOptions> = {},
): void {
  test(name, async () => {
    const cluster = new ShownCluster({ ids: ["n1", "n2", "n3"], self: "n1", ...options });
    cluster.answer = (id) => writeCard({ host: "", port: 7000 + Number(id.slice(1)), tlsPort: 0, version: "1.0" });
    const h = await startServer({ config: { ...PEERS, ...config }, cluster });
    try {
      await until(() => [1, 2].every((i) => h.server.face.reachable(i)), "the cards");
      await body({ c: await h.client(), h, cluster });
    } finally {
      await h.close();
    }
  });
}

/** A RESP2 reply of arrays, bulk strings and integers. */
async function reply(c: RawClient): Promise<unknown> {
  const line = await c.line();
  const value = Number(line.slice(1));
  if (line[0] === ":") return value;
  if (line[0] === "$") return (await c.take(value + 2)).slice(0, -2);
  if (line[0] !== "*") return line;
  const items: unknown[] = [];
  for (let i = 0; i < value; i++) items.push(await reply(c));
  return items;
}

async function ask(c: RawClient, ...words: string[]): Promise<unknown> {
  c.send(...words);
  return reply(c);
}

test("alone: cluster support is disabled, but for KEYSLOT; KV.EXPLAIN answers", async () => {
  const h = await startServer();
  try {
    const c = await h.client();
    for (const words of [["SLOTS"], ["SHARDS"], ["NODES"], ["INFO"], ["MYID"], ["COUNTKEYSINSLOT", "1"]]) {
      assert.is(await c.ask("CLUSTER", ...words), "-ERR This instance has cluster support disabled");
    }
    assert.is(await c.ask("READONLY"), "-ERR This instance has cluster support disabled");
    assert.is(await c.ask("CLUSTER", "KEYSLOT", "foo"), ":12182");
    assert.is(await c.ask("SET", "k", "v"), "+OK");
    assert.match(
      String(await ask(c, "KV.EXPLAIN", "GET", "k")),
      /^slot 7629\nthis node, which is alone: version \d+, 1 bytes\n$/,
    );
    assert.match(String(await ask(c, "KV.EXPLAIN", "get", "none")), /alone: absent\n$/);
    assert.match(await c.ask("KV.EXPLAIN", "DEL", "k"), /^-ERR KV.EXPLAIN explains GET key only/);
    assert.match(String(await ask(c, "INFO", "cluster")), /^# Cluster\r\ncluster_enabled:0\r\n$/);
  } finally {
    await h.close();
  }
});

test("alone with cluster-enabled: a cluster of one, and one database", async () => {
  const h = await startServer({ config: { clusterEnabled: true } });
  try {
    const c = await h.client();
    const id = "a".repeat(40);
    assert.equal(await ask(c, "CLUSTER", "SLOTS"), [[0, 16383, ["127.0.0.1", h.port, id, []]]]);
    assert.is(
      await ask(c, "CLUSTER", "NODES"),
      `${id} 127.0.0.1:${h.port}@0 myself,master - 0 0 1 connected 0-16383\n`,
    );
    assert.is(await ask(c, "CLUSTER", "MYID"), id);
    assert.match(String(await ask(c, "CLUSTER", "INFO")), /^cluster_state:ok\r\n(cluster_[a-z_]+:\d+\r\n)+total_/);
    assert.match(
      String(await ask(c, "INFO", "server", "cluster")),
      /redis_mode:cluster\r\n[\s\S]*cluster_enabled:1\r\n/,
    );
    assert.is(await c.ask("SELECT", "1"), "-ERR SELECT is not allowed in cluster mode");
    assert.is(await c.ask("SELECT", "0"), "+OK");
    assert.is(await c.ask("READONLY"), "+OK");
    assert.is(await c.ask("READWRITE"), "+OK");
    assert.ok(((await ask(c, "HELLO")) as unknown[]).includes("cluster"));
  } finally {
    await h.close();
  }
});

member("SLOTS: every slot once, its replicas in order, each with host, port and id", {}, async ({ c, h, cluster }) => {
  const slots = (await ask(c, "CLUSTER", "SLOTS")) as [number, number, ...[string, number, string, unknown[]][]][];
  let next = 0;
  const ids = new Map<number, string>();
  for (const [from, to, ...nodes] of slots) {
    assert.is(from, next);
    next = to + 1;
    const ports = cluster
      .replicas(Math.floor((from * 16) / SLOTS))
      .map((index) => (index === 0 ? h.port : 7001 + index));
    assert.equal(
      nodes.map(([, port]) => port),
      ports,
    );
    for (const [host, port, id, more] of nodes) {
      assert.equal([host, more], ["127.0.0.1", []]);
      assert.match(id, new RegExp(`^${ID}$`));
      assert.is(ids.get(port) ?? id, id);
      ids.set(port, id);
    }
  }
  assert.equal([next, ids.size], [SLOTS, 3]);
  assert.is(await ask(c, "CLUSTER", "MYID"), ids.get(h.port));
  // The others name it so as well: ids follow from cluster and member.
  const other = await startServer({
    config: { id: "n2", peers: ["n1=127.0.0.1:17001"], peerPort: 17002 },
    cluster: new ShownCluster({ ids: ["n1", "n2", "n3"], self: "n2" }),
  });
  try {
    assert.is(await ask(await other.client(), "CLUSTER", "MYID"), ids.get(7002));
  } finally {
    await other.close();
  }
});

member("NODES, SHARDS and INFO say the same as SLOTS, also with one down", {}, async ({ c, h, cluster }) => {
  for (const down of [false, true]) {
    if (down) cluster.set("n3", "down");
    const slots = (await ask(c, "CLUSTER", "SLOTS")) as [number, number, ...[string, number, string][]][];
    const masters = new Map<string, number>();
    for (const [from, to, [, , id]] of slots) masters.set(id, (masters.get(id) ?? 0) + to - from + 1);
    assert.is(masters.size, down ? 2 : 3);
    const lines = String(await ask(c, "CLUSTER", "NODES"))
      .split("\n")
      .slice(0, -1);
    assert.is(lines.length, 3);
    for (const [i, line] of lines.entries()) {
      const gone = down && i === 2;
      const [flags, link] =
        i === 0 ? ["myself,master", "connected"] : gone ? ["master,fail", "disconnected"] : ["master", "connected"];
      const bus = i === 0 ? 17001 : 17001 + i;
      const port = i === 0 ? h.port : 7001 + i;
      assert.match(
        line,
        new RegExp(`^${ID} 127\\.0\\.0\\.1:${port}@${bus} ${flags} - 0 0 ${i + 1} ${link}( \\d+(-\\d+)?)*$`),
      );
      const served = [...line.matchAll(/ (\d+)-(\d+)(?= |$)/g)].map(([, from, to]) => Number(to) - Number(from) + 1);
      assert.is(
        served.reduce((sum, count) => sum + count, 0),
        masters.get(line.slice(0, 40)) ?? 0,
      );
    }
    const shards = (await ask(c, "CLUSTER", "SHARDS")) as [string, number[], string, unknown[][]][];
    let covered = 0;
    for (const [slotsWord, ranges, nodesWord, nodes] of shards) {
      assert.equal([slotsWord, nodesWord], ["slots", "nodes"]);
      for (let i = 0; i < ranges.length; i += 2) covered += (ranges[i + 1] as number) - (ranges[i] as number) + 1;
      assert.is(nodes.length, down ? 2 : 3);
      const [first] = nodes as [unknown[]];
      assert.equal(
        first.filter((_, at) => at % 2 === 0),
        ["id", "port", "ip", "endpoint", "role", "replication-offset", "health"],
      );
      assert.equal([first[9], nodes[1]?.[9], first[13]], ["master", "replica", "online"]);
    }
    assert.is(covered, SLOTS);
    const info = String(await ask(c, "CLUSTER", "INFO"));
    assert.match(info, /^cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n/);
    assert.match(info, new RegExp(`cluster_known_nodes:3\\r\\ncluster_size:${down ? 2 : 3}\\r\\n`));
  }
  cluster.set("n2", "down");
  assert.match(
    String(await ask(c, "CLUSTER", "INFO")),
    /^cluster_state:fail\r\n.*\r\n.*_ok:0\r\n.*_pfail:0\r\n.*_fail:16384/,
  );
  const alone = (await ask(c, "CLUSTER", "SLOTS")) as unknown[];
  assert.is(alone.length, 1, "whoever asks is told of this node: it is there, and says what is wrong");
  cluster.set("n2", "suspect");
  assert.match(String(await ask(c, "CLUSTER", "INFO")), /^cluster_state:ok\r\n.*\r\n.*_ok:0\r\n.*_pfail:16384/);
  assert.match(String(await ask(c, "CLUSTER", "NODES")), / master,fail\? - 0 0 2 connected/);
});

member("plain clients see one server: databases, standalone", {}, async ({ c }) => {
  assert.match(
    String(await ask(c, "INFO", "server", "cluster")),
    /redis_mode:standalone\r\n[\s\S]*cluster_enabled:0\r\n/,
  );
  assert.is(await c.ask("SELECT", "3"), "+OK");
  assert.is(await c.ask("READONLY"), "+OK");
});

member("INFO cluster and persistence", {}, async ({ c, h }) => {
  const info = String(await ask(c, "INFO", "cluster"));
  const fields = new Map(info.split("\r\n").map((line) => line.split(/:(.*)/s).slice(0, 2) as [string, string]));
  for (const [name, value] of [
    ["kvorum_cluster_state", "ok"],
    ["kvorum_cluster_self", "n1"],
    ["kvorum_cluster_members", "3"],
    ["kvorum_cluster_members_up", "3"],
    ["kvorum_cluster_n", "3"],
    ["kvorum_rounds", "7"],
    ["kvorum_wait_ms", "1.500"],
  ]) {
    assert.is(fields.get(name as string), value, name);
  }
  assert.match(
    fields.get("member_0") ?? "",
    new RegExp(
      `^id=n1,state=up,self=1,host=127.0.0.1,port=${h.port},peer_port=17001,.*partitions=16,first=\\d,node_id=${ID},version=0.0.0-test$`,
    ),
  );
  assert.match(
    fields.get("member_2") ?? "",
    /^id=n3,state=up,self=0,host=127.0.0.1,port=7003,peer_port=17003,round_trip_ms=0.250,clock_offset_ms=1,/,
  );
  assert.match(String(await ask(c, "INFO", "persistence")), /memory only/);
});

member(
  "hosts: announced, the peer's own, the address the client came by; ports likewise",
  {},
  async ({ c, h, cluster }) => {
    const { face } = h.server;
    const hosts = (local: string): string[] =>
      face.view.members().map((one) => {
        const { host, port } = face.addressOf(one, { connection: { local } } as Parameters<typeof face.addressOf>[1]);
        return `${host} ${port}`;
      });
    assert.equal(hosts("127.0.0.1:5"), [`127.0.0.1 ${h.port}`, "127.0.0.1 7002", "127.0.0.1 7003"]);
    assert.equal(hosts("/unixsocket:0"), [`127.0.0.1 ${h.port}`, "127.0.0.1 7002", "127.0.0.1 7003"]);
    assert.equal(
      hosts("[2001:db8::1]:5"),
      [`2001:db8::1 ${h.port}`, "2001:db8::1 7002", "2001:db8::1 7003"],
      "all are on this machine",
    );
    cluster.hostOf = (id) => `${id}.example`;
    assert.equal(hosts("10.0.0.1:5"), [`10.0.0.1 ${h.port}`, "n2.example 7002", "n3.example 7003"]);
    assert.match(String(await ask(c, "CLUSTER", "NODES")), / n3\.example:7003@17003 /);
    const session = { server: h.server, connection: { local: "10.0.0.1:5" } } as Parameters<typeof clusterFields>[1];
    const lines = clusterFields(h.server, session).filter(([name]) => name.startsWith("member_"));
    assert.equal(
      lines.map(([, text]) => /,host=([^,]+),/.exec(String(text))?.[1]),
      ["10.0.0.1", "n2.example", "n3.example"],
      "INFO says the same",
    );
  },
);

member(
  "announce-host and announce-port are told to clients and to the other nodes",
  { announceHost: "me.example", announcePort: 9000 },
  async ({ c, h, cluster }) => {
    assert.match(String(await ask(c, "CLUSTER", "NODES")), / me\.example:9000@17001 myself,master /);
    assert.equal(h.server.face.card(), { host: "me.example", port: 9000, tlsPort: 0, version: "0.0.0-test" });
    cluster.answer = () => writeCard({ host: "you.example", port: 9002, tlsPort: 0, version: "1.0" });
    cluster.set("n2", "down");
    await until(() => true, "a turn");
    await new Promise((resolve) => setTimeout(resolve, 250));
    cluster.set("n2", "up");
    const deadline = performance.now() + 60_000;
    while (!/ you\.example:9002@17002 /.test(String(await ask(c, "CLUSTER", "NODES"))))
      assert.ok(performance.now() < deadline);
  },
);

/** As a Redis Cluster has it: texts of 7.0.15. */
const ONE_DATABASE: readonly (readonly [string, string])[] = [
  ["COPY {k}1 {k}2 DB 1", "-ERR Copying to another database is not allowed in cluster mode"],
  ["COPY {k}1 {k}2 DB 1 REPLACE", "-ERR Copying to another database is not allowed in cluster mode"],
  ["COPY {k}1 {k}1 DB 1", "-ERR Copying to another database is not allowed in cluster mode"],
  ["COPY {k}1 {k}2 DB 16", "-ERR DB index is out of range"],
  ["COPY {k}1 {k}2 DB 1 X", "-ERR syntax error"],
  ["COPY {k}1 {k}3 DB 1 DB 0", ":1"],
  ["MOVE {k}1 1", "-ERR MOVE is not allowed in cluster mode"],
  ["MOVE {k}1 x", "-ERR MOVE is not allowed in cluster mode"],
  ["SWAPDB 0 1", "-ERR SWAPDB is not allowed in cluster mode"],
  ["SELECT 99", "-ERR SELECT is not allowed in cluster mode"],
  ["SELECT -1", "-ERR SELECT is not allowed in cluster mode"],
  ["SELECT x", "-ERR value is not an integer or out of range"],
  ["SELECT 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647"],
];

test("with cluster-enabled there is one database, for COPY and MOVE too", async () => {
  const h = await startServer({ config: { clusterEnabled: true } });
  try {
    const c = await h.client();
    assert.is(await c.ask("SET", "{k}1", "v"), "+OK");
    for (const [words, expected] of ONE_DATABASE) assert.is(await c.ask(...words.split(" ")), expected, words);
    assert.is(await c.ask("DBSIZE"), ":2");
    assert.equal(
      [...Array(16).keys()].map((db) => h.server.space.size(db)),
      [2, ...Array(15).fill(0)],
    );
  } finally {
    await h.close();
  }
});

test("keys of a slot, alone", async () => {
  const h = await startServer({ config: { clusterEnabled: true } });
  try {
    const c = await h.client();
    const slot = String(keySlot(viewed(Buffer.from("tag")), 0, 3));
    assert.is(await c.ask("MSET", "{tag}1", "v", "{tag}2", "v", "other", "v"), "+OK");
    assert.is(await c.ask("CLUSTER", "COUNTKEYSINSLOT", slot), ":2");
    assert.equal(((await ask(c, "CLUSTER", "GETKEYSINSLOT", slot, "10")) as string[]).sort(), ["{tag}1", "{tag}2"]);
    assert.is(((await ask(c, "CLUSTER", "GETKEYSINSLOT", slot, "1")) as string[]).length, 1);
    assert.equal(await ask(c, "CLUSTER", "GETKEYSINSLOT", slot, "0"), []);
    assert.is(await c.ask("CLUSTER", "COUNTKEYSINSLOT", "16384"), "-ERR Invalid slot");
    assert.is(await c.ask("CLUSTER", "COUNTKEYSINSLOT", "x"), "-ERR value is not an integer or out of range");
    assert.is(await c.ask("CLUSTER", "GETKEYSINSLOT", "1", "-1"), "-ERR Invalid slot or number of keys");
  } finally {
    await h.close();
  }
});

member("KV.EXPLAIN asks the cluster, of the client's database", {}, async ({ c }) => {
  assert.is(await c.ask("SELECT", "2"), "+OK");
  assert.is(await ask(c, "KV.EXPLAIN", "GET", "k"), "db 2, key k: three agree\n");
  assert.match(await c.ask("KV.EXPLAIN", "DEL", "k"), /^-ERR KV.EXPLAIN explains GET key only/);
});

member("KV.EXPLAIN pipelined: all are asked at once, and answered in order", {}, async ({ c, cluster }) => {
  const asked: { name: string; done: (text: string) => void }[] = [];
  cluster.explain = (name, done) => asked.push({ name, done });
  const keys = ["a", "b", "c"];
  for (const key of keys) c.send("KV.EXPLAIN", "GET", key);
  c.send("PING");
  await until(() => asked.length === keys.length, "all are asked");
  for (const { name, done } of asked.reverse()) done(name.slice(1));
  for (const key of keys) assert.is(await reply(c), key);
  assert.is(await c.line(), "+PONG");
});

test.run();
