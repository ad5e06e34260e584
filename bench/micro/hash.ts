/**
 * bench/micro/hash.ts: nanoseconds per key hashed and per slot found, per checksum of short and long runs. Guards
 * lib/half-siphash.ts, core/ring/slot.ts, lib/crc.ts and lib/crc64.ts.
 */
import { keySlot } from "../../src/core/ring/slot.js";
import { crc32 } from "../../src/lib/crc.js";
import { writeCrc64 } from "../../src/lib/crc64.js";
import { halfSipHash } from "../../src/lib/half-siphash.js";
import { type Viewed, viewed } from "../../src/lib/view.js";
import { fold, type Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked } from "../lib/sample-data.js";

const KEYS = 256;
const PACKED: Viewed = viewed(keysPacked(KEYS));

function perKey(name: string, hash: (at: number) => number): Group {
  const run = (): number => {
    let sum = 1;
    for (let at = 0; at < PACKED.length; at += KEY_BYTES) sum = fold(sum, hash(at));
    return sum;
  };
  return { name, cases: [{ name: "kvorum", operations: KEYS, run }] };
}

/** CRC-32 by a table, a byte at a time: the way without zlib. */
function tableCrc(): (bytes: Uint8Array) => number {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    table[byte] = crc;
  }
  return (bytes) => {
    let crc = -1;
    for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]) & 255];
    return (crc ^ -1) >>> 0;
  };
}

function checksums(length: number): Group {
  const bytes = Buffer.alloc(length, PACKED);
  const byTable = tableCrc();
  return {
    name: `lib/crc.ts, ${length} bytes`,
    cases: [
      { name: "kvorum crc32", operations: 1, run: () => fold(1, crc32(bytes)) },
      { name: "a table, byte by byte", operations: 1, run: () => fold(1, byTable(bytes)) },
    ],
  };
}

function crc64(): Group {
  const out = new Uint8Array(8);
  const run = (): number => {
    writeCrc64(PACKED, 0, PACKED.length, out, 0);
    return fold(fold(1, out[0] + out[3] * 256), out[7]);
  };
  return { name: `lib/crc64.ts, ${PACKED.length} bytes`, cases: [{ name: "kvorum", operations: 1, run }] };
}

export function groups(): Group[] {
  return [
    perKey("lib/half-siphash.ts, 16 bytes", (at) => halfSipHash(PACKED, at, KEY_BYTES, 1, 2)),
    perKey("core/ring/slot.ts, 16 bytes", (at) => keySlot(PACKED, at, KEY_BYTES)),
    checksums(44),
    checksums(464),
    checksums(65536),
    crc64(),
  ];
}
