/**
 * server/large-work.ts: a command on one key with one large argument, as a work that holds the bytes in which the command came, or was forwarded. The
 * large argument is copied nowhere: it travels from there, and the record that it becomes is written around it (lib/room.ts).
 * Invariants: as of all works (works.ts). Whoever made the bytes has given them away.
 */
import type { KeyChange, KeyRegister, Work, WorkParts } from "../cluster/work.js";
import { readU32, writeU32 } from "../codec/record/record.js";
import { Args } from "../codec/resp/args.js";
import type { CommandSpec } from "../commands/spec.js";
import { giveRoom, LARGE_BYTES, ROOM_BYTES } from "../lib/room.js";
import { viewed } from "../lib/view.js";
import { commandBytes, flagsOf, HEADER_BYTES, WORK_LARGE, writeHeader } from "./work-bytes.js";
import { isReply, type Stage } from "./works.js";

/** What the short arguments may take, to be moved out of the room's way. */
const SHORT_BYTES_MAX = 256;
/** The command's first bytes, before its name: those of its first argument's header. */
const LEAD_BYTES_MAX = 32;
/** Of a work: which is the large one, and the room in front of it. */
const PLACE_BYTES = 8;

/** @returns the argument that is large, if it is the only one; -1. */
export function largeArgumentOf(args: Args): number {
  let found = -1;
  let others = 0;
  for (let i = 0; i < args.count; i++) {
    if (found < 0 && args.length[i] > LARGE_BYTES) found = i;
    else others += args.length[i];
  }
  return others <= LARGE_BYTES ? found : -1;
}

/**
 * Take over the bytes in which a command came: `args` points to the same arguments afterwards, the short ones perhaps elsewhere.
 * @param args in memory that nobody writes to from now on.
 */
export function takeOver(args: Args, large: number): Args {
  const { buffer, byteOffset: base } = args.bytes;
  const whole = viewed(Buffer.from(buffer));
  const own = new Args();
  const shorts = commandBytes(args) - args.length[large];
  const name = base + args.start[0];
  const ends = base + args.start[large];
  // It is the first in there, behind the room: what stands before the large one is nobody's once the short ones have moved to the front.
  const moves = name >= SHORT_BYTES_MAX && name <= ROOM_BYTES + LEAD_BYTES_MAX && shorts <= SHORT_BYTES_MAX;
  let to = 0;
  for (let i = 0; i < args.count; i++) {
    const length = args.length[i];
    let from = base + args.start[i];
    if (moves && i !== large) {
      whole.copy(whole, to, from, from + length);
      from = to;
      to += length;
    }
    own.push(from, length);
    args.start[i] = from;
  }
  own.bytes = whole;
  args.bytes = whole;
  if (to > 0) giveRoom(buffer, ends, ends - to);
  return own;
}

export class LargeCommandWork implements Work {
  readonly name: string;
  readonly writes: boolean;
  readonly args: Args;
  readonly isResult: (result: Buffer) => boolean = isReply;
  private readonly spec: CommandSpec;
  private readonly stage: Stage;
  private readonly db: number;
  private readonly proto: number;
  private readonly large: number;

  /** @param args its own, in bytes that nobody changes. @param large which argument. */
  constructor(stage: Stage, spec: CommandSpec, name: string, args: Args, large: number, db: number, proto: number) {
    this.stage = stage;
    this.spec = spec;
    this.name = name;
    this.writes = spec.write;
    this.args = args;
    this.large = large;
    this.db = db;
    this.proto = proto;
  }

  apply(state: KeyRegister, now: number): KeyChange {
    return this.stage.run(this.spec, this.args, this.db, this.proto, state, now);
  }

  encode(): Buffer {
    const { head, tail } = this.parts;
    return Buffer.concat([head, tail]);
  }

  get parts(): WorkParts {
    const { args, large, db, proto } = this;
    const { bytes, count, start, length } = args;
    const shorts = commandBytes(args) - length[large];
    const head = Buffer.alloc(HEADER_BYTES + shorts + PLACE_BYTES + ROOM_BYTES + shorts);
    writeHeader(head, WORK_LARGE, flagsOf(this.writes, proto));
    head[HEADER_BYTES] = db;
    writeU32(head, HEADER_BYTES + 1, count);
    let at = HEADER_BYTES + 5;
    for (let i = 0; i < count; i++, at += 4) writeU32(head, at, length[i]);
    writeU32(head, at, large);
    at += PLACE_BYTES;
    for (let i = 0; i < count; i++) if (i !== large) at += bytes.copy(head, at, start[i], start[i] + length[i]);
    writeU32(head, HEADER_BYTES + 5 + 4 * count + 4, head.length - at);
    return { head, tail: args.view(large) };
  }
}

/**
 * The command in the bytes of such a work. @param bytes the reader's own.
 * @returns its arguments and which of them is the large one; undefined: malformed.
 */
export function readLarge(
  bytes: Buffer,
): { readonly db: number; readonly args: Args; readonly large: number } | undefined {
  const lengthsAt = HEADER_BYTES + 5;
  if (bytes.length < lengthsAt) return undefined;
  const count = readU32(bytes, HEADER_BYTES + 1);
  const placeAt = lengthsAt + 4 * count;
  if (count === 0 || count > bytes.length >>> 2 || placeAt + PLACE_BYTES > bytes.length) return undefined;
  const large = readU32(bytes, placeAt);
  const room = readU32(bytes, placeAt + 4);
  if (large >= count) return undefined;
  const args = new Args();
  args.bytes = viewed(bytes);
  const largeBytes = readU32(bytes, lengthsAt + 4 * large);
  const largeAt = bytes.length - largeBytes;
  let at = placeAt + PLACE_BYTES;
  for (let i = 0; i < count; i++) {
    const length = readU32(bytes, lengthsAt + 4 * i);
    if (i === large) args.push(largeAt, length);
    else {
      if (length > bytes.length - at) return undefined;
      args.push(at, length);
      at += length;
    }
  }
  if (at + room !== largeAt) return undefined;
  if (largeBytes > LARGE_BYTES) giveRoom(bytes.buffer, bytes.byteOffset + largeAt, room);
  return { db: bytes[HEADER_BYTES], args, large };
}
