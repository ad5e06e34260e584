import { test } from "uvu";
import * as assert from "uvu/assert";
import { append, BOOT, dot, get, KEY, RegisterDriver, stateOf } from "../../../lib/register-driver.js";

function reading(): RegisterDriver {
  const driver = new RegisterDriver();
  driver.read(get(1));
  return driver;
}

test("R replicas are asked, self first; where they agree that is all", () => {
  const driver = new RegisterDriver();
  driver.own = { ballot: dot(5, 1), state: stateOf("v"), chosen: false, lsn: 0 };
  driver.read(get(1));
  const asked = driver.take("read");
  assert.equal(
    asked.map(({ to }) => to),
    [0, 1],
  );
  assert.equal(asked[0].message.have, dot(5, 1));
  driver.state(0, dot(5, 1));
  assert.is(driver.outcomes.size, 0);
  driver.state(1, dot(5, 1));
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: "v", ballot: dot(5, 1) });
  assert.equal([driver.sent, driver.reader.size], [[], 0]);
});

test("those that are likely to answer are asked first, the others when that does not do", () => {
  const driver = new RegisterDriver();
  driver.slow.add(1);
  driver.read(get(1));
  const to = (): number[] => driver.take("read").map((sent) => sent.to);
  assert.equal(to(), [0, 2]);
  driver.state(0, dot(5), stateOf("v"));
  driver.state(2);
  assert.equal(to(), [1]);
  driver.slow.add(2);
  driver.read(get(2));
  assert.equal(to(), [0, 1]);
});

test("all absent is an answer", () => {
  const driver = reading();
  driver.state(0);
  driver.state(1);
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: undefined, ballot: undefined });
});

test("a doubled reply is one vote", () => {
  const driver = reading();
  driver.state(0, dot(5), stateOf("v"));
  driver.state(0, dot(5), stateOf("v"));
  driver.state(9, dot(5), stateOf("v"));
  assert.is(driver.outcomes.size, 0);
});

test("a mark on the highest is enough, one on an older state is not; laggards are taught after the answer", () => {
  const marked = reading();
  marked.state(0);
  marked.state(1, dot(5), stateOf("v"), { chosen: true });
  assert.is(marked.outcomes.get(1)?.applied, "yes");
  assert.equal(
    marked.take("learn").map(({ to }) => to),
    [0],
  );
  const older = reading();
  older.state(0, dot(4), stateOf("u"), { chosen: true });
  older.state(1, dot(5), stateOf("v"));
  assert.is(older.outcomes.size, 0);
});

test("where they differ the others are asked, then the highest is relayed unchanged before the answer", () => {
  const driver = reading();
  driver.take("read");
  driver.state(0, dot(4), stateOf("u"));
  driver.state(1, dot(5), stateOf("v"));
  assert.equal(
    driver.take("read").map(({ to }) => to),
    [2],
  );
  driver.fire({ what: "read", id: 1 });
  const relayed = driver.take("accept");
  assert.equal(
    relayed.map(({ to }) => to),
    [0, 2],
  );
  assert.equal([relayed[0].message.ballot, relayed[0].message.state.value, relayed[0].underCeiling], [dot(5), "v", 0]);
  driver.ack(1, dot(5));
  assert.is(driver.outcomes.size, 0, "1 is counted already");
  driver.ack(2, dot(5));
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: "v", ballot: dot(5) });
});

test("the third reply can spare the relay", () => {
  const driver = reading();
  driver.state(0, dot(4), stateOf("u"));
  driver.state(1, dot(5), stateOf("v"));
  driver.state(2, dot(5), stateOf("v"));
  assert.is(driver.outcomes.get(1)?.applied, "yes");
  assert.equal(driver.take("accept"), []);
});

test("a refused or late relay becomes an identity round", () => {
  for (const late of [true, false]) {
    const driver = reading();
    driver.state(0, dot(4), stateOf("u"));
    driver.state(1, dot(5), stateOf("v"));
    driver.fire({ what: "read", id: 1 });
    if (late) driver.fire({ what: "read", id: 1 });
    else for (const from of [0, 2]) driver.nack(from, dot(5), "accept", dot(9, 2));
    const ballot = driver.ballotOf("prepare");
    driver.promise(0, ballot, dot(4), stateOf("u"));
    driver.promise(1, ballot, dot(5), stateOf("v"));
    driver.ack(0, ballot);
    driver.ack(1, ballot);
    assert.equal(driver.outcomes.get(1), { applied: "yes", result: "v", ballot });
    assert.is(driver.reader.size, 0);
  }
});

test("absent under a floor is no vote: without R others an identity round decides", () => {
  const driver = reading();
  driver.state(0, undefined, undefined, { floor: 5 });
  driver.state(1, dot(5), stateOf("v"), { chosen: true });
  assert.is(driver.outcomes.size, 0);
  driver.fire({ what: "read", id: 1 });
  driver.state(2, undefined, undefined, { floor: 9 });
  assert.is(driver.outcomes.size, 0);
  assert.is(driver.take("prepare").length, 3);
});

test("silence asks the others, and then goes through the register", () => {
  const driver = reading();
  driver.state(0, dot(5), stateOf("v"));
  driver.take("read");
  driver.fire({ what: "read", id: 1 });
  assert.equal(
    driver.take("read").map(({ to }) => to),
    [2],
  );
  driver.fire({ what: "read", id: 1 });
  assert.is(driver.take("prepare").length, 3);
});

test("an operation that wants to change what it was shown is submitted", () => {
  const driver = new RegisterDriver();
  driver.read(append(1, "b"));
  driver.state(0, dot(5, 1), stateOf("a"));
  driver.state(1, dot(5, 1), stateOf("a"));
  assert.is(driver.outcomes.size, 0);
  assert.is(driver.take("prepare").length, 3);
});

test("a value past its deadline is answered only once it is deleted for everyone", () => {
  const driver = new RegisterDriver();
  driver.now = 10;
  const old = stateOf("old", { expireAt: 10 });
  driver.read(get(1));
  driver.state(0, dot(5, 1), old);
  driver.state(1, dot(5, 1), old);
  assert.is(driver.outcomes.size, 0);
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot, dot(5, 1), old);
  driver.promise(1, ballot, dot(5, 1), old);
  assert.is(driver.take("accept")[0].message.state.value, undefined);
  driver.ack(0, ballot);
  driver.ack(1, ballot);
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: undefined, ballot });
});

test("reads in flight are bounded, and end at their deadline", () => {
  const driver = new RegisterDriver({ readsMax: 1 });
  const id = driver.read(get(1));
  assert.is(driver.read(get(2)), 0);
  assert.equal(driver.outcomes.get(2), { applied: "no", why: "too many" });
  driver.expireRead(id);
  assert.equal(driver.outcomes.get(1), { applied: "no", why: "no quorum" });
  assert.is(driver.reader.size, 0);
  driver.expireRead(id);
  driver.state(0, dot(5), stateOf("v"));
});

test("a late reply to an earlier read tells nothing", () => {
  const driver = reading();
  driver.state(0, dot(5), stateOf("v"));
  driver.state(1, dot(5), stateOf("v"), { id: 7 });
  const reply = {
    type: "state",
    key: KEY,
    boot: BOOT,
    id: 1,
    ballot: dot(5),
    state: stateOf("v"),
    chosen: false,
    floor: 0,
  } as const;
  driver.receive(1, { ...reply, boot: BOOT - 1 });
  driver.receive(1, { ...reply, key: `${KEY}2` });
  assert.is(driver.outcomes.size, 0);
});

test.run();
