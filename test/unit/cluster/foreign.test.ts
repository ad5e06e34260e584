/**
 * test/unit/cluster/foreign.test.ts: what a member sends that no member should: records that this version cannot keep, and hlcs that no honest
 * clock has given. Nothing of it is held, nothing moves the clock, and whoever sent it is not told that it was taken.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { PeerLink } from "../../../src/cluster/peer-link.js";
import { MESSAGE_ACCEPT, MESSAGE_LEARN } from "../../../src/codec/frame/layout.js";
import type { MessageWriter } from "../../../src/codec/frame/message-writer.js";
import { encodeBody, FLAG_EXPIRES, FLAG_TOMBSTONE, TYPE_CEILING } from "../../../src/codec/record/record.js";
import type { Dot } from "../../../src/core/clock/dot.js";
import { hlcAt } from "../../../src/core/clock/hlc.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import type { RegisterState } from "../../../src/core/register/state.js";
import { encodeState, type Value } from "../../../src/storage/state-record.js";
import { ClusterWorld } from "../../lib/cluster-world.js";

const DAY_MS = 24 * 3600 * 1000;
const END = Number.MAX_SAFE_INTEGER;
const EMPTY = Buffer.alloc(0);

function dot(hlc: number, node = 1): Dot {
  return { epoch: 0, hlc, node };
}

function record(name: string, hlc: number, changes: Partial<RegisterState<Value>> = {}, type = 0): Buffer {
  const value = { type, raw: false, bytes: Buffer.from("v") };
  return encodeState(name, dot(hlc), { value, expireAt: 0, vv: VersionVector.of([dot(hlc)]), cut: 0, ...changes });
}

/** A tombstone with a deadline, which no node writes. */
function oddTombstone(name: string, hlc: number): Buffer {
  const bytes = Buffer.alloc(64);
  const key = Buffer.from(name.slice(1));
  const high = Math.floor(hlc / 2 ** 32);
  const flags = FLAG_TOMBSTONE | FLAG_EXPIRES;
  encodeBody(bytes, 0, 0, flags, hlc >>> 0, high, 5, key, 0, key.length, EMPTY, 0, 0);
  return Buffer.from(bytes.subarray(0, bytes.readUInt32LE(0)));
}

function ceiling(hlc: number): Buffer {
  const bytes = Buffer.alloc(16);
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

test.run();
