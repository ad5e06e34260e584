/**
 * test/fuzz/dump.test.ts: RESTORE with payloads that are mutated, as they come and with the checksum made right again: the value, or one of
 * its two errors. LZF there and back, and on noise: nothing is read or written outside.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeCrc64 } from "../../src/lib/crc64.js";
import { lzfCompress, lzfDecompress } from "../../src/lib/lzf.js";
import { CommandDriver } from "../lib/command-driver.js";
import { change, changed, fuzz } from "../lib/fuzz.js";
import { ModelKeyspace } from "../lib/model-keyspace.js";
import { bulkOf } from "../lib/replies.js";

const NOW = 1_000_000;
const CANARY = 0xee;
const driver = new CommandDriver(new ModelKeyspace());

function ask(...command: (string | Buffer)[]): Buffer {
  return driver.run(command, NOW);
}

/** Text in which there is something to compress, numbers, and anything. */
const value: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 60 })), { maxLength: 8 })
    .map((parts) =>
      Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => Buffer.from(bytes)))),
    ),
  fc.integer().map((number) => Buffer.from(String(number))),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map((number) => Buffer.from(String(number))),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(fc.nat(20_000), fc.nat(255)).map(([length, byte]) => Buffer.alloc(length, byte)),
);

function dumped(bytes: Buffer): Buffer {
  ask("SET", "k", bytes);
  return Buffer.from(bulkOf(ask("DUMP", "k")) as Buffer);
}

/** Make the version and the checksum right. */
function sealed(payload: Buffer): Buffer {
  if (payload.length < 10) return payload;
  payload.writeUInt16LE(10, payload.length - 10);
  writeCrc64(payload, 0, payload.length - 8, payload, payload.length - 8);
  return payload;
}

test("what DUMP gives RESTORE takes", () => {
  fuzz(
    fc.property(value, (bytes) => {
      assert.is(ask("RESTORE", "r", "0", dumped(bytes), "REPLACE").latin1Slice(), "+OK\r\n");
      assert.ok(bulkOf(ask("GET", "r"))?.equals(bytes));
    }),
    2000,
  );
});

test("a mutated payload is refused", () => {
  fuzz(
    fc.property(value, fc.array(change, { minLength: 1, maxLength: 4 }), (bytes, changes) => {
      const payload = dumped(bytes);
      const mutated = changed(payload, changes);
      const reply = ask("RESTORE", "r", "0", mutated, "REPLACE").latin1Slice();
      // Zeros in front, and zeros alone, have no part in a CRC-64 that starts from 0; so it is in Redis.
      const significant = (all: Buffer): string => all.toString("hex").replace(/^(00)+/, "");
      const blind = ["", significant(payload)].includes(significant(mutated)) && mutated.length >= 10;
      assert.match(
        reply,
        blind ? /^(\+OK|-ERR Bad data format)/ : /^-ERR DUMP payload version or checksum are wrong\r\n$/,
      );
    }),
    3000,
  );
});

test("a mutated payload under a right checksum gives a value or is refused, and changes nothing then", () => {
  let taken = 0;
  fuzz(
    fc.property(value, fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean(), (bytes, changes, head) => {
      const payload = dumped(bytes);
      // The encoding and the lengths are where it is interesting.
      const steps = head
        ? changes.map((step) => ({ ...step, place: step.place % Math.min(8, payload.length) }))
        : changes;
      ask("SET", "r", "before");
      const reply = ask("RESTORE", "r", "0", sealed(changed(payload, steps)), "REPLACE").latin1Slice();
      const after = bulkOf(ask("GET", "r"));
      assert.ok(after !== undefined);
      if (reply === "+OK\r\n") {
        taken++;
        // What was taken comes out again.
        const again = Buffer.from(bulkOf(ask("DUMP", "r")) as Buffer);
        const kept = Buffer.from(after);
        ask("RESTORE", "s", "0", again, "REPLACE");
        assert.ok(bulkOf(ask("GET", "s"))?.equals(kept));
        return;
      }
      assert.match(
        reply,
        /^-ERR (Bad data format( \(only strings are stored\))?|DUMP payload version or checksum are wrong)\r\n$/,
      );
      assert.is(after.latin1Slice(), "before");
    }),
    4000,
  );
  assert.ok(taken > 20, `${taken} taken: too few to mean something`);
});

test("noise under a right checksum", () => {
  const lead = fc.constantFrom(0, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0x82, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xff);
  fuzz(
    fc.property(lead, fc.uint8Array({ maxLength: 40 }), (first, rest) => {
      const payload = sealed(Buffer.concat([Buffer.from([0, first]), rest, Buffer.alloc(10)]));
      assert.match(ask("RESTORE", "r", "0", payload, "REPLACE").latin1Slice(), /^(\+OK|-ERR Bad data format)\r\n$/);
    }),
    4000,
  );
});

/** Room with a canary on each side. */
function room(length: number): Buffer {
  return Buffer.alloc(length + 2, CANARY);
}

function intact(out: Buffer): void {
  assert.ok(out[0] === CANARY && out[out.length - 1] === CANARY, "written outside");
}

test("LZF there and back, and with too little room", () => {
  fuzz(
    fc.property(value, fc.nat(300), fc.nat(5), (bytes, less, before) => {
      const source = Buffer.concat([Buffer.alloc(before, 7), bytes, Buffer.alloc(5, 7)]);
      const max = Math.max(0, bytes.length + 20 - less);
      const out = room(max);
      const size = lzfCompress(source, before, bytes.length, out, 1, max);
      intact(out);
      assert.ok(size <= max);
      if (size === 0) return;
      const back = room(bytes.length);
      assert.ok(lzfDecompress(out, 1, size, back.subarray(1), bytes.length));
      intact(back);
      assert.ok(back.subarray(1, 1 + bytes.length).equals(bytes));
      for (const wrong of [bytes.length - 1, bytes.length + 1]) {
        if (wrong < 0) continue;
        const other = room(wrong);
        assert.not.ok(lzfDecompress(out, 1, size, other.subarray(1), wrong), "a wrong length");
        intact(other);
      }
    }),
    2000,
  );
});

test("LZF that is mutated, or noise", () => {
  fuzz(
    fc.property(
      value,
      fc.array(change, { maxLength: 5 }),
      fc.nat(600),
      fc.uint8Array({ maxLength: 60 }),
      (bytes, changes, length, noise) => {
        const packed = Buffer.alloc(bytes.length + 50);
        const size = lzfCompress(bytes, 0, bytes.length, packed, 0, packed.length);
        for (const input of [changed(packed.subarray(0, size), changes), Buffer.from(noise)]) {
          for (const max of [length, bytes.length]) {
            const out = room(max);
            // What stands behind the input must not matter.
            const results = [0, 255].map((filler) => {
              const framed = Buffer.concat([input, Buffer.alloc(300, filler)]);
              return lzfDecompress(framed, 0, input.length, out.subarray(1), max)
                ? out.subarray(1, 1 + max).toString("hex")
                : "refused";
            });
            intact(out);
            assert.is(results[0], results[1], "read beyond the end");
          }
        }
      },
    ),
    2000,
  );
});

test.run();
