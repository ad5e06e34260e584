/**
 * test/unit/codec/peek.test.ts: what the peek takes for keys is what the parser then finds, for any bytes at all.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Args } from "../../../src/codec/resp/args.js";
import { PeekedKeys, peekKeys } from "../../../src/codec/resp/peek.js";
import { DONE, RequestParser } from "../../../src/codec/resp/request-parser.js";
import { viewed } from "../../../src/lib/view.js";

const MOST = 5;

function encode(command: readonly Uint8Array[]): Buffer {
  const parts = command.map((part) => Buffer.concat([Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]));
  return Buffer.concat([Buffer.from(`*${command.length}\r\n`), ...parts]);
}

/** First arguments of the whole commands in front, with a second word, as the parser sees them. */
function parsed(bytes: Buffer): [number, number][] {
  const parser = new RequestParser(new Args());
  const found: [number, number][] = [];
  for (let at = 0; parser.next(viewed(bytes), at, bytes.length) === DONE; at = parser.position)
    if (parser.args.count > 1) found.push([parser.args.start[1], parser.args.length[1]]);
  return found;
}

function peeked(bytes: Buffer): [number, number][] {
  const keys = new PeekedKeys(MOST);
  peekKeys(viewed(bytes), 0, bytes.length, keys);
  return Array.from({ length: keys.count }, (_, i): [number, number] => [keys.at[i], keys.length[i]]);
}

const word = fc.uint8Array({ maxLength: 20 });
const command = fc.array(word, { minLength: 1, maxLength: 4 });

test("whole commands: the keys that the parser finds", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 8 }), (commands) => {
      const bytes = Buffer.concat(commands.map(encode));
      assert.equal(peeked(bytes), parsed(bytes).slice(0, MOST));
    }),
  );
});

test("cut, damaged or any bytes: no key beyond the end, and nothing changed", () => {
  const cut = fc.tuple(fc.array(command, { maxLength: 6 }), fc.nat(200), fc.nat(255)).map(([commands, at, byte]) => {
    const bytes = Buffer.concat(commands.map(encode));
    if (at < bytes.length) bytes[at] = byte;
    return bytes.subarray(0, Math.max(0, bytes.length - (at % 7)));
  });
  const any = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(cut, any), (bytes) => {
      const before = Buffer.from(bytes);
      let last = -1;
      for (const [at, length] of peeked(bytes)) {
        assert.ok(at > last && at >= 0 && length >= 0 && at + length <= bytes.length);
        last = at;
      }
      assert.ok(bytes.equals(before));
    }),
  );
});

test.run();
