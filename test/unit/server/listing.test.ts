/**
 * test/unit/server/listing.test.ts: commands on the whole keyspace of a cluster, and what listings promise whatever single replicas lack.
 */
// timeout: 120s
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Args } from "../../../src/codec/resp/args.js";
import type { Surroundings } from "../../../src/server/cluster-dispatch.js";
import { listKeys } from "../../../src/server/listing.js";
import {
  decodeCountQuestion,
  decodePage,
  decodePageQuestion,
  encodePageQuestion,
} from "../../../src/server/questions.js";
import { randomFrom } from "../../lib/command-generator.js";
import { FakeCluster, type FakeOptions } from "../../lib/fake-cluster.js";
import { elements } from "../../lib/replies.js";
import { command, type Harness, type HarnessOptions, type RawClient, startServer, until } from "./harness.js";

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

async function list(c: RawClient): Promise<string[]> {
  const count = Number((await c.line()).slice(1));
  const keys: string[] = [];
  for (let i = 0; i < count; i++) keys.push(await c.bulk());
  return keys;
}

async function scanAll(c: RawClient, ...options: string[]): Promise<{ keys: string[]; pages: number }> {
  const keys: string[] = [];
  let cursor = "0";
  let pages = 0;
  do {
    c.send("SCAN", cursor, ...options);
    assert.is(await c.line(), "*2");
    cursor = await c.bulk();
    keys.push(...(await list(c)));
    pages++;
  } while (cursor !== "0");
  return { keys, pages };
}

const NAMES = Array.from({ length: 300 }, (_, i) => `key:${i}`);

inCluster("SCAN, KEYS, DBSIZE, RANDOMKEY", { spreading: 1 }, async (h, cluster) => {
  const c = await h.client();
  assert.is(await c.ask("RANDOMKEY"), "$-1");
  assert.equal(await scanAll(c), { keys: [], pages: 1 });
  for (const name of NAMES) cluster.set(name, "x");
  cluster.set("elsewhere", "x", 3);
  const { keys, pages } = await scanAll(c);
  assert.equal(keys.sort(), [...NAMES].sort());
  assert.ok(pages > 10, `${pages} pages of about ten`);
  assert.equal((await scanAll(c, "COUNT", "100000")).pages, 1);
  assert.equal(
    (await scanAll(c, "COUNT", "1000", "MATCH", "key:29*")).keys.sort(),
    NAMES.filter((n) => n.startsWith("key:29")).sort(),
  );
  assert.equal((await scanAll(c, "TYPE", "list")).keys, []);
  c.send("KEYS", "key:1?");
  assert.equal((await list(c)).sort(), NAMES.filter((n) => /^key:1.$/.test(n)).sort());
  assert.is(await c.ask("DBSIZE"), `:${NAMES.length}`);
  const drawn = new Set<string>();
  for (let i = 0; i < 50; i++) {
    c.send("RANDOMKEY");
    drawn.add(await c.bulk());
  }
  assert.ok(drawn.size > 10 && [...drawn].every((name) => NAMES.includes(name)), [...drawn].join());
  assert.is(await c.ask("SCAN", "x"), "-ERR invalid cursor");
  assert.is(await c.ask("SCAN", "0", "COUNT", "0"), "-ERR syntax error");
  c.send("SCAN", "18446744073709551615");
  await c.expect("*2\r\n$1\r\n0\r\n*0\r\n");
});

inCluster(
  "they see what the client wrote before, and hold up what it asks behind",
  { manual: true },
  async (h, cluster) => {
    const c = await h.client();
    c.write(command("SET", "a", "1") + command("KEYS", "*") + command("SET", "b", "1"));
    await until(() => cluster.underWay === 1, "the first write");
    cluster.release();
    await c.expect("+OK\r\n*1\r\n$1\r\na\r\n");
    await until(() => cluster.underWay === 1, "the second write");
    cluster.release();
    await c.expect("+OK\r\n");
  },
);

inCluster("FLUSHDB and FLUSHALL delete every key that is there", { spreading: 1 }, async (h, cluster) => {
  const c = await h.client();
  for (const name of NAMES) cluster.set(name, "x");
  for (const name of NAMES.slice(0, 20)) cluster.set(name, "x", 5);
  assert.is(await c.ask("FLUSHDB"), "+OK");
  assert.equal(cluster.keys(0), []);
  assert.is(cluster.keys(5).length, 20);
  assert.ok(cluster.mostUnderWay <= 64, `paced: ${cluster.mostUnderWay}`);
  cluster.set("a", "x");
  assert.is(await c.ask("FLUSHALL", "ASYNC"), "+OK");
  assert.equal([cluster.keys(0), cluster.keys(5)], [[], []]);
  assert.is(await c.ask("FLUSHALL", "foo"), "-ERR syntax error");
  assert.is(await c.ask("DBSIZE"), ":0");
});

inCluster("FLUSHALL without quorum", { manual: true }, async (h, cluster) => {
  const c = await h.client();
  cluster.set("a", "x");
  cluster.set("b", "x");
  cluster.down.add(0).add(1);
  assert.match(await c.ask("FLUSHALL"), /^-NOREPLICAS /);
  cluster.down.clear();
  c.send("FLUSHALL");
  await until(() => cluster.underWay === 2, "both deletions");
  cluster.forced.push({ applied: "no", why: "no quorum" });
  cluster.release();
  assert.match(await c.line(), /^-UNCERTAIN /, "one is gone, the other is not");
  assert.equal([await c.ask("WAIT", "1", "0"), await c.ask("WAIT", "1", "0")], [":0", ":1"]);
  assert.is(cluster.keys().length, 1);
});

inCluster("too few members for a listing", { spreading: 1 }, async (h, cluster) => {
  const c = await h.client();
  cluster.set("a", "x");
  cluster.down.add(1);
  assert.equal((await scanAll(c)).keys, ["a"]);
  assert.is(await c.ask("DBSIZE"), ":1");
  cluster.down.add(2);
  for (const text of ["SCAN 0", "KEYS *", "RANDOMKEY"])
    assert.is(await c.ask(...text.split(" ")), "-CLUSTERDOWN The cluster is down", text);
  assert.is(await c.ask("DBSIZE"), ":1", "one replica can count");
  c.write(command("MULTI") + command("KEYS", "*") + command("PING") + command("EXEC"));
  await c.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n-CLUSTERDOWN The cluster is down\r\n+PONG\r\n");
});

inCluster(
  "more members than replicas: only the partitions without R of them are missing",
  { members: 5, spreading: 1 },
  async (h, cluster) => {
    const c = await h.client();
    for (const name of NAMES) cluster.set(name, "x");
    cluster.down.add(0);
    assert.equal((await scanAll(c)).keys.sort(), [...NAMES].sort());
    assert.is(await c.ask("DBSIZE"), `:${NAMES.length}`);
    // Partition 0 lies on members 0, 1, 2; partition 2 on 2, 3, 4.
    cluster.down.add(1);
    assert.is(await c.ask("SCAN", "0"), "-CLUSTERDOWN The cluster is down");
    c.send("SCAN", String(2 * 2 ** 32), "COUNT", "1");
    assert.is(await c.line(), "*2");
  },
);

/** Texts of Redis 7.0.15. */
const SLOT_ERRORS: readonly (readonly [string, string])[] = [
  ["COUNTKEYSINSLOT 16384", "Invalid slot"],
  ["COUNTKEYSINSLOT -1", "Invalid slot"],
  ["COUNTKEYSINSLOT 99999999999", "Invalid slot"],
  ["COUNTKEYSINSLOT x", "value is not an integer or out of range"],
  ["GETKEYSINSLOT 16384 1", "Invalid slot or number of keys"],
  ["GETKEYSINSLOT 1 -1", "Invalid slot or number of keys"],
  ["GETKEYSINSLOT x 1", "value is not an integer or out of range"],
  ["GETKEYSINSLOT 16384 x", "value is not an integer or out of range"],
];

inCluster("the slots of keys", { spreading: 1 }, async (h, cluster) => {
  const c = await h.client();
  for (const name of NAMES) cluster.set(`{tag}${name}`, "x");
  cluster.set("foo", "x");
  assert.is(await c.ask("CLUSTER", "KEYSLOT", "{tag}"), ":8338");
  assert.is(await c.ask("CLUSTER", "COUNTKEYSINSLOT", "8338"), `:${NAMES.length}`);
  assert.is(await c.ask("CLUSTER", "COUNTKEYSINSLOT", "12182"), ":1");
  assert.is(await c.ask("CLUSTER", "COUNTKEYSINSLOT", "1"), ":0");
  c.send("CLUSTER", "GETKEYSINSLOT", "8338", "7");
  const keys = await list(c);
  assert.is(keys.length, 7);
  assert.ok(keys.every((key) => key.startsWith("{tag}")));
  for (const [words, error] of SLOT_ERRORS)
    assert.is(await c.ask("CLUSTER", ...words.split(" ")), `-ERR ${error}`, words);
  assert.is(await c.ask("CLUSTER", "GETKEYSINSLOT", "1", "99999999999"), "*0");
});

function around(cluster: FakeCluster, nowMs = 1000): Surroundings {
  return { cluster, server: { nowMs } } as unknown as Surroundings;
}

/** A full iteration with pages of about `count`, and what `between` does between its pages. */
function iterate(cluster: FakeCluster, count: number, between: () => void): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    const keys: string[] = [];
    const next = (cursor: number): void =>
      listKeys(around(cluster), { db: 0, slot: undefined, pattern: Buffer.alloc(0), cursor, count }, (listed) => {
        if (listed === undefined) return resolve(undefined);
        keys.push(...listed.there.map(({ key }) => key.latin1Slice()));
        between();
        if (listed.next === 0) resolve(keys);
        else next(listed.next);
      });
    next(0);
  });
}

test("a key that is there throughout is returned, whatever single replicas lack", async () => {
  const step = fc.record({
    what: fc.constantFrom("set", "delete", "abandon a deletion", "abandon a value"),
    key: fc.integer({ min: 0, max: 30 }),
    member: fc.integer({ min: 0, max: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 80 }),
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom([3, 2, 2], [3, 1, 3], [3, 3, 2], [5, 2, 2]),
      fc.integer(),
      async (before, during, count, [members, r, w], seed) => {
        const cluster = new FakeCluster({ random: randomFrom(seed), members, r, w, spreading: 0.2, partitions: 4 });
        cluster.now = () => 1000;
        const run = ({ what, key, member }: { what: string; key: number; member: number }): string => {
          const name = `\0k${key}`;
          const replicas = cluster.replicas(cluster.partitionOf(name));
          const value = { type: 0, raw: false, bytes: Buffer.from("x") };
          if (what === "set") cluster.write(name, value, 0, replicas);
          else if (what === "delete") cluster.write(name, undefined, 0, replicas);
          else
            cluster.abandon(name, replicas[member % replicas.length], what === "abandon a value" ? value : undefined);
          return name.slice(1);
        };
        for (const each of before) run(each);
        const throughout = new Set(cluster.keys());
        const ever = new Set(cluster.keys());
        let next = 0;
        const between = (): void => {
          for (let left = 2; left > 0 && next < during.length; left--) {
            const name = run(during[next++]);
            if (cluster.keys().includes(name)) ever.add(name);
            else throughout.delete(name);
          }
        };
        const keys = await iterate(cluster, count, between);
        assert.ok(keys !== undefined);
        const seen = new Set(keys);
        for (const key of throughout) assert.ok(seen.has(key), `${key} is missing`);
        for (const key of seen) {
          const abandoned = [...before, ...during].some(
            (each) => each.what === "abandon a value" && `k${each.key}` === key,
          );
          assert.ok(ever.has(key) || abandoned, `${key} was never there`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("what is not settled is read, and expired keys are not listed", async () => {
  const cluster = new FakeCluster({ random: randomFrom(1), spreading: 1 });
  cluster.now = () => 1000;
  const value = { type: 0, raw: false, bytes: Buffer.from("x") };
  for (const [name, expireAt] of [
    ["\0live", 2000],
    ["\0over", 1000],
    ["\0never", 0],
  ] as const)
    cluster.write(name, value, expireAt, [0, 1, 2]);
  cluster.write("\0kept", value, 0, [0, 1, 2]);
  for (const member of [0, 1, 2]) cluster.abandon("\0kept", member, undefined);
  const before = cluster.performed;
  assert.equal((await iterate(cluster, 10, () => {}))?.sort(), ["kept", "live", "never"]);
  assert.ok(cluster.performed > before, "the key that may be deleted was read");
});

test("questions and answers that no node made are refused", () => {
  const good = encodePageQuestion({ db: 1, slot: 5, pattern: Buffer.from("k*"), cursor: 7, count: 9 });
  assert.equal(decodePageQuestion(good), { db: 1, slot: 5, pattern: Buffer.from("k*"), cursor: 7, count: 9 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (bytes, version) => {
      const given = Buffer.from(bytes);
      if (version && given.length > 0) given[0] = 1;
      decodePageQuestion(given);
      decodeCountQuestion(given);
      decodePage(given);
      const { performers } = new FakeCluster();
      for (const kind of [0, 1, 2, 3, 15]) performers[0].answer(kind, given);
    }),
  );
  assert.is(elements(Buffer.from("+OK\r\n")), undefined);
  assert.is(Args.of(["x"]).count, 1);
});

test.run();
