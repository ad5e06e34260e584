/**
 * test/unit/config/file.test.ts: the grammar of redis.conf, by example and by chance.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ConfigError } from "../../../src/config/error.js";
import { parseFile, quoteWord, splitWords } from "../../../src/config/file.js";
import { matchGlob } from "../../../src/config/glob.js";
import { loadConfig } from "../../../src/config/load.js";
import { editDistance, nearest } from "../../../src/config/nearest.js";
import { optionNames } from "../../../src/config/options.js";
import { cpuMs } from "../../lib/pace.js";
import { memoryFiles } from "./memory-files.js";

test("words, quotes and escapes as Redis reads them", () => {
  assert.equal(splitWords("  set  a\tb "), ["set", "a", "b"]);
  assert.equal(splitWords('a "b c" \'d e\' ""'), ["a", "b c", "d e", ""]);
  assert.equal(splitWords('"\\x41\\n\\r\\t\\b\\a\\"\\\\\\q\\xZZ"'), ['A\n\r\t\b\x07"\\qxZZ']);
  assert.equal(splitWords("'it\\'s \\n'"), ["it's \\n"]);
  assert.equal(splitWords('ab"c d"'), ["abc d"]);
  assert.equal(splitWords(""), []);
  for (const line of ['"a', "'a", '"a"b', "'a'b", '"a\\']) assert.is(splitWords(line), undefined, line);
});

test("lines: comments, blanks, CRLF, a byte order mark, no line feed at the end", () => {
  const bytes = Buffer.from("\uFEFF# c\r\nport 1\r\n\r\n  # x\n\tTimeOut  2 \nhz 3");
  assert.equal(parseFile(bytes), [
    { number: 2, name: "port", words: ["1"] },
    { number: 5, name: "timeout", words: ["2"] },
    { number: 6, name: "hz", words: ["3"] },
  ]);
  assert.equal(parseFile(Buffer.from([0x61, 0x20, 0xff])), [
    { number: 1, name: "", words: [], error: "not valid UTF-8 text" },
  ]);
  assert.equal(parseFile(Buffer.from('a "\\xc3\\xa9" é'))[0]?.words, ["é", "é"]);
});

test("a quoted word comes back", () => {
  const well = fc.string({ unit: "binary" }).filter((text) => !/\p{Surrogate}/u.test(text));
  fc.assert(
    fc.property(fc.array(well, { maxLength: 5 }), (words) => {
      const line = Buffer.from(`name ${words.map(quoteWord).join(" ")}`);
      // A comment sign or a bare line feed in a word must not end it.
      assert.equal(parseFile(line), [{ number: 1, name: "name", words }]);
    }),
    { numRuns: 500 },
  );
});

test("any bytes are read or refused, with nothing but ConfigError", () => {
  const piece = fc.oneof(
    fc.constantFrom(...optionNames(), "include", "nosuch"),
    fc.constantFrom(
      " ",
      "\n",
      '"',
      "'",
      "\\",
      "#",
      "\\x4",
      "\0",
      "\xff",
      "-1",
      "yes",
      "1gb",
      "999999999999999999999",
      ",",
    ),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), (pieces, asFlags) => {
      const file = Buffer.from(pieces.join(" "), "latin1");
      const argv = asFlags ? pieces.map((text, i) => (i % 2 === 0 ? `--${text}` : text)) : ["f"];
      try {
        const config = loadConfig({ argv, env: {}, cwd: "/", files: memoryFiles({ "/f": file }) });
        assert.type(config.rewrite(), asFlags ? "string" : "undefined");
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        assert.ok(error.problems.length > 0);
      }
    }),
    { numRuns: 1000 },
  );
});

test("a line that is accepted means the same after CONFIG REWRITE", () => {
  const line = fc.tuple(
    fc.constantFrom(...optionNames()),
    fc.constantFrom("0", "1", "20", "64kb", "yes", "no", "a b", '""'),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.array(line, { maxLength: 4 }), (lines, changes) => {
      const texts = { "/f": lines.map(([name, value]) => `${name} ${value}\n`).join("") };
      const load = () => loadConfig({ argv: ["f"], env: {}, cwd: "/", files: memoryFiles(texts) });
      let config: ReturnType<typeof load>;
      try {
        config = load();
      } catch {
        return;
      }
      for (const [name, value] of changes) config.set(name, value === '""' ? "" : value);
      assert.is(config.rewrite(), undefined);
      assert.equal(load().matching(["*"]), config.matching(["*"]));
    }),
    { numRuns: 500 },
  );
});

test("patterns", () => {
  const yes: [string, string][] = [
    ["", ""],
    ["*", "a"],
    ["a*c", "abbc"],
    ["*a*b*", "xaxbx"],
    ["h?llo", "hello"],
    ["h[ae]llo", "hallo"],
    ["h[^e]llo", "hallo"],
    ["h[c-a]llo", "hbllo"],
    ["\\*", "*"],
    ["[\\]]", "]"],
  ];
  for (const [pattern, text] of yes) assert.ok(matchGlob(pattern, text), `${pattern} ${text}`);
  const no: [string, string][] = [
    ["", "a"],
    ["a", ""],
    ["?", ""],
    ["*", ""], // as in Redis: no name is empty
    ["h[^e]llo", "hello"],
    ["a*c", "ab"],
    ["\\*", "a"],
    ["[", ""],
  ];
  for (const [pattern, text] of no) assert.not.ok(matchGlob(pattern, text), `${pattern} ${text}`);
  const started = cpuMs();
  assert.not.ok(matchGlob(`${"a*".repeat(50)}b`, "a".repeat(5000)));
  assert.ok(cpuMs() - started < 1000, "no exponential search");
});

test("the nearest name", () => {
  assert.is(nearest("maxmemroy", optionNames()), "maxmemory");
  assert.is(nearest("append-fsync", optionNames()), "appendfsync");
  assert.is(nearest("prot", optionNames()), "port");
  assert.is(nearest("zzzzzzzz", optionNames()), undefined);
  assert.is(nearest("x".repeat(10_000), optionNames()), undefined);
  assert.equal(
    [editDistance("ab", "ba", 9), editDistance("kitten", "sitting", 9), editDistance("", "abc", 9)],
    [1, 3, 3],
  );
  assert.is(editDistance("abcdef", "uvwxyz", 3), 3);
});

test.run();
