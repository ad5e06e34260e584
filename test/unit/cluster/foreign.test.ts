/**
 * test/unit/cluster/foreign.test.ts: what a member sends that no member should: records that this version cannot keep, and hlcs that no honest
 * clock has given. Nothing of it is held, nothing moves the clock, and whoever sent it is not told that it was taken.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Exchange } from "../../../src/cluster/exchange.js";
import type { PeerLink } from "../../../src/cluster/peer-link.js";
import { MESSAGE_ACCEPT, MESSAGE_LEARN } from "../../../src/codec/frame/layout.js";
import type { MessageWriter } from "../../../src/codec/frame/message-writer.js";
import { encodeBody, FLAG_EXPIRES, FLAG_TOMBSTONE, TYPE_CEILING } from "../../../src/codec/record/record.js";
import type { Dot } from "../../../src/core/clock/dot.js";
import { hlcAt } from "../../../src/core/clock/hlc.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import type { Reply } from "../../../src/core/register/messages.js";
import type { RegisterState } from "../../../src/core/register/state.js";
import { viewed } from "../../../src/lib/view.js";
import { encodeState, type Value } from "../../../src/storage/state-record.js";
import { ClusterWorld, MapStorage, said, type WorldNode, work } from "../../lib/cluster-world.js";

const DAY_MS = 24 * 3600 * 1000;
const END = Number.MAX_SAFE_INTEGER;
const EMPTY = viewed(Buffer.alloc(0));

function dot(hlc: number, node = 1): Dot {
  return { epoch: 0, hlc, node };
}

function record(name: string, hlc: number, changes: Partial<RegisterState<Value>> = {}, type = 0): Buffer {
  const value = { type, raw: false, bytes: Buffer.from("v") };
  return encodeState(name, dot(hlc), { value, expireAt: 0, vv: VersionVector.of([dot(hlc)]), cut: 0, ...changes });
}

/** A tombstone with a deadline, which no node writes. */
function oddTombstone(name: string, hlc: number): Buffer {
  const bytes = viewed(Buffer.alloc(64));
  const key = viewed(Buffer.from(name.slice(1)));
  const high = Math.floor(hlc / 2 ** 32);
  const flags = FLAG_TOMBSTONE | FLAG_EXPIRES;
  encodeBody(bytes, 0, 0, flags, hlc >>> 0, high, 5, key, 0, key.length, EMPTY, 0, 0);
  return Buffer.from(bytes.subarray(0, bytes.readUInt32LE(0)));
}

function ceiling(hlc: number): Buffer {
  const bytes = viewed(Buffer.alloc(16));
  encodeBody(bytes, 0, TYPE_CEILING, 0, hlc >>> 0, Math.floor(hlc / 2 ** 32), 0, EMPTY, 0, 0, EMPTY, 0, 0);
  return bytes;
}

function linkTo(world: ClusterWorld, from: number, to: number): PeerLink {
  return world.nodes[from].alive.peers.links.get(world.nodes[to].id) as PeerLink;
}

function say(world: ClusterWorld, from: number, to: number, write: (writer: MessageWriter) => void): void {
  const writer = linkTo(world, from, to).claim(1024, Number.POSITIVE_INFINITY);
  if (writer === undefined) throw new Error(`no room: ${world.nodes[to].troubles.at(-1)}`);
  write(writer);
  world.scheduler.advance(20);
}

function strange(world: ClusterWorld, node: number): number {
  return world.nodes[node].alive.coordinator.figures()["strange_messages"] as number;
}

/** What no node keeps, whichever message brings it. */
function bad(name: string, nowHlc: number): [what: string, record: Buffer][] {
  const vv = (hlc: number): VersionVector => VersionVector.of([dot(hlc, 0), dot(nowHlc)]);
  const far = nowHlc + (DAY_MS + 60_000) * 4096;
  return [
    ...Array.from({ length: 14 }, (_, i): [string, Buffer] => [`type ${i + 1}`, record(name, nowHlc, {}, i + 1)]),
    ["a ceiling", ceiling(nowHlc)],
    ["a tombstone with a deadline", oddTombstone(name, nowHlc)],
    ["a ballot a day ahead", record(name, far)],
    ["a ballot at the end", record(name, END)],
    ["a vector a day ahead", record(name, nowHlc, { vv: vv(far) })],
    ["a vector at the end", record(name, nowHlc, { vv: vv(END) })],
    ["a cut at the end", record(name, nowHlc, { cut: END })],
  ];
}

test("records that cannot be kept are dropped, by whatever message they come, and a batch with one is not acknowledged", async () => {
  const world = await ClusterWorld.start();
  const [n1, n2] = world.nodes;
  const acknowledged: number[] = [];
  const { catchUp } = n2.alive.coordinator;
  catchUp.acknowledged = (_from, reader) => void acknowledged.push(reader.lsn);
  const nowHlc = hlcAt(world.scheduler.nowMs());
  const partition = n1.alive.coordinator.partitionOf("\0k");
  let count = strange(world, 0);
  for (const [what, bytes] of bad("\0k", nowHlc)) {
    for (const chosen of [false, true]) {
      say(world, 1, 0, (writer) => {
        writer.shipBegin(7, 1, 9, false);
        writer.shipAdd(chosen, bytes, 0, bytes.length);
        writer.shipEnd();
      });
      const type = chosen ? MESSAGE_LEARN : MESSAGE_ACCEPT;
      say(world, 1, 0, (writer) => writer.record(type, chosen ? 0 : 7, partition, 0, bytes, 0, bytes.length));
      count += 2;
      assert.is(strange(world, 0), count, what);
    }
    assert.is(n1.storage.held("\0k"), undefined, what);
    assert.ok(n1.clock.value() <= hlcAt(world.scheduler.nowMs() + 1000), what);
  }
  assert.equal(acknowledged, []);
  const told = n1.troubles.filter((text) => text.startsWith("n2: "));
  assert.is(told.length, 2, told.join("\n"));
  assert.match(told[0] ?? "", /no node can have made/);
  assert.match(told[1] ?? "", /a day ahead/);
  // The others of such a batch are taken, and one that is whole is acknowledged.
  const good = record("\0k", nowHlc);
  const odd = record("\0other", nowHlc, {}, 3);
  for (const records of [[good, odd], [good]]) {
    say(world, 1, 0, (writer) => {
      writer.shipBegin(7, 1, records.length + 10, false);
      for (const each of records) writer.shipAdd(true, each, 0, each.length);
      writer.shipEnd();
    });
    assert.is(n1.storage.held("\0k")?.ballot.hlc, nowHlc);
  }
  assert.equal(acknowledged, [11]);
});

/** Some keys, of which each node proposes some. */
const KEYS = Array.from({ length: 40 }, (_, i) => `k${i}`);

function writeAll(world: ClusterWorld, nodes: readonly number[], text: string): void {
  for (const node of nodes) {
    const asked = KEYS.map((key) => world.ask(node, work(key, `set ${text}`)));
    world.scheduler.advance(200);
    assert.equal([...new Set(asked.map(said))], ["OK"], `n${node + 1}`);
  }
  const read = KEYS.map((key) => world.ask(nodes[0] as number, work(key, "get")));
  world.scheduler.advance(200);
  assert.equal([...new Set(read.map(said))], [text]);
}

function clocksAreNear(world: ClusterWorld, nodes: readonly number[], ms: number): void {
  for (const node of nodes)
    assert.ok(world.nodes[node].clock.value() < hlcAt(world.scheduler.nowMs() + ms), `n${node + 1}`);
}

test("a node whose clock is two days ahead makes no dot by it once it sees a majority: all keys are written through all nodes", async () => {
  const world = await ClusterWorld.start();
  writeAll(world, [0, 1, 2], "before");
  world.kill(2);
  world.nodes[2].skewMs = 2 * DAY_MS;
  world.boot(2);
  world.scheduler.advance(3000);
  writeAll(world, [0, 1, 2], "after");
  clocksAreNear(world, [0, 1, 2], 10_000);
  for (const node of [0, 1, 2]) assert.is(strange(world, node), 0);
});

test("a node with a dead clock, which it has compared with no majority yet, makes nobody step down", async () => {
  const world = await ClusterWorld.start({ nodes: 5 });
  const { coordinator } = world.nodes[1].alive;
  const replicasOf = (key: string): readonly number[] => coordinator.replicas(coordinator.partitionOf(`\0${key}`));
  let key = "k";
  while (replicasOf(key)[0] !== 1 || !replicasOf(key).includes(0)) key += "k";
  for (const node of [0, 2, 3, 4]) world.kill(node);
  const [dead, other] = world.nodes as [WorldNode, WorldNode];
  dead.storage = new MapStorage();
  dead.skewMs = -2 * DAY_MS;
  other.records.delete(dead.id);
  world.boot(0);
  world.scheduler.advance(3000);
  world.ask(1, work(key, "set 1"));
  world.scheduler.advance(3000);
  assert.not.ok(dead.alive.clocks.compared);
  assert.ok(strange(world, 0) > 0);
  const { exchange } = other.alive.coordinator as unknown as { readonly exchange: Exchange };
  assert.ok(exchange.figures.declined > 0, "nothing was done, and it is said");
  assert.not.ok(exchange.isAhead, "it would propose nothing for a minute");
  // With a majority it knows.
  for (const node of [2, 3, 4]) world.boot(node);
  world.scheduler.advance(4000);
  const asked = world.ask(1, work(key, "set 2"));
  world.scheduler.advance(1000);
  assert.is(said(asked), "OK");
});

test("a node that once issued dots two days ahead: the others write all keys, it leaves it to them, and the log names it once", async () => {
  const world = await ClusterWorld.start();
  writeAll(world, [0, 1, 2], "before");
  world.kill(2);
  const [n1, n2, n3] = world.nodes;
  n3.storage.recoveredCeiling = hlcAt(world.scheduler.nowMs() + 2 * DAY_MS);
  world.boot(2);
  world.scheduler.advance(3000);
  // What it begins itself is refused, until it knows.
  const first = KEYS.map((key) => world.ask(2, work(key, "set first")));
  world.scheduler.advance(3000);
  for (const each of first) assert.ok(["OK", "no quorum"].includes(said(each)), said(each));
  assert.ok(first.some((each) => said(each) === "OK"));
  writeAll(world, [0, 1, 2], "after");
  clocksAreNear(world, [0, 1], 10_000);
  for (const { troubles } of [n1, n2])
    assert.is(troubles.filter((text) => text.startsWith("n3: ") && text.includes("day ahead")).length, 1);
  assert.ok((n3.alive.coordinator.figures()["declined"] as number) > 0);
  // A day and some later nothing is too far ahead any more.
  world.kill(2);
  world.scheduler.stall(1.01 * DAY_MS);
  world.boot(2);
  world.scheduler.advance(70_000);
  writeAll(world, [2, 1, 0], "later");
  world.kill(0);
  world.scheduler.advance(5000);
  writeAll(world, [2, 1], "alone");
});

test("what a peer answers moves no clock beyond a day: neither a bound, nor a floor, nor what it says it accepted", async () => {
  const bound = dot(END);
  for (const answer of [
    (key: string, ballot: Dot) => ({ type: "nack", key, ballot, phase: "prepare", bound }),
    (key: string, ballot: Dot) => ({ type: "promise", key, ballot, accepted: undefined, state: undefined, floor: END }),
    (key: string, ballot: Dot) => ({ type: "promise", key, ballot, accepted: bound, state: undefined, floor: 0 }),
  ]) {
    const world = await ClusterWorld.start();
    const { replica } = world.nodes[1].alive.coordinator;
    const receive = replica.receive.bind(replica);
    replica.receive = (request) => {
      if (request.type !== "prepare") return receive(request);
      replica.afterLsn = 0;
      return answer(request.key, request.ballot) as Reply<Value>;
    };
    // That node's own rounds are not to be had.
    world.nodes[0].alive.coordinator["preferred"] = () => 0;
    writeAll(world, [0], "v");
    assert.ok(strange(world, 0) + strange(world, 2) > 0);
    clocksAreNear(world, [0, 2], 10_000);
    assert.ok(world.nodes[0].storage.recoveredCeiling < hlcAt(world.scheduler.nowMs() + DAY_MS));
  }
});

test.run();
