/**
 * test/fuzz/frame.test.ts: frames and messages between peers: what is written is what is drawn and is read back; cut up anywhere it means
 * the same; damaged, or noise, it is refused once and cleanly, never thrown about, never read past its end.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FRAME_ERROR, FRAME_MORE, FrameReader } from "../../src/codec/frame/frame-reader.js";
import {
  PART_DONE,
  PART_ERROR,
  PART_MORE,
  PartAssembler,
  sealFrame,
  writePart,
} from "../../src/codec/frame/frame-seal.js";
import { FRAME_HEADER_BYTES, FRAME_MESSAGES, writeU53 } from "../../src/codec/frame/layout.js";
import { MESSAGE, MESSAGE_ERROR, MESSAGES_END, MessageReader } from "../../src/codec/frame/message-reader.js";
import { MessageWriter } from "../../src/codec/frame/message-writer.js";
import { change, changed, fuzz } from "../lib/fuzz.js";
import {
  message,
  type Plain,
  plainBytes,
  plainFrame,
  plainMessages,
  readStream,
  taken,
  write,
} from "../lib/messages.js";

const boot = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 53 - 1));
const frame = fc.record({ boot, messages: fc.array(message, { minLength: 1, maxLength: 5 }) });
const places = fc.array(fc.nat(100_000), { maxLength: 12 });

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const sorted = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted].map((from, i) => bytes.subarray(from, sorted[i] ?? bytes.length));
}

const single = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.from([byte]));
const streamOf = (frames: readonly { boot: number; messages: Plain[] }[]): Buffer =>
  Buffer.concat(frames.map(({ boot: number, messages }) => plainMessages(1, number, messages)));

test("what is written is what is drawn", () => {
  fuzz(
    fc.property(frame, ({ boot: number, messages }) => {
      const writer = new MessageWriter(16);
      writer.at = FRAME_HEADER_BYTES + 8;
      const first = new MessageWriter(64);
      for (const plain of messages) write(first, plain);
      assert.equal(first.buf.subarray(0, first.at), Buffer.concat(messages.map(plainBytes)));
      assert.is(first.count, messages.length);
      const out = Buffer.alloc(FRAME_HEADER_BYTES + 8 + first.at + 3);
      writeU53(out, FRAME_HEADER_BYTES + 1, number);
      first.buf.copy(out, FRAME_HEADER_BYTES + 9, 0, first.at);
      sealFrame(out, 1, out.length - 2, 1, FRAME_MESSAGES, messages.length);
      assert.equal(out.subarray(1, out.length - 2), plainMessages(1, number, messages));
      assert.equal([out[0], out[out.length - 2], out[out.length - 1]], [0, 0, 0]);
    }),
    400,
  );
});

test("what is drawn is read back, however the stream is cut", () => {
  fuzz(
    fc.property(fc.array(frame, { maxLength: 3 }), places, (frames, at) => {
      const stream = streamOf(frames);
      const expected = {
        boots: frames.map(({ boot: number }) => number),
        messages: frames.flatMap(({ messages }) => messages),
        error: "",
      };
      assert.equal(readStream([stream]), expected);
      assert.equal(readStream(cut(stream, at)), expected);
      assert.equal(readStream(single(stream)), expected);
      // Whatever is missing at the end, nothing of the frame that is cut off is handed out.
      const short = stream.subarray(0, Math.max(0, stream.length - 1 - ((at[0] ?? 0) % 50)));
      const some = readStream([short]);
      assert.is(some.error, "");
      assert.equal(some.messages, expected.messages.slice(0, some.messages.length));
      assert.ok(frames.length === 0 || some.boots.length < frames.length || short.length === stream.length);
    }),
    300,
  );
});

test("damaged streams: the same frames or one clean error, however they are cut", () => {
  let errors = 0;
  fuzz(
    fc.property(
      fc.array(frame, { minLength: 1, maxLength: 3 }),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      places,
      (frames, changes, at) => {
        const good = readStream([streamOf(frames)]).messages;
        const bytes = changed(streamOf(frames), changes);
        const reading = readStream([bytes]);
        // A crc that is right by accident would be one in four thousand million.
        assert.equal(reading.messages, good.slice(0, reading.messages.length));
        assert.equal(readStream(cut(bytes, at)), reading);
        assert.equal(readStream(single(bytes)), reading);
        if (reading.error !== "") errors++;
      },
    ),
    400,
  );
  assert.ok(errors > 50);
});

test("damaged messages in frames with a right crc: refused, or read within their bounds", () => {
  fuzz(
    fc.property(frame, fc.array(change, { minLength: 1, maxLength: 4 }), ({ messages }, changes) => {
      const payload = changed(Buffer.concat([Buffer.alloc(8), ...messages.map(plainBytes)]), changes);
      const canary = Buffer.concat([payload, Buffer.alloc(64, 0x55)]);
      const reader = new MessageReader();
      if (!reader.open(canary, 0, payload.length, messages.length)) return assert.not.equal(reader.errorText, "");
      let got = reader.next();
      for (; got === MESSAGE; got = reader.next()) {
        const plain = taken(reader);
        assert.ok(reader.at >= 28 && reader.at + reader.length <= payload.length);
        // Nothing is read that could not have been written: the plain writer makes the same bytes of it.
        const again = plainBytes(plain);
        assert.ok(payload.includes(again));
      }
      assert.is(got, reader.errorText === "" ? MESSAGES_END : MESSAGE_ERROR);
      assert.is(reader.next(), got, "it stays so");
    }),
    3000,
  );
});

test("noise is refused, and held no memory for", () => {
  const token = fc.constantFrom("KVFR", "KVF", "\x01", "\x02", "\x00", "\x00\x00\x00", "\xff\xff\xff\x01", "\x10");
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.array(token, { maxLength: 30 }).map((tokens) => Buffer.from(tokens.join(""), "latin1")),
  );
  fuzz(
    fc.property(noise, places, (bytes, at) => {
      const reading = readStream([bytes]);
      assert.equal(reading.messages, []);
      assert.equal(readStream(cut(bytes, at)), reading);
      assert.equal(readStream(single(bytes)), reading);
      if (bytes.length >= 20) assert.not.equal(reading.error, "");
    }),
    2000,
  );
});

test("a length that is declared makes nobody hold memory; one above the limit is refused at once", () => {
  const whole = plainFrame(1, 2, 1, Buffer.alloc(30 * 1024 * 1024));
  const frames = new FrameReader(32 * 1024 * 1024);
  frames.version = 1;
  assert.is(frames.next(whole, 0, 1000), FRAME_MORE);
  assert.ok(frames.heldBytes <= 4096);
  assert.is(frames.next(whole, 1000, 100_000), FRAME_MORE);
  assert.ok(frames.heldBytes <= 200_000);
  const narrow = new FrameReader(1000);
  narrow.version = 1;
  assert.is(narrow.next(plainFrame(1, 2, 1, Buffer.alloc(1001)), 0, 20), FRAME_ERROR);
  assert.match(narrow.errorText, /1001 bytes, more than 1000/);
  assert.is(narrow.next(whole, 0, whole.length), FRAME_ERROR, "and nothing more is read");
});

test("what is unknown, or comes at the wrong time, is refused by name", () => {
  const errorOf = (bytes: Buffer, version = 1): string => readStream([bytes], version).error;
  const one = Buffer.concat([Buffer.alloc(8), plainBytes({ ...EMPTY_QUERY })]);
  assert.is(errorOf(plainFrame(1, 2, 1, one)), "");
  assert.match(errorOf(plainFrame(1, 5, 0, one)), /type 5 is unknown/);
  assert.match(errorOf(plainFrame(1, 0, 0, one)), /type 0 is unknown/);
  assert.match(errorOf(plainFrame(2, 2, 1, one)), /version 2, expected 1/);
  assert.match(errorOf(plainFrame(1, 2, 1, one), 2), /version 1, expected 2/);
  assert.match(errorOf(plainFrame(0, 2, 1, one), 0), /before the handshake/);
  assert.match(errorOf(plainFrame(1, 1, 0, one)), /version 1, expected 0/);
  assert.match(errorOf(plainFrame(1, 2, 0, one)), /has 0 messages/);
  assert.match(errorOf(plainFrame(1, 3, 1, one)), /has 1 messages/);
  assert.match(errorOf(plainFrame(1, 2, 2, one)), /cut off/);
  assert.match(errorOf(plainFrame(1, 2, 1, Buffer.concat([one, Buffer.alloc(1)]))), /behind the last/);
  assert.match(errorOf(plainFrame(1, 2, 1, Buffer.alloc(7))), /without a boot/);
  assert.match(errorOf(plainFrame(1, 2, 1, Buffer.concat([Buffer.alloc(8, 0xff), one.subarray(8)]))), /boot/);
  const strange = Buffer.from(one);
  strange[12] = 18;
  assert.match(errorOf(plainFrame(1, 2, 1, strange)), /unknown type/);
});

const EMPTY_QUERY: Plain = {
  type: 16,
  low: 0,
  db: 0,
  partition: 0,
  id: 1,
  epoch: 0,
  budgetMs: 0,
  dot: { epoch: 0, hlc: 0, node: 0 },
  second: { epoch: 0, hlc: 0, node: 0 },
  numbers: [],
  bytes: Buffer.alloc(0),
  items: [],
};

test("a message in parts of any sizes comes out whole; parts that do not fit are refused", () => {
  fuzz(
    fc.property(
      message,
      fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 5 }),
      fc.nat(2),
      fc.nat(9),
      (plain, sizes, fault, where) => {
        const whole = plainBytes(plain);
        const parts: Buffer[] = [];
        for (let at = 0; at < whole.length; ) {
          const bytes = Math.min(sizes[parts.length % sizes.length] as number, whole.length - at);
          const out = Buffer.alloc(FRAME_HEADER_BYTES + 8 + bytes + 1);
          assert.is(writePart(out, 1, 1, whole, at, bytes), out.length);
          at += bytes;
          parts.push(out.subarray(1));
        }
        const assembler = new PartAssembler(whole.length);
        for (const [i, part] of parts.entries()) {
          const state = assembler.add(part, FRAME_HEADER_BYTES, part.length);
          assert.is(state, i < parts.length - 1 ? PART_MORE : PART_DONE);
          assert.is(assembler.midway, i < parts.length - 1);
        }
        const reader = new MessageReader();
        reader.openMessage(assembler.take(), 9);
        assert.is(reader.next(), MESSAGE);
        assert.equal(taken(reader), plain);
        assert.is(reader.boot, 9);
        assert.is(reader.next(), MESSAGES_END);

        const place = where % parts.length;
        const wrong = parts.slice();
        if (fault === 0) wrong.splice(place, 1);
        else if (fault === 1) wrong.splice(place, 0, parts[place] as Buffer);
        else wrong[place] = (parts[place] as Buffer).subarray(0, FRAME_HEADER_BYTES + 8);
        const strict = new PartAssembler(whole.length);
        const states = wrong.map((part) => strict.add(part, FRAME_HEADER_BYTES, part.length));
        const harmless = parts.length === 1 && fault < 2;
        if (!harmless && (fault !== 0 || place < parts.length - 1)) assert.ok(states.includes(PART_ERROR));
        else assert.ok(fault === 0 ? !states.includes(PART_DONE) : states.every((state) => state === PART_DONE));
        const small = new PartAssembler(whole.length - 1);
        assert.is(small.add(parts[0] as Buffer, FRAME_HEADER_BYTES, (parts[0] as Buffer).length), PART_ERROR);
        assert.match(small.errorText, /at most/);
      },
    ),
    400,
  );
});

test.run();
