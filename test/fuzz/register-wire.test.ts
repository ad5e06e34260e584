/**
 * test/fuzz/register-wire.test.ts: requests and answers of registers between nodes: written and read back they are equal, and stay so when the
 * payload they came in is overwritten; an answer to something else, or one that no node made, is refused; damaged ones never throw.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ChosenList } from "../../src/cluster/chosen-list.js";
import {
  type Asked,
  readChosen,
  readReply,
  readRequest,
  replyBytes,
  requestBytes,
  type WireRequest,
  withRecord,
  writeReply,
  writeRequest,
} from "../../src/cluster/register-wire.js";
import { FRAME_WHOLE, FrameReader } from "../../src/codec/frame/frame-reader.js";
import { sealFrame } from "../../src/codec/frame/frame-seal.js";
import {
  BOOT_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MESSAGES,
  PAYLOAD_BYTES_MAX,
  writeU53,
} from "../../src/codec/frame/layout.js";
import { MESSAGE, MESSAGES_END, MessageReader } from "../../src/codec/frame/message-reader.js";
import { MessageWriter } from "../../src/codec/frame/message-writer.js";
import { type Dot, sameDot } from "../../src/core/clock/dot.js";
import type { Reply } from "../../src/core/register/messages.js";
import type { Value } from "../../src/storage/state-record.js";
import { type Change, change, changed, fuzz } from "../lib/fuzz.js";
import { type Answered, answered, ballot, name, plainOf, request } from "../lib/register-messages.js";

const MESSAGES_AT = FRAME_HEADER_BYTES + BOOT_BYTES;

function frameWriter(): MessageWriter {
  const writer = new MessageWriter(64);
  writer.at = MESSAGES_AT;
  return writer;
}

/** Seal what was written as a frame, read it, hand each message to `each`; then overwrite what it was read from. */
function travel(writer: MessageWriter, boot: number, each: (reader: MessageReader, i: number) => void): void {
  const bytes = Buffer.from(writer.buf.subarray(0, writer.at));
  writeU53(bytes, FRAME_HEADER_BYTES, boot);
  sealFrame(bytes, 0, bytes.length, 1, FRAME_MESSAGES, writer.count);
  const frames = new FrameReader(PAYLOAD_BYTES_MAX);
  frames.version = 1;
  assert.is(frames.next(bytes, 0, bytes.length), FRAME_WHOLE);
  const reader = new MessageReader();
  assert.ok(reader.open(frames.bytes, frames.from, frames.to, frames.count));
  let i = 0;
  for (; reader.next() === MESSAGE; i++) each(reader, i);
  assert.is(reader.next(), MESSAGES_END, reader.errorText);
  assert.is(i, writer.count);
  bytes.fill(0xee);
}

/** A LEARN asks for no answer; a read is known by its own number. */
function idOf(one: WireRequest): number {
  return one.type === "learn" ? 0 : one.type === "read" ? one.id : 77;
}

test("requests come back equal, within the bytes that were claimed, and borrow nothing", () => {
  fuzz(
    fc.property(
      fc.array(request, { minLength: 1, maxLength: 4 }),
      fc.nat(9),
      fc.nat(16383),
      (requests, boot, partition) => {
        const writer = frameWriter();
        for (const one of requests) {
          const from = writer.at;
          const id = one.type === "learn" ? 0 : one.type === "read" ? one.id : 77;
          writeRequest(writer, id, partition, one);
          const bytes = writer.at - from;
          assert.ok(bytes <= requestBytes(one));
          if (one.type !== "accept" && one.type !== "learn") continue;
          // With its record it is the very same message, of which the length is known.
          const ready = withRecord(one);
          assert.equal(plainOf(ready), plainOf(one));
          assert.is(withRecord(ready), ready);
          assert.is(requestBytes(ready), bytes);
          const again = new MessageWriter(64);
          writeRequest(again, id, partition, ready);
          assert.equal(again.buf.subarray(0, again.at), writer.buf.subarray(from, writer.at));
        }
        const read: unknown[] = [];
        travel(writer, boot, (reader, i) => {
          assert.is(reader.partition, partition);
          assert.is(reader.id, idOf(requests[i] as WireRequest));
          read.push(readRequest(reader));
          assert.is(
            readReply(reader, { type: "accept", key: "\0k", ballot: { epoch: 0, hlc: 1, node: 0 } }),
            undefined,
          );
        });
        // The boot is that of the frame: who sent it.
        const expected = requests.map((one) => plainOf(one.type === "read" ? { ...one, boot } : one));
        assert.equal(
          read.map((one) => plainOf(one as never)),
          expected,
        );
      },
    ),
    400,
  );
});

test("answers come back equal to who asked, within the bytes that were claimed, and borrow nothing", () => {
  fuzz(
    fc.property(fc.array(answered, { minLength: 1, maxLength: 4 }), (answers) => {
      const writer = frameWriter();
      for (const [, reply] of answers) {
        const from = writer.at;
        writeReply(writer, 78, 5, reply);
        assert.ok(writer.at - from <= replyBytes(reply));
      }
      const read: unknown[] = [];
      travel(writer, 3, (reader, i) => {
        assert.equal([reader.id, reader.partition], [78, 5]);
        assert.is(readRequest(reader), undefined);
        read.push(readReply(reader, (answers[i] as Answered)[0]));
      });
      assert.equal(
        read.map((one) => plainOf(one as never)),
        answers.map(([, reply]) => plainOf(reply)),
      );
    }),
    600,
  );
});

/** Others than what was asked, to which the reply is none. */
function othersThan(asked: Asked, reply: Reply<Value>, other: Asked, dot: Dot): Asked[] {
  const others: Asked[] = [];
  if (other.type === "read" ? asked.type !== "read" : asked.type === "read" || !sameDot(other.ballot, asked.ballot))
    others.push(other);
  if (asked.type === "read") {
    // A refusal names no life: it tells of an epoch, which holds for any.
    if (reply.type === "state") others.push({ ...asked, boot: asked.boot === 0 ? 1 : asked.boot - 1 });
  } else {
    if (!sameDot(dot, asked.ballot)) others.push({ ...asked, ballot: dot });
    // A NACK does not say of what phase it is: the request id does.
    const phase = asked.type === "accept" ? "prepare" : "accept";
    if (reply.type === "promise" || reply.type === "ack") others.push({ ...asked, type: phase });
  }
  if ("state" in reply && reply.state !== undefined) {
    const { key } = asked;
    others.push({ ...asked, key: `${key}x` });
    others.push({ ...asked, key: String.fromCharCode(key.charCodeAt(0) ^ 1) + key.slice(1) });
    const last = String.fromCharCode(key.charCodeAt(key.length - 1) ^ 8);
    others.push({ ...asked, key: key.slice(0, -1) + last });
  }
  return others;
}

test("an answer to something else is refused", () => {
  let refused = 0;
  fuzz(
    fc.property(answered, answered, ballot, ([asked, reply], [other], dot) => {
      const writer = frameWriter();
      writeReply(writer, 1, 0, reply);
      travel(writer, 3, (reader) => {
        for (const one of othersThan(asked, reply, other, dot)) {
          assert.is(readReply(reader, one), undefined);
          refused++;
        }
        assert.is(readReply(reader, asked)?.type, reply.type);
      });
    }),
    600,
  );
  assert.ok(refused > 300);
});

/** At the one message that was written; it has come in parts. */
function inParts(bytes: Buffer): MessageReader | undefined {
  const reader = new MessageReader();
  reader.openMessage(bytes, 4);
  return reader.next() === MESSAGE ? reader : undefined;
}

function requestBytesOf(one: WireRequest): Buffer {
  const writer = new MessageWriter(64);
  writeRequest(writer, one.type === "read" ? one.id : 0, 0, one);
  return Buffer.from(writer.buf.subarray(0, writer.at));
}

function replyBytesOf(reply: Reply<Value>): Buffer {
  const writer = new MessageWriter(64);
  writeReply(writer, 9, 0, reply);
  return Buffer.from(writer.buf.subarray(0, writer.at));
}

/** Damaged, but of the length that it says. */
function damaged(bytes: Buffer, changes: readonly Change[]): Buffer {
  const payload = changed(bytes, changes);
  if (payload.length > 4) payload.writeUInt32LE(payload.length, 0);
  return payload;
}

const changes = fc.array(change, { minLength: 1, maxLength: 3 });

test("damaged messages: refused, or read as what can be written and read again", () => {
  let taken = 0;
  fuzz(
    fc.property(request, changes, (one, some) => {
      const reader = inParts(damaged(requestBytesOf(one), some));
      const found = reader && readRequest(reader);
      if (found === undefined) return;
      taken++;
      const again = readRequest(inParts(requestBytesOf(found)) as MessageReader) as WireRequest;
      assert.equal(plainOf(again), plainOf(found));
    }),
    1500,
  );
  fuzz(
    fc.property(answered, changes, ([asked, reply], some) => {
      const reader = inParts(damaged(replyBytesOf(reply), some));
      const found = reader && readReply(reader, asked);
      if (found === undefined) return;
      taken++;
      const again = readReply(inParts(replyBytesOf(found)) as MessageReader, asked) as Reply<Value>;
      assert.equal(plainOf(again), plainOf(found));
    }),
    1500,
  );
  assert.ok(taken > 100);
});

test("chosen notices: one message an epoch, in order, within the bytes that were claimed", () => {
  const notice = fc.record(
    { type: fc.constant("chosen" as const), key: name, epoch: fc.constantFrom(0, 0, 0, 1, 2 ** 32 - 1), ballot },
    { noNullPrototype: true },
  );
  fuzz(
    fc.property(fc.array(notice, { maxLength: 12 }), (notices) => {
      const list = new ChosenList(100, 10_000_000);
      for (const one of notices) assert.ok(list.add(one));
      const writer = frameWriter();
      while (list.size > 0) {
        const from = writer.at;
        const claimed = list.bytes;
        list.writeNext(writer);
        assert.ok(writer.at - from <= claimed);
      }
      assert.is(writer.count, new Set(notices.map(({ epoch }) => epoch)).size);
      if (notices.length === 0) return;
      const found: unknown[] = [];
      travel(writer, 3, (reader) => {
        assert.is(reader.id, 0);
        readChosen(reader, (key, dot, epoch) => found.push({ type: "chosen", key, epoch, ballot: dot }));
      });
      const epochs = [...new Set(notices.map(({ epoch }) => epoch))];
      assert.equal(
        found,
        epochs.flatMap((at) => notices.filter(({ epoch }) => epoch === at)),
      );
    }),
    300,
  );
});

test.run();
