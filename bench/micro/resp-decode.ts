/**
 * bench/micro/resp-decode.ts: nanoseconds per command of the request parser, against redis-parser, which makes strings of
 * what it reads. Guards codec/resp/request-parser.ts.
 *
 *   node --import tsx bench/micro/resp-decode.ts
 */
import Benchmark from "benchmark";
import RedisParser from "redis-parser";
import { Args } from "../../src/codec/resp/args.js";
import { DONE, RequestParser } from "../../src/codec/resp/request-parser.js";

const COMMANDS = 200;

function encode(...parts: string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join("")}`;
}

/** Inputs as redis-benchmark sends them: 16-byte keys, 64-byte values. */
const INPUTS: Readonly<Record<string, Buffer>> = {
  GET: Buffer.from(
    Array.from({ length: COMMANDS }, (_, i) => encode("GET", `key:${String(i).padStart(12, "0")}`)).join(""),
  ),
  SET: Buffer.from(
    Array.from({ length: COMMANDS }, (_, i) =>
      encode("SET", `key:${String(i).padStart(12, "0")}`, "x".repeat(64)),
    ).join(""),
  ),
  "MSET 10": Buffer.from(
    Array.from({ length: COMMANDS }, () => encode("MSET", ...Array.from({ length: 20 }, (_, i) => `key:${i}`))).join(
      "",
    ),
  ),
};

const parser = new RequestParser(new Args());

/** @returns a number that depends on every argument, so that nothing can be left out. */
function parseAll(bytes: Buffer): number {
  let at = 0;
  let sum = 0;
  while (parser.next(bytes, at, bytes.length) === DONE) {
    at = parser.position;
    sum += parser.args.count + parser.args.start[parser.args.count - 1];
  }
  return sum;
}

let replies = 0;
const theirs = new RedisParser({
  returnBuffers: true,
  returnReply: (reply: Buffer[]) => {
    replies += reply.length;
  },
  returnError: () => {},
});

let consumed = 0;
const suite = new Benchmark.Suite();
for (const [name, bytes] of Object.entries(INPUTS)) {
  if (parseAll(bytes) === 0) throw new Error(`${name}: nothing parsed`);
  suite.add(`${name}: offsets`, () => {
    consumed += parseAll(bytes);
  });
  suite.add(`${name}: redis-parser`, () => {
    theirs.execute(bytes);
  });
}
suite
  .on("cycle", ({ target }: { target: Benchmark }) => {
    const nanoseconds = (target.stats?.mean ?? 0) * 1e9;
    console.log(
      `${String(target.name).padEnd(24)} ${(nanoseconds / COMMANDS).toFixed(1).padStart(8)} ns per command  +-${(target.stats?.rme ?? 0).toFixed(1)}%`,
    );
  })
  .on("complete", () => console.log(`consumed ${consumed + replies}`))
  .run();
