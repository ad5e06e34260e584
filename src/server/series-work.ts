/**
 * server/series-work.ts: several works of one client on one key as one operation, each shown what those before it made: what a pipeline asked
 * while the work before them was under way.
 *
 *   result   for each: length (4) | its result. Of the first works only where they are long: the others were not done.
 *
 * A state within the series was never chosen, and looks like none that was (see core/register/operation.ts): its vector has a dot of a
 * node that there is not. Two of one series look alike. No work compares them: whoever knows a version has had an answer, which comes
 * when its series is over. Works that tell a version are in no series (key-lines.ts).
 */
import { type KeyChange, type KeyRegister, WITHIN_ROUND, type Work } from "../cluster/work.js";
import { readU32, writeU32 } from "../codec/record/record.js";
import { areParts, flagsOf, HEADER_BYTES, WORK_SERIES, writeHeader } from "./work-bytes.js";
import { isExpiring, versionOf } from "./works.js";

/** With so much to tell no further work is done. */
export const RESULT_BYTES_MAX: number = 4 * 1024 * 1024;

export class SeriesWork implements Work {
  readonly name: string;
  readonly writes: boolean;
  private readonly works: readonly Work[];

  /** @param works not empty. */
  constructor(name: string, works: readonly Work[]) {
    this.name = name;
    this.works = works;
    this.writes = works.some((work) => work.writes);
  }

  apply(state: KeyRegister, now: number): KeyChange {
    const results: Buffer[] = [];
    // A version that the first of them notes must not be the one that the last of them leaves.
    let shown = this.works.length > 1 && isExpiring(state) ? within(state, GONE) : state;
    let last: KeyChange["next"];
    let bytes = 0;
    for (let i = 0; i < this.works.length && bytes < RESULT_BYTES_MAX; i++) {
      const { result, next } = this.works[i].apply(shown, now);
      results.push(result);
      bytes += result.length;
      if (next === undefined) continue;
      last = next;
      shown = within(state, next);
    }
    return { result: joined(results), next: last };
  }

  isResult(result: Buffer): boolean {
    const { works } = this;
    const parts = areParts(result, 0) ? partsOf(result) : [];
    if (parts.length === 0 || parts.length > works.length) return false;
    // Who does fewer than all has filled an answer: what is left is done again by the asker.
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    if (parts.length < works.length && bytes < RESULT_BYTES_MAX) return false;
    return parts.every((part, i) => works[i].isResult?.(part) !== false);
  }

  encode(): Buffer {
    const head = writeHeader(Buffer.alloc(HEADER_BYTES), WORK_SERIES, flagsOf(this.writes, 2));
    return Buffer.concat([head, joined(this.works.map((work) => work.encode()))]);
  }
}

const GONE = { value: undefined, expireAt: 0 } as const;

function within({ vv, cut }: KeyRegister, { value, expireAt }: NonNullable<KeyChange["next"]>): KeyRegister {
  const { epoch, hlc } = versionOf({ value, expireAt, vv, cut });
  return { value, expireAt, vv: vv.with({ epoch, hlc: hlc + 1, node: WITHIN_ROUND }), cut };
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
