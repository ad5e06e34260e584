/**
 * test/unit/storage/batch-stream.test.ts: a batch with large records is the same bytes on the disk as if it had been put together in memory, is
 * written in pieces, and is no batch at all until its last write.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../../src/lib/random.js";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import { BatchStream } from "../../../src/storage/batch-stream.js";
import { BatchBuilder, decodeBatchHeader, SECTOR_BYTES } from "../../../src/storage/wal-format.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

const PIECE_BYTES = 4 * SECTOR_BYTES;
const POSITION = 3 * SECTOR_BYTES;

function bodiesOf(random: Random): { bytes: Buffer; own: boolean }[] {
  return Array.from({ length: 1 + random.below(12) }, () => {
    const own = random.below(3) === 0;
    const bytes = Buffer.alloc(1 + random.below(own ? 9000 : 700));
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
    return { bytes, own };
  });
}

function builder(bodies: readonly { bytes: Buffer; own: boolean }[], copies: boolean): BatchBuilder {
  const batch = new BatchBuilder(1024);
  batch.begin(77);
  for (const { bytes, own } of bodies) {
    if (own && !copies) batch.appendOwn(bytes);
    else batch.append(viewed(bytes), 0, bytes.length);
  }
  return batch;
}

test("what is written in pieces is what would have been written at once", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const bodies = bodiesOf(new Random(seed));
    if (!bodies.some(({ own }) => own)) continue;
    const whole = builder(bodies, true);
    const crc = whole.seal(70, 123, 0);
    const expected = whole.buffer.subarray(0, whole.bytes());

    const gathered = builder(bodies, false);
    assert.is(gathered.bytes(), whole.bytes());
    assert.is(gathered.seal(70, 123, 0), crc, "sealed after all");
    assert.ok(gathered.buffer.subarray(0, gathered.bytes()).equals(expected));

    const scheduler = new FakeScheduler();
    const disk = new MemoryDisk(scheduler);
    const file = disk.open("log", { create: true });
    const written = (): Buffer => {
      const bytes = Buffer.alloc(expected.length);
      return bytes.subarray(0, disk.read(file, bytes, 0, bytes.length, POSITION));
    };
    let told = -1;
    const stream = new BatchStream(disk, PIECE_BYTES);
    const batch = builder(bodies, false);
    assert.ok(batch.large);
    stream.write(file, POSITION, batch.layout(), 70, 123, (error, headerCrc) => {
      assert.is(error, null);
      told = headerCrc;
    });
    const pieces = Math.ceil(expected.length / PIECE_BYTES);
    for (let turn = 0; turn <= pieces; turn++) {
      assert.ok(stream.busy);
      assert.is(told, -1);
      const so = written();
      assert.is(so.length, Math.min(expected.length, (turn + 1) * PIECE_BYTES));
      const begun = decodeBatchHeader(so, 0);
      assert.is(begun === undefined, turn < pieces, "a header before its time");
      assert.is(so[0], expected[0]);
      scheduler.endTurn();
    }
    assert.is(told, crc);
    assert.not.ok(stream.busy);
    assert.ok(written().equals(expected), `seed ${seed}`);
    batch.begin(90);
    assert.not.ok(batch.large);
  }
});

test.run();
