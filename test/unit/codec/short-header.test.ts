/**
 * test/unit/codec/short-header.test.ts: what the words say of a header is what a pattern says of its bytes.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { shortCount, shortLength } from "../../../src/codec/resp/short-header.js";

const headers = fc
  .array(fc.constantFrom(..."*$$$00123456789999\r\r\n /:\xff\0"), { minLength: 5, maxLength: 5 })
  .map((all) => Buffer.from(all.join(""), "latin1"));
const likely = fc
  .tuple(fc.constantFrom("*", "$"), fc.nat(120), fc.constantFrom("\r\n", "\r", "\n", "\rx"))
  .map(([lead, count, end]) => Buffer.from(`${lead}${count}${end}    `.slice(0, 5), "latin1"));

test("any five bytes", () => {
  fc.assert(
    fc.property(fc.oneof(headers, likely), (bytes) => {
      const text = bytes.toString("latin1");
      const count = /^\*([1-9])\r/.exec(text);
      assert.is(shortCount(bytes.readInt32LE(0)), count === null ? 0 : Number(count[1]));
      const length = /^\$(\d|[1-9]\d)\r/.exec(text);
      const expected = length === null ? -1 : (Number(length[1]) << 3) | ((length[1] as string).length + 3);
      assert.is(shortLength(bytes.readInt32LE(0)), expected);
    }),
    { numRuns: 5000 },
  );
});

test.run();
