/**
 * bench/micro/register-wire.ts: nanoseconds per message of a register written into a payload, and per message made out of one again: what a
 * replica and its asker pay for each beyond the frame's own. Guards cluster/register-wire.ts and cluster/chosen-list.ts.
 */
import { ChosenList } from "../../src/cluster/chosen-list.js";
import {
  type Asked,
  readChosen,
  readReply,
  readRequest,
  replyBytes,
  requestBytes,
  type WireRequest,
  withRecord,
  writeReply,
  writeRequest,
} from "../../src/cluster/register-wire.js";
import { BOOT_BYTES, writeU53 } from "../../src/codec/frame/layout.js";
import { MESSAGE, MessageReader } from "../../src/codec/frame/message-reader.js";
import { MessageWriter } from "../../src/codec/frame/message-writer.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import type { Reply } from "../../src/core/register/messages.js";
import { nameOf, type Value } from "../../src/storage/state-record.js";
import { fold, type Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked, VALUE } from "../lib/sample-data.js";

const COUNT = 100;
const BOOT = 3;
const KEYS = keysPacked(COUNT);
const NAMES = Array.from({ length: COUNT }, (_, i) => nameOf(0, KEYS, i * KEY_BYTES, KEY_BYTES));
const BALLOTS = NAMES.map((_, i) => ({ epoch: 0, hlc: 395_000_000_000_000 + i, node: 1 }));
const VALUE_HELD: Value = { type: 0, raw: false, bytes: VALUE };
const STATES = BALLOTS.map((dot) => ({
  value: VALUE_HELD,
  expireAt: 0,
  vv: VersionVector.of([{ ...dot, hlc: dot.hlc - 1, node: 0 }, dot]),
  cut: 0,
}));

const READS: WireRequest[] = NAMES.map((key, i) => {
  return { type: "read", key, epoch: 0, boot: BOOT, id: i + 1, have: BALLOTS[i] };
});
const ACCEPTS: WireRequest[] = NAMES.map((key, i) => {
  const [ballot, state] = [BALLOTS[i] as (typeof BALLOTS)[0], STATES[i] as (typeof STATES)[0]];
  return withRecord({ type: "accept", key, epoch: 0, ballot, state });
});
const SAME: Reply<Value>[] = NAMES.map((key, i) => {
  return { type: "state", key, boot: BOOT, id: i + 1, ballot: BALLOTS[i], state: undefined, chosen: true, floor: 0 };
});
const ACKS: Reply<Value>[] = NAMES.map((key, i) => {
  return { type: "ack", key, ballot: BALLOTS[i] as (typeof BALLOTS)[0] };
});

type WriteOne = (writer: MessageWriter, i: number) => void;
type ReadOne = (reader: MessageReader, i: number) => number;

function writing(one: WriteOne): () => number {
  const writer = new MessageWriter();
  return () => {
    writer.at = BOOT_BYTES;
    for (let i = 0; i < COUNT; i++) one(writer, i);
    return fold(fold(1, writer.at), writer.buf[writer.at - 1] as number);
  };
}

function reading(one: WriteOne, read: ReadOne, messages = COUNT): () => number {
  const writer = new MessageWriter();
  writer.at = BOOT_BYTES;
  writeU53(writer.buf, 0, BOOT);
  for (let i = 0; i < messages; i++) one(writer, i);
  const reader = new MessageReader();
  return () => {
    if (!reader.open(writer.buf, 0, writer.at, messages)) return 0;
    let sum = 1;
    for (let i = 0; i < messages; i++) {
      if (reader.next() !== MESSAGE) return 0;
      sum = fold(sum, read(reader, i));
    }
    return sum;
  };
}

function requests(of: readonly WireRequest[]): WriteOne {
  return (writer, i) => {
    const request = of[i] as WireRequest;
    if (requestBytes(request) > 0) writeRequest(writer, i + 1, i, request);
  };
}

function replies(of: readonly Reply<Value>[]): WriteOne {
  return (writer, i) => {
    const reply = of[i] as Reply<Value>;
    if (replyBytes(reply) > 0) writeReply(writer, i + 1, i, reply);
  };
}

const readOneRequest: ReadOne = (reader) => readRequest(reader)?.key.length ?? 0;

function readOneReply(asked: readonly WireRequest[]): ReadOne {
  return (reader, i) => readReply(reader, asked[i] as Asked)?.key.length ?? 0;
}

/** All of them as one message. */
function chosenList(): WriteOne {
  const list = new ChosenList(COUNT, 65536);
  return (writer) => {
    for (let i = 0; i < COUNT; i++) {
      list.add({ type: "chosen", key: NAMES[i] as string, epoch: 0, ballot: BALLOTS[i] as (typeof BALLOTS)[0] });
    }
    list.writeNext(writer);
  };
}

function chosenWriting(): () => number {
  const writer = new MessageWriter();
  const write = chosenList();
  return () => {
    writer.at = BOOT_BYTES;
    write(writer, 0);
    return fold(1, writer.at);
  };
}

const readList: ReadOne = (reader) => {
  let sum = 0;
  readChosen(reader, (name, { node }) => {
    sum += name.length + node;
  });
  return sum;
};

function group(name: string, run: () => number): Group {
  return { name: `cluster/register-wire, ${name}`, cases: [{ name: "kvorum", operations: COUNT, run }] };
}

export function groups(): Group[] {
  return [
    group("100 reads written", writing(requests(READS))),
    group("100 reads read", reading(requests(READS), readOneRequest)),
    group("100 accepts with their records written", writing(requests(ACCEPTS))),
    group("100 accepts read", reading(requests(ACCEPTS), readOneRequest)),
    group("100 replies 'the same' written", writing(replies(SAME))),
    group("100 replies 'the same' read", reading(replies(SAME), readOneReply(READS))),
    group("100 acks written", writing(replies(ACKS))),
    group("100 acks read", reading(replies(ACKS), readOneReply(ACCEPTS))),
    group("100 chosen notices written", chosenWriting()),
    group("100 chosen notices read", reading(chosenList(), readList, 1)),
  ];
}
