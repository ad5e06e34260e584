/**
 * server/steps-work.ts: works of several steps on one key (EXEC, COPY, BITOP...). See works.ts.
 *
 *   result of steps   outcome (1): 0 the watched key has changed, nothing was done; 1 done
 *                     | for each command: reply length (4) | reply
 */
import { type KeyChange, type KeyRegister, WITHIN_ROUND, type Work } from "../cluster/work.js";
import { readU32, writeU32 } from "../codec/record/record.js";
import { Gathered } from "./gathered.js";
import type { KnownState } from "./work-bytes.js";
import {
  areParts,
  commandBytes,
  encodeState,
  flagsOf,
  HEADER_BYTES,
  WORK_STEPS,
  writeCommand,
  writeHeader,
} from "./work-bytes.js";
import { isReply, knownOf, type Stage, type Step } from "./works.js";

const CHANGED: Buffer = Buffer.from([0]);
const DONE = 1;

/** What a client has seen of a key that it watches. */
export type Seen = Pick<KnownState, "present" | "version" | "versionNode">;

/** A key that expired has no new version, but is not there any more. */
export function hasChanged(seen: Seen, now: Seen): boolean {
  return seen.present !== now.present || seen.version !== now.version || seen.versionNode !== now.versionNode;
}

export interface Steps {
  readonly commands: readonly Step[];
  /** Keys that were read before, by name. */
  readonly known: ReadonlyMap<string, KnownState>;
  /** The own key was watched: nothing is done when it has changed. */
  readonly seen: Seen | undefined;
  readonly proto: number;
}

export class StepsWork implements Work {
  readonly name: string;
  readonly writes: boolean;
  private readonly steps: Steps;
  private readonly stage: Stage;
  private bytes: Buffer | undefined = undefined;

  constructor(stage: Stage, name: string, steps: Steps) {
    this.stage = stage;
    this.name = name;
    this.steps = steps;
    this.writes = steps.commands.some(({ spec }) => spec.write);
  }

  apply(state: KeyRegister, now: number): KeyChange {
    const { name, stage } = this;
    const { commands, known, seen, proto } = this.steps;
    const own = knownOf(state);
    if (seen !== undefined && hasChanged(seen, own)) return { result: CHANGED, next: undefined };
    // What another work of the same round has made passes: its version is nobody's to hold, as that of what the steps make.
    const shown = own.versionNode === WITHIN_ROUND ? { ...own, version: 0, versionNode: 0 } : own;
    const states = new Map(known).set(name, shown);
    const replies = new Replies();
    const written = stage.steps(commands, name, states, proto, now, replies.add);
    if (written === undefined || (!written.present && state.value === undefined))
      return { result: replies.bytes(), next: undefined };
    const { present, type, raw, expireAt, value: bytes } = written;
    return { result: replies.bytes(), next: { value: present ? { type, raw, bytes } : undefined, expireAt } };
  }

  isResult(result: Buffer): boolean {
    const { commands, seen } = this.steps;
    if (result.equals(CHANGED)) return seen !== undefined;
    const replies = areParts(result, 1) ? repliesOf(result) : undefined;
    return replies?.length === commands.length && replies.every(isReply);
  }

  /** Made when first asked for: a work that stays on this node does not need it. */
  encode(): Buffer {
    this.bytes ??= encodeSteps(this.steps, this.writes);
    return this.bytes;
  }
}

/** Replies one behind the other, each with its length. */
class Replies {
  private readonly parts: Buffer[] = [Buffer.from([DONE])];

  private readonly gathered: Gathered = new Gathered();

  readonly add = (made: Buffer): void => {
    const reply = this.gathered.take(made);
    const length = Buffer.allocUnsafe(4);
    writeU32(length, 0, reply.length);
    this.parts.push(length, Buffer.from(reply));
  };

  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}

/** @returns the reply to each command of a StepsWork; undefined: the watched key had changed. */
export function repliesOf(result: Buffer): Buffer[] | undefined {
  if (result[0] !== DONE) return undefined;
  const replies: Buffer[] = [];
  for (let at = 1; at < result.length; ) {
    const end = at + 4 + readU32(result, at);
    replies.push(result.subarray(at + 4, end));
    at = end;
  }
  return replies;
}

function encodeSteps({ commands, known, seen, proto }: Steps, writes: boolean): Buffer {
  const head = writeHeader(Buffer.alloc(HEADER_BYTES + 14 + 4), WORK_STEPS, flagsOf(writes, proto));
  head[HEADER_BYTES] = seen === undefined ? 0 : 1;
  head[HEADER_BYTES + 1] = seen?.present === true ? 1 : 0;
  head.writeDoubleLE(seen?.version ?? 0, HEADER_BYTES + 2);
  writeU32(head, HEADER_BYTES + 10, seen?.versionNode ?? 0);
  writeU32(head, HEADER_BYTES + 14, known.size);
  const parts: Buffer[] = [head];
  for (const [name, state] of known) {
    const named = Buffer.allocUnsafe(4 + name.length);
    writeU32(named, 0, name.length);
    named.latin1Write(name, 4);
    parts.push(named, encodeState(state));
  }
  const count = Buffer.allocUnsafe(4);
  writeU32(count, 0, commands.length);
  parts.push(count);
  for (const { args, db } of commands) {
    const bytes = Buffer.allocUnsafe(commandBytes(args));
    writeCommand(bytes, 0, db, args);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}
