/**
 * bench/micro/wal.ts: nanoseconds per record of a batch of the log, built and sealed (padded, stamped, checksummed), for batches of
 * one record and of many. Guards storage/wal-format.ts. Beside it: the records copied and one crc taken, no stamps.
 */
import { bodyBytesOf, encodeBody } from "../../src/codec/record/record.js";
import { crc32 } from "../../src/lib/crc.js";
import { type Viewed, viewed } from "../../src/lib/view.js";
import { BATCH_HEADER_BYTES, BatchBuilder, decodeBatchHeader, SECTOR_BYTES } from "../../src/storage/wal-format.js";
import type { Group } from "../lib/micro.js";
import { KEY_BYTES, keysPacked, VALUE } from "../lib/sample-data.js";

const BODY_BYTES: number = bodyBytesOf(KEY_BYTES, VALUE.length, false);
const KEYS: Viewed = viewed(keysPacked(1));

function sampleBody(): Buffer {
  const body = viewed(Buffer.alloc(BODY_BYTES));
  encodeBody(body, 0, 0, 0, 1, 2, 0, KEYS, 0, KEY_BYTES, viewed(VALUE), 0, VALUE.length);
  return body;
}

/** The builder's batch must read back before it is timed. */
function building(records: number): () => number {
  const body = viewed(sampleBody());
  const builder = new BatchBuilder(1 << 20);
  const run = (): number => {
    builder.begin(1);
    for (let i = 0; i < records; i++) builder.append(body, 0, BODY_BYTES);
    const crc = builder.seal(0, 0, 0);
    return crc === 0 ? 0 : builder.count;
  };
  run();
  const header = decodeBatchHeader(builder.buffer, 0);
  if (header?.count !== records || header.contentBytes !== records * BODY_BYTES) throw new Error("batch not read back");
  if (crc32(builder.buffer.subarray(BATCH_HEADER_BYTES, header.sectors * SECTOR_BYTES)) !== header.bodyCrc) {
    throw new Error("batch with a wrong checksum");
  }
  return run;
}

function copying(records: number): () => number {
  const table = Buffer.concat([sampleBody(), sampleBody(), sampleBody()]);
  const out = Buffer.alloc(records * BODY_BYTES);
  return () => {
    for (let i = 0; i < records; i++) table.copy(out, i * BODY_BYTES, BODY_BYTES, 2 * BODY_BYTES);
    return crc32(out) === 0 ? 0 : records;
  };
}

export function groups(): Group[] {
  return [1, 50, 800].map((records) => ({
    name: `storage/wal-format.ts, batch of ${records}`,
    cases: [
      { name: "kvorum, sealed in sectors", operations: records, run: building(records) },
      { name: "copies and one crc", operations: records, run: copying(records) },
    ],
  }));
}
