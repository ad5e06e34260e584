/**
 * test/unit/cluster/register-wire.test.ts: messages that are well-formed and that no node makes: nothing is made of them. And the bounds of lists
 * of chosen states. What comes back equal, and damage: test/fuzz/register-wire.test.ts.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ChosenList } from "../../../src/cluster/chosen-list.js";
import {
  type Asked,
  declinedOf,
  readChosen,
  readReply,
  readRequest,
  replyBytes,
  requestBytes,
  writeReply,
  writeRequest,
} from "../../../src/cluster/register-wire.js";
import { MESSAGE, MessageReader } from "../../../src/codec/frame/message-reader.js";
import { MessageWriter } from "../../../src/codec/frame/message-writer.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { InvariantError } from "../../../src/lib/assert.js";
import { AT_REST, type Plain, plainBytes, TYPES } from "../../lib/messages.js";
import { type RecordParts, recordBytes } from "../../lib/record-bytes.js";

const NONE = { epoch: 0, hlc: 0, node: 0 };
const DOT = { epoch: 0, hlc: 500, node: 1 };
const OTHER = { epoch: 0, hlc: 400, node: 2 };
const CUT_NODE = 2047;
const KEY = Buffer.from("key");
const NAME = "\x03key";
const READ: Asked = { type: "read", key: NAME, boot: 6, id: 40 };
const PREPARE: Asked = { type: "prepare", key: NAME, ballot: { epoch: 0, hlc: 900, node: 0 } };
const ACCEPT: Asked = { type: "accept", key: NAME, ballot: DOT };

function record(changes: Partial<RecordParts> = {}): Buffer {
  const state = { type: 0, db: 3, tombstone: false, raw: false, expireAt: 0, vector: undefined, long: false };
  return recordBytes({ ...DOT, ...state, key: KEY, value: Buffer.from("value"), ...changes });
}

/** At the message, which the reader finds well-formed. */
function arrived(type: number, fields: Partial<Plain>): MessageReader {
  const reader = new MessageReader();
  reader.openMessage(plainBytes({ ...AT_REST, type, ...fields }), 8);
  assert.is(reader.next(), MESSAGE, reader.errorText);
  return reader;
}

test("a record that no node made is no request", () => {
  const request = (changes: Partial<RecordParts>) => readRequest(arrived(TYPES.ACCEPT, { bytes: record(changes) }));
  assert.is(request({})?.key, NAME);
  assert.is(request({ vector: [DOT, OTHER, { ...DOT, node: CUT_NODE }] })?.type, "accept");
  assert.is(request({ vector: [OTHER, DOT] }), undefined, "a vector out of order");
  assert.is(request({ vector: [DOT, DOT] }), undefined, "a node twice");
  assert.is(request({ type: 15 }), undefined, "a flush");
  assert.is(request({ type: 14 }), undefined, "a ceiling");
  assert.is(request({ type: 1 }), undefined, "of a type that could not be read after a restart");
  assert.is(request({ hlc: 0 }), undefined, "before every dot");
  assert.is(request({ node: CUT_NODE }), undefined, "no member's");
  const gone = { tombstone: true, value: Buffer.alloc(0) };
  assert.is(request(gone)?.type, "accept");
  assert.is(request({ ...gone, expireAt: 5 }), undefined, "a tombstone with a deadline");
});

test("a read or prepare with a dot that no node issued is no request", () => {
  const read = (second: Plain["second"]) => readRequest(arrived(TYPES.READ, { db: 3, second, bytes: KEY }));
  const prepare = (dot: Plain["dot"], second = NONE) =>
    readRequest(arrived(TYPES.PREPARE, { db: 3, dot, second, bytes: KEY }));
  assert.equal(read(NONE), { type: "read", key: NAME, epoch: 0, boot: 8, id: 0, have: undefined });
  assert.equal(prepare(DOT), { type: "prepare", key: NAME, epoch: 0, ballot: DOT, have: undefined });
  for (const dot of [
    { epoch: 0, hlc: 0, node: 1 },
    { epoch: 1, hlc: 0, node: 0 },
    { ...DOT, node: CUT_NODE },
  ]) {
    assert.is(read(dot), undefined);
    assert.is(prepare(dot), undefined);
    assert.is(prepare(DOT, dot), undefined);
  }
  assert.is(prepare(NONE), undefined);
});

test("an answer about a state that does not fit is none", () => {
  const CASES: readonly (readonly [good: boolean, second: Plain["second"], low: number, record?: Buffer])[] = [
    [true, NONE, 0],
    [true, DOT, 0],
    [true, DOT, 2, record()],
    [false, NONE, 2, record()],
    [false, NONE, 2, record({ hlc: 0, node: 0 })],
    [false, OTHER, 2, record()],
    [false, { epoch: 0, hlc: 0, node: 1 }, 0],
    [false, { ...DOT, node: CUT_NODE }, 0],
    [false, DOT, 2, record({ key: Buffer.from("kez") })],
    [false, DOT, 2, record({ key: Buffer.from("keys") })],
    [false, DOT, 2, record({ db: 4 })],
    [false, DOT, 2, record({ vector: [OTHER, DOT] })],
    [false, DOT, 2, record({ type: 15 })],
  ];
  for (const [i, [good, second, low, bytes = Buffer.alloc(0)]] of CASES.entries()) {
    const state = readReply(arrived(TYPES.READ_REPLY, { low, second, numbers: [6, 7], bytes }), READ);
    assert.is(state?.type, good ? "state" : undefined, `READ_REPLY ${i}`);
    const promise = arrived(TYPES.PROMISE, { low, dot: PREPARE.ballot, second, numbers: [7], bytes });
    assert.is(readReply(promise, PREPARE)?.type, good ? "promise" : undefined, `PROMISE ${i}`);
  }
  assert.is(readReply(arrived(TYPES.READ_REPLY, { low: 1, numbers: [6, 7] }), READ), undefined, "absent, and chosen");
  const marked = readReply(arrived(TYPES.READ_REPLY, { low: 1, second: DOT, numbers: [6, 7] }), READ);
  assert.is(marked?.type === "state" && marked.chosen, true);
});

test("a NACK says something about ballots only where a ballot is the reason", () => {
  const nack = (low: number, dot: Plain["dot"]) => arrived(TYPES.NACK, { low, dot, second: OTHER, epoch: 9 });
  assert.equal(readReply(nack(0, DOT), ACCEPT), {
    type: "nack",
    key: NAME,
    ballot: DOT,
    phase: "accept",
    bound: OTHER,
  });
  assert.is(readReply(nack(0, NONE), READ), undefined, "no ballot stands in the way of a read");
  assert.is(readReply(nack(0, OTHER), ACCEPT), undefined, "of another ballot");
  assert.is(readReply(nack(1, OTHER), ACCEPT), undefined, "of another ballot");
  const refused = { type: "refused", key: NAME, request: "read", ballot: undefined, id: 40, epoch: 9 };
  assert.equal(readReply(nack(1, NONE), READ), refused);
  assert.is(declinedOf(nack(0, DOT)), undefined);
  assert.is(declinedOf(nack(1, DOT)), undefined);
  for (const [low, why] of [
    [2, "not replica"],
    [3, "busy"],
    [4, "late"],
    [5, "ahead"],
  ] as const) {
    for (const asked of [READ, PREPARE, ACCEPT]) {
      const reader = nack(low, asked.type === "read" ? NONE : asked.ballot);
      assert.is(readReply(reader, asked), undefined);
      assert.is(declinedOf(reader), why);
    }
  }
  assert.is(declinedOf(arrived(TYPES.SHIP, { low: 1, numbers: [1, 1] })), undefined, "no NACK at all");
});

test("messages of other types are neither requests nor answers nor lists", () => {
  for (const type of [TYPES.FORWARD, TYPES.QUERY, TYPES.FORWARD_REPLY]) {
    const reader = arrived(type, { bytes: Buffer.from("x") });
    assert.is(readRequest(reader), undefined);
    for (const asked of [READ, PREPARE, ACCEPT]) assert.is(readReply(reader, asked), undefined);
    readChosen(reader, () => assert.unreachable());
  }
});

test("items of a list that no node made are passed over, the others are not", () => {
  const item = (dot: Plain["dot"]) => ({ dot, db: 3, chosen: false, bytes: KEY });
  const items = [item(DOT), item(NONE), item({ ...DOT, node: CUT_NODE }), item(OTHER)];
  const found: unknown[] = [];
  readChosen(arrived(TYPES.CHOSEN, { epoch: 2, items }), (...args) => found.push(args));
  assert.equal(found, [
    [NAME, DOT, 2],
    [NAME, OTHER, 2],
  ]);
});

test("what has no answer is not written", () => {
  const learned = { type: "learned", key: NAME, ballot: DOT } as const;
  assert.is(replyBytes(learned), 0);
  assert.is(replyBytes({ type: "purgeable", key: NAME, ballot: DOT, yes: true }), 0);
  assert.throws(
    () => writeReply(new MessageWriter(64), 1, 0, learned),
    (error: unknown) => error instanceof InvariantError,
  );
  const state = { value: undefined, expireAt: 0, vv: VersionVector.EMPTY, cut: 0 };
  const learn = { type: "learn", key: NAME, epoch: 0, ballot: DOT, state } as const;
  assert.throws(
    () => writeRequest(new MessageWriter(64), 1, 0, learn),
    (error: unknown) => error instanceof InvariantError,
  );
});

test("the bound of a message is what a state with every field there is has", () => {
  const value = { type: 0, raw: true, bytes: Buffer.from("value") };
  const state = { value, expireAt: 2 ** 40, vv: VersionVector.of([DOT, OTHER]), cut: 5 };
  const key = `\x03${"k".repeat(65_536)}`;
  const accept = { type: "accept", key, epoch: 0, ballot: { ...DOT, epoch: 1 }, state } as const;
  const writer = new MessageWriter(64);
  writeRequest(writer, 1, 0, accept);
  assert.is(requestBytes(accept), writer.at);
});

test("a list is full by items or by bytes; one large notice has room in an empty one", () => {
  const notice = (key: string, epoch = 0) => ({ type: "chosen", key, epoch, ballot: DOT }) as const;
  const few = new ChosenList(2, 1000);
  assert.equal(
    [few.add(notice("\0a")), few.add(notice("\0b")), few.add(notice("\0c")), few.size],
    [true, true, false, 2],
  );
  const small = new ChosenList(100, 40);
  assert.equal(
    [small.add(notice("\0a")), small.add(notice("\0b")), small.add(notice("\0cccccc"))],
    [true, true, false],
  );
  small.clear();
  assert.is(small.size, 0);
  assert.equal([small.add(notice(`\0${"k".repeat(500)}`, 1)), small.add(notice("\0a"))], [true, false]);
  const writer = new MessageWriter(64);
  const claimed = small.bytes;
  small.writeNext(writer);
  assert.is(writer.at, claimed);
  assert.is(small.add(notice("\0a")), true, "there is room again");
  small.writeNext(writer);
  assert.throws(
    () => small.writeNext(writer),
    (error: unknown) => error instanceof InvariantError,
  );
});

test.run();
