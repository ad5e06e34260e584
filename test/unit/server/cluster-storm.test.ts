/**
 * test/unit/server/cluster-storm.test.ts: clients that do everything at once in a cluster that often fails: every command gets one reply, in
 * order, and nothing is left over.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { clusterRefusal } from "../../../src/server/cluster-config.js";
import { CommandGenerator, randomFrom } from "../../lib/command-generator.js";
import { FakeCluster } from "../../lib/fake-cluster.js";
import { encodeCommand } from "../../lib/redis-server.js";
import { elements, replyEnd, showReply } from "../../lib/replies.js";
import { command, type RawClient, startServer, until } from "./harness.js";

const CLIENTS = 6;
const COMMANDS = 400;

/** A pipeline: random commands, each with a mark behind it that says which one it was. */
function pipeline(seed: number, g: CommandGenerator): { bytes: Buffer; count: number; isMark: boolean[] } {
  const random = randomFrom(seed);
  const parts: Buffer[] = [];
  const isMark: boolean[] = [];
  let inMulti = false;
  const add = (bytes: Buffer, mark: boolean): void => {
    parts.push(bytes);
    isMark.push(mark);
  };
  const words = (...list: string[]): Buffer => Buffer.from(command(...list), "latin1");
  for (let i = 0; i < COMMANDS; i++) {
    const draw = random();
    if (draw < 0.04) add(words("WATCH", g.key()), false);
    else if (draw < 0.1) {
      add(words(inMulti ? "EXEC" : "MULTI"), false);
      inMulti = !inMulti;
    } else if (draw < 0.13) add(words("WAIT", "1", "5"), false);
    else if (draw < 0.15) add(words("DEBUG", "SLEEP", "0.001"), false);
    else {
      const next = g.next();
      add(encodeCommand(next), false);
    }
    if (!inMulti) add(words("ECHO", `mark ${i}`), true);
  }
  if (inMulti) add(words("DISCARD"), false);
  add(words("QUIT"), false);
  return { bytes: Buffer.concat(parts), count: isMark.length, isMark };
}

async function readAll(client: RawClient, count: number): Promise<Buffer[]> {
  const replies: Buffer[] = [];
  while (replies.length < count) {
    const end = replyEnd(client.received, 0);
    if (end < 0) {
      const { length } = client.received;
      await client.until(() => client.received.length > length, `reply ${replies.length} of ${count}`, 30_000);
      continue;
    }
    replies.push(client.received.subarray(0, end));
    client.received = client.received.subarray(end);
  }
  return replies;
}

for (const atOnce of [false, true]) {
  test(`a storm of pipelines, ${atOnce ? "answered at once" : "answered later"}`, async () => {
    const cluster = new FakeCluster({ random: randomFrom(77), failing: 0.1, atOnce });
    const h = await startServer({ cluster, config: { enableDebugCommand: "yes" } });
    try {
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => h.client()));
      const runs = clients.map(async (client, i) => {
        const g = new CommandGenerator(randomFrom(1000 + i), [Buffer.from("payload")]);
        const { bytes, count, isMark } = pipeline(i, g);
        const random = randomFrom(i);
        for (let at = 0; at < bytes.length; ) {
          const length = 1 + Math.floor(random() * 5000);
          client.write(bytes.subarray(at, at + length));
          at += length;
          if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
        }
        const replies = await readAll(client, count);
        let mark = -1;
        replies.forEach((reply, at) => {
          if (!isMark[at]) return;
          const found = /mark (\d+)/.exec(reply.latin1Slice());
          assert.ok(found !== null, `a mark, not ${showReply(reply)}`);
          assert.ok(Number(found?.[1]) > mark, "in order");
          mark = Number(found?.[1]);
        });
        assert.is(replies[count - 1].latin1Slice(), "+OK\r\n", "QUIT");
        await client.closed();
        return replies;
      });
      const all = (await Promise.all(runs)).flat();
      const errors = (word: string): number => all.filter((reply) => reply.latin1Slice().startsWith(`-${word}`)).length;
      for (const word of ["NOREPLICAS", "CLUSTERDOWN", "UNCERTAIN", "TRYAGAIN", "CROSSSLOT"])
        assert.ok(errors(word) > 0, word);
      assert.ok(
        all.some((reply) => (elements(reply) ?? []).length > 1),
        "and replies that are lists",
      );
      await until(() => h.server.sessions.size === 0 && cluster.underWay === 0, "all is over");
      assert.is(h.server.blockedClients, 0);
    } finally {
      await h.close();
    }
  });
}

test("a policy that evicts is refused", async () => {
  const cluster = new FakeCluster();
  const h = await startServer({ cluster });
  try {
    const c = await h.client();
    assert.match(
      await c.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
      /^-ERR CONFIG SET failed .*only noeviction/,
    );
    c.send("CONFIG", "GET", "maxmemory-policy");
    await c.expect("*2\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n");
    assert.is(await c.ask("CONFIG", "SET", "maxmemory-policy", "noeviction"), "+OK");
    assert.is(clusterRefusal(h.server.config), undefined);
  } finally {
    await h.close();
  }
  const alone = await startServer({ config: { maxmemoryPolicy: "allkeys-lfu" } });
  assert.match(clusterRefusal(alone.server.config) ?? "", /^maxmemory-policy: /);
  await alone.close();
});

test.run();
