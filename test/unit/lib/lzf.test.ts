/**
 * test/unit/lib/lzf.test.ts: known compressed bytes, there and back again, and malformed input.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { lzfCompress, lzfDecompress } from "../../../src/lib/lzf.js";
import { randomFrom } from "../../lib/command-generator.js";

function compress(bytes: Buffer, max = bytes.length - 4): Buffer | undefined {
  const out = Buffer.alloc(max + 2, 0xee);
  const size = lzfCompress(bytes, 0, bytes.length, out, 1, max);
  assert.is(out[0], 0xee, "written before the output");
  assert.is(out[max + 1], 0xee, "written behind the output");
  return size === 0 ? undefined : out.subarray(1, 1 + size);
}

function decompress(bytes: Buffer, length: number): Buffer | undefined {
  const out = Buffer.alloc(length + 1, 0xee);
  const whole = lzfDecompress(bytes, 0, bytes.length, out, length);
  assert.is(out[length], 0xee, "written behind the output");
  return whole ? out.subarray(0, length) : undefined;
}

test("reads what Redis wrote", () => {
  assert.is(decompress(Buffer.from("017878e05700017878", "hex"), 100)?.toString(), "x".repeat(100));
  assert.is(decompress(Buffer.from("0361626361e04b02016263", "hex"), 90)?.toString(), "abc".repeat(30));
});

test("there and back again", () => {
  const random = randomFrom(7);
  for (let round = 0; round < 400; round++) {
    const alphabet = 1 + Math.floor(random() * 255);
    const bytes = Buffer.from(
      Array.from({ length: 21 + Math.floor(random() ** 2 * 20_000) }, () => Math.floor(random() * alphabet)),
    );
    const packed = compress(bytes);
    if (packed !== undefined) assert.ok(decompress(packed, bytes.length)?.equals(bytes));
  }
});

test("what does not become shorter is given up", () => {
  const random = randomFrom(8);
  assert.is(compress(Buffer.from(Array.from({ length: 500 }, () => Math.floor(random() * 256)))), undefined);
  assert.is(compress(Buffer.from("abcabcabcabc"), 3), undefined);
});

test("malformed input is refused and nothing is written outside", () => {
  assert.is(decompress(Buffer.from("05616263", "hex"), 6), undefined, "literals are missing");
  assert.is(decompress(Buffer.from("00612001", "hex"), 4), undefined, "copies from before the start");
  assert.is(decompress(Buffer.from("0061e0", "hex"), 10), undefined, "ends within a copy");
  assert.is(decompress(Buffer.from("0061", "hex"), 2), undefined, "too short");
  assert.is(decompress(Buffer.from("0061", "hex"), 0), undefined, "too long");
  const random = randomFrom(9);
  for (let round = 0; round < 5000; round++) {
    const noise = Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)));
    decompress(noise, Math.floor(random() * 100));
  }
});

test.run();
