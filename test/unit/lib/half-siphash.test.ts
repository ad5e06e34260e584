/**
 * test/unit/lib/half-siphash.test.ts: the hash against the algorithm as its paper states it, in plain steps; those steps against the vectors
 * that its authors publish for HalfSipHash-2-4.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { halfSipHash } from "../../../src/lib/half-siphash.js";
import { viewed } from "../../../src/lib/view.js";

const left = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

function plainly(bytes: Buffer, k0: number, k1: number, perWord: number, atEnd: number): number {
  const v = Int32Array.of(k0, k1, 0x6c796765 ^ k0, 0x74656462 ^ k1);
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v[0] += v[1];
      v[1] = left(v[1], 5) ^ v[0];
      v[0] = left(v[0], 16);
      v[2] += v[3];
      v[3] = left(v[3], 8) ^ v[2];
      v[0] += v[3];
      v[3] = left(v[3], 7) ^ v[0];
      v[2] += v[1];
      v[1] = left(v[1], 13) ^ v[2];
      v[2] = left(v[2], 16);
    }
  };
  // Zeros up to a whole word whose last byte is the length.
  const padded = Buffer.alloc((bytes.length + 4) & ~3);
  bytes.copy(padded);
  padded[padded.length - 1] = bytes.length;
  for (let at = 0; at < padded.length; at += 4) {
    v[3] ^= padded.readInt32LE(at);
    rounds(perWord);
    v[0] ^= padded.readInt32LE(at);
  }
  v[2] ^= 0xff;
  rounds(atEnd);
  return v[1] ^ v[3];
}

test("the plain steps are those of the authors", () => {
  const first = ["a9359f5b", "27475ab8", "fa62a603", "8afee704"];
  for (const [length, hex] of first.entries()) {
    const hash = plainly(Buffer.from([0, 1, 2].slice(0, length)), 0x03020100, 0x07060504, 2, 4);
    const shown = Buffer.alloc(4);
    shown.writeInt32LE(hash);
    assert.is(shown.toString("hex"), hex, `${length} bytes`);
  }
});

test("any bytes, any secret, anywhere in a buffer", () => {
  const secret = fc.integer();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(5), secret, secret, (bytes, before, k0, k1) => {
      const around = viewed(Buffer.concat([Buffer.alloc(before, 7), bytes, Buffer.alloc(3, 9)]));
      const expected = plainly(Buffer.from(bytes), k0, k1, 1, 3);
      assert.is(halfSipHash(around, before, bytes.length, k0, k1), expected);
    }),
    { numRuns: 1000 },
  );
});

test.run();
