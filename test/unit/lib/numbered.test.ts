/**
 * test/unit/lib/numbered.test.ts: a table of things by numbers that it gives out, against a Map.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Numbered } from "../../../src/lib/numbered.js";
import { Random } from "../../../src/lib/random.js";

test("as a Map, while it grows and empties, with some that stay for long", () => {
  const random = new Random(11);
  const table = new Numbered<string>();
  const model = new Map<number, string>();
  let highest = 0;
  for (let step = 0; step < 30_000; step++) {
    const wanted = step % 6000 < 3000 ? 300 : 3;
    if (model.size < wanted && random.below(3) > 0) {
      const number = table.next();
      assert.ok(number > highest, "numbers rise");
      highest = number;
      table.set(number, `thing ${number}`);
      model.set(number, `thing ${number}`);
    } else if (model.size > 0) {
      // One in ten of the oldest is left alone, so that numbers far apart are in use together.
      const all = [...model.keys()];
      const number = all[random.below(all.length)] as number;
      if (number % 10 !== 0 || random.below(20) === 0) {
        table.delete(number);
        model.delete(number);
        assert.is(table.get(number), undefined);
        assert.not.ok(table.has(number));
      }
    }
    const asked = random.below(highest + 10);
    assert.is(table.get(asked), model.get(asked));
    assert.is(table.has(asked), model.has(asked));
    assert.is(table.size, model.size);
  }
  assert.equal(
    table.entries().sort(([a], [b]) => a - b),
    [...model].sort(([a], [b]) => a - b),
  );
});

test("behind the last number comes the first, and none that is in use", () => {
  const table = new Numbered<number>();
  const first = table.next();
  table.set(first, 1);
  (table as unknown as { last: number }).last = 2 ** 31 - 2;
  const last = table.next();
  assert.is(last, 2 ** 31 - 1);
  table.set(last, 2);
  const anew = table.next();
  assert.ok(anew > first && anew < 10, String(anew));
  table.set(anew, 3);
  assert.equal(
    [first, last, anew].map((number) => table.get(number)),
    [1, 2, 3],
  );
});

test("a number that is in use is refused; one that never was is nothing", () => {
  const table = new Numbered<number>();
  const number = table.next();
  table.set(number, 1);
  assert.throws(() => table.set(number, 2), /in use/);
  table.delete(0);
  table.delete(number + 4);
  assert.is(table.size, 1);
  assert.not.ok(table.has(0));
  assert.is(table.get(0), undefined);
});

test.run();
