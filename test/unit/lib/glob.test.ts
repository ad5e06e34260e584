/**
 * test/unit/lib/glob.test.ts: patterns with known answers (redis-server's own), and that no pattern takes for ever.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { globMatches } from "../../../src/lib/glob.js";

function matches(pattern: string, text: string, nocase = false): boolean {
  const padded = Buffer.from(`<<${text}>>`, "latin1");
  return globMatches(Buffer.from(pattern, "latin1"), padded, 2, text.length, nocase);
}

const CASES: readonly (readonly [pattern: string, text: string, expected: boolean])[] = [
  ["*", "anything", true],
  ["h?llo", "hallo", true],
  ["h?llo", "hllo", false],
  ["h*llo", "heeeello", true],
  ["h[ae]llo", "hillo", false],
  ["h[^e]llo", "hallo", true],
  ["h[a-b]llo", "hbllo", true],
  ["h[b-a]llo", "hbllo", true],
  ["a\\*c", "a*c", true],
  ["a\\*c", "abc", false],
  ["a\\", "a\\", true],
  ["[\\]]", "]", true],
  ["[a", "a", true],
  ["[^", "x", true],
  ["[", "x", false],
  ["*a*b*c*", "xxaxxbxxcxx", true],
  ["*a*b*c*", "xxaxxcxxbxx", false],
  ["a**", "a", true],
  ["", "", true],
  ["", "a", false],
  ["**", "", false],
];

for (const [pattern, text, expected] of CASES) {
  test(`${JSON.stringify(pattern)} ${expected ? "matches" : "does not match"} ${JSON.stringify(text)}`, () => {
    assert.is(matches(pattern, text), expected);
  });
}

test("letters match in either case when asked to", () => {
  assert.ok(matches("HeL[L-M]O", "hello", true));
  assert.not.ok(matches("HELLO", "hello"));
});

test("many stars take no longer than the product of the lengths", () => {
  const started = process.hrtime.bigint();
  assert.not.ok(matches(`${"a*".repeat(60)}d`, `${"a".repeat(5000)}c`));
  assert.ok(process.hrtime.bigint() - started < 1_000_000_000n);
});

test.run();
