/**
 * test/unit/server/outbox.test.ts: the outbox against a list of chunks: bytes leave in order, and never before their position
 * and all before it are durable.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Outbox } from "../../../src/server/outbox.js";

type Step = { readonly push?: [length: number, lsn: number]; readonly durable?: number; readonly kept?: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ push: fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(12)) }),
  fc.record({ durable: fc.nat(12), kept: fc.boolean() }),
);

test("any pushes and releases", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const outbox = new Outbox();
      const model: { bytes: number[]; lsn: number }[] = [];
      let durable = 0;
      let next = 0;
      for (const { push, durable: upTo, kept } of steps) {
        if (push !== undefined) {
          const bytes = Array.from({ length: push[0] }, () => next++ & 255);
          outbox.push(Buffer.from(bytes), 0, bytes.length, push[1], 1);
          model.push({ bytes, lsn: push[1] });
        } else {
          durable = Math.max(durable, upTo ?? 0);
          const expected: number[] = [];
          while (model.length > 0 && model[0].lsn <= durable) expected.push(...(model.shift()?.bytes ?? []));
          if (outbox.empty) continue;
          const end = outbox.releasable(durable);
          const buffer = outbox.buf as Buffer;
          const got = [...buffer.subarray(outbox.head, end)];
          outbox.sent(end, kept === true && got.length > 0);
          // A buffer that was kept must never be written again.
          if (kept === true && got.length > 0) buffer.fill(0);
          assert.equal(got, expected);
        }
        assert.is(
          outbox.bytes,
          model.reduce((sum, chunk) => sum + chunk.bytes.length, 0),
        );
      }
    }),
    { numRuns: 400 },
  );
});

test("what is not durable can be dropped and counted", () => {
  const outbox = new Outbox();
  const bytes = Buffer.from("abcdef");
  outbox.push(bytes, 0, 2, 3, 1);
  outbox.push(bytes, 2, 4, 5, 2);
  outbox.push(bytes, 4, 6, 0, 3);
  assert.is(outbox.dropUndurable(3), 5);
  assert.is(outbox.bytes, 2);
  assert.is(outbox.releasable(3), 2);
});

test("an empty outbox gives large memory back", () => {
  const outbox = new Outbox();
  outbox.push(Buffer.alloc(100_000), 0, 100_000, 0, 1);
  outbox.sent(outbox.releasable(0), false);
  assert.is(outbox.buf, undefined);
});

test.run();
