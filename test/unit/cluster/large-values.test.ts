/**
 * test/unit/cluster/large-values.test.ts: values of many megabytes over links that carry a few in a second: written once and not again, read
 * from any node, beside small ones that are as fast as ever; and states that were given up on a link that stood still.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Exchange } from "../../../src/cluster/exchange.js";
import { Job } from "../../../src/cluster/job.js";
import { largeMs, Patience } from "../../../src/cluster/patience.js";
import type { PeerLink } from "../../../src/cluster/peer-link.js";
import { MESSAGE_ACCEPT, MESSAGE_NACK, MESSAGE_READ_REPLY } from "../../../src/codec/frame/layout.js";
import { MESSAGE, MessageReader } from "../../../src/codec/frame/message-reader.js";
import { MessageWriter } from "../../../src/codec/frame/message-writer.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { ClusterWorld, said, work } from "../../lib/cluster-world.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

const MIB = 1024 * 1024;

/** A key whose preferred proposer is the node. */
function keyOf(world: ClusterWorld, node: number, prefix: string): string {
  const { coordinator } = world.nodes[0].alive;
  for (let i = 0; i < 1000; i++) {
    const key = `${prefix}${i}`;
    if (coordinator.replicas(coordinator.partitionOf(`\0${key}`))[0] === node) return key;
  }
  throw new Error("no key");
}

/** Links of about 6 MiB/s. */
async function slowWorld(seed: number): Promise<ClusterWorld> {
  const world = await ClusterWorld.start({ seed });
  world.network.delayMsMax = 16;
  return world;
}

function sum(world: ClusterWorld, figure: string): number {
  return world.nodes.reduce((total, { node }) => total + (node?.coordinator.figures()[figure] ?? 0), 0);
}

/** Until it is answered. @returns how long that took, ms. */
function wait(world: ClusterWorld, asked: { answer: unknown }, mostMs: number): number {
  let ms = 0;
  for (; asked.answer === undefined && ms < mostMs; ms += 10) world.scheduler.advance(10);
  return ms;
}

test("how much longer large values may take: nothing for small ones, powers of two at 8 MiB in a second", () => {
  assert.equal([0, 100, MIB].map(largeMs), [0, 0, 0]);
  assert.equal(
    [2, 4, 8, 32, 64].map((mib) => largeMs(mib * MIB)),
    [256, 512, 1024, 4096, 8192],
  );
  assert.is(largeMs(MIB + 1), 128);
});

test("a value that takes seconds to travel is written once, through any node, again and again", async () => {
  const world = await slowWorld(1);
  const key = keyOf(world, 0, "k");
  for (let node = 0; node < 3; node++) {
    const value = String(node).repeat(12 * MIB);
    const accepts = sum(world, "sent_accept");
    const written = world.ask(node, work(key, `set ${value}`));
    const ms = wait(world, written, 20_000);
    assert.is(said(written), "OK", `through ${node} after ${ms} ms`);
    assert.ok(ms > 1000, "the links are slow");
    assert.is(sum(world, "sent_accept") - accepts, 2, "no second round");
    for (let reader = 0; reader < 3; reader++) {
      const read = world.ask(reader, work(key, "get"));
      wait(world, read, 20_000);
      assert.ok(said(read) === value, `read at ${reader}`);
    }
    // Rounds that a reader began are over, and not counted with the next write's.
    if (node < 2) world.scheduler.advance(10_000);
  }
  assert.is(sum(world, "works_uncertain"), 0);
});

test("a replica that agrees sends no value; one that does not have it is sent it by one of the others", async () => {
  const world = await slowWorld(2);
  const key = keyOf(world, 0, "k");
  const written = world.ask(0, work(key, `set ${"x".repeat(8 * MIB)}`));
  wait(world, written, 20_000);
  world.scheduler.advance(5000);
  const bytes = (): number => world.network.connections.reduce((total, { sentBytes }) => total + sentBytes, 0);
  const before = bytes();
  const read = world.ask(1, work(key, "get"));
  wait(world, read, 1000);
  assert.is(said(read).length, 8 * MIB);
  assert.ok(bytes() - before < 10_000, "digests only");
  world.kill(2);
  const again = world.ask(0, work(key, `set ${"y".repeat(8 * MIB)}`));
  wait(world, again, 20_000);
  assert.is(said(again), "OK");
  // It knows nothing of the second value, and is asked before it has been brought up to date.
  world.boot(2);
  world.scheduler.advance(1);
  for (let i = 0; i < 500 && world.nodes[2].alive.coordinator.members().some(({ state }) => state !== "up"); i++)
    world.scheduler.advance(1);
  const late = world.ask(2, work(key, "get"));
  const ms = wait(world, late, 20_000);
  assert.ok(said(late) === "y".repeat(8 * MIB), `after ${ms} ms: ${said(late).slice(0, 20)}`);
  assert.is(sum(world, "works_uncertain"), 0);
});

test("several at once, and small ones beside them", async () => {
  const world = await slowWorld(3);
  const large = [0, 1, 2, 0].map((node, i) => {
    const key = keyOf(world, (node + i) % 3, `large${i}:`);
    return world.ask(node, work(key, `set ${String(i).repeat(6 * MIB)}`));
  });
  let worst = 0;
  for (let i = 0; i < 20; i++) {
    const small = world.ask(i % 3, work(keyOf(world, (i + 1) % 3, `small${i}:`), `set ${i}`));
    worst = Math.max(worst, wait(world, small, 3000));
    assert.is(said(small), "OK");
  }
  assert.ok(worst < 800, `a small one took ${worst} ms`);
  for (const one of large) wait(world, one, 30_000);
  assert.equal(large.map(said), ["OK", "OK", "OK", "OK"]);
  const states = world.nodes.flatMap(({ alive }) => alive.coordinator.members().map(({ state }) => state));
  assert.ok(
    states.every((state) => state === "up"),
    "no link was thought dead",
  );
});

test("while a large value is being stored small works end later, by its bytes; after a fault they do not", () => {
  const scheduler = new FakeScheduler();
  const patience = new Patience(scheduler, []);
  const job = new Job(1, scheduler.monotonicMs() + 2000, work("small", "set 1"), () => {});
  scheduler.advance(2100);
  assert.not.ok(patience.extends(job, undefined, 0));
  patience.began("\0large", 64 * MIB, -1);
  assert.ok(patience.extends(job, undefined, 0));
  scheduler.advance(8000);
  assert.ok(patience.extends(job, undefined, 0));
  scheduler.advance(200);
  assert.not.ok(patience.extends(job, undefined, 0), "it has had the time of those bytes");
  const later = new Job(2, scheduler.monotonicMs(), work("small", "set 1"), () => {});
  patience.began("\0large", 64 * MIB, 1);
  scheduler.advance(100);
  assert.ok(patience.extends(later, undefined, 0));
  patience.lost(1);
  assert.not.ok(patience.extends(later, undefined, 0));
});

test("a large state that found no room on its link is not waited for: it is sent again as soon as any other", () => {
  const exchange = new Exchange(new FakeScheduler(), 2);
  let missed = 0;
  exchange.onMissed = () => missed++;
  const asked: number[] = [];
  const claim = (bytes: number): undefined => void asked.push(bytes);
  exchange.links[1] = { state: "up", peerBoot: 1, largeWaiting: 8, claim } as unknown as PeerLink;
  const key = "\0large";
  const ballot = { epoch: 1, hlc: 5, node: 0 };
  const value = { type: 0, raw: false, bytes: Buffer.alloc(16 * MIB) };
  const state = { value, expireAt: 0, vv: VersionVector.of([ballot]), cut: 0 };
  for (let i = 1; i <= 2; i++) {
    exchange.request(1, 0, { type: "accept", key, epoch: 1, ballot, state }, 0);
    assert.is(asked.length, i);
    assert.is(missed, i);
    assert.not.ok(exchange.patience.goesOn(key), "the round would be late in 16 s");
  }
});

/** What an exchange writes on a link, and as another one reads it. @param large is there room for large messages? */
function linkOf(large: boolean): {
  readonly link: PeerLink;
  readonly types: () => number[];
  readonly last: () => MessageReader;
} {
  const written: MessageWriter[] = [];
  const claim = (bytes: number): MessageWriter | undefined => {
    if (bytes > MIB && !large) return undefined;
    const writer = new MessageWriter(512, bytes > MIB ? bytes : 0);
    written.push(writer);
    return writer;
  };
  const read = ({ buf, at, tail }: MessageWriter): MessageReader => {
    const reader = new MessageReader();
    reader.openMessage(Buffer.concat([buf.subarray(0, at - tail.length), tail]), 1);
    assert.is(reader.next(), MESSAGE);
    return reader;
  };
  return {
    link: { state: "up", peerBoot: 1, largeWaiting: 0, claim } as unknown as PeerLink,
    types: () => written.map((writer) => read(writer).type),
    last: () => read(written.at(-1) as MessageWriter),
  };
}

test("a large answer is announced once there was room for it; one that finds none later is taken back, and not waited for", () => {
  const ballot = { epoch: 0, hlc: 5, node: 0 };
  const value = { type: 0, raw: false, bytes: Buffer.alloc(16 * MIB) };
  const state = { value, expireAt: 0, vv: VersionVector.of([ballot]), cut: 0 };
  const key = "\0large";
  for (const [room, lsn, expected] of [
    [true, 0, [MESSAGE_READ_REPLY, MESSAGE_READ_REPLY]],
    [false, 0, [MESSAGE_NACK]],
    [false, 7, [MESSAGE_READ_REPLY, MESSAGE_NACK]],
  ] as const) {
    const [asker, answerer] = [new Exchange(new FakeScheduler(), 2), new Exchange(new FakeScheduler(), 2)];
    const [there, back] = [linkOf(true), linkOf(room)];
    asker.links[1] = there.link;
    answerer.links[0] = back.link;
    asker.request(1, 0, { type: "read", key, epoch: 0, boot: 1, id: 3, have: undefined }, 0);
    const { id } = there.last();
    answerer.reply(0, 1, id, 0, { type: "state", key, boot: 1, id: 3, ballot, state, chosen: true, floor: 0 }, 0, lsn);
    if (lsn > 0) {
      assert.is(asker.answer(1, back.last()), undefined);
      assert.ok(asker.patience.goesOn(key), "it was announced");
      answerer.durable(lsn);
    }
    assert.equal(back.types(), expected);
    const reply = asker.answer(1, back.last());
    assert.is(reply, undefined, "no answer yet, or none at all");
    assert.is(asker.patience.goesOn(key), room);
    assert.is(asker.figures.declined, room ? 0 : 1);
  }
});

test("a read of a large value asks others when a replica that announced it has a disk that stands still", async () => {
  const world = await ClusterWorld.start({ nodes: 4, seed: 6 });
  const { coordinator } = world.nodes[0].alive;
  const replicas = coordinator.replicas(coordinator.partitionOf("\0k"));
  const reader = [0, 1, 2, 3].find((node) => !replicas.includes(node)) as number;
  // The first of them is asked first.
  const { storage } = world.nodes[replicas[0] as number];
  storage.sync = () => false;
  const writer = replicas[1] as number;
  const written = world.ask(writer, work("k", `set ${"x".repeat(2 * MIB)}`));
  wait(world, written, 5000);
  assert.is(said(written), "OK");
  const read = world.ask(reader, work("k", "get"));
  const ms = wait(world, read, 20_000);
  assert.is(said(read).length, 2 * MIB);
  assert.ok(ms < 800, `${ms} ms`);
});

test("an answer that lapsed before a disk that stood still is taken back, and whoever proposes clears what is at stake, a replica or not", () => {
  const scheduler = new FakeScheduler();
  const exchange = new Exchange(scheduler, 2);
  const there = linkOf(true);
  exchange.links[1] = there.link;
  const ballot = { epoch: 0, hlc: 5, node: 0 };
  const value = { type: 0, raw: false, bytes: Buffer.alloc(2 * MIB) };
  const state = { value, expireAt: 0, vv: VersionVector.of([ballot]), cut: 0 };
  const key = "\0large";
  exchange.reply(1, 1, 7, 0, { type: "state", key, boot: 1, id: 3, ballot, state, chosen: true, floor: 0 }, 400, 9);
  const small = { type: "ack", key, ballot } as const;
  const others = 1023;
  for (let i = 0; i < others; i++) exchange.reply(1, 1, 100 + i, 0, small, 400, 9);
  scheduler.advance(3000);
  exchange.reply(1, 1, 99, 0, small, 400, 9);
  assert.equal(there.types(), [MESSAGE_READ_REPLY, MESSAGE_NACK], "announced, and taken back");
  assert.is(there.last().id, 7);
  exchange.patience.began(key, 2 * MIB, 1);
  assert.ok(exchange.patience.goesOn(key));
  exchange.request(1, 0, { type: "chosen", key, epoch: 0, ballot }, 0);
  assert.not.ok(exchange.patience.goesOn(key));
});

test("a large state that its replica had no room for is not taken to be on its way", () => {
  const asker = new Exchange(new FakeScheduler(), 2);
  const [there, back] = [linkOf(true), linkOf(true)];
  asker.links[1] = there.link;
  const replica = new Exchange(new FakeScheduler(), 2);
  replica.links[0] = back.link;
  const ballot = { epoch: 0, hlc: 5, node: 0 };
  const value = { type: 0, raw: false, bytes: Buffer.alloc(16 * MIB) };
  const state = { value, expireAt: 0, vv: VersionVector.of([ballot]), cut: 0 };
  const send = (): void => asker.request(1, 0, { type: "accept", key: "\0large", epoch: 0, ballot, state }, 0);
  send();
  send();
  assert.equal(there.types(), [MESSAGE_ACCEPT], "the second is the first, which is on its way");
  replica.decline(0, 1, there.last().id, 0, "busy");
  assert.is(asker.answer(1, back.last()), undefined);
  send();
  assert.equal(there.types(), [MESSAGE_ACCEPT, MESSAGE_ACCEPT]);
});

test("when a majority is gone a large value is not waited for", async () => {
  const world = await slowWorld(4);
  const key = keyOf(world, 0, "k");
  const written = world.ask(0, work(key, `set ${"x".repeat(8 * MIB)}`));
  world.scheduler.advance(100);
  world.kill(1);
  world.kill(2);
  const ms = wait(world, written, 20_000);
  assert.is(said(written), "maybe");
  assert.ok(ms < 3000, `${ms} ms`);
});

test("a state that was given up on a link that hardly moved is shipped: nobody has to read it", async () => {
  const world = await ClusterWorld.start();
  const [first, key] = [keyOf(world, 0, "a"), keyOf(world, 0, "b")];
  world.scheduler.advance(6000);
  const [far] = world.network.openBetween("n3", "n1");
  assert.ok(far);
  far.pause();
  // What the kernel takes is full now.
  for (let i = 0; i < 4; i++) {
    const filler = world.ask(0, work(`${first}:${i}`, `set ${"x".repeat(900_000)}`));
    world.scheduler.advance(20);
    assert.ok(filler);
  }
  const written = world.ask(0, work(key, "set b"));
  wait(world, written, 1000);
  assert.is(said(written), "OK");
  // A little comes through now and then, so that nobody suspects anybody.
  for (let i = 0; i < 5; i++) {
    world.scheduler.advance(500);
    far.resume();
    world.scheduler.advance(0.8);
    far.pause();
  }
  far.resume();
  world.scheduler.advance(8000);
  assert.ok(sum(world, "expired_states") > 0, "some were given up");
  assert.is(world.nodes[2].storage.held(`\0${key}`)?.state.value?.bytes.toString(), "b");
  assert.is(sum(world, "peers_behind"), 0);
});

test("a node that was away while large values were written is brought up to date, from the log and from the table", async () => {
  for (const logIsGone of [false, true]) {
    const world = await slowWorld(5);
    world.kill(2);
    const keys = Array.from({ length: 6 }, (_, i) => keyOf(world, i % 2, `large${i}:`));
    for (const key of keys) {
      const written = world.ask(0, work(key, `set ${key.repeat(400_000)}`));
      wait(world, written, 20_000);
      assert.is(said(written), "OK");
    }
    if (logIsGone) for (const { storage } of world.nodes) storage.drop(storage.appendedLsn);
    world.boot(2);
    const lacks = (): string[] =>
      keys.filter(
        (key) => world.nodes[2].storage.held(`\0${key}`)?.state.value?.bytes.latin1Slice() !== key.repeat(400_000),
      );
    for (let ms = 0; ms < 60_000 && lacks().length > 0; ms += 500) world.scheduler.advance(500);
    assert.equal(lacks(), [], logIsGone ? "from the table" : "from the log");
    world.scheduler.advance(6000);
    assert.is(sum(world, "peers_behind"), 0);
    assert.ok(sum(world, "records_shipped") <= 3 * keys.length, "each once or twice, not over and over");
  }
});

test.run();
