/**
 * test/fuzz/record.test.ts: record bodies with every optional field: encoder and readers against a plain writer of the layout; damaged
 * bodies, which checkBody refuses or which every reader can be handed without leaving them; the order of dots.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  bodyBytesAt,
  bodyBytesOf,
  checkBody,
  compareDots,
  encodeBody,
  expireAtOf,
  FLAG_EXPIRES,
  FLAG_LONG_KEY,
  FLAG_RAW,
  FLAG_TOMBSTONE,
  flagsOf,
  HEADER_BYTES,
  headOf,
  hlcOf,
  hlcOfViewed,
  isPlain,
  keyLength,
  keyOffset,
  plainKeyBytes,
  readU32,
  typeOf,
} from "../../src/codec/record/record.js";
import { viewed } from "../../src/lib/view.js";
import { change, changed, fuzz } from "../lib/fuzz.js";
import { type Dot, type RecordParts, recordBytes } from "../lib/record-bytes.js";

const hlc = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1), fc.nat(3));
const epoch = fc.oneof(fc.constant(0), fc.nat(3), fc.constantFrom(2 ** 31, 2 ** 32 - 1));
const node = fc.oneof(fc.nat(2047), fc.nat(2));
const dot: fc.Arbitrary<Dot> = fc.record({ epoch, hlc, node });
const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
/** Lengths around which a field or a way of copying changes. */
const key = fc.oneof(
  { weight: 20, arbitrary: bytes(40) },
  { weight: 3, arbitrary: fc.integer({ min: 90, max: 300 }).map((length) => Buffer.alloc(length, "k")) },
  { weight: 1, arbitrary: fc.constantFrom(65535, 65536, 70_000).map((length) => Buffer.alloc(length, "long")) },
);
const expireAt = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  fc.constantFrom(1, 2 ** 32, 2 ** 48 - 1),
);
const record: fc.Arbitrary<RecordParts> = fc.record({
  epoch,
  hlc,
  node,
  type: fc.nat(15),
  db: fc.nat(15),
  tombstone: fc.boolean(),
  raw: fc.boolean(),
  expireAt,
  vector: fc.option(fc.array(dot, { maxLength: 5 }), { nil: undefined }),
  long: fc.boolean(),
  key,
  value: bytes(200),
});

interface Read {
  readonly keyFrom: number;
  readonly keyBytes: number;
  readonly expireAt: number;
  readonly hlc: number;
}

/** What every reader makes of the body at `at`, relative to it. */
function readAll(buffer: Buffer, at: number): Read {
  const bytes = viewed(buffer);
  const head = headOf(bytes, at);
  // The short cuts say the same as the general way.
  assert.is(isPlain(head), keyOffset(buffer, at) === HEADER_BYTES);
  if (isPlain(head)) {
    assert.is(flagsOf(head) & (FLAG_EXPIRES | FLAG_LONG_KEY), 0);
    assert.is(plainKeyBytes(head), keyLength(buffer, at));
  }
  assert.is(flagsOf(head), buffer[at + 5]);
  assert.is(typeOf(head), buffer[at + 4] & 15);
  assert.is(bodyBytesAt(bytes, at), readU32(buffer, at));
  assert.is(hlcOfViewed(bytes, at), hlcOf(buffer, at));
  return {
    keyFrom: keyOffset(buffer, at),
    keyBytes: keyLength(buffer, at),
    expireAt: expireAtOf(buffer, at),
    hlc: hlcOf(buffer, at),
  };
}

/** The body amid other bytes. */
function amid(body: Buffer, before: number, filler: number): Buffer {
  return Buffer.concat([Buffer.alloc(before, filler), body, Buffer.alloc(64, filler)]);
}

test("what is encoded is the layout that is drawn", () => {
  fuzz(
    fc.property(record, fc.nat(9), fc.nat(9), (any, at, from) => {
      const parts = {
        ...any,
        epoch: 0,
        vector: undefined,
        long: false,
        value: any.tombstone ? Buffer.alloc(0) : any.value,
      };
      const expected = recordBytes(parts);
      const size = bodyBytesOf(parts.key.length, parts.value.length, parts.expireAt !== 0);
      assert.is(size, expected.length);
      const out = viewed(Buffer.alloc(at + size + 1, 0xee));
      const flags = (parts.tombstone ? FLAG_TOMBSTONE : 0) | (parts.raw ? FLAG_RAW : 0);
      const high = Math.floor(parts.hlc / 2 ** 32) + parts.node * 2 ** 21;
      const source = viewed(Buffer.concat([Buffer.alloc(from), parts.key, parts.value]));
      const low = parts.hlc % 2 ** 32;
      const typeAndDb = parts.type | (parts.db << 4);
      const valueAt = from + parts.key.length;
      encodeBody(
        out,
        at,
        typeAndDb,
        flags,
        low,
        high,
        parts.expireAt,
        source,
        from,
        parts.key.length,
        source,
        valueAt,
        parts.value.length,
      );
      assert.ok(out.subarray(at, at + size).equals(expected), `${out.subarray(at, at + 40).toString("hex")}`);
      assert.ok(out.subarray(0, at).every((byte) => byte === 0xee) && out[at + size] === 0xee, "written outside");
    }),
    2000,
  );
});

test("what was written is read, whatever stands around it", () => {
  fuzz(
    fc.property(record, fc.nat(9), fc.nat(255), (parts, at, filler) => {
      const body = recordBytes(parts);
      const buffer = amid(body, at, filler);
      assert.is(checkBody(buffer, at, buffer.length), body.length);
      assert.is(checkBody(buffer, at, at + body.length), body.length);
      assert.is(checkBody(buffer, at, at + body.length - 1), -1, "the end is cut off");
      const read = readAll(buffer, at);
      assert.is(read.keyBytes, parts.key.length);
      assert.is(read.expireAt, parts.expireAt);
      assert.is(read.hlc, parts.hlc);
      const keyAt = at + read.keyFrom;
      assert.ok(buffer.subarray(keyAt, keyAt + read.keyBytes).equals(parts.key));
      const value = buffer.subarray(keyAt + read.keyBytes, at + body.length);
      assert.ok(value.equals(parts.tombstone ? Buffer.alloc(0) : parts.value));
    }),
    2000,
  );
});

test("a damaged body is refused, or no reader leaves it", () => {
  let accepted = 0;
  fuzz(
    fc.property(record, fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(9), (parts, changes, at) => {
      const body = changed(recordBytes({ ...parts, key: parts.key.subarray(0, 300) }), changes);
      // Its own length says where it ends; what stands behind it must make no difference.
      const buffers = [0, 0xff].map((filler) => amid(body, at, filler));
      const end = at + body.length;
      const [length] = buffers.map((buffer) => checkBody(buffer, at, end));
      for (const buffer of buffers) assert.is(checkBody(buffer, at, end), length);
      if (length < 0) return;
      accepted++;
      assert.ok(length <= body.length && length >= 16);
      for (const buffer of buffers) buffer.fill(buffer[buffer.length - 1], at + length);
      const [one, other] = buffers.map((buffer) => readAll(buffer, at));
      assert.equal(one, other, "read beyond the end");
      assert.ok(one.keyFrom >= 16 && one.keyFrom + one.keyBytes <= length, JSON.stringify(one));
      assert.is(compareDots(buffers[0], at, buffers[1], at), 0, "a dot beyond the end");
    }),
    20_000,
  );
  assert.ok(accepted > 100, `${accepted} accepted: too few to mean something`);
});

test("noise is refused, or no reader leaves it", () => {
  const noise = fc.tuple(fc.nat(120), fc.nat(63), bytes(120)).map(([total, flags, rest]) => {
    const head = Buffer.from([total, 0, 0, 0, 0, flags]);
    return Buffer.concat([head, rest]);
  });
  fuzz(
    fc.property(noise, (body) => {
      const length = checkBody(body, 0, body.length);
      if (length < 0) return;
      const alone = Buffer.from(body.subarray(0, length));
      assert.equal(readAll(alone, 0), readAll(body, 0));
      const read = readAll(alone, 0);
      assert.ok(read.keyFrom + read.keyBytes <= length);
    }),
    20_000,
  );
});

test("dots are in one total order: by epoch, then time, then node", () => {
  const order = (a: Dot, b: Dot): number => a.epoch - b.epoch || a.hlc - b.hlc || a.node - b.node;
  const encode = (one: Dot, parts: RecordParts): Buffer =>
    recordBytes({ ...parts, ...one, key: parts.key.subarray(0, 9) });
  fuzz(
    fc.property(dot, dot, dot, record, record, (a, b, c, some, other) => {
      // The fields that do not matter differ.
      const [x, y, z] = [encode(a, some), encode(b, other), encode(c, some)];
      const compare = (one: Buffer, two: Buffer): number => Math.sign(compareDots(one, 0, two, 0));
      assert.is(compare(x, y), Math.sign(order(a, b)));
      assert.is(compare(x, y) + compare(y, x), 0);
      assert.is(compareDots(x, 0, encode(a, other), 0), 0);
      if (compare(x, y) <= 0 && compare(y, z) <= 0) assert.ok(compare(x, z) <= 0);
    }),
    5000,
  );
});

test.run();
