/**
 * test/unit/server/queued.test.ts: queued commands against a list of them: none is lost, none is changed, and what they hold is counted.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Args } from "../../../src/codec/resp/args.js";
import type { CommandSpec } from "../../../src/commands/spec.js";
import { ALL_SPECS } from "../../../src/commands/table.js";
import { Queued } from "../../../src/server/queued.js";

const argument = fc.oneof({ weight: 9, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(100_000) });
const commands = fc.array(fc.tuple(fc.nat(ALL_SPECS.length - 1), fc.array(argument, { minLength: 1, maxLength: 40 })), {
  maxLength: 60,
});

test("any commands are read as they were queued", () => {
  fc.assert(
    fc.property(commands, (list) => {
      const queued = new Queued();
      const expected: { spec: CommandSpec; words: string[] }[] = [];
      let bytes = 0;
      let filler = 0;
      for (const [index, lengths] of list) {
        const words = lengths.map((length) => String.fromCharCode(97 + (filler++ % 26)).repeat(length));
        const spec = ALL_SPECS[index];
        queued.add(spec, Args.of(words));
        expected.push({ spec, words });
        bytes += lengths.reduce((sum, length) => sum + length, 0);
      }
      assert.is(queued.count, list.length);
      assert.ok(queued.bytes >= bytes);
      assert.is(
        queued.writes,
        expected.some(({ spec }) => spec.write),
      );
      assert.is(
        queued.denyOom,
        expected.some(({ spec }) => spec.denyOom),
      );
      assert.ok(queued.unreadBytes >= bytes);
      const args = new Args();
      for (const { spec, words } of expected) {
        assert.is(queued.read(args), spec);
        assert.equal(
          words.map((_, i) => args.text(i)),
          words,
        );
        assert.is(args.count, words.length);
      }
      assert.is(queued.read(args), undefined);
      assert.is(queued.read(args), undefined);
      assert.is(queued.unreadBytes, 0);
    }),
    { numRuns: 60 },
  );
});

test("small commands take hardly more than their bytes", () => {
  const queued = new Queued();
  const args = Args.of(["ping"]);
  for (let i = 0; i < 100_000; i++) queued.add(ALL_SPECS[0], args);
  assert.ok(queued.bytes < 100_000 * 20, String(queued.bytes));
});

test.run();
