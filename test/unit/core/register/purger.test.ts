import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Effect } from "../../../../src/core/register/effects.js";
import { Purger } from "../../../../src/core/register/purger.js";
import { dot, KEY, RegisterDriver, stateOf } from "../../../lib/register-driver.js";

function asking(): { purger: Purger<string>; out: Effect<string, never>[]; types(): string[] } {
  const driver = new RegisterDriver();
  driver.own = { ballot: dot(5), state: stateOf(undefined), chosen: true, lsn: 0 };
  const purger = new Purger<string>(driver);
  const out: Effect<string, never>[] = [];
  assert.is(purger.start(KEY, out), true);
  const types = (): string[] =>
    out.splice(0).map((effect) => (effect.type === "send" ? `${effect.message.type} ${effect.to}` : effect.type));
  return { purger, out, types };
}

const reply = (
  yes: boolean,
  hlc = 5,
): { type: "purgeable"; key: string; ballot: ReturnType<typeof dot>; yes: boolean } => ({
  type: "purgeable",
  key: KEY,
  ballot: dot(hlc),
  yes,
});

test("all replicas are asked, and PURGE leaves only when all have said yes", () => {
  const { purger, out, types } = asking();
  assert.equal(types(), ["ask 0", "ask 1", "ask 2", "timer"]);
  assert.is(purger.receive(0, reply(true), out), undefined);
  assert.is(purger.receive(1, reply(true), out), undefined);
  assert.is(purger.receive(1, reply(true), out), undefined, "a duplicate");
  assert.is(purger.receive(8, reply(true), out), undefined, "a stranger");
  assert.is(purger.receive(2, reply(true, 4), out), undefined, "about another tombstone");
  assert.equal(types(), []);
  assert.is(purger.receive(2, reply(true), out), "purged");
  assert.equal(types(), ["purge 0", "purge 1", "purge 2"]);
  assert.is(purger.size, 0);
});

test("one no, another epoch or silence ends the question without a PURGE", () => {
  const no = asking();
  no.types();
  assert.is(no.purger.receive(0, reply(false), no.out), "refused");
  assert.is(no.purger.receive(1, reply(true), no.out), undefined);
  const moved = asking();
  moved.types();
  const refused = { type: "refused", key: KEY, request: "ask", ballot: dot(5), id: 0, epoch: 2 } as const;
  assert.is(moved.purger.receive(1, refused, moved.out), "refused");
  const silent = asking();
  silent.types();
  assert.is(silent.purger.timer(KEY, dot(4)), undefined);
  assert.is(silent.purger.timer(KEY, dot(5)), "late");
  assert.equal([...no.types(), ...moved.types(), ...silent.types()], []);
});

test("only a tombstone is asked about, once at a time", () => {
  const { purger, out } = asking();
  assert.is(purger.start(KEY, out), false);
  const driver = new RegisterDriver();
  const other = new Purger<string>(driver);
  assert.is(other.start(KEY, out), false, "absent");
  driver.own = { ballot: dot(5), state: stateOf("v"), chosen: true, lsn: 0 };
  assert.is(other.start(KEY, out), false, "a value");
});

test.run();
