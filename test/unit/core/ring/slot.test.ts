/**
 * test/unit/core/ring/slot.test.ts: slots of keys against the specification read literally: find the tag, then CRC16 bit by bit. And
 * against what Redis Cluster's specification and documentation name.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { keySlot } from "../../../../src/core/ring/slot.js";
import { viewed } from "../../../../src/lib/view.js";

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

function expected(key: Buffer): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  return crc16(close > open + 1 ? key.subarray(open + 1, close) : key) % 16384;
}

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const braces = fc
  .array(fc.constantFrom(..."{{}}ab\0\xff"), { maxLength: 20 })
  .map((all) => Buffer.from(all.join(""), "latin1"));
const tagged = fc
  .tuple(bytes, bytes, bytes)
  .map(([a, b, c]) => Buffer.concat([a, Buffer.from("{"), b, Buffer.from("}"), c]));

test("any key, anywhere in its buffer", () => {
  fc.assert(
    fc.property(fc.oneof(bytes, braces, tagged), fc.nat(5), (key, before) => {
      const around = viewed(Buffer.concat([Buffer.alloc(before, "{"), key, Buffer.from("}{")]));
      assert.is(keySlot(around, before, key.length), expected(key));
    }),
    { numRuns: 2000 },
  );
});

test("what is known", () => {
  const slot = (text: string): number => keySlot(viewed(Buffer.from(text)), 0, text.length);
  assert.is(slot("123456789"), 0x31c3);
  assert.is(slot("foo"), 12182);
  assert.is(slot(""), 0);
  assert.is(slot("{user1000}.following"), slot("user1000"));
  assert.is(slot("foo{}{bar}"), crc16(Buffer.from("foo{}{bar}")) % 16384);
  assert.is(slot("foo{{bar}}zap"), slot("{bar"));
});

test.run();
