/**
 * test/fuzz/resp.test.ts: the request parser fed with what redis-parser made sure is well formed, with that mutated, and with
 * noise; whole, byte by byte, in pieces. It may refuse, never throw, never read beyond the end, and cutting the bytes up
 * must never change what they mean.
 */
import * as fc from "fast-check";
import RedisParser from "redis-parser";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Args } from "../../src/codec/resp/args.js";
import { DONE, INCOMPLETE, RequestParser } from "../../src/codec/resp/request-parser.js";
import { viewed } from "../../src/lib/view.js";

/** What a parser made of the bytes: the commands, then where it stopped. */
type Reading = { readonly commands: string[][]; readonly end: string };

/** Feed pieces as a session does. A canary byte stands behind the end of each. */
function read(pieces: readonly Buffer[]): Reading {
  const parser = new RequestParser(new Args());
  const commands: string[][] = [];
  let kept = Buffer.alloc(0);
  for (const piece of pieces) {
    const end = kept.length + piece.length;
    const bytes = viewed(Buffer.concat([kept, piece, Buffer.from("\n9\r\n")]));
    let at = 0;
    for (;;) {
      const state = parser.next(bytes, at, end);
      at = parser.position;
      assert.ok(at >= 0 && at <= end);
      if (state === DONE) {
        const { args } = parser;
        for (let i = 0; i < args.count; i++) assert.ok(args.start[i] >= 0 && args.start[i] + args.length[i] <= end);
        commands.push(Array.from({ length: args.count }, (_, i) => args.text(i)));
        continue;
      }
      if (state !== INCOMPLETE) return { commands, end: parser.errorText };
      break;
    }
    kept = Buffer.from(bytes.subarray(at, end));
  }
  return { commands, end: "more" };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted].map((from, i) => bytes.subarray(from, sorted[i] ?? bytes.length));
}

function encode(parts: readonly Buffer[]): Buffer {
  const pieces = parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]);
  return Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...pieces]);
}

const argument: fc.Arbitrary<Buffer> = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes));
const command: fc.Arbitrary<Buffer[]> = fc.array(argument, { minLength: 1, maxLength: 12 });
const places: fc.Arbitrary<number[]> = fc.array(fc.nat(100_000), { maxLength: 10 });

/** Pieces of the protocol, so that noise comes near to making sense. */
const token: fc.Arbitrary<string> = fc.constantFrom(
  "*",
  "$",
  "\r\n",
  "\r",
  "\n",
  "0",
  "1",
  "2",
  "3",
  "-1",
  "10",
  "99999999999",
  ":",
  '"',
  "'",
  "\\",
  "\\x4",
  "\\x41",
  " ",
  "\t",
  "\0",
  "get",
  "PING",
  "\xff",
  "$3\r\n",
  "*1\r\n",
);

test("what redis-parser reads as an array of strings is the same command", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 6 }), places, (commands, at) => {
      const bytes = Buffer.concat(commands.map(encode));
      const theirs: string[][] = [];
      new RedisParser({
        returnBuffers: true,
        returnReply: (reply: Buffer[]) => theirs.push(reply.map((part) => part.latin1Slice())),
        returnError: (error: Error) => {
          throw error;
        },
      }).execute(Buffer.from(bytes));
      assert.equal(read(cut(bytes, at)), { commands: theirs, end: "more" });
    }),
    { numRuns: 300 },
  );
});

test("mutated commands: however they are cut, they mean the same", () => {
  const change = fc.tuple(fc.nat(100_000), fc.nat(255), fc.constantFrom("set", "insert", "remove"));
  fc.assert(
    fc.property(
      fc.array(command, { minLength: 1, maxLength: 4 }),
      fc.array(change, { maxLength: 5 }),
      places,
      (commands, changes, at) => {
        const bytes = [...Buffer.concat(commands.map(encode))];
        for (const [place, byte, kind] of changes) {
          const index = place % (bytes.length + 1);
          if (kind === "set") bytes[Math.min(index, bytes.length - 1)] = byte;
          else bytes.splice(index, kind === "remove" ? 1 : 0, ...(kind === "remove" ? [] : [byte]));
        }
        const whole = Buffer.from(bytes);
        const expected = read([Buffer.from(whole)]);
        assert.equal(read(cut(Buffer.from(whole), at)), expected);
        assert.equal(read(Array.from(whole, (byte) => Buffer.from([byte]))), expected);
      },
    ),
    { numRuns: 1000 },
  );
});

test("noise made of pieces of the protocol", () => {
  fc.assert(
    fc.property(fc.array(token, { maxLength: 40 }), places, (tokens, at) => {
      const whole = Buffer.from(tokens.join(""), "latin1");
      const expected = read([Buffer.from(whole)]);
      assert.equal(read(cut(Buffer.from(whole), at)), expected);
      assert.equal(read(Array.from(whole, (byte) => Buffer.from([byte]))), expected);
    }),
    { numRuns: 2000 },
  );
});

test.run();
