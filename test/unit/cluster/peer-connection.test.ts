/**
 * test/unit/cluster/peer-connection.test.ts: a peer that shakes hands as it should and then breaks the protocol is disconnected at once, with the
 * reason in the log, and nothing of what it sent is used; one that keeps to it may cut its bytes up as it likes.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Handshake } from "../../../src/cluster/handshake.js";
import { FRAME_WHOLE, FrameReader } from "../../../src/codec/frame/frame-reader.js";
import { viewed } from "../../../src/lib/view.js";
import type { Connection } from "../../../src/ports/network.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { AT_REST, type Plain, plainBytes, plainFrame, plainMessages, TYPES } from "../../lib/messages.js";
import { identity, options, TestPeer } from "../../lib/peers.js";
import { SimNetwork } from "../../lib/sim-network.js";

interface Stage {
  readonly node: TestPeer;
  readonly scheduler: FakeScheduler;
  /** Send bytes to the node as its peer "a". */
  readonly say: (bytes: Buffer) => void;
  readonly hear: { closed: boolean; bytes: number };
  /** The end of "a". */
  readonly end: Connection;
}

/** Node "b", and its peer "a" spoken for by hand, both past their handshake. */
async function met(): Promise<Stage> {
  const scheduler = new FakeScheduler();
  const network = new SimNetwork(scheduler, 7);
  const node = new TestPeer("b", { scheduler, dialer: network.host("b") }, 1);
  await network.host("b").listen({ host: "b", port: 1, backlog: 1, keepAliveSeconds: () => 0 }, node.peers.accept);
  node.peers.update(new Map([["a", { host: "nowhere", port: 1 }]]));
  const handshake = new Handshake(options("dialer", { self: identity("a") }));
  const frames = new FrameReader(1 << 20);
  const hear = { closed: false, bytes: 0 };
  let peer: Connection | undefined;
  const say = (bytes: Buffer): void => {
    (peer as Connection).write(viewed(Buffer.from(bytes)), 0, bytes.length);
  };
  network.host("a").dial(
    { host: "b", port: 1, timeoutMs: 100 },
    (connection) => {
      peer = connection;
      for (const frame of handshake.start().send) say(frame);
      return {
        onBytes: (bytes, length) => {
          hear.bytes += length;
          for (let at = 0; frames.next(bytes, at, length) === FRAME_WHOLE; at = frames.position) {
            if (frames.type !== 1) continue;
            const { send, outcome } = handshake.receive(frames.bytes, frames.from, frames.to);
            for (const frame of send) say(frame);
            if (outcome?.kind === "open") frames.version = outcome.version;
          }
        },
        onSent: () => {},
        onEnd: () => connection.end(),
        onClosed: () => {
          hear.closed = true;
        },
      };
    },
    () => assert.unreachable("no connection"),
  );
  scheduler.advance(100);
  assert.is(node.link("a").state, "up");
  return { node, scheduler, say, hear, end: peer as unknown as Connection };
}

const BOOT = 1;
const query = (text: string): Plain => ({ ...AT_REST, type: TYPES.QUERY, id: 1, bytes: Buffer.from(text) });
const good = (text: string): Buffer => plainMessages(1, BOOT, [query(text)]);

test("one that keeps to the protocol is heard", async () => {
  const { node, scheduler, say } = await met();
  const stream = Buffer.concat([good("one"), good("two"), plainMessages(1, BOOT, [query("three"), query("four")])]);
  for (const byte of stream) say(Buffer.from([byte]));
  scheduler.advance(500);
  assert.equal(node.received, ["a one", "a two", "a three", "a four"]);
  assert.is(node.link("a").state, "up");
});

const part = (total: number, offset: number, bytes: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(total, 0);
  head.writeUInt32LE(offset, 4);
  return plainFrame(1, 3, 0, Buffer.concat([head, bytes]));
};
const damaged = Buffer.from(good("x"));
damaged[damaged.length - 1] ^= 1;
const whole = plainBytes(query("in parts"));

const BREACHES: readonly (readonly [what: string, bytes: Buffer, why: RegExp])[] = [
  ["a crc that is wrong", damaged, /payload is damaged/],
  ["another start of the process", plainMessages(1, BOOT + 1, [query("x")]), /another start/],
  [
    "an unknown type of message",
    plainFrame(
      1,
      2,
      1,
      Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), plainBytes({ ...query("x"), type: 77 })]),
    ),
    /unknown type/,
  ],
  ["an unknown type of frame", plainFrame(1, 9, 0, Buffer.alloc(0)), /type 9 is unknown/],
  ["another version", plainMessages(2, BOOT, [query("x")]), /version 2, expected 1/],
  ["a step of the handshake", plainFrame(0, 1, 0, Buffer.from([4])), /after its end/],
  ["part of a message larger than any", part(17_000_000, 0, Buffer.alloc(100)), /17000000 bytes in parts/],
  ["a part without its beginning", part(100, 50, Buffer.alloc(50)), /does not follow/],
  [
    "a malformed message in parts",
    Buffer.concat([part(40, 0, Buffer.alloc(30)), part(40, 30, Buffer.alloc(10))]),
    /unknown type/,
  ],
  ["an answer to no farewell", plainFrame(1, 4, 0, Buffer.from([1])), /does not fit/],
  ["a farewell of a strange kind", plainFrame(1, 4, 0, Buffer.from([2])), /does not fit/],
  ["an empty farewell", plainFrame(1, 4, 0, Buffer.alloc(0)), /does not fit/],
  [
    "messages after the farewell",
    Buffer.concat([plainFrame(1, 4, 0, Buffer.from([0])), good("x")]),
    /after the farewell/,
  ],
  [
    "two farewells",
    Buffer.concat([plainFrame(1, 4, 0, Buffer.from([0])), plainFrame(1, 4, 0, Buffer.from([0]))]),
    /does not fit/,
  ],
  [
    "a third one behind good ones",
    Buffer.concat([good("one"), part(whole.length, 0, whole), Buffer.from("KVFX")]),
    /no frame begins/,
  ],
];

for (const [what, bytes, why] of BREACHES) {
  test(`disconnected: ${what}`, async () => {
    const { node, scheduler, say, hear } = await met();
    say(bytes);
    say(good("behind it"));
    scheduler.advance(50);
    assert.ok(hear.closed);
    assert.is(node.link("a").state, "down");
    assert.is(node.count("a lost"), 1);
    assert.ok(
      node.events.some((event) => why.test(event)),
      `${node.events}`,
    );
    const before = what.startsWith("a third") ? ["a one", "a in parts"] : [];
    assert.equal(node.received, before);
  });
}

test("a peer that says goodbye and then nothing is not waited for", async () => {
  const { node, scheduler, say, hear } = await met();
  node.send("a", "last words");
  say(plainFrame(1, 4, 0, Buffer.from([0])));
  scheduler.advance(50);
  assert.is(node.link("a").state, "down");
  assert.not.ok(node.send("a", "too late"));
  assert.not.ok(hear.closed);
  scheduler.advance(1500);
  assert.ok(hear.closed);
  assert.is(node.count("a lost"), 1, "nobody knows whether the last words arrived");
});

for (const reads of [true, false]) {
  test(`a peer that says goodbye and ends, ${reads ? "behind our answer" : "and has not taken our answer"}`, async () => {
    const { node, scheduler, say, end } = await met();
    if (!reads) end.pause();
    for (let i = 0; i < 6; i++) assert.ok(node.send("a", "x".repeat(100_000)));
    scheduler.advance(20);
    say(plainFrame(1, 4, 0, Buffer.from([0])));
    scheduler.advance(20);
    end.end();
    scheduler.advance(20);
    assert.equal([node.count("a left"), node.count("a lost")], reads ? [1, 0] : [0, 1]);
  });
}

test("a peer that goes in the middle of a frame", async () => {
  const { node, scheduler, say } = await met();
  say(good("never whole").subarray(0, 40));
  scheduler.advance(5000);
  assert.equal(node.received, []);
  assert.is(node.link("a").state, "down", "it has been silent");
});

test.run();
