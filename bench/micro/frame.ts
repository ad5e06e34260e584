/**
 * bench/micro/frame.ts: nanoseconds per message written into a frame and sealed, and per message read out of one, for frames of one
 * message and of a hundred: what a turn of the loop costs that has much for a peer, and one that has little. Guards codec/frame/.
 */
import { FRAME_WHOLE, FrameReader } from "../../src/codec/frame/frame-reader.js";
import { sealFrame } from "../../src/codec/frame/frame-seal.js";
import {
  BOOT_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MESSAGES,
  MESSAGE_ACCEPT,
  PAYLOAD_BYTES_MAX,
  writeU53,
} from "../../src/codec/frame/layout.js";
import { MESSAGE, MessageReader } from "../../src/codec/frame/message-reader.js";
import { MessageWriter, setBudget } from "../../src/codec/frame/message-writer.js";
import { bodyBytesOf, encodeBody } from "../../src/codec/record/record.js";
import { viewed } from "../../src/lib/view.js";
import { fold, type Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked, VALUE } from "../lib/sample-data.js";

const BOOT = 3;
const DOTS = Array.from({ length: 100 }, (_, i) => ({ epoch: 2, hlc: 395_000_000_000_000 + i, node: 5 }));
const RECORD_BYTES: number = bodyBytesOf(KEY_BYTES, VALUE.length, false);
const MESSAGES_AT: number = FRAME_HEADER_BYTES + BOOT_BYTES;

type WriteOne = (writer: MessageWriter, i: number) => void;

function accepts(): WriteOne {
  const records = viewed(Buffer.alloc(100 * RECORD_BYTES));
  const keys = viewed(keysPacked(100));
  for (let i = 0; i < 100; i++) {
    encodeBody(
      records,
      i * RECORD_BYTES,
      0,
      0,
      i,
      7,
      0,
      keys,
      i * KEY_BYTES,
      KEY_BYTES,
      viewed(VALUE),
      0,
      VALUE.length,
    );
  }
  return (writer, i) => writer.record(MESSAGE_ACCEPT, i + 1, i, 2, records, i * RECORD_BYTES, RECORD_BYTES);
}

const acks: WriteOne = (writer, i) => writer.ack(i + 1, i, 2, DOTS[i]);

/** One frame of `count` messages in the writer's buffer. @returns its end. */
function writeFrame(writer: MessageWriter, count: number, one: WriteOne): number {
  writer.at = MESSAGES_AT;
  for (let i = 0; i < count; i++) {
    const start = writer.at;
    one(writer, i);
    setBudget(writer.buf, start, 2000 - i);
  }
  writeU53(writer.buf, FRAME_HEADER_BYTES, BOOT);
  sealFrame(writer.buf, 0, writer.at, 1, FRAME_MESSAGES, count);
  return writer.at;
}

function writing(count: number, one: WriteOne): () => number {
  const writer = new MessageWriter();
  return () => {
    const end = writeFrame(writer, count, one);
    return fold(fold(1, end), writer.buf[12] + writer.buf[end - 1] * 256);
  };
}

function reading(count: number, one: WriteOne): () => number {
  const writer = new MessageWriter();
  const end = writeFrame(writer, count, one);
  const frames = new FrameReader(PAYLOAD_BYTES_MAX);
  frames.version = 1;
  const reader = new MessageReader();
  return () => {
    if (frames.next(writer.buf, 0, end) !== FRAME_WHOLE) return 0;
    if (!reader.open(frames.bytes, frames.from, frames.to, frames.count)) return 0;
    let sum = fold(1, reader.boot);
    for (let i = 0; i < count; i++) {
      if (reader.next() !== MESSAGE) return 0;
      sum = fold(sum, reader.id + reader.partition + reader.budgetMs + reader.at + reader.length + reader.dotNode);
    }
    return sum;
  };
}

function group(name: string, count: number, run: () => number): Group {
  return { name: `codec/frame, ${name}`, cases: [{ name: "kvorum", operations: count, run }] };
}

export function groups(): Group[] {
  const accept = accepts();
  return [
    group("100 ACCEPTs of 96 bytes written", 100, writing(100, accept)),
    group("100 ACCEPTs of 96 bytes read", 100, reading(100, accept)),
    group("100 ACKs written", 100, writing(100, acks)),
    group("100 ACKs read", 100, reading(100, acks)),
    group("a frame of one ACCEPT written", 1, writing(1, accept)),
    group("a frame of one ACCEPT read", 1, reading(1, accept)),
  ];
}
