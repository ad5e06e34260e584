/**
 * test/lib/messages.ts: messages between peers as plain values: drawn by fast-check, written out as docs/PROTOCOL.md draws them and as
 * plainly as possible, handed to the writer of src, and taken back from its reader.
 */
import * as fc from "fast-check";
import { FRAME_WHOLE, FrameReader } from "../../src/codec/frame/frame-reader.js";
import { MESSAGE, MESSAGES_END, MessageReader } from "../../src/codec/frame/message-reader.js";
import { type MessageWriter, setBudget } from "../../src/codec/frame/message-writer.js";
import { crc32 } from "../../src/lib/crc.js";
import { type Dot, type RecordParts, recordBytes } from "./record-bytes.js";

export const TYPES = {
  READ: 1,
  READ_REPLY: 2,
  PREPARE: 3,
  PROMISE: 4,
  NACK: 5,
  ACCEPT: 6,
  ACK: 7,
  LEARN: 8,
  CHOSEN: 9,
  FORWARD: 10,
  FORWARD_REPLY: 11,
  HEARTBEAT: 12,
  SHIP_FROM: 13,
  SHIP: 14,
  SHIP_ACK: 15,
  QUERY: 16,
  QUERY_REPLY: 17,
} as const;

export interface Item {
  readonly dot: Dot;
  readonly db: number;
  readonly chosen: boolean;
  readonly bytes: Buffer;
}

/** A message; what its type has no place for is at rest: 0, false, empty. */
export interface Plain {
  readonly type: number;
  readonly low: number;
  readonly db: number;
  readonly partition: number;
  readonly id: number;
  readonly epoch: number;
  readonly budgetMs: number;
  readonly dot: Dot;
  readonly second: Dot;
  /** The asker's boot; floor; positions; the numbers of a heartbeat: in the order of their bytes. */
  readonly numbers: readonly number[];
  readonly bytes: Buffer;
  readonly items: readonly Item[];
}

const NO_DOT: Dot = { epoch: 0, hlc: 0, node: 0 };
const EMPTY = Buffer.alloc(0);
export const AT_REST: Omit<Plain, "type"> = {
  low: 0,
  db: 0,
  partition: 0,
  id: 0,
  epoch: 0,
  budgetMs: 0,
  dot: NO_DOT,
  second: NO_DOT,
  numbers: [],
  bytes: EMPTY,
  items: [],
};

function number(value: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  for (let i = 0, rest = value; i < bytes; i++, rest = Math.floor(rest / 256)) out[i] = rest % 256;
  return out;
}

function dotBytes({ epoch, hlc, node }: Dot): Buffer {
  return Buffer.concat([
    number(hlc % 2 ** 32, 4),
    number(Math.floor(hlc / 2 ** 32) + node * 2 ** 21, 4),
    number(epoch, 4),
  ]);
}

/** How many bytes each of a type's numbers has. Those of READ_REPLY have its dot between them. */
const WIDTHS: Readonly<Record<number, readonly number[]>> = {
  [TYPES.READ_REPLY]: [8, 8],
  [TYPES.PROMISE]: [8],
  [TYPES.HEARTBEAT]: [4, 4, 4, 4, 8],
  [TYPES.SHIP_FROM]: [8, 4],
  [TYPES.SHIP]: [8, 8],
  [TYPES.SHIP_ACK]: [8],
};
const WITH_DOT: readonly number[] = [TYPES.PROMISE, TYPES.PREPARE, TYPES.NACK, TYPES.ACK];
const WITH_SECOND: readonly number[] = [TYPES.READ, TYPES.READ_REPLY, TYPES.PROMISE, TYPES.PREPARE, TYPES.NACK];

/** The message as it is drawn. */
export function plainBytes(plain: Plain): Buffer {
  const numbers = (WIDTHS[plain.type] ?? []).map((width, i) => number(plain.numbers[i] as number, width));
  const rest = Buffer.concat([
    Buffer.from([plain.type, plain.low | (plain.db << 4)]),
    number(plain.partition, 2),
    number(plain.id, 4),
    number(plain.epoch, 4),
    number(plain.budgetMs, 4),
    ...(WITH_DOT.includes(plain.type) ? [dotBytes(plain.dot)] : []),
    ...(plain.type === TYPES.READ_REPLY ? numbers.splice(0, 1) : []),
    ...(WITH_SECOND.includes(plain.type) ? [dotBytes(plain.second)] : []),
    ...numbers,
    ...(plain.type === TYPES.CHOSEN || plain.type === TYPES.SHIP ? [number(plain.items.length, 4)] : []),
    ...plain.items.flatMap(({ dot, db, chosen, bytes }) =>
      plain.type === TYPES.SHIP
        ? [Buffer.from([chosen ? 1 : 0]), bytes]
        : [dotBytes(dot), number(bytes.length, 4), Buffer.from([db]), bytes],
    ),
    plain.bytes,
  ]);
  return Buffer.concat([number(rest.length + 4, 4), rest]);
}

/** A frame as it is drawn. */
export function plainFrame(version: number, type: number, count: number, payload: Buffer): Buffer {
  const head = Buffer.concat([
    Buffer.from("KVFR"),
    Buffer.from([version, type]),
    number(count, 2),
    number(payload.length, 4),
    number(crc32(payload), 4),
  ]);
  return Buffer.concat([head, number(crc32(head), 4), payload]);
}

export function plainMessages(version: number, boot: number, messages: readonly Plain[]): Buffer {
  return plainFrame(version, 2, messages.length, Buffer.concat([number(boot, 8), ...messages.map(plainBytes)]));
}

const nameOf = (db: number, key: Buffer): string => String.fromCharCode(db) + key.toString("latin1");

/** By the writer of src. */
export function write(writer: MessageWriter, plain: Plain): void {
  const { type, low, partition, id, epoch, dot, second, numbers, bytes, items } = plain;
  const start = writer.at;
  const amid = Buffer.concat([Buffer.from("<"), bytes, Buffer.from(">")]);
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = numbers;
  const length = bytes.length;
  if (type === TYPES.READ) writer.read(id, partition, epoch, second, nameOf(plain.db, bytes));
  else if (type === TYPES.PREPARE) writer.prepare(id, partition, epoch, dot, second, nameOf(plain.db, bytes));
  else if (type === TYPES.ACCEPT || type === TYPES.LEARN) writer.record(type, id, partition, epoch, amid, 1, length);
  else if (type === TYPES.READ_REPLY)
    writer.readReply(id, partition, epoch, a, second, (low & 1) === 1, b, amid, 1, length);
  else if (type === TYPES.PROMISE) writer.promise(id, partition, epoch, dot, second, a, amid, 1, length);
  else if (type === TYPES.ACK) writer.ack(id, partition, epoch, dot);
  else if (type === TYPES.NACK) writer.nack(low, id, partition, epoch, dot, second, amid, 1, length);
  else if (type === TYPES.HEARTBEAT) {
    const syncedLsn = epoch * 2 ** 32 + id;
    writer.heartbeat({ sentMs: a, echoMs: b, heldMs: c, heldUs: partition, lagMs: d, wallMs: e, syncedLsn });
  } else if (type === TYPES.SHIP_FROM) writer.shipFrom(id, a, b);
  else if (type === TYPES.SHIP_ACK) writer.shipAck(id, a);
  else if (type === TYPES.SHIP) {
    writer.shipBegin(id, a, b, low === 1);
    for (const item of items) writer.shipAdd(item.chosen, item.bytes, 0, item.bytes.length);
    writer.shipEnd();
  } else if (type === TYPES.CHOSEN) {
    writer.chosenBegin(epoch);
    for (const item of items) writer.chosenAdd(item.dot, nameOf(item.db, item.bytes));
    writer.chosenEnd();
  } else writer.opaque(type, low, id, partition, epoch, amid, 1, length);
  setBudget(writer.buf, start, plain.budgetMs);
}

/** What the reader of src made of the message it has just handed out. */
export function taken(reader: MessageReader): Plain {
  const { type } = reader;
  const dot = (): Dot => ({ epoch: reader.dotEpoch, hlc: reader.dotHlc, node: reader.dotNode });
  const second = (): Dot => ({ epoch: reader.secondEpoch, hlc: reader.secondHlc, node: reader.secondNode });
  const bytes = (): Buffer => Buffer.from(reader.bytes.subarray(reader.at, reader.at + reader.length));
  const numbers: Record<number, () => number[]> = {
    [TYPES.READ_REPLY]: () => [reader.askerBoot, reader.floor],
    [TYPES.PROMISE]: () => [reader.floor],
    [TYPES.HEARTBEAT]: () => [reader.sentMs, reader.echoMs, reader.heldMs, reader.lagMs, reader.wallMs],
    [TYPES.SHIP_FROM]: () => [reader.lsn, reader.bytesMax],
    [TYPES.SHIP]: () => [reader.lsn, reader.lastLsn],
    [TYPES.SHIP_ACK]: () => [reader.lsn],
  };
  const head = {
    type,
    low: reader.flags,
    db: reader.db,
    partition: reader.partition,
    id: reader.id,
    epoch: reader.epoch,
    budgetMs: reader.budgetMs,
    dot: WITH_DOT.includes(type) ? dot() : NO_DOT,
    second: WITH_SECOND.includes(type) ? second() : NO_DOT,
    numbers: numbers[type]?.() ?? [],
  };
  const items: Item[] = [];
  if (type === TYPES.SHIP) {
    while (reader.nextRecord()) items.push({ dot: NO_DOT, db: 0, chosen: reader.chosen, bytes: bytes() });
  } else if (type === TYPES.CHOSEN) {
    while (reader.nextChosen()) items.push({ dot: dot(), db: reader.db, chosen: false, bytes: bytes() });
  }
  return { ...head, items, bytes: items.length > 0 ? EMPTY : bytes() };
}

export interface Reading {
  readonly boots: number[];
  readonly messages: Plain[];
  /** "" = all was well so far. */
  readonly error: string;
}

/** Read pieces of a stream of MESSAGES frames as a link does; each piece lies between other bytes, and is gone afterwards. */
export function readStream(pieces: readonly Buffer[], version = 1): Reading {
  const frames = new FrameReader(32 * 1024 * 1024);
  frames.version = version;
  const reader = new MessageReader();
  const reading: Reading = { boots: [], messages: [], error: "" };
  for (const piece of pieces) {
    const bytes = Buffer.concat([Buffer.from("KVF"), piece, Buffer.from("KVFR")]);
    const end = bytes.length - 4;
    let at = 3;
    for (;;) {
      const state = frames.next(bytes, at, end);
      if (state !== FRAME_WHOLE) {
        if (frames.errorText !== "") return { ...reading, error: frames.errorText };
        if (frames.position !== end) throw new Error("bytes were left over");
        break;
      }
      at = frames.position;
      if (frames.type !== 2) return { ...reading, error: `frame of type ${frames.type}` };
      if (!reader.open(frames.bytes, frames.from, frames.to, frames.count))
        return { ...reading, error: reader.errorText };
      reading.boots.push(reader.boot);
      let got = reader.next();
      for (; got === MESSAGE; got = reader.next()) reading.messages.push(taken(reader));
      if (got !== MESSAGES_END) return { ...reading, error: reader.errorText };
    }
    bytes.fill(0xee);
  }
  return reading;
}

const PLAIN = { noNullPrototype: true } as const;
const u32 = fc.oneof(fc.nat(5), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1));
const u53 = fc.oneof(fc.nat(5), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1));
const nibble = fc.nat(15);
const dot: fc.Arbitrary<Dot> = fc.record(
  { epoch: u32, hlc: u53, node: fc.oneof(fc.nat(2047), fc.constantFrom(0, 2047)) },
  PLAIN,
);
const payload: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 10, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.constantFrom(41, 160, 161, 5000).map((length) => Buffer.alloc(length, "x")) },
);
const record: fc.Arbitrary<Buffer> = fc
  .record<RecordParts>({
    epoch: u32,
    hlc: u53,
    node: fc.nat(2047),
    type: fc.constantFrom(0, 15),
    db: nibble,
    tombstone: fc.boolean(),
    raw: fc.boolean(),
    expireAt: fc.constantFrom(0, 1_900_000_000_123),
    vector: fc.option(fc.array(dot, { maxLength: 3 }), { nil: undefined }),
    long: fc.boolean(),
    key: payload,
    value: payload,
  })
  .map(recordBytes);
const bit = fc.nat(1);
const HEAD = { partition: fc.nat(16383), id: u32, epoch: u32, budgetMs: u32 };

function of(type: number, fields: { [K in keyof Plain]?: fc.Arbitrary<Plain[K]> }): fc.Arbitrary<Plain> {
  return fc.record({ ...HEAD, ...fields }, PLAIN).map((some) => ({ ...AT_REST, type, ...some }) as Plain);
}

/** With its state and without. @param chosen may it be marked? */
function state(
  type: number,
  chosen: number,
  fields: { [K in keyof Plain]?: fc.Arbitrary<Plain[K]> },
): fc.Arbitrary<Plain> {
  return fc.oneof(
    of(type, { ...fields, low: fc.constantFrom(2, 2 | chosen), second: dot, bytes: record }),
    of(type, { ...fields, low: fc.constantFrom(0, chosen), second: dot }),
  );
}

const ALONE = { partition: fc.constant(0), epoch: fc.constant(0) };
const item: fc.Arbitrary<Item> = fc.record({ dot, db: nibble, chosen: fc.constant(false), bytes: payload }, PLAIN);
const shipped: fc.Arbitrary<Item> = fc.record(
  { dot: fc.constant(NO_DOT), db: fc.constant(0), chosen: fc.boolean(), bytes: record },
  PLAIN,
);
const span = fc.tuple(u53, u53).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);

export const message: fc.Arbitrary<Plain> = fc.oneof(
  of(TYPES.READ, { db: nibble, second: dot, bytes: payload }),
  state(TYPES.READ_REPLY, 1, { numbers: fc.tuple(u53, u53) }),
  of(TYPES.PREPARE, { db: nibble, dot, second: dot, bytes: payload }),
  state(TYPES.PROMISE, 0, { dot, numbers: fc.tuple(u53) }),
  of(TYPES.NACK, { low: fc.constantFrom(0, 2, 3, 4), dot, second: dot }),
  of(TYPES.NACK, { low: fc.constant(1), dot, second: dot, bytes: payload }),
  of(TYPES.ACCEPT, { bytes: record }),
  of(TYPES.ACK, { dot }),
  of(TYPES.LEARN, { bytes: record }),
  of(TYPES.CHOSEN, { ...ALONE, epoch: u32, id: fc.constant(0), items: fc.array(item, { minLength: 1, maxLength: 4 }) }),
  of(TYPES.FORWARD, { low: nibble, bytes: payload }),
  of(TYPES.FORWARD_REPLY, { low: fc.nat(3), bytes: payload }),
  of(TYPES.HEARTBEAT, { ...ALONE, id: fc.constant(0), numbers: fc.tuple(u32, u32, u32, u32, u53) }),
  of(TYPES.SHIP_FROM, { ...ALONE, numbers: fc.tuple(u53, u32) }),
  of(TYPES.SHIP, { ...ALONE, low: bit, numbers: span, items: fc.array(shipped, { maxLength: 4 }) }),
  of(TYPES.SHIP_ACK, { ...ALONE, numbers: fc.tuple(u53) }),
  of(TYPES.QUERY, { low: nibble, bytes: payload }),
  of(TYPES.QUERY_REPLY, { low: fc.nat(3), bytes: payload }),
);
