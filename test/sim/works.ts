/**
 * test/sim/works.ts: operations of the model as works of the cluster, and their bytes.
 *
 *   value   u32 seq, u32 writer, text
 *   reply   u32 turn in the ledger, result
 *   work    u8 kind, u32 id, u32 ttlMs, u8 bytes of text, text, expected
 */
import type { Performer, Work } from "../../src/cluster/work.js";
import { TYPE_STRING } from "../../src/codec/record/record.js";
import type { Change } from "../../src/core/register/operation.js";
import type { RegisterState } from "../../src/core/register/state.js";
import type { Value } from "../../src/storage/state-record.js";
import type { Ledger } from "./ledger.js";
import { type Ask, type Content, isRead, KINDS, perform } from "./model.js";

export class SimWork implements Work {
  readonly name: string;
  readonly writes: boolean;
  readonly ask: Ask;
  private readonly ledger: Ledger;

  constructor(name: string, ask: Ask, ledger: Ledger) {
    this.ledger = ledger;
    this.name = name;
    this.ask = ask;
    this.writes = !isRead(ask);
  }

  apply(state: RegisterState<Value>, now: number): Change<Value, Buffer> {
    const before = state.value === undefined ? undefined : contentOf(state.value.bytes, state.expireAt);
    const { result, changes, after } = perform(this.ask, before, now);
    const expireAt = (changes ? after?.expireAt : before?.expireAt) ?? 0;
    const turn = this.ledger.add(this.name, this.ask.id, state, before, { changes, result, expireAt });
    const reply = encodeReply(turn, result);
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

export function performer(ledger: Ledger): Performer {
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
      return new SimWork(name, ask, ledger);
    },
    answer: () => undefined,
  };
}

export function decodeReply(reply: Buffer): { readonly turn: number; readonly result: string } {
  return { turn: reply.readUInt32LE(0), result: reply.latin1Slice(4) };
}

function encodeReply(turn: number, result: string): Buffer {
  const out = Buffer.allocUnsafe(4 + result.length);
  out.writeUInt32LE(turn, 0);
  out.latin1Write(result, 4);
  return out;
}

export function contentOf(value: Buffer, expireAt: number): Content {
  return { seq: value.readUInt32LE(0), writer: value.readUInt32LE(4), text: value.latin1Slice(8), expireAt };
}

function encodeContent({ seq, writer, text }: Content): Buffer {
  const out = Buffer.allocUnsafe(8 + text.length);
  out.writeUInt32LE(seq, 0);
  out.writeUInt32LE(writer, 4);
  out.latin1Write(text, 8);
  return out;
}
