/**
 * test/unit/config/options.test.ts: the table itself: every default, smallest and largest value is reached and one step further
 * refused, by a file, by CONFIG SET and by the library alike.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { findOption, OPTIONS, optionNames } from "../../../src/config/options.js";
import type { Option } from "../../../src/config/row.js";
import { formatValue, parseValue } from "../../../src/config/value.js";

/** A number as this kind of option is written. */
function written(option: Option, value: number): string {
  if (option.kind === "octal") return value.toString(8);
  return option.kind === "duration" ? `${value}ms` : String(value);
}

const NUMBERS = ["int", "bytes", "octal", "duration"];

test("names are unique, lower case and found in any case; each row has a sentence", () => {
  const names = [...optionNames()];
  assert.is(new Set(names).size, names.length);
  for (const name of names) {
    assert.match(name, /^[a-z][a-z0-9_-]*$/);
    assert.is(findOption(name.toUpperCase()), findOption(name));
  }
  for (const { name, doc } of OPTIONS) assert.match(doc, /[.?]$/, name);
  assert.is(findOption("nosuch"), undefined);
});

test("every default passes its own checks and comes back from its text", () => {
  for (const option of OPTIONS) {
    const text = formatValue(option, option.default);
    assert.equal(parseValue(option, [text]), { value: option.default }, option.name);
  }
});

test("every number has a least and a most, reached, and one beyond is refused, or becomes it where Redis takes it", () => {
  let count = 0;
  for (const option of OPTIONS) {
    if (!NUMBERS.includes(option.kind)) continue;
    const { name, min, max } = option;
    assert.type(min, "number", name);
    assert.type(max, "number", name);
    const { check, ...free } = option;
    for (const value of [min as number, max as number]) {
      assert.equal(parseValue(free, [written(option, value)]), { value }, `${name} ${value}`);
    }
    for (const value of [(min as number) - 1, (max as number) + 1]) {
      const parsed = parseValue(option, [written(option, value)]);
      const wider = option.redis !== undefined && option.redis.alias === undefined && value >= option.redis.min;
      if (wider)
        assert.match(parsed.error === undefined ? (parsed.adapted ?? "") : "", /^is (raised|lowered) to /, name);
      else assert.match(parsed.error ?? "accepted", /^argument (must be|couldn't)/, `${name} ${value}`);
    }
    count++;
  }
  assert.ok(count > 60);
});

test("every enum takes each of its values in any case and names them when refusing", () => {
  for (const option of OPTIONS) {
    if (option.kind !== "enum") continue;
    const values = option.values as readonly string[];
    for (const value of values) assert.equal(parseValue(option, [value.toUpperCase()]), { value });
    const refused = { error: `argument(s) must be one of the following: ${values.join(", ")}` };
    assert.equal(parseValue(option, ["nosuch"]), refused);
  }
});

test("whatever is accepted comes back from its text", () => {
  const tries = [
    "",
    "0",
    "1",
    "7",
    "64kb",
    "1gb",
    "yes",
    "no",
    "a",
    "a b",
    "normal 1 2 3",
    "127.0.0.1 ::1",
    "5s",
    "1500ms",
  ];
  for (const option of OPTIONS) {
    for (const text of tries) {
      const first = parseValue(option, [text]);
      if (first.error !== undefined) continue;
      const again = parseValue(option, [formatValue(option, first.value)]);
      assert.equal(again, { value: first.value }, `${option.name} ${text}`);
    }
  }
});

test("one value means one word", () => {
  for (const option of OPTIONS) {
    if (["list", "words", "limits"].includes(option.kind)) continue;
    for (const words of [[], ["1", "2"]]) {
      assert.equal(parseValue(option, words), { error: "wrong number of arguments" }, option.name);
    }
  }
});

test("text that is not UTF-8, holds a NUL or has no end is refused", () => {
  const requirepass = findOption("requirepass") as Option;
  for (const text of ["a\uFFFDb", "a\0b", "x".repeat(65537)]) {
    assert.type(parseValue(requirepass, [text]).error, "string");
  }
  assert.equal(parseValue(requirepass, ["x".repeat(65536)]), { value: "x".repeat(65536) });
});

test("no description sends anybody to a name without effect", () => {
  const idle = OPTIONS.filter(({ noEffect }) => noEffect !== undefined).map(({ name }) => name);
  for (const { name, doc, noEffect } of OPTIONS) {
    if (noEffect !== undefined) continue;
    const named = doc.split(/[^a-z-]+/).filter((word) => idle.includes(word));
    assert.equal(named, [], name);
  }
});

test("peers and join are checked to the letter", () => {
  const peers = findOption("peers") as Option;
  assert.equal(parseValue(peers, ["a=h:1,b=[::1]:65535"]), { value: ["a=h:1", "b=[::1]:65535"] });
  assert.equal(parseValue(peers, ["a=h:1, b=h:2", "c=h:3"]), { value: ["a=h:1", "b=h:2", "c=h:3"] });
  for (const text of ["a", "a=h", "=h:1", "a=h:0", "a=h:65536", "a=h:1:2", "a b=h:1"]) {
    assert.equal(parseValue(peers, [text]), { error: "argument must be id=host:peerPort,..." }, text);
  }
  assert.is(parseValue(findOption("join") as Option, ["h:70000"]).error, "argument must be host:peerPort,...");
});

test.run();
