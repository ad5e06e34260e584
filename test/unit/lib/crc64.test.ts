/**
 * test/unit/lib/crc64.test.ts: the CRC against its published check value and a slow bit-by-bit reckoning.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeCrc64 } from "../../../src/lib/crc64.js";

function crc(bytes: Buffer): bigint {
  const out = Buffer.alloc(8);
  writeCrc64(bytes, 0, bytes.length, out, 0);
  return out.readBigUInt64LE();
}

test("the check value", () => {
  assert.is(crc(Buffer.from("123456789")), 0xe9c6d914c4b8d9can);
  assert.is(crc(Buffer.alloc(0)), 0n);
});

test("equals division of polynomials, bit by bit", () => {
  const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * i * 7) & 0xff));
  let expected = 0n;
  for (const byte of bytes) {
    expected ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++)
      expected = expected & 1n ? (expected >> 1n) ^ 0x95ac9329ac4bc9b5n : expected >> 1n;
  }
  assert.is(crc(bytes), expected);
});

test("only the given part counts", () => {
  const out = Buffer.alloc(10);
  writeCrc64(Buffer.from("xx123456789yy"), 2, 9, out, 1);
  assert.is(out.readBigUInt64LE(1), 0xe9c6d914c4b8d9can);
});

test.run();
