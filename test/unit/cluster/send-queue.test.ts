/**
 * test/unit/cluster/send-queue.test.ts: what waits for a peer, against a plain model: bounds, order, deadlines, budgets, parts.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PART_THRESHOLD_BYTES, type SendLimits, SendQueue } from "../../../src/cluster/send-queue.js";
import { FRAME_WHOLE, FrameReader } from "../../../src/codec/frame/frame-reader.js";
import { PART_DONE, PartAssembler } from "../../../src/codec/frame/frame-seal.js";
import {
  FRAME_MESSAGES,
  FRAME_PART,
  MESSAGE_NACK,
  MESSAGE_QUERY,
  NACK_BUSY,
  PAYLOAD_BYTES_MAX,
} from "../../../src/codec/frame/layout.js";
import { MESSAGE, MessageReader } from "../../../src/codec/frame/message-reader.js";
import type { MessageWriter } from "../../../src/codec/frame/message-writer.js";
import { fuzz } from "../../lib/fuzz.js";

const HEADER = 20;
const LIMITS: SendLimits = { messagesMax: 20, bytesMax: 2000, largeBytesMax: 3_000_000, messageBytesMax: 5_000_000 };

interface Sent {
  readonly id: number;
  readonly bytes: number;
  readonly budgetMs: number;
}

/** Takes frames as a peer does. */
class Peer {
  readonly got: Sent[] = [];
  readonly frameTypes: number[] = [];
  private readonly frames = new FrameReader(PAYLOAD_BYTES_MAX);
  private readonly reader = new MessageReader();
  private readonly parts = new PartAssembler(LIMITS.messageBytesMax);

  constructor() {
    this.frames.version = 1;
  }

  take(bytes: Buffer): void {
    const { frames, reader } = this;
    assert.is(frames.next(bytes, 0, bytes.length), FRAME_WHOLE, frames.errorText);
    assert.is(frames.position, bytes.length);
    this.frameTypes.push(frames.type);
    if (frames.type === FRAME_PART) {
      if (this.parts.add(frames.bytes, frames.from, frames.to) !== PART_DONE) return;
      reader.openMessage(this.parts.take(), 1);
    } else assert.ok(reader.open(frames.bytes, frames.from, frames.to, frames.count) && reader.boot === 9);
    while (reader.next() === MESSAGE) {
      const { id, length, budgetMs } = reader;
      for (let i = reader.at; i < reader.at + length; i++)
        if (reader.bytes[i] !== (id & 255)) assert.unreachable("bytes");
      this.got.push({ id, bytes: length + HEADER, budgetMs });
    }
    assert.is(reader.errorText, "");
  }
}

/** Buffers that a socket has kept, and what is to be in them for ever. */
const kept: { readonly bytes: Buffer; readonly copy: Buffer }[] = [];

/** Everything that waits. @param keep the socket keeps the buffers. */
function drain(queue: SendQueue, nowMs: number, peer: Peer, keep: boolean): void {
  while (queue.next(nowMs, 1, 9)) {
    const bytes = queue.out.subarray(0, queue.end);
    const copy = Buffer.from(bytes);
    peer.take(copy);
    queue.sent(keep);
    if (keep) kept.push({ bytes, copy });
  }
}

function put(queue: SendQueue, id: number, bytes: number, deadlineMs: number, claimed = bytes): boolean {
  const writer = queue.claim(claimed, deadlineMs);
  const payload = Buffer.alloc(bytes - HEADER, id & 255);
  writer?.opaque(MESSAGE_QUERY, 0, id, 0, 0, payload, 0, payload.length);
  return writer !== undefined;
}

const NEVER = Number.POSITIVE_INFINITY;

test("against a model: whatever is claimed and whenever it is sent", () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("put"), bytes: fc.integer({ min: HEADER, max: 400 }), ms: fc.nat(60) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("put"),
        bytes: fc.constantFrom(PART_THRESHOLD_BYTES + 1, 1_500_000),
        ms: fc.nat(60),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom("drain", "keep", "wait"), bytes: fc.constant(0), ms: fc.nat(30) }),
    },
  );
  fuzz(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new SendQueue(LIMITS);
      const peer = new Peer();
      let nowMs = 1000;
      let id = 0;
      let waiting: { id: number; bytes: number; deadlineMs: number }[] = [];
      let expired = 0;
      for (const { kind, bytes, ms } of steps) {
        const large = (one: { bytes: number }): boolean => one.bytes > PART_THRESHOLD_BYTES;
        if (kind === "put") {
          id++;
          const deadlineMs = ms < 10 ? NEVER : nowMs + ms;
          const lane = waiting.filter((one) => large(one) === large({ bytes }));
          const held = lane.reduce((sum, one) => sum + one.bytes, 0);
          const room = large({ bytes })
            ? lane.length === 0 || held + bytes <= LIMITS.largeBytesMax
            : lane.length < LIMITS.messagesMax && held + bytes <= LIMITS.bytesMax;
          assert.is(put(queue, id, bytes, deadlineMs), room);
          if (room) waiting.push({ id, bytes, deadlineMs });
          assert.equal(
            [queue.messages, queue.bytes],
            [waiting.length, waiting.reduce((sum, one) => sum + one.bytes, 0)],
          );
          continue;
        }
        nowMs += ms;
        if (kind === "wait") continue;
        const before = peer.got.length;
        drain(queue, nowMs, peer, kind === "keep");
        const alive = waiting.filter(({ deadlineMs }) => deadlineMs > nowMs);
        expired += waiting.length - alive.length;
        const got = peer.got.slice(before);
        const expected = alive.map((one) => ({
          id: one.id,
          bytes: one.bytes,
          budgetMs: one.deadlineMs === NEVER ? 0 : one.deadlineMs - nowMs,
        }));
        assert.equal(
          got.filter((one) => !large(one)),
          expected.filter((one) => !large(one)),
          "short ones, in order",
        );
        assert.equal(got.filter(large), expected.filter(large), "large ones, in order");
        assert.is(queue.expired, expired);
        assert.ok(queue.empty && queue.messages === 0 && queue.bytes === 0);
        waiting = [];
      }
      for (const { bytes, copy } of kept.splice(0))
        assert.ok(bytes.equals(copy), "a buffer that was kept was used again");
    }),
    200,
  );
});

test("short messages wait for at most one part of a large one", () => {
  const queue = new SendQueue(LIMITS);
  const peer = new Peer();
  put(queue, 1, 1_500_000, NEVER);
  for (let i = 2; i < 8; i++) {
    put(queue, i, 50, NEVER);
    queue.next(0, 1, 9);
    peer.take(Buffer.from(queue.out.subarray(0, queue.end)));
    queue.sent(false);
    if (i % 2 === 1) assert.equal(peer.frameTypes.slice(-2).sort(), [FRAME_MESSAGES, FRAME_PART]);
  }
  drain(queue, 0, peer, false);
  assert.is(peer.got.length, 7);
  assert.is(peer.frameTypes.filter((type) => type === FRAME_PART).length, 6, "1,500,000 bytes in pieces of 256 KiB");
});

test("a large answer whose time passes while it waits is taken back; any other message goes without a word", () => {
  const dot = { epoch: 0, hlc: 5, node: 0 };
  const record = Buffer.alloc(PART_THRESHOLD_BYTES);
  const writes: [number, (writer: MessageWriter) => void][] = [
    [7, (writer) => writer.readReply(7, 300, 0, 1, dot, true, 0, record, 0, record.length)],
    [8, (writer) => writer.promise(8, 300, 0, dot, dot, 0, record, 0, record.length)],
    [0, (writer) => writer.opaque(MESSAGE_QUERY, 0, 9, 300, 0, record, 0, record.length)],
  ];
  for (const [id, write] of writes) {
    const queue = new SendQueue(LIMITS);
    write(queue.claim(record.length + 200, 100) as MessageWriter);
    const nacks: number[][] = [];
    while (queue.next(200, 1, 9)) {
      const [frames, reader] = [new FrameReader(PAYLOAD_BYTES_MAX), new MessageReader()];
      frames.version = 1;
      assert.is(frames.next(Buffer.from(queue.out.subarray(0, queue.end)), 0, queue.end), FRAME_WHOLE);
      assert.ok(reader.open(frames.bytes, frames.from, frames.to, frames.count));
      while (reader.next() === MESSAGE) nacks.push([reader.type, reader.flags, reader.id, reader.partition]);
      queue.sent(false);
    }
    assert.equal(nacks, id === 0 ? [] : [[MESSAGE_NACK, NACK_BUSY, id, 300]]);
    assert.ok(queue.empty);
  }
});

test("frames that are ready go first; a claim that is not written is found out", () => {
  const queue = new SendQueue(LIMITS);
  put(queue, 1, 50, NEVER);
  queue.addFrame(Buffer.from("first"));
  assert.ok(queue.next(0, 1, 9));
  assert.is(queue.out.latin1Slice(0, queue.end), "first");
  queue.sent(true);
  assert.ok(queue.next(0, 1, 9));
  queue.sent(false);
  assert.not.ok(queue.next(0, 1, 9));
  queue.claim(50, NEVER);
  assert.throws(() => queue.claim(50, NEVER), /without its message/);
  assert.throws(() => new SendQueue({ ...LIMITS, bytesMax: PAYLOAD_BYTES_MAX }), /bytesMax/);
  assert.throws(() => new SendQueue({ ...LIMITS, messagesMax: 65536 }), /messagesMax/);
});

test.run();
