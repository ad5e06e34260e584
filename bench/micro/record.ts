/**
 * bench/micro/record.ts: nanoseconds per record encoded, and per record checked and taken apart. Guards codec/record/record.ts.
 * Beside it stands the plainest other way: the same layout through DataView and Buffer.set.
 */
import {
  bodyBytesOf,
  checkBody,
  encodeBody,
  expireAtOf,
  hlcOf,
  keyLength,
  keyOffset,
  readU32,
} from "../../src/codec/record/record.js";
import { type Viewed, viewed } from "../../src/lib/view.js";
import { fold, type Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked, VALUE } from "../lib/sample-data.js";

const RECORDS = 200;
const VALUE_AT = 100;
const BODY_BYTES: number = bodyBytesOf(KEY_BYTES, VALUE.length, false);
const HLC_LOW = 0x1234_5678;
const HLC_HIGH = 0x0001_2345;
const KEYS: Viewed = viewed(keysPacked(RECORDS));
/** The value as it comes: in the middle of what a socket read. */
const READ: Viewed = viewed(Buffer.concat([Buffer.alloc(VALUE_AT), VALUE, Buffer.alloc(VALUE_AT)]));

function sumOf(out: Buffer): number {
  let sum = 1;
  for (let i = 0; i < RECORDS; i++) sum = fold(sum, out[i * BODY_BYTES + 16 + KEY_BYTES - 1] + out[i * BODY_BYTES]);
  return sum;
}

function encoding(): () => number {
  const out = viewed(Buffer.alloc(RECORDS * BODY_BYTES));
  return () => {
    for (let i = 0; i < RECORDS; i++) {
      const keyAt = i * KEY_BYTES;
      encodeBody(out, i * BODY_BYTES, 0, 0, HLC_LOW, HLC_HIGH, 0, KEYS, keyAt, KEY_BYTES, READ, VALUE_AT, VALUE.length);
    }
    return sumOf(out);
  };
}

function encodingByView(): () => number {
  const out = Buffer.alloc(RECORDS * BODY_BYTES);
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  return () => {
    for (let i = 0; i < RECORDS; i++) {
      const at = i * BODY_BYTES;
      view.setUint32(at, BODY_BYTES, true);
      view.setUint16(at + 4, 0, true);
      view.setUint16(at + 6, KEY_BYTES, true);
      view.setUint32(at + 8, HLC_LOW, true);
      view.setUint32(at + 12, HLC_HIGH, true);
      out.set(KEYS.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES), at + 16);
      out.set(READ.subarray(VALUE_AT, VALUE_AT + VALUE.length), at + 16 + KEY_BYTES);
    }
    return sumOf(out);
  };
}

function decoding(): () => number {
  const bytes = viewed(Buffer.alloc(RECORDS * BODY_BYTES));
  for (let i = 0; i < RECORDS; i++) {
    const keyAt = i * KEY_BYTES;
    encodeBody(bytes, i * BODY_BYTES, 0, 0, HLC_LOW, HLC_HIGH, 0, KEYS, keyAt, KEY_BYTES, READ, VALUE_AT, VALUE.length);
  }
  return () => {
    let sum = 1;
    for (let at = 0; at < bytes.length; ) {
      const total = checkBody(bytes, at, bytes.length);
      if (total !== BODY_BYTES || readU32(bytes, at) !== total) return 0;
      sum = fold(
        sum,
        bytes[at + keyOffset(bytes, at)] + keyLength(bytes, at) + expireAtOf(bytes, at) + hlcOf(bytes, at),
      );
      at += total;
    }
    return sum;
  };
}

export function groups(): Group[] {
  return [
    {
      name: "codec/record/record.ts, encode 16+64 bytes",
      cases: [
        { name: "kvorum", operations: RECORDS, run: encoding() },
        { name: "DataView and Buffer.set", operations: RECORDS, run: encodingByView() },
      ],
    },
    {
      name: "codec/record/record.ts, check and read",
      cases: [{ name: "kvorum", operations: RECORDS, run: decoding() }],
    },
  ];
}
