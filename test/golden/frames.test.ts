/**
 * test/golden/frames.test.ts: the bytes peers send each other in version 1, as they lie in v1/frames.txt: the samples are written as they
 * were, and what was written is read as it always was. A failure here means that nodes of two releases do not understand each other.
 * Before a release that has them: UPDATE=1 npm test -- golden writes them anew.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { sealFrame, writePart } from "../../src/codec/frame/frame-seal.js";
import { FRAME_BYE, FRAME_HEADER_BYTES, FRAME_MESSAGES, writeU53 } from "../../src/codec/frame/layout.js";
import { MessageWriter } from "../../src/codec/frame/message-writer.js";
import { golden, readGolden } from "../lib/golden.js";
import { AT_REST, type Plain, plainFrame, plainMessages, readStream, TYPES, write } from "../lib/messages.js";
import { recordBytes } from "../lib/record-bytes.js";

const NAME = "v1/frames.txt";
const BOOT = 7;
const DOT = { epoch: 2, hlc: 395_000_000_000_001, node: 5 };
const OTHER = { epoch: 0, hlc: 394_999_999_999_999, node: 2 };
const HEAD = { partition: 1023, id: 258, epoch: 2, budgetMs: 1999 };
const KEY = Buffer.from("greeting");
const RECORD = recordBytes({
  ...DOT,
  type: 0,
  db: 3,
  tombstone: false,
  raw: false,
  long: false,
  expireAt: 1_900_000_000_123,
  vector: [DOT],
  key: KEY,
  value: Buffer.from("hello"),
});
const GONE = recordBytes({
  ...DOT,
  type: 0,
  db: 0,
  tombstone: true,
  raw: false,
  long: false,
  expireAt: 0,
  vector: undefined,
  key: KEY,
  value: Buffer.alloc(0),
});
const ITEM = { dot: { epoch: 0, hlc: 0, node: 0 }, db: 0, chosen: false };

const of = (type: number, fields: Partial<Plain>): Plain => ({ ...AT_REST, type, ...HEAD, ...fields });
const alone = (type: number, fields: Partial<Plain>): Plain => of(type, { partition: 0, epoch: 0, ...fields });

const SAMPLES: readonly (readonly [what: string, message: Plain])[] = [
  ["READ of a key in database 3", of(TYPES.READ, { db: 3, second: DOT, bytes: KEY })],
  [
    "READ_REPLY, chosen, with its state",
    of(TYPES.READ_REPLY, { low: 3, second: DOT, numbers: [300, 77], bytes: RECORD }),
  ],
  ["READ_REPLY, absent", of(TYPES.READ_REPLY, { numbers: [1, 2 ** 53 - 1] })],
  ["PREPARE", of(TYPES.PREPARE, { db: 15, dot: DOT, second: OTHER, bytes: KEY })],
  ["PROMISE, its dot alone", of(TYPES.PROMISE, { dot: DOT, second: OTHER, numbers: [77] })],
  ["NACK of a ballot", of(TYPES.NACK, { low: 0, dot: OTHER, second: DOT })],
  ["NACK of an epoch, with the configuration", of(TYPES.NACK, { low: 1, dot: DOT, bytes: Buffer.from("config") })],
  ["NACK, busy", of(TYPES.NACK, { low: 3 })],
  ["ACCEPT", of(TYPES.ACCEPT, { bytes: RECORD })],
  ["ACK", of(TYPES.ACK, { dot: DOT })],
  ["LEARN of a tombstone", of(TYPES.LEARN, { bytes: GONE })],
  [
    "CHOSEN, two dots",
    alone(TYPES.CHOSEN, {
      id: 0,
      epoch: 2,
      items: [
        { ...ITEM, dot: DOT, db: 3, bytes: KEY },
        { ...ITEM, dot: { epoch: 0, hlc: 1, node: 2047 }, bytes: Buffer.alloc(0) },
      ],
    }),
  ],
  ["FORWARD", of(TYPES.FORWARD, { low: 1, bytes: Buffer.from("*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n") })],
  ["FORWARD_REPLY, uncertain", of(TYPES.FORWARD_REPLY, { low: 2, bytes: Buffer.from("-UNCERTAIN\r\n") })],
  ["HEARTBEAT", alone(TYPES.HEARTBEAT, { id: 0, numbers: [300, 250, 49, 3, 1_800_000_000_000] })],
  ["SHIP_FROM", alone(TYPES.SHIP_FROM, { numbers: [4097, 1_048_576] })],
  [
    "SHIP, more follows",
    alone(TYPES.SHIP, {
      low: 1,
      numbers: [4097, 4110],
      items: [
        { ...ITEM, chosen: true, bytes: RECORD },
        { ...ITEM, bytes: GONE },
      ],
    }),
  ],
  ["SHIP_ACK", alone(TYPES.SHIP_ACK, { numbers: [4110] })],
  ["QUERY", of(TYPES.QUERY, { low: 2, bytes: Buffer.from("count") })],
  ["QUERY_REPLY, more follows", of(TYPES.QUERY_REPLY, { low: 1, bytes: Buffer.from("12") })],
];

/** One frame by the writer of src. */
function frameOf(messages: readonly Plain[]): Buffer {
  const writer = new MessageWriter(1024);
  writer.at = FRAME_HEADER_BYTES + 8;
  for (const message of messages) write(writer, message);
  writeU53(writer.buf, FRAME_HEADER_BYTES, BOOT);
  sealFrame(writer.buf, 0, writer.at, 1, FRAME_MESSAGES, messages.length);
  return Buffer.from(writer.buf.subarray(0, writer.at));
}

const frames = (): [string, Buffer][] => [
  ...SAMPLES.map(([what, message]) => [what, frameOf([message])] as [string, Buffer]),
  ["three messages in one frame", frameOf(SAMPLES.slice(8, 11).map(([, message]) => message))],
];

test("frames are written as they were, and as they are drawn", () => {
  const lines = frames().map(([what, bytes]) => `${what}: ${bytes.toString("hex")}`);
  golden(NAME, `${lines.join("\n")}\n`);
  for (const [i, [, message]] of SAMPLES.entries()) {
    assert.equal(frames()[i]?.[1], plainMessages(1, BOOT, [message]));
  }
});

test("what was written is read as it was", () => {
  const lines = readGolden(NAME).trimEnd().split("\n");
  assert.is(lines.length, SAMPLES.length + 1);
  for (const [i, line] of lines.entries()) {
    const [what, hex] = line.split(": ") as [string, string];
    const expected = SAMPLES[i] === undefined ? SAMPLES.slice(8, 11) : [SAMPLES[i]];
    assert.equal(
      readStream([Buffer.from(hex, "hex")]),
      { boots: [BOOT], messages: expected.map(([, message]) => message), error: "" },
      what,
    );
  }
});

test("parts and farewells are written as they were", () => {
  const message = Buffer.alloc(40, "message.");
  const part = Buffer.alloc(FRAME_HEADER_BYTES + 20);
  assert.is(writePart(part, 0, 1, message, 28, 12), part.length);
  const bye = Buffer.alloc(FRAME_HEADER_BYTES + 1, 1);
  sealFrame(bye, 0, bye.length, 1, FRAME_BYE, 0);
  const others: [string, Buffer][] = [
    ["PART of a message of 40 bytes, its last 12", part],
    ["BYE, the answer", bye],
  ];
  golden("v1/frames-other.txt", `${others.map(([what, bytes]) => `${what}: ${bytes.toString("hex")}`).join("\n")}\n`);
  const payload = Buffer.concat([Buffer.from([40, 0, 0, 0, 28, 0, 0, 0]), message.subarray(28)]);
  assert.equal(part, plainFrame(1, 3, 0, payload));
  assert.equal(bye, plainFrame(1, 4, 0, Buffer.from([1])));
});

test.run();
