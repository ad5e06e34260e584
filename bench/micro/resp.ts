/**
 * bench/micro/resp.ts: nanoseconds per reply of the reply writer, against replies made as Buffers and joined. Guards
 * codec/resp/reply-writer.ts.
 */
import { ReplyWriter } from "../../src/codec/resp/reply-writer.js";
import { viewed } from "../../src/lib/view.js";
import { fold, type Group } from "../lib/micro.js";
import { VALUE } from "../lib/sample-data.js";

const REPLIES = 64;
const CRLF: Buffer = Buffer.from("\r\n");

/** A checksum of some of the bytes: enough to show that they were written, cheap beside writing them. */
function glance(bytes: Buffer, length: number): number {
  let sum = fold(1, length);
  for (let i = 0; i < length; i += 97) sum = fold(sum, bytes[i]);
  return sum;
}

function written(write: (writer: ReplyWriter, index: number) => void): () => number {
  const writer = new ReplyWriter();
  return () => {
    writer.at = 0;
    for (let i = 0; i < REPLIES; i++) write(writer, i);
    return glance(writer.buf, writer.at);
  };
}

function joined(make: (index: number) => Buffer[]): () => number {
  return () => {
    const parts: Buffer[] = [];
    for (let i = 0; i < REPLIES; i++) parts.push(...make(i));
    const all = Buffer.concat(parts);
    return glance(all, all.length);
  };
}

export function groups(): Group[] {
  const name = "codec/resp/reply-writer.ts";
  return [
    {
      name: `${name}, bulk of 64 bytes`,
      cases: [
        { name: "kvorum", operations: REPLIES, run: written((writer) => writer.bulk(viewed(VALUE), 0, VALUE.length)) },
        {
          name: "Buffers, joined",
          operations: REPLIES,
          run: joined(() => [Buffer.from(`$${VALUE.length}\r\n`), VALUE, CRLF]),
        },
      ],
    },
    {
      name: `${name}, integers`,
      cases: [
        { name: "kvorum", operations: REPLIES, run: written((writer, i) => writer.int(i * 1_000_003)) },
        { name: "Buffers, joined", operations: REPLIES, run: joined((i) => [Buffer.from(`:${i * 1_000_003}\r\n`)]) },
      ],
    },
    {
      name: `${name}, OK`,
      cases: [
        { name: "kvorum", operations: REPLIES, run: written((writer) => writer.ok()) },
        { name: "Buffers, joined", operations: REPLIES, run: joined(() => [Buffer.from("+OK\r\n")]) },
      ],
    },
  ];
}
