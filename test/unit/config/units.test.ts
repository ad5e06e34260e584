/**
 * test/unit/config/units.test.ts: sizes, integers and durations as redis.conf writes them.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatBytes, parseBytes, parseBytesExactly, parseDuration, parseInteger } from "../../../src/lib/units.js";

test("memory sizes", () => {
  const sizes: Record<string, number> = {
    "0": 0,
    "1": 1,
    "10b": 10,
    "1k": 1000,
    "1kb": 1024,
    "1M": 1_000_000,
    "1MB": 1_048_576,
    "1g": 1e9,
    "1Gb": 2 ** 30,
    "0064": 64,
  };
  for (const [text, bytes] of Object.entries(sizes)) assert.is(parseBytes(text), bytes, text);
  for (const text of [
    "",
    "x",
    "-1",
    "+1",
    "1.5gb",
    "10 kb",
    " 1",
    "1tb",
    "kb",
    "1kbb",
    "10%",
    "0x10",
    "9007199254740992",
  ]) {
    assert.is(parseBytes(text), undefined, text);
  }
  assert.is(parseBytes("9007199254740991"), Number.MAX_SAFE_INTEGER);
  assert.is(parseBytes("9007199gb"), undefined, "past what a number holds exactly");
  assert.is(parseBytesExactly("9007199gb"), 9007199n << 30n);
  assert.is(parseBytesExactly("18446744073709551615"), 2n ** 64n - 1n);
  assert.is(parseBytesExactly("184467440737095516150"), undefined);
});

test("a size comes back from its text, and from any text nothing but a size", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => assert.is(parseBytes(formatBytes(bytes)), bytes)),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 22 }), fc.constantFrom("kb", "mb", "gb"), (count, unit) => {
      const bytes = parseBytes(`${count}${unit}`) as number;
      assert.is(parseBytes(formatBytes(bytes)), bytes);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const bytes = parseBytes(text);
      assert.ok(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0));
    }),
  );
  assert.equal(
    [formatBytes(0), formatBytes(65536), formatBytes(65537), formatBytes(2 ** 30)],
    ["0", "64kb", "65537", "1gb"],
  );
});

test("integers are strict", () => {
  assert.equal([parseInteger("0"), parseInteger("-5"), parseInteger("42")], [0, -5, 42]);
  for (const text of [
    "",
    "-",
    "-0",
    "+1",
    "05",
    "1.0",
    " 1",
    "1 ",
    "1e3",
    "0x1",
    "9007199254740992",
    "99999999999999999999",
  ]) {
    assert.is(parseInteger(text), undefined, text);
  }
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => assert.is(parseInteger(String(value)), value === 0 ? 0 : value)),
  );
});

test("durations", () => {
  assert.equal(
    ["5", "250ms", "5s", "2m", "1h", "1d"].map((text) => parseDuration(text, 1000)),
    [5000, 250, 5000, 120_000, 3_600_000, 86_400_000],
  );
  assert.is(parseDuration("5", 1), 5);
  for (const text of ["", "s", "-1s", "1.5s", "1 s", "1w", "999999999999999d"]) {
    assert.is(parseDuration(text, 1000), undefined, text);
  }
});

test.run();
