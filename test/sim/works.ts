/**
 * test/sim/works.ts: operations of the model as works of the cluster, and their bytes.
 *
 *   value   u32 seq, u8 writers, u32 each, text
 *   reply   f64 expireAt after it (0: none), u8 found, u32 seq, f64 hlc, u8 node (of the dot that last changed the state which the
 *           round was based on), u32 turn, u8 writers, u32 each (of what it found), result
 *   work    u8 kind, u32 id, u32 ttlMs, u8 bytes of text, text, expected
 */

import type { Performer, Work } from "../../src/cluster/work.js";
import { TYPE_STRING } from "../../src/codec/record/record.js";
import { type Dot, maxDot, NO_DOT } from "../../src/core/clock/dot.js";
import type { VersionVector } from "../../src/core/clock/version-vector.js";
import type { Change } from "../../src/core/register/operation.js";
import { WITHIN_ROUND } from "../../src/core/register/operation.js";
import type { RegisterState } from "../../src/core/register/state.js";
import type { Value } from "../../src/storage/state-record.js";
import { type Ask, type Content, isRead, KINDS, perform } from "./model.js";

/** Counts how often any work was applied, which tells the order of those of one round. What a work does to the key does not depend on it. */
export class Turns {
  count = 0;
}

export class SimWork implements Work {
  readonly name: string;
  readonly writes: boolean;
  readonly ordered: boolean;
  readonly ask: Ask;
  private readonly turns: Turns;

  constructor(name: string, ask: Ask, ordered: boolean, turns: Turns) {
    this.turns = turns;
    this.name = name;
    this.ask = ask;
    this.writes = !isRead(ask);
    this.ordered = ordered;
  }

  apply(state: RegisterState<Value>, now: number): Change<Value, Buffer> {
    const before = state.value === undefined ? undefined : contentOf(state.value.bytes, state.expireAt);
    const { result, changes, after } = perform(this.ask, before, now);
    const expireAt = changes ? after?.expireAt : before?.expireAt;
    const reply = encodeReply(state.vv, ++this.turns.count, before, expireAt, result);
    if (!changes) return { result: reply, next: undefined };
    if (after === undefined) return { result: reply, next: { value: undefined, expireAt: 0 } };
    const value = { type: TYPE_STRING, raw: false, bytes: encodeContent(after) };
    return { result: reply, next: { value, expireAt: after.expireAt } };
  }

  encode(): Buffer {
    const { kind, id, ttlMs, text, expected } = this.ask;
    const out = Buffer.allocUnsafe(10 + text.length + expected.length);
    out[0] = KINDS.indexOf(kind);
    out.writeUInt32LE(id, 1);
    out.writeUInt32LE(ttlMs, 5);
    out[9] = text.length;
    out.latin1Write(text, 10);
    out.latin1Write(expected, 10 + text.length);
    return out;
  }
}

export function performer(turns: Turns): Performer {
  return {
    decode: (name, bytes) => {
      const to = 10 + bytes[9];
      const ask: Ask = {
        kind: KINDS[bytes[0]],
        id: bytes.readUInt32LE(1),
        ttlMs: bytes.readUInt32LE(5),
        text: bytes.latin1Slice(10, to),
        expected: bytes.latin1Slice(to),
      };
      return new SimWork(name, ask, false, turns);
    },
    answer: () => undefined,
  };
}

export interface Replied {
  /** The dot that last changed the state which its round was based on. */
  readonly base: Dot;
  /** Operations of one round took effect in the order of their turns. */
  readonly turn: number;
  /** What the operation found; its text is not told, its writers are. */
  readonly found: boolean;
  readonly seq: number;
  readonly writers: readonly number[];
  readonly expireAt: number;
  readonly result: string;
}

const REPLY_HEAD_BYTES = 26;

export function decodeReply(reply: Buffer): Replied {
  const count = reply[REPLY_HEAD_BYTES];
  const writers = readWriters(reply, REPLY_HEAD_BYTES + 1, count);
  const hlc = reply.readDoubleLE(13);
  return {
    expireAt: reply.readDoubleLE(0),
    found: reply[8] === 1,
    seq: reply.readUInt32LE(9),
    base: { epoch: 0, hlc, node: reply[21] },
    turn: reply.readUInt32LE(22),
    writers,
    result: reply.latin1Slice(REPLY_HEAD_BYTES + 1 + count * 4),
  };
}

function encodeReply(
  vv: VersionVector,
  turn: number,
  before: Content | undefined,
  expireAt: number | undefined,
  result: string,
): Buffer {
  const writers = before?.writers ?? [];
  const out = Buffer.allocUnsafe(REPLY_HEAD_BYTES + 1 + writers.length * 4 + result.length);
  let base = NO_DOT;
  for (const dot of vv.dots) if (dot.node !== WITHIN_ROUND) base = maxDot(base, dot);
  out.writeDoubleLE(expireAt ?? 0, 0);
  out[8] = before === undefined ? 0 : 1;
  out.writeUInt32LE(before?.seq ?? 0, 9);
  out.writeDoubleLE(base.hlc, 13);
  out[21] = base.node;
  out.writeUInt32LE(turn, 22);
  const at = writeWriters(out, REPLY_HEAD_BYTES, writers);
  out.latin1Write(result, at);
  return out;
}

export function contentOf(value: Buffer, expireAt: number): Content {
  const count = value[4];
  return {
    seq: value.readUInt32LE(0),
    writers: readWriters(value, 5, count),
    text: value.latin1Slice(5 + count * 4),
    expireAt,
  };
}

function encodeContent({ seq, writers, text }: Content): Buffer {
  const out = Buffer.allocUnsafe(5 + writers.length * 4 + text.length);
  out.writeUInt32LE(seq, 0);
  out.latin1Write(text, writeWriters(out, 4, writers));
  return out;
}

function writeWriters(out: Buffer, at: number, writers: readonly number[]): number {
  out[at++] = writers.length;
  for (const id of writers) {
    out.writeUInt32LE(id, at);
    at += 4;
  }
  return at;
}

function readWriters(bytes: Buffer, at: number, count: number): number[] {
  const writers: number[] = [];
  for (let i = 0; i < count; i++) writers.push(bytes.readUInt32LE(at + i * 4));
  return writers;
}
