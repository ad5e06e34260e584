/**
 * core/clock/dot.ts: the name of one state of one key: (epoch, hlc, node), a total order. A dot is a ballot while it is being
 * decided and a version afterwards.
 * Invariants: of one key, no two states have the same dot; node is the index that the record layout has 11 bits for; hlc is below
 * 2^53 and is compared, never believed.
 * Plain objects, never changed after they were made: they are shared freely.
 */
import { assert } from "../../lib/assert.js";

export interface Dot {
  readonly epoch: number;
  readonly hlc: number;
  readonly node: number;
}

/** Below every dot that was ever issued: an hlc starts at 1. */
export const NO_DOT: Dot = { epoch: 0, hlc: 0, node: 0 };

/** Negative, 0 (the same dot), positive. */
export function compareDots(a: Dot, b: Dot): number {
  if (a.epoch !== b.epoch) return a.epoch - b.epoch;
  if (a.hlc !== b.hlc) return a.hlc - b.hlc;
  return a.node - b.node;
}

export function sameDot(a: Dot, b: Dot): boolean {
  return a.hlc === b.hlc && a.node === b.node && a.epoch === b.epoch;
}

/** The ballot that whoever wrote `dot` may use next without asking. Nothing of another node lies at it. */
export function nextDot(dot: Dot): Dot {
  assert(dot.hlc < Number.MAX_SAFE_INTEGER, "hlc exhausted", dot.hlc);
  return { epoch: dot.epoch, hlc: dot.hlc + 1, node: dot.node };
}

export function maxDot(a: Dot, b: Dot): Dot {
  return compareDots(a, b) >= 0 ? a : b;
}
