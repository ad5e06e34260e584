/**
 * test/unit/codec/request-parser.test.ts: the request parser against commands of known content: whole, byte by byte, split
 * at every position, several in a row, at moving offsets; and every protocol error with Redis's text.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Args } from "../../../src/codec/resp/args.js";
import { DONE, ERROR, INCOMPLETE, LIMITS_DEFAULT, RequestParser } from "../../../src/codec/resp/request-parser.js";
import { viewed } from "../../../src/lib/view.js";
import { cpuMs } from "../../lib/pace.js";

type Parsed = { readonly commands: string[][]; readonly error: string };

function encode(parts: readonly (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part, "latin1") : part;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(pieces);
}

function words(args: Args): string[] {
  return Array.from({ length: args.count }, (_, i) => args.text(i));
}

/** Feed `chunks` one after the other as a session does: what is not consumed moves to a new buffer at offset `shift`. */
function feed(chunks: readonly Buffer[], parser: RequestParser = new RequestParser(new Args()), shift = 0): Parsed {
  const commands: string[][] = [];
  let kept = Buffer.alloc(0);
  for (const chunk of chunks) {
    const bytes = viewed(Buffer.concat([Buffer.alloc(shift, "#"), kept, chunk, Buffer.from("$9\r\n*1\r\n\n")]));
    const end = shift + kept.length + chunk.length;
    let at = shift;
    for (;;) {
      const state = parser.next(bytes, at, end);
      if (state === ERROR) return { commands, error: parser.errorText };
      at = parser.position;
      if (state === INCOMPLETE) break;
      assert.is(state, DONE);
      commands.push(words(parser.args));
    }
    kept = Buffer.from(bytes.subarray(at, end));
  }
  return { commands, error: "" };
}

function bytewise(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

/** Byte by byte at the end, where a limit is reached; a long way there is gone in pieces, as each of them is copied anew. */
function slowly(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (; bytes.length - at > 1000; at += 61) pieces.push(bytes.subarray(at, at + 61));
  return [...pieces, ...bytewise(bytes.subarray(at))];
}

const SAMPLE: string[][] = [
  ["SET", "key", "value"],
  ["GET", ""],
  ["PING"],
  ["SET", "\x00\r\n\xff", "$3\r\n*1\r\n"],
  Array.from({ length: 40 }, (_, i) => `argument ${i}`),
  ["SET", "k", "x".repeat(100_00)],
];
const SAMPLE_BYTES: Buffer = Buffer.concat(SAMPLE.map(encode));

test("whole commands in one buffer", () => {
  assert.equal(feed([SAMPLE_BYTES]), { commands: SAMPLE, error: "" });
});

test("byte by byte, at moving offsets", () => {
  for (const shift of [0, 1, 77])
    assert.equal(feed(bytewise(SAMPLE_BYTES), undefined, shift), { commands: SAMPLE, error: "" });
});

test("split in two at every position", () => {
  const short = Buffer.concat(SAMPLE.slice(0, 5).map(encode));
  for (let cut = 0; cut <= short.length; cut++)
    assert.equal(feed([short.subarray(0, cut), short.subarray(cut)], undefined, cut % 3), {
      commands: SAMPLE.slice(0, 5),
      error: "",
    });
});

test("any commands in any pieces", () => {
  const argument = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
  const command = fc.array(argument, { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 8 }),
      fc.array(fc.nat(400), { maxLength: 8 }),
      fc.nat(9),
      (list, cuts, shift) => {
        const bytes = Buffer.concat(list.map(encode));
        const places = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
          (a, b) => a - b,
        );
        const chunks = places.slice(1).map((to, i) => bytes.subarray(places[i], to));
        const expected = list.map((parts) => parts.map((part) => part.latin1Slice()));
        assert.equal(feed(chunks, undefined, shift), { commands: expected, error: "" });
      },
    ),
  );
});

test("mutated bytes never throw, and mean the same in one piece and byte by byte", () => {
  const base = Buffer.concat(SAMPLE.slice(0, 5).map(encode));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = Buffer.from(base);
      for (const [at, byte] of changes) bytes[at] = byte;
      assert.equal(feed([bytes]), feed(bytewise(bytes)));
    }),
    { numRuns: 500 },
  );
});

test("commands without arguments are passed over", () => {
  assert.equal(feed([Buffer.from("*0\r\n*-1\r\n\r\n\n   \r\n*1\r\n$4\r\nPING\r\n\r\n")]), {
    commands: [["PING"]],
    error: "",
  });
});

test("inline commands: line ends, quotes, escapes", () => {
  const cases: [string, string[]][] = [
    ["PING\r\n", ["PING"]],
    ["PING\n", ["PING"]],
    ["  set  k\t v  \r\n", ["set", "k", "v"]],
    ["set \"a b\" 'c d'\n", ["set", "a b", "c d"]],
    ['set "\\x00\\xfF\\n\\r\\t\\b\\a\\q\\"" k\n', ["set", '\x00\xff\n\r\t\b\x07q"', "k"]],
    ["set 'it\\'s' '\\n'\n", ["set", "it's", "\\n"]],
    ["set \"\" ''\n", ["set", "", ""]],
    ['ab"cd"\n', ["abcd"]],
    ['"\\xg1"\n', ["xg1"]],
    ["get a\x00b\n", ["get", "a"]],
    ["a\x0bb c\n", ["a\x0bb", "c"]],
  ];
  for (const [line, expected] of cases) {
    assert.equal(feed([Buffer.from(line, "latin1")]), { commands: [expected], error: "" }, line);
    assert.equal(feed(bytewise(Buffer.from(line, "latin1"))), { commands: [expected], error: "" }, line);
  }
});

test("protocol errors", () => {
  const cases: [string, string][] = [
    ["*abc\r\n", "invalid multibulk length"],
    ["*01\r\n", "invalid multibulk length"],
    ["*\r\n", "invalid multibulk length"],
    ["*-0\r\n", "invalid multibulk length"],
    ["*1048577\r\n", "invalid multibulk length"],
    ["*99999999999999999999\r\n", "invalid multibulk length"],
    ["*1\r\n:4\r\nPING\r\n", "expected '$', got ':'"],
    ["*1\r\n$-1\r\n", "invalid bulk length"],
    ["*1\r\n$\r\n", "invalid bulk length"],
    ["*1\r\n$+4\r\nPING\r\n", "invalid bulk length"],
    ["*1\r\n$04\r\nPING\r\n", "invalid bulk length"],
    ["*1\r\n$4x\r\nPING\r\n", "invalid bulk length"],
    ["*1\r\n$536870913\r\n", "invalid bulk length"],
    ['get "a\r\n', "unbalanced quotes in request"],
    ['get "a"b\r\n', "unbalanced quotes in request"],
    ["get 'a'b\r\n", "unbalanced quotes in request"],
    ["a".repeat(65537), "too big inline request"],
    [`*${"1".repeat(65537)}`, "too big mbulk count string"],
    [`*1\r\n$${"1".repeat(65537)}`, "too big bulk count string"],
  ];
  for (const [bytes, text] of cases) {
    const expected = { commands: [], error: `Protocol error: ${text}` };
    assert.equal(feed([Buffer.from(bytes)]), expected, bytes.slice(0, 40));
    assert.equal(feed(slowly(Buffer.from(bytes))), expected, bytes.slice(0, 40));
  }
});

test("counts below zero are commands without arguments, down to 64 bits", () => {
  for (const count of ["-1", "-999999999999999", "-1000000000000000", "-9223372036854775808"]) {
    const bytes = Buffer.from(`*${count}\r\n*1\r\n$4\r\nPING\r\n`);
    for (const pieces of [[bytes], bytewise(bytes)]) assert.equal(feed(pieces), { commands: [["PING"]], error: "" });
  }
  for (const count of ["-9223372036854775809", "-0123456789012345", "-123456789012345a", `-${"1".repeat(70_000)}`]) {
    assert.is(feed([Buffer.from(`*${count}\r\n`)]).error, "Protocol error: invalid multibulk length");
  }
});

test("the longest inline command, and what is a byte longer; a header with an end is wrong, not too long", () => {
  const word = "a".repeat(65_536);
  for (const end of ["\n", "\r\n"]) {
    const bytes = Buffer.from(word + end);
    for (const pieces of [[bytes], [bytes.subarray(0, 65_537), bytes.subarray(65_537)], slowly(bytes)])
      assert.equal(feed(pieces), { commands: [[word]], error: "" });
    assert.is(feed([Buffer.from(`${word}a${end}`)]).error, "Protocol error: too big inline request");
  }
  assert.is(feed([Buffer.from(`${word}\ra`)]).error, "Protocol error: too big inline request");
  assert.is(feed([Buffer.from(`*1\r\n$${"1".repeat(70_000)}\r\n`)]).error, "Protocol error: invalid bulk length");
});

test("limits before AUTH", () => {
  const anonymous = (): RequestParser => {
    const parser = new RequestParser(new Args());
    parser.authenticated = false;
    return parser;
  };
  const ten = Array.from({ length: 10 }, () => "a");
  assert.equal(feed([encode(ten)], anonymous()), { commands: [ten], error: "" });
  assert.is(feed([encode([...ten, "b"])], anonymous()).error, "Protocol error: unauthenticated multibulk length");
  assert.is(feed([encode(["x".repeat(16384)])], anonymous()).error, "");
  assert.is(feed([encode(["x".repeat(16385)])], anonymous()).error, "Protocol error: unauthenticated bulk length");
});

test("a declared length allocates nothing and tells what is needed", () => {
  const parser = new RequestParser(new Args(), { ...LIMITS_DEFAULT });
  const bytes = viewed(Buffer.from("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n"));
  const before = process.memoryUsage().arrayBuffers;
  assert.is(parser.next(bytes, 0, bytes.length), INCOMPLETE);
  assert.is(parser.position, 0);
  assert.is(parser.needed, bytes.length + 536870912 + 2);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
});

test("an argument in many pieces is not read again from its start", () => {
  // Quadratic work on 64 MiB in 1 KiB pieces would take minutes.
  const parser = new RequestParser(new Args());
  const size = 64 * 1024 * 1024;
  const bytes = viewed(
    Buffer.concat([Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${size}\r\n`), Buffer.alloc(size), Buffer.from("\r\n")]),
  );
  const started = cpuMs();
  for (let end = 1024; end < bytes.length; end += 1024) assert.is(parser.next(bytes, 0, end), INCOMPLETE);
  assert.is(parser.next(bytes, 0, bytes.length), DONE);
  assert.is(parser.args.length[2], size);
  assert.ok(cpuMs() - started < 2000);
});

test.run();
