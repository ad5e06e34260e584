/**
 * test/unit/lib/words.test.ts: copying and comparing by words against plain buffers: every length around the bounds, every alignment, and
 * nothing beside the run is touched or looked at.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { copyBytes, copyPlain } from "../../../src/lib/copy.js";
import { equalBytes } from "../../../src/lib/equal.js";
import { type Viewed, viewed } from "../../../src/lib/view.js";

const LENGTHS: readonly number[] = [...Array(22).keys(), 39, 40, 41, 63, 64, 159, 160, 161, 255, 256, 257, 300];
const SPARE = 5;

function filled(bytes: number, from: number): Viewed {
  return viewed(Buffer.from(Array.from({ length: bytes }, (_, i) => (from + i * 7) & 255)));
}

function each(check: (length: number, fromAt: number, toAt: number) => void): void {
  for (const length of LENGTHS)
    for (let fromAt = 0; fromAt < SPARE; fromAt++) for (let toAt = 0; toAt < SPARE; toAt++) check(length, fromAt, toAt);
}

for (const [name, copy] of Object.entries({ copyBytes, copyPlain }))
  test(`${name} copies the run and nothing else`, () => {
    each((length, fromAt, toAt) => {
      // The runs may end where their buffers do.
      const from = filled(fromAt + length, 1);
      const to = filled(toAt + length, 100);
      const expected = Buffer.concat([to.subarray(0, toAt), from.subarray(fromAt)]);
      copy(from, fromAt, to, toAt, length);
      assert.ok(to.equals(expected), `${length} bytes from ${fromAt} to ${toAt}`);
      const longer = filled(toAt + length + SPARE, 100);
      const behind = Buffer.from(longer.subarray(toAt + length));
      copy(from, fromAt, longer, toAt, length);
      assert.ok(longer.subarray(toAt + length).equals(behind));
    });
  });

test("equalBytes sees every byte of the run and none beside it", () => {
  each((length, aAt, bAt) => {
    const run = filled(length, 3);
    const a = viewed(Buffer.concat([Buffer.alloc(aAt, 1), run, Buffer.alloc(SPARE, 1)]));
    const b = viewed(Buffer.concat([Buffer.alloc(bAt, 2), run]));
    assert.ok(equalBytes(a, aAt, b, bAt, length));
    for (const at of new Set([0, 1, 2, 3, 4, length >> 1, length - 2, length - 1])) {
      if (at < 0 || at >= length) continue;
      b[bAt + at] ^= 128;
      assert.not.ok(equalBytes(a, aAt, b, bAt, length), `byte ${at} of ${length}`);
      b[bAt + at] ^= 128;
    }
  });
});

test.run();
