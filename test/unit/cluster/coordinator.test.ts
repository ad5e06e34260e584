/**
 * test/unit/cluster/coordinator.test.ts: three nodes over the model of a network: reads and writes from any of them, trips and syncs by the
 * counters, forwarding, a node that dies, freezes or is cut off, majorities lost and found, a hot key, questions.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Work } from "../../../src/cluster/work.js";
import { ClusterWorld, said, work } from "../../lib/cluster-world.js";

/** A key whose preferred proposer is the node. */
function keyOf(world: ClusterWorld, node: number): string {
  const { coordinator } = world.nodes[0].alive;
  for (let i = 0; i < 1000; i++) {
    if (coordinator.replicas(coordinator.partitionOf(`\0k${i}`))[0] === node) return `k${i}`;
  }
  throw new Error("no key");
}

test("what one node writes every node reads", async () => {
  const world = await ClusterWorld.start();
  for (let node = 0; node < 3; node++) {
    const key = keyOf(world, node);
    for (let writer = 0; writer < 3; writer++) {
      const written = world.ask(writer, work(key, `set v${writer}`));
      world.scheduler.advance(50);
      assert.is(said(written), "OK");
      const read = [0, 1, 2].map((reader) => world.ask(reader, work(key, "get")));
      world.scheduler.advance(50);
      assert.equal(read.map(said), [`v${writer}`, `v${writer}`, `v${writer}`]);
    }
  }
});

test("a forwarded write is answered by the asker's own log, ahead of the proposer's reply; without its log by the reply", async () => {
  const world = await ClusterWorld.start({ syncMs: 1.7 });
  const key = keyOf(world, 1);
  const closed = (): number => world.nodes[0].alive.coordinator.figures()["works_closed_early"] as number;
  for (let i = 0; i < 60; i++) {
    const asked = world.ask(0, work(key, `set v${i}`));
    for (let ms = 0; asked.answer === undefined && ms < 100; ms += 0.1) world.scheduler.advance(0.1);
    assert.is(said(asked), "OK");
    const copies = world.nodes.filter(({ storage }) => {
      const held = storage.afterCrash().held(`\0${key}`);
      return held?.state.value?.bytes.toString() === `v${i}`;
    });
    assert.ok(copies.length >= 2, "a quorum has it on disk when it is answered");
  }
  const most = closed();
  assert.ok(most > 10, `${most} of 60`);
  world.nodes[0].storage.sync = () => false;
  const asked = world.ask(0, work(key, "set by reply"));
  world.scheduler.advance(100);
  assert.is(said(asked), "OK");
  assert.is(closed(), most);
});

test("what no node can have answered is no answer: the work may have been done", async () => {
  let odd = false;
  const performer = {
    decode: (name: string, bytes: Buffer): Work => {
      const own = work(name.slice(1), bytes.toString());
      return {
        ...own,
        apply: (state, now) => ({ ...own.apply(state, now), ...(odd ? { result: Buffer.alloc(0) } : {}) }),
      };
    },
    answer: () => undefined,
  };
  const world = await ClusterWorld.start({ performer });
  const { coordinator } = world.nodes[0].alive;
  let key = "k";
  while (coordinator.replicas(coordinator.partitionOf(`\0${key}`))[0] !== 1) key += "k";
  for (const [says, expected] of [
    [false, "OK"],
    [true, "maybe"],
  ] as const) {
    odd = says;
    const asked = world.ask(0, { ...work(key, "set 1"), isResult: ({ length }) => length > 0 });
    world.scheduler.advance(100);
    assert.is(said(asked), expected);
  }
});

test("a node whose clock is an hour off ends no key before its time, from its first moment on, and sets deadlines by the others' clocks", async () => {
  for (const skewMs of [3_600_000, -3_600_000]) {
    const world = await ClusterWorld.start();
    const keys = [0, 1, 2].map((node) => keyOf(world, node));
    for (const key of keys) world.ask(0, work(key, "setex 100000"));
    world.scheduler.advance(50);
    world.kill(2);
    world.nodes[2].skewMs = skewMs;
    world.boot(2);
    for (let ms = 0; ms < 600; ms += 5) {
      world.scheduler.advance(5);
      const asked = keys.map((key) => world.ask(2, work(key, "get")));
      const taken = world.ask(2, work(keys[2], "setnx y"));
      world.scheduler.advance(5);
      for (const { answer } of asked) if (answer?.applied === "yes") assert.is(answer.result.toString(), "x");
      if (taken.answer?.applied === "yes") assert.is(said(taken), "0");
    }
    for (const node of [0, 2]) {
      for (const key of keys) {
        const set = world.ask(node, work(key, "setex 60000"));
        world.scheduler.advance(50);
        assert.is(said(set), "OK");
        const held = world.nodes[0].storage.held(`\0${key}`);
        const leftMs = (held?.state.expireAt ?? 0) - world.scheduler.nowMs();
        assert.ok(leftMs > 59_000 && leftMs <= 61_000, `${leftMs} ms left, set at ${node}`);
      }
    }
    world.scheduler.advance(62_000);
    const gone = [0, 1, 2].map((node) => world.ask(node, work(keys[0], "get")));
    world.scheduler.advance(50);
    assert.equal(gone.map(said), ["nil", "nil", "nil"]);
  }
});

/** What the nodes have sent and synced since. */
function counts(world: ClusterWorld): Record<string, number> {
  let syncs = 0;
  const sum: Record<string, number> = {};
  for (const node of world.nodes) {
    syncs += node.storage.syncs;
    for (const [name, value] of Object.entries(node.alive.coordinator.figures())) sum[name] = (sum[name] ?? 0) + value;
  }
  return { ...sum, syncs };
}

function since(world: ClusterWorld, before: Record<string, number>): Record<string, number> {
  const now = counts(world);
  return Object.fromEntries(
    ["sent_read", "sent_prepare", "sent_accept", "sent_learn", "syncs"].map((name) => [name, now[name] - before[name]]),
  );
}

test("trips and syncs: a read 1 and 0, a write by the last proposer 1 and 1, another write 2 and 1", async () => {
  const world = await ClusterWorld.start();
  const key = keyOf(world, 0);
  const measure = (text: string): Record<string, number> => {
    const before = counts(world);
    const asked = world.ask(0, work(key, text));
    world.scheduler.advance(40);
    assert.is.not(said(asked), "nothing yet");
    return since(world, before);
  };
  // The first write logs a ceiling too.
  measure("set a");
  // Messages to peers: two replicas, one sync on each of three disks.
  assert.equal(measure("set b"), { sent_read: 0, sent_prepare: 0, sent_accept: 2, sent_learn: 0, syncs: 3 });
  assert.equal(measure("get"), { sent_read: 1, sent_prepare: 0, sent_accept: 0, sent_learn: 0, syncs: 0 });
  const other = keyOf(world, 0).concat("{x}");
  assert.ok(other);
  let fresh = "";
  for (let i = 0; fresh === ""; i++) {
    const candidate = `fresh${i}`;
    const { coordinator } = world.nodes[0].alive;
    if (coordinator.replicas(coordinator.partitionOf(`\0${candidate}`))[0] === 0) fresh = candidate;
  }
  const before = counts(world);
  const asked = world.ask(0, work(fresh, "set c"));
  world.scheduler.advance(40);
  assert.is(said(asked), "OK");
  assert.equal(since(world, before), { sent_read: 0, sent_prepare: 2, sent_accept: 2, sent_learn: 0, syncs: 3 });
});

test("a node that dies: its keys go on at the others, and when it is back it knows what it acknowledged", async () => {
  const world = await ClusterWorld.start();
  const key = keyOf(world, 2);
  const first = world.ask(0, work(key, "set a"));
  world.scheduler.advance(50);
  assert.is(said(first), "OK");
  const inFlight = world.ask(0, work(key, "set b"));
  world.kill(2);
  world.scheduler.advance(20);
  // It was forwarded: whether it was done is not known.
  assert.is(said(inFlight), "maybe");
  const next = world.ask(0, work(key, "incr"));
  const read = world.ask(1, work(key, "get"));
  world.scheduler.advance(100);
  assert.is(said(next), "NaN");
  assert.ok(["a", "b", "NaN"].includes(said(read)));
  world.boot(2);
  world.scheduler.advance(1000);
  const back = world.ask(2, work(key, "get"));
  const written = world.ask(1, work(key, "set c"));
  world.scheduler.advance(100);
  assert.is(said(back), "NaN");
  assert.is(said(written), "OK");
});

test("a node that is cut off: others are suspected within 1.2 s, forwarded works in flight are uncertain, its own are refused for sure", async () => {
  const world = await ClusterWorld.start();
  const key = keyOf(world, 2);
  for (const other of ["n1", "n2"]) {
    world.network.swallow("n3", other);
    world.network.swallow(other, "n3");
  }
  const forwarded = world.ask(0, work(key, "set a"));
  const reader = world.ask(2, work(key, "get"));
  const writer = world.ask(2, work(key, "set z"));
  world.scheduler.advance(2100);
  assert.is(said(forwarded), "maybe");
  assert.is(said(reader), "no quorum");
  assert.is(said(writer), "no quorum");
  const now = world.ask(0, work(key, "set b"));
  world.scheduler.advance(100);
  assert.is(said(now), "OK");
  world.scheduler.advance(3000);
  world.network.heal();
  world.scheduler.advance(8000);
  const after = world.ask(2, work(key, "get"));
  world.scheduler.advance(100);
  assert.is(said(after), "b");
});

test("without a majority everything is refused, and it comes back by itself", async () => {
  const world = await ClusterWorld.start();
  const key = keyOf(world, 0);
  const before = world.ask(0, work(key, "set a"));
  world.scheduler.advance(50);
  assert.is(said(before), "OK");
  world.kill(1);
  world.kill(2);
  // What is forwarded to a node before its end is known may have been done.
  world.scheduler.advance(20);
  const read = world.ask(0, work(key, "get"));
  const write = world.ask(0, work(keyOf(world, 1), "set b"));
  // Connections that have just broken may be back in a moment. What cannot have been done is not kept waiting for long.
  world.scheduler.advance(300);
  assert.is(said(read), "nothing yet");
  assert.is(said(write), "nothing yet");
  world.scheduler.advance(900);
  assert.is(said(read), "no quorum");
  assert.is(said(write), "no quorum");
  for (const text of ["get", "set b"]) assert.is(said(world.ask(0, work(key, text))), "no quorum", "at once");
  world.boot(1);
  world.scheduler.advance(6000);
  const again = world.ask(0, work(key, "get"));
  world.scheduler.advance(200);
  const written = world.ask(1, work(key, "set c"));
  world.scheduler.advance(200);
  assert.is(said(again), "a");
  assert.is(said(written), "OK");
});

test("without a majority: what may have been done is not refused, however long its quorum has been out of reach", async () => {
  const world = await ClusterWorld.start();
  const key = keyOf(world, 0);
  world.ask(0, work(key, "set a"));
  world.scheduler.advance(50);
  world.kill(1);
  world.kill(2);
  world.scheduler.advance(20);
  // On the fast path: this node's own replica has it.
  const write = world.ask(0, work(key, "set b"));
  world.scheduler.advance(1900);
  assert.is(said(write), "nothing yet");
  assert.is(said(world.ask(0, work(key, "set c"))), "no quorum");
  world.boot(1);
  world.scheduler.advance(1000);
  const late = said(write);
  const read = world.ask(0, work(key, "get"));
  world.scheduler.advance(100);
  assert.ok(late === "OK" || late === "maybe", late);
  assert.is(said(read), "b");
});

test("without a majority for a moment only: nobody hears of it", async () => {
  const world = await ClusterWorld.start();
  const key = keyOf(world, 0);
  world.kill(1);
  world.kill(2);
  world.scheduler.advance(20);
  const asked = ["set a", "get"].map((text) => world.ask(0, work(key, text)));
  world.scheduler.advance(100);
  world.boot(2);
  world.scheduler.advance(1500);
  assert.equal(asked.map(said), ["OK", "a"]);
});

test("a hot key: a thousand increments from three nodes give their exact number, in few rounds", async () => {
  const world = await ClusterWorld.start();
  const before = counts(world);
  const asked = Array.from({ length: 999 }, (_, i) => world.ask(i % 3, work("counter", "incr")));
  world.scheduler.advance(500);
  assert.equal(
    asked
      .map(said)
      .map(Number)
      .sort((a, b) => a - b),
    Array.from({ length: 999 }, (_, i) => i + 1),
  );
  const { sent_accept: accepts } = since(world, before);
  assert.ok(accepts !== undefined && accepts < 60, `${accepts} accepts`);
});

/** What a node holds of every key, as text. */
function holdings(world: ClusterWorld, node: number, keys: readonly string[]): (string | undefined)[] {
  return keys.map((key) => world.nodes[node]?.storage.held(`\0${key}`)?.state.value?.bytes.toString());
}

function behind(world: ClusterWorld, node: number): readonly number[] {
  return world.nodes[node].alive.coordinator.catchUp.behind;
}

for (const dropped of [false, true]) {
  const how = dropped ? "from their tables, where the logs do not reach back" : "from their logs";
  test(`a node that was down is brought up to date by its peers, ${how}`, async () => {
    const world = await ClusterWorld.start();
    const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
    for (const key of keys) world.ask(0, work(key, "set old"));
    world.scheduler.advance(8000);
    assert.equal(
      [0, 1, 2].flatMap((node) => behind(world, node)),
      [],
    );
    world.kill(2);
    world.scheduler.advance(100);
    const written = keys.slice(0, 200).map((key) => world.ask(1, work(key, "set new")));
    const deleted = keys.slice(200, 250).map((key) => world.ask(0, work(key, "del")));
    world.scheduler.advance(500);
    assert.ok(written.every((asked) => said(asked) === "OK") && deleted.every((asked) => said(asked) === "1"));
    assert.ok(behind(world, 0).includes(2));
    if (dropped) for (const node of [0, 1]) world.nodes[node].storage.drop(world.nodes[node].storage.durableLsn);
    world.boot(2);
    world.scheduler.advance(8000);
    const expected = keys.map((_, i) => (i < 200 ? "new" : i < 250 ? undefined : "old"));
    assert.equal(holdings(world, 2, keys), expected);
    assert.is(world.nodes[2].alive.coordinator.figures()["tombstones"], 50);
    assert.equal(
      [0, 1, 2].flatMap((node) => behind(world, node)),
      [],
    );
    // Nothing is shipped again: the positions have moved on.
    const before = world.nodes[0].alive.coordinator.figures();
    world.scheduler.advance(10_000);
    const after = world.nodes[0].alive.coordinator.figures();
    assert.equal(after["records_shipped"], before["records_shipped"]);
  });
}

test("a replica without room for a record does not take it, whoever proposes it, and catches up when there is room", async () => {
  const world = await ClusterWorld.start();
  const keys = [keyOf(world, 0), keyOf(world, 2)];
  world.scheduler.advance(6000);
  const { storage } = world.nodes[2];
  storage.takesBytes = 1000;
  const large = "v".repeat(2000);
  const asked = keys.map((key) => world.ask(0, work(key, `set ${large}`)));
  world.scheduler.advance(300);
  assert.equal(asked.map(said), ["OK", "OK"]);
  assert.equal(holdings(world, 2, keys), [undefined, undefined]);
  const small = world.ask(2, work("small", "set s"));
  world.scheduler.advance(300);
  assert.is(said(small), "OK");
  storage.takesBytes = Number.POSITIVE_INFINITY;
  world.scheduler.advance(12_000);
  assert.equal(holdings(world, 2, keys), [large, large]);
});

test("a replica without room takes nothing, and catches up when there is room again", async () => {
  const world = await ClusterWorld.start();
  const [key, other] = [keyOf(world, 2), keyOf(world, 0)];
  world.scheduler.advance(6000);
  const { storage } = world.nodes[2];
  storage.hasRoom = false;
  const before = storage.appendedLsn;
  // The preferred proposer takes no proposals: whoever forwarded does it.
  const asked = [world.ask(0, work(key, "set a")), world.ask(1, work(other, "set b"))];
  world.scheduler.advance(300);
  assert.equal(asked.map(said), ["OK", "OK"]);
  assert.is(storage.appendedLsn, before);
  const read = world.ask(2, work(key, "get"));
  const own = world.ask(2, work("third", "set c"));
  world.scheduler.advance(2200);
  assert.is(said(read), "a");
  assert.ok(said(own) === "OK" || said(own) === "no quorum");
  storage.hasRoom = true;
  world.scheduler.advance(12_000);
  assert.equal(holdings(world, 2, [key, other]), ["a", "b"]);
  assert.equal(
    [0, 1, 2].flatMap((node) => behind(world, node)),
    [],
  );
});

test("a node that asks itself over and over gets every answer, in turns of their own", async () => {
  const world = await ClusterWorld.start();
  const { coordinator } = world.nodes[0].alive;
  let answered = 0;
  let inside = false;
  const ask = (): void => {
    inside = true;
    coordinator.ask(0, 3, Buffer.from("?"), (answer) => {
      assert.ok(!inside, "not in the call that asked");
      assert.is(answer?.toString(), "\x03?");
      if (++answered < 20_000) ask();
    });
    inside = false;
  };
  ask();
  world.scheduler.advance(300);
  assert.is(answered, 20_000);
});

test("questions are answered by the member that was asked, or not at all", async () => {
  const world = await ClusterWorld.start();
  const { coordinator } = world.nodes[0].alive;
  const answers: (string | undefined)[] = [];
  for (const member of [0, 1, 2])
    coordinator.ask(member, 3, Buffer.from("x"), (bytes) => answers.push(bytes?.toString()));
  coordinator.ask(1, 15, Buffer.from("x"), (bytes) => answers.push(bytes?.toString()));
  world.scheduler.advance(50);
  assert.equal(answers.sort(), ["\u0003x", "\u0003x", "\u0003x", undefined]);
  world.kill(1);
  const lost: unknown[] = [];
  coordinator.ask(1, 3, Buffer.from("x"), (bytes) => lost.push(bytes));
  world.scheduler.advance(2000);
  assert.equal(lost, [undefined]);
});

test("members: a peer that is down shows no round trip and no clock of before", async () => {
  const world = await ClusterWorld.start();
  const seen = (): unknown => world.nodes[0].alive.coordinator.members()[2];
  world.scheduler.advance(1000);
  assert.ok((seen() as { roundTripMs: number }).roundTripMs >= 0);
  world.kill(2);
  world.scheduler.advance(1000);
  const { state, roundTripMs, clockOffsetMs } = seen() as Record<string, unknown>;
  assert.equal([state, roundTripMs, clockOffsetMs], ["down", -1, 0]);
});

test("KV.EXPLAIN: who holds what", async () => {
  const world = await ClusterWorld.start();
  world.ask(0, work("k", "set abc"));
  world.scheduler.advance(50);
  world.kill(2);
  world.scheduler.advance(50);
  let text = "";
  world.nodes[0].alive.coordinator.explain("\0k", (explained) => {
    text = explained;
  });
  world.scheduler.advance(50);
  assert.match(text, /n1: 3 bytes at .* known to be chosen/);
  assert.match(text, /n2: 3 bytes/);
  assert.match(text, /n3: down/);
  assert.match(text, /a GET answers it in one trip/);
});

test.run();
