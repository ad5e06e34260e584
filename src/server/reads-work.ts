/**
 * server/reads-work.ts: several reads of one key as one: the state is asked for once, and all tell of the same.
 *
 *   result   for each: length (4) | its result
 */
import type { KeyChange, KeyRegister, Work } from "../cluster/work.js";
import { readU32, writeU32 } from "../codec/record/record.js";
import { HEADER_BYTES, WORK_READS, writeHeader } from "./work-bytes.js";

export class ReadsWork implements Work {
  readonly name: string;
  readonly writes = false;
  ordered = false;
  private readonly works: readonly Work[];

  /** @param works none of which writes. */
  constructor(name: string, works: readonly Work[]) {
    this.name = name;
    this.works = works;
  }

  apply(state: KeyRegister, now: number): KeyChange {
    return { result: joined(this.works.map((work) => work.apply(state, now).result)), next: undefined };
  }

  encode(): Buffer {
    const head = writeHeader(Buffer.alloc(HEADER_BYTES), WORK_READS, 0);
    return Buffer.concat([head, joined(this.works.map((work) => work.encode()))]);
  }
}

function joined(parts: readonly Buffer[]): Buffer {
  let total = 0;
  for (const part of parts) total += 4 + part.length;
  const out = Buffer.allocUnsafe(total);
  let at = 0;
  for (const part of parts) {
    writeU32(out, at, part.length);
    part.copy(out, at + 4);
    at += 4 + part.length;
  }
  return out;
}

/** @returns views. Of what is not whole: what is there. */
export function partsOf(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + readU32(bytes, at);
    parts.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return parts;
}
