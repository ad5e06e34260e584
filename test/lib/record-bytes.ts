/**
 * test/lib/record-bytes.ts: record bodies written out as the layout in docs/STORAGE.md is drawn, as plainly as possible and with every
 * optional field: what the encoder of src is compared with, and what its readers are fed.
 */

export interface Dot {
  readonly epoch: number;
  readonly hlc: number;
  readonly node: number;
}

export interface RecordParts extends Dot {
  readonly type: number;
  readonly db: number;
  readonly tombstone: boolean;
  readonly raw: boolean;
  /** 0 = never. */
  readonly expireAt: number;
  readonly vector: readonly Dot[] | undefined;
  /** A long key's field also where the key is short. */
  readonly long: boolean;
  readonly key: Buffer;
  readonly value: Buffer;
}

const FLAGS = { expires: 1, vector: 2, tombstone: 4, epoch: 8, long: 16, raw: 32 } as const;
const SHORT_KEY_MAX = 65535;

function number(value: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  for (let i = 0, rest = value; i < bytes; i++, rest = Math.floor(rest / 256)) out[i] = rest % 256;
  return out;
}

/** The high half holds the node in its upper eleven bits. */
function clock({ hlc, node }: Dot): Buffer {
  return Buffer.concat([number(hlc % 2 ** 32, 4), number(Math.floor(hlc / 2 ** 32) + node * 2 ** 21, 4)]);
}

export function recordBytes(parts: RecordParts): Buffer {
  const { key, vector } = parts;
  const long = parts.long || key.length > SHORT_KEY_MAX;
  let flags = 0;
  if (parts.expireAt !== 0) flags |= FLAGS.expires;
  if (vector !== undefined) flags |= FLAGS.vector;
  if (parts.tombstone) flags |= FLAGS.tombstone;
  if (parts.epoch !== 0) flags |= FLAGS.epoch;
  if (long) flags |= FLAGS.long;
  if (parts.raw) flags |= FLAGS.raw;
  const rest = Buffer.concat([
    Buffer.from([parts.type | (parts.db << 4), flags]),
    number(long ? 0 : key.length, 2),
    clock(parts),
    ...(parts.epoch === 0 ? [] : [number(parts.epoch, 4)]),
    ...(long ? [number(key.length, 4)] : []),
    ...(parts.expireAt === 0 ? [] : [number(parts.expireAt, 6)]),
    ...(vector === undefined ? [] : [number(vector.length, 2)]),
    ...(vector ?? []).flatMap((dot) => [clock(dot), number(dot.epoch, 4)]),
    key,
    ...(parts.tombstone ? [] : [parts.value]),
  ]);
  return Buffer.concat([number(rest.length + 4, 4), rest]);
}
