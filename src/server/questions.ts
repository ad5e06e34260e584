/**
 * server/questions.ts: what a node asks another one (or itself) about keys that lie there, as bytes.
 *
 *   PAGE    asked     version (1) | database (1) | slot (2), 65535: any | count (4) | cursor (8) | pattern
 *           answered  version (1) | next cursor (8) | entries (4), each:
 *                     flags (1): 1 live, 2 chosen, 4 durable | type (1) | node (2) | epoch (4) | hlc (8) | position (8) | expireAt (8)
 *                     | key length (4) | key
 *   COUNT   asked     version (1) | database (1) | partitions (2 each)
 *           answered  version (1) | keys (8)
 *
 * Numbers lowest byte first, those of 8 bytes are doubles. Invariant: reading never throws.
 */
import type { Dot } from "../cluster/work.js";
import { readU32, writeU32 } from "../codec/record/record.js";
import type { PageEntry } from "./ports.js";

const VERSION = 1;
const PAGE_BYTES = 16;
const ANY_SLOT = 0xffff;
const ENTRY_BYTES = 40;
const LIVE = 1;
const CHOSEN = 2;
const DURABLE = 4;

export interface PageQuestion {
  readonly db: number;
  /** Only keys of this slot; undefined: of any. */
  readonly slot: number | undefined;
  /** Only keys that match; empty: all. */
  readonly pattern: Buffer;
  readonly cursor: number;
  /** Records to look at. */
  readonly count: number;
}

export function encodePageQuestion({ db, slot, pattern, cursor, count }: PageQuestion): Buffer {
  const out = Buffer.allocUnsafe(PAGE_BYTES + pattern.length);
  out[0] = VERSION;
  out[1] = db;
  out.writeUInt16LE(slot ?? ANY_SLOT, 2);
  writeU32(out, 4, count);
  out.writeDoubleLE(cursor, 8);
  pattern.copy(out, PAGE_BYTES);
  return out;
}

export function decodePageQuestion(bytes: Buffer): PageQuestion | undefined {
  if (bytes.length < PAGE_BYTES || bytes[0] !== VERSION) return undefined;
  const slot = bytes.readUInt16LE(2);
  const cursor = bytes.readDoubleLE(8);
  if (!isPlace(cursor)) return undefined;
  return {
    db: bytes[1],
    slot: slot === ANY_SLOT ? undefined : slot,
    count: readU32(bytes, 4),
    cursor,
    pattern: bytes.subarray(PAGE_BYTES),
  };
}

/** A key as one member holds it. */
export interface SeenEntry {
  readonly key: Buffer;
  readonly position: number;
  readonly ballot: Dot;
  readonly live: boolean;
  readonly chosen: boolean;
  readonly durable: boolean;
  readonly type: number;
  readonly expireAt: number;
}

export interface SeenPage {
  readonly next: number;
  readonly entries: readonly SeenEntry[];
}

/** @param durableLsn what this node's log has on disk. */
export function encodePage(entries: readonly PageEntry[], next: number, durableLsn: number): Buffer {
  let total = 13;
  for (const { key } of entries) total += ENTRY_BYTES + key.length;
  const out = Buffer.allocUnsafe(total);
  out[0] = VERSION;
  out.writeDoubleLE(next, 1);
  writeU32(out, 9, entries.length);
  let at = 13;
  for (const { key, ballot, live, chosen, lsn, type, position, expireAt } of entries) {
    out[at] = (live ? LIVE : 0) | (chosen ? CHOSEN : 0) | (lsn <= durableLsn ? DURABLE : 0);
    out[at + 1] = type;
    out.writeUInt16LE(ballot.node, at + 2);
    writeU32(out, at + 4, ballot.epoch);
    out.writeDoubleLE(ballot.hlc, at + 8);
    out.writeDoubleLE(position, at + 16);
    out.writeDoubleLE(expireAt, at + 24);
    writeU32(out, at + 32, key.length);
    key.copy(out, at + 36);
    at += 36 + key.length;
  }
  return out.subarray(0, at);
}

export function decodePage(bytes: Buffer): SeenPage | undefined {
  if (bytes.length < 13 || bytes[0] !== VERSION) return undefined;
  const next = bytes.readDoubleLE(1);
  const entries: SeenEntry[] = [];
  let at = 13;
  for (let left = readU32(bytes, 9); left > 0; left--) {
    if (bytes.length - at < 36) return undefined;
    const flags = bytes[at];
    const length = readU32(bytes, at + 32);
    const position = bytes.readDoubleLE(at + 16);
    if (length > bytes.length - at - 36 || !isPlace(position)) return undefined;
    entries.push({
      live: (flags & LIVE) !== 0,
      chosen: (flags & CHOSEN) !== 0,
      durable: (flags & DURABLE) !== 0,
      type: bytes[at + 1],
      ballot: { node: bytes.readUInt16LE(at + 2), epoch: readU32(bytes, at + 4), hlc: bytes.readDoubleLE(at + 8) },
      position,
      expireAt: bytes.readDoubleLE(at + 24),
      key: bytes.subarray(at + 36, at + 36 + length),
    });
    at += 36 + length;
  }
  return isPlace(next) && at === bytes.length ? { next, entries } : undefined;
}

function isPlace(cursor: number): boolean {
  return Number.isSafeInteger(cursor) && cursor >= 0;
}

export function encodeCountQuestion(db: number, partitions: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(2 + 2 * partitions.length);
  out[0] = VERSION;
  out[1] = db;
  for (let i = 0; i < partitions.length; i++) out.writeUInt16LE(partitions[i], 2 + 2 * i);
  return out;
}

export function decodeCountQuestion(bytes: Buffer): { db: number; partitions: number[] } | undefined {
  if (bytes.length < 2 || bytes[0] !== VERSION || bytes.length % 2 !== 0) return undefined;
  const partitions: number[] = [];
  for (let at = 2; at < bytes.length; at += 2) partitions.push(bytes.readUInt16LE(at));
  return { db: bytes[1], partitions };
}

export function encodeCount(keys: number): Buffer {
  const out = Buffer.allocUnsafe(9);
  out[0] = VERSION;
  out.writeDoubleLE(keys, 1);
  return out;
}

export function decodeCount(bytes: Buffer): number | undefined {
  if (bytes.length !== 9 || bytes[0] !== VERSION) return undefined;
  const keys = bytes.readDoubleLE(1);
  return isPlace(keys) ? keys : undefined;
}
