/**
 * bench/micro/resp-decode.ts: nanoseconds per command of the request parser, against redis-parser, which makes Buffers of
 * what it reads. Guards codec/resp/request-parser.ts.
 * Both count the arguments and their bytes; redis-parser cannot be had without its copies, which is the point.
 */
import RedisParser from "redis-parser";
import { Args } from "../../src/codec/resp/args.js";
import { DONE, RequestParser } from "../../src/codec/resp/request-parser.js";
import { viewed } from "../../src/lib/view.js";
import { fold, type Group } from "../lib/micro.js";
import { keyText, requests } from "../lib/sample-data.js";

const COMMANDS = 200;
const VALUE = "x".repeat(64);
const MSET: readonly string[] = ["MSET", ...Array.from({ length: 20 }, (_, i) => `key:${i}`)];

const INPUTS: Readonly<Record<string, Buffer>> = {
  GET: requests(COMMANDS, (i) => ["GET", keyText(i)]),
  SET: requests(COMMANDS, (i) => ["SET", keyText(i), VALUE]),
  "MSET of 10": requests(COMMANDS, () => MSET),
};

function offsets(bytes: Buffer): () => number {
  const parser = new RequestParser(new Args());
  return () => {
    let at = 0;
    let sum = 1;
    while (parser.next(viewed(bytes), at, bytes.length) === DONE) {
      at = parser.position;
      const { args } = parser;
      for (let i = 0; i < args.count; i++) sum = fold(sum, args.length[i] * 256 + args.bytes[args.start[i]]);
    }
    return sum;
  };
}

function buffers(bytes: Buffer): () => number {
  let sum = 1;
  const fail = (error: Error): void => {
    throw error;
  };
  const parser = new RedisParser({
    returnBuffers: true,
    returnReply: (reply: unknown) => {
      const parts = reply as Buffer[];
      for (let i = 0; i < parts.length; i++)
        sum = fold(sum, (parts[i] as Buffer).length * 256 + (parts[i] as Buffer)[0]);
    },
    returnError: fail,
    returnFatalError: fail,
  });
  return () => {
    sum = 1;
    parser.execute(bytes);
    return sum;
  };
}

export function groups(): Group[] {
  return Object.entries(INPUTS).map(([name, bytes]) => ({
    name: `codec/resp/request-parser.ts, ${name}`,
    cases: [
      { name: "kvorum, offsets", operations: COMMANDS, run: offsets(bytes) },
      { name: "redis-parser, Buffers", operations: COMMANDS, run: buffers(bytes) },
    ],
  }));
}
