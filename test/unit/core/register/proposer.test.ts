import { test } from "uvu";
import * as assert from "uvu/assert";
import { compareDots, sameDot } from "../../../../src/core/clock/dot.js";
import { VersionVector } from "../../../../src/core/clock/version-vector.js";
import { fence, type Operation } from "../../../../src/core/register/operation.js";
import { append, dot, get, KEY, RegisterDriver, stateOf } from "../../../lib/register-driver.js";

/** A write on an absent key, chosen at 0 and 1, and held here. */
function written(): { driver: RegisterDriver; ballot: ReturnType<typeof dot> } {
  const driver = new RegisterDriver();
  driver.submit(append(1, "a"));
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot);
  driver.promise(1, ballot);
  const [{ message }] = driver.take("accept");
  driver.ack(0, ballot);
  driver.ack(1, ballot);
  driver.own = { ballot, state: message.state, chosen: true, lsn: 0 };
  driver.take("chosen");
  driver.timers = [];
  return { driver, ballot };
}

test("the prepared path: promises of R, the highest base, acknowledgements of W", () => {
  const driver = new RegisterDriver();
  driver.submit(append(1, "c"));
  const prepares = driver.take("prepare");
  assert.equal(
    prepares.map(({ to }) => to),
    [0, 1, 2],
  );
  const { ballot } = prepares[0].message;
  assert.is(prepares[0].underCeiling, ballot.hlc);
  const high = stateOf("ab", { vv: VersionVector.EMPTY.with(dot(1, 2)) });
  driver.promise(1, ballot, dot(0, 1), stateOf("a"));
  assert.equal(driver.take("accept"), []);
  driver.promise(2, ballot, dot(0, 2), high);
  const accepts = driver.take("accept");
  assert.is(accepts.length, 3);
  const { state } = accepts[0].message;
  assert.is(state.value, "abc");
  assert.equal(state.vv.dots, [ballot, dot(1, 2)]);
  driver.ack(1, ballot);
  assert.is(driver.outcomes.size, 0);
  driver.ack(2, ballot);
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: "abc", ballot });
  assert.is(driver.take("chosen").length, 3);
  assert.is(driver.proposer.size, 0, "nothing is kept for a key at rest");
});

test("an asker whose acknowledgement alone is missing hears so, once; other askers do not", () => {
  const driver = new RegisterDriver();
  const asked = (id: number, asker: number): void => driver.submit({ ...append(id, "a"), asker });
  asked(1, 1);
  asked(2, 2);
  asked(3, 7); // no replica
  driver.submit(append(4, "a"));
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot);
  driver.promise(1, ballot);
  driver.ack(2, ballot);
  driver.ack(2, ballot);
  assert.equal(driver.nearly, [{ type: "nearly", id: 1, result: "a", ballot }]);
  assert.is(driver.outcomes.size, 0, "settled it is not");
  driver.ack(0, ballot);
  assert.is(driver.nearly.length, 1);
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: "a", ballot });
});

test("of what changes nothing no asker hears early: should the round fail here, it is applied anew", () => {
  const driver = new RegisterDriver();
  driver.submit({ ...get(1), asker: 1 });
  driver.submit({ ...append(2, "a"), asker: 1 });
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot);
  driver.promise(1, ballot);
  driver.ack(0, ballot);
  assert.equal(
    driver.nearly.map(({ id }) => id),
    [2],
  );
});

test("with W = 3 nobody hears before two have acknowledged; a refusal tells nobody", () => {
  const driver = new RegisterDriver();
  driver.replicas = { epoch: 0, nodes: [0, 1, 2], r: 1, w: 3 };
  driver.submit({ ...append(1, "a"), asker: 1 });
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot);
  driver.ack(0, ballot);
  assert.equal(driver.nearly, []);
  driver.ack(2, ballot);
  assert.is(driver.nearly.length, 1);
});

test("many operations that wait for a key are one round, in their order", () => {
  const driver = new RegisterDriver();
  const letters = "abcdefghij";
  for (let i = 0; i < letters.length; i++) driver.submit(append(i, letters[i]));
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot);
  driver.promise(1, ballot);
  driver.submit(append(99, "z"));
  const accepts = driver.take("accept");
  assert.is(accepts.length, 3);
  assert.is(accepts[0].message.state.value, letters);
  driver.ack(0, ballot);
  driver.ack(2, ballot);
  assert.equal(driver.outcomes.get(4), { applied: "yes", result: "abcde", ballot });
  assert.is(driver.outcomes.size, 10);
  assert.is(driver.proposer.size, 1, "the one that came later has its own round");
});

test("compare and set: of many in one round that know the same state one writes; a state within a round is told apart", () => {
  const { driver, ballot } = written();
  const seen: string[] = [];
  const compareAndSet = (id: number, value: string): Operation<string, string | undefined> => ({
    id,
    deadline: 2000,
    apply(state) {
      const last = state.vv.dots.reduce((a, b) => (compareDots(a, b) > 0 ? a : b));
      seen.push(`${last.hlc}.${last.node}`);
      if (!sameDot(last, ballot)) return { result: undefined, next: undefined };
      return { result: value, next: { value, expireAt: 0 } };
    },
  });
  driver.replicas = { epoch: 2, nodes: [0, 1, 2], r: 2, w: 2 }; // so that it asks first, and they gather meanwhile
  for (let id = 10; id < 20; id++) driver.submit(compareAndSet(id, String(id)));
  const asked = driver.ballotOf("prepare");
  driver.promise(0, asked, ballot, driver.own?.state);
  driver.promise(1, asked, ballot, driver.own?.state);
  const [{ message }] = driver.take("accept");
  assert.is(message.state.value, "10");
  assert.equal(message.state.vv.dots, [asked], "what is proposed has no trace of that");
  driver.ack(0, asked);
  driver.ack(1, asked);
  const results = [...driver.outcomes].filter(([id]) => id >= 10).map(([, outcome]) => outcome);
  assert.equal(
    results.map((outcome) => outcome.applied === "yes" && outcome.result),
    ["10", ...Array(9).fill(undefined)],
  );
  assert.is(new Set(seen.slice(1)).size, 1);
  assert.not.equal(seen[1], `${ballot.hlc}.${ballot.node}`, "not the state before the round");
  assert.not.equal(seen[1], `${asked.hlc}.${asked.node}`, "not the one after it");
});

test("a duplicate and a stranger are no votes", () => {
  const driver = new RegisterDriver();
  driver.submit(append(1, "a"));
  const ballot = driver.ballotOf("prepare");
  driver.promise(1, ballot);
  driver.promise(1, ballot);
  driver.promise(7, ballot);
  assert.equal(driver.take("accept"), []);
  driver.promise(0, ballot);
  driver.ack(1, ballot);
  driver.ack(1, ballot);
  driver.ack(7, ballot);
  assert.is(driver.outcomes.size, 0);
});

test("a promise without its state counts only when this node has that very state", () => {
  const driver = new RegisterDriver();
  driver.own = { ballot: dot(5, 1), state: stateOf("own"), chosen: false, lsn: 0 };
  driver.submit(append(1, "!"));
  const [{ message }] = driver.take("prepare");
  assert.equal(message.have, dot(5, 1));
  driver.promise(1, message.ballot, dot(4, 1));
  driver.promise(2, message.ballot, dot(5, 1));
  assert.equal(driver.take("accept"), [], "nobody said what 4.1 is");
  driver.promise(0, message.ballot, dot(5, 1));
  assert.is(driver.take("accept")[0].message.state.value, "own!");
});

test("an owner's next write takes one trip, at the next dot", () => {
  const { driver, ballot } = written();
  driver.submit(append(2, "b"));
  assert.equal(driver.take("prepare"), []);
  const [{ message }] = driver.take("accept");
  assert.equal(message.ballot, dot(ballot.hlc + 1));
  assert.is(message.state.value, "ab");
});

test("no fast path when this node holds another state, after a nack, or in another epoch", () => {
  const elsewhere = written();
  elsewhere.driver.own = { ballot: dot(50, 1), state: stateOf("x"), chosen: false, lsn: 0 };
  elsewhere.driver.submit(append(2, "b"));
  assert.ok(elsewhere.driver.ballotOf("prepare").hlc > 51, "above the next dot of what is held");

  const refused = written();
  refused.driver.nack(2, refused.ballot, "accept", dot(9, 2));
  refused.driver.submit(append(2, "b"));
  assert.ok(refused.driver.ballotOf("prepare").hlc > 9);

  const moved = written();
  moved.driver.replicas = { ...moved.driver.replicas, epoch: 2 };
  moved.driver.submit(append(2, "b"));
  assert.is(moved.driver.ballotOf("prepare").epoch, 2);
});

test("the fast path needs max(W, R) acknowledgements; late ones count", () => {
  const driver = new RegisterDriver();
  driver.replicas = { epoch: 1, nodes: [0, 1, 2], r: 3, w: 1 };
  driver.submit(append(1, "a"));
  const ballot = driver.ballotOf("prepare");
  for (const from of [0, 1, 2]) driver.promise(from, ballot);
  const [{ message }] = driver.take("accept");
  driver.ack(0, ballot);
  driver.own = { ballot, state: message.state, chosen: true, lsn: 0 };
  driver.ack(1, ballot);
  driver.ack(2, ballot);
  driver.submit(append(2, "b"));
  assert.equal(driver.take("prepare"), []);
  assert.is(driver.take("accept").length, 3);
});

test("a nack before any ACCEPT is retried after full jitter, above the bound", () => {
  const driver = new RegisterDriver();
  driver.chance = 0.999;
  driver.submit(append(1, "a"));
  let delayMax = 0;
  for (let round = 0; round < 12; round++) {
    const ballot = driver.ballotOf("prepare");
    if (round > 0) assert.ok(ballot.hlc > round * 100);
    driver.nack(1, ballot, "prepare", dot((round + 1) * 100, 2));
    assert.is(driver.timers.filter(({ timer }) => timer.what === "retry").length, 0, "two may still promise");
    driver.nack(2, ballot, "prepare", dot((round + 1) * 100, 2));
    const retry = driver.timers.find(({ timer }) => timer.what === "retry");
    assert.ok(retry !== undefined && retry.delayMs >= 2 && retry.delayMs <= 250);
    delayMax = Math.max(delayMax, retry.delayMs);
    driver.timers = [];
    driver.fire(retry.timer);
  }
  assert.ok(delayMax > 200);
});

test("an unclear write that happened is answered with its remembered result, once the next round is chosen", () => {
  const driver = new RegisterDriver();
  driver.submit(append(1, "a"));
  const first = driver.ballotOf("prepare");
  driver.promise(0, first);
  driver.promise(1, first);
  const [{ message }] = driver.take("accept");
  driver.fire({ what: "round", key: KEY, ballot: first, phase: "accept" });
  driver.fire({ what: "retry", key: KEY });
  const second = driver.ballotOf("prepare");
  // Another proposer went on from it.
  const base = stateOf("ax", { vv: message.state.vv.with(dot(40, 1)) });
  driver.promise(1, second, dot(40, 1), base);
  driver.promise(2, second, dot(40, 1), base);
  const accepts = driver.take("accept");
  assert.equal(accepts[0].message.state, base, "an identity round");
  assert.is(driver.outcomes.size, 0);
  driver.ack(1, second);
  driver.ack(2, second);
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: "a", ballot: second });
});

test("an unclear write that did not happen is applied now, in front of what came later", () => {
  const driver = new RegisterDriver();
  driver.submit(append(1, "a"));
  const first = driver.ballotOf("prepare");
  driver.promise(0, first);
  driver.promise(1, first);
  driver.take("accept");
  driver.submit(append(2, "b"));
  driver.fire({ what: "round", key: KEY, ballot: first, phase: "accept" });
  driver.fire({ what: "retry", key: KEY });
  const second = driver.ballotOf("prepare");
  driver.promise(1, second);
  driver.promise(2, second);
  assert.is(driver.take("accept")[0].message.state.value, "ab");
});

test("what happened and is carried in a later change is still recognised", () => {
  const driver = new RegisterDriver();
  driver.submit(append(1, "a"));
  const first = driver.ballotOf("prepare");
  driver.promise(0, first);
  driver.promise(1, first);
  const happened = driver.take("accept")[0].message.state;
  driver.submit(append(2, "b"));
  driver.fire({ what: "round", key: KEY, ballot: first, phase: "accept" });
  driver.fire({ what: "retry", key: KEY });
  const second = driver.ballotOf("prepare");
  driver.promise(0, second, first, happened);
  driver.promise(1, second);
  const both = driver.take("accept")[0].message.state;
  assert.is(both.value, "ab");
  driver.fire({ what: "round", key: KEY, ballot: second, phase: "accept" });
  driver.fire({ what: "retry", key: KEY });
  const third = driver.ballotOf("prepare");
  driver.promise(0, third, second, both);
  driver.promise(1, third);
  assert.equal(driver.take("accept")[0].message.state, both);
  driver.ack(0, third);
  driver.ack(1, third);
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: "a", ballot: third });
  assert.equal(driver.outcomes.get(2), { applied: "yes", result: "ab", ballot: third });
});

test("a retry on a key that was deleted for good is uncertain, not applied twice", () => {
  const driver = new RegisterDriver();
  driver.submit(append(1, "a"));
  const first = driver.ballotOf("prepare");
  driver.promise(0, first);
  driver.promise(1, first);
  driver.take("accept");
  driver.fire({ what: "round", key: KEY, ballot: first, phase: "accept" });
  driver.fire({ what: "retry", key: KEY });
  const second = driver.ballotOf("prepare");
  driver.promise(1, second);
  driver.promise(2, second, undefined, undefined, first.hlc);
  assert.equal(driver.outcomes.get(1), { applied: "maybe" });
  assert.equal(driver.take("accept"), []);
  assert.is(driver.proposer.size, 0);
});

test("a state on an absent base says below which floor its vector has gaps", () => {
  const driver = new RegisterDriver();
  driver.clock.witness(100);
  driver.submit(append(1, "a"));
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot, undefined, undefined, 7);
  driver.promise(1, ballot, undefined, undefined, 9);
  assert.is(driver.take("accept")[0].message.state.cut, 9);
});

test("what changes nothing is answered when its round is chosen; on an absent base that is a tombstone", () => {
  const driver = new RegisterDriver();
  driver.submit(fence(1, 2000));
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot);
  driver.promise(1, ballot);
  const { state } = driver.take("accept")[0].message;
  assert.equal([state.value, state.vv.dots], [undefined, []]);
  assert.is(driver.outcomes.size, 0);
  driver.ack(0, ballot);
  driver.ack(1, ballot);
  assert.equal(driver.outcomes.get(1), { applied: "yes", result: undefined, ballot });
});

test("at the deadline: surely not without an ACCEPT of a change, else maybe", () => {
  const driver = new RegisterDriver();
  driver.submit(append(1, "a", 100));
  driver.submit(get(2, 100));
  driver.expire(99);
  assert.is(driver.outcomes.size, 0);
  const ballot = driver.ballotOf("prepare");
  driver.promise(0, ballot);
  driver.promise(1, ballot);
  driver.submit(append(3, "c", 100));
  driver.expire(100);
  assert.equal(driver.outcomes.get(1), { applied: "maybe" });
  assert.equal(driver.outcomes.get(2), { applied: "no", why: "no quorum" });
  assert.equal(driver.outcomes.get(3), { applied: "no", why: "no quorum" });
  driver.ack(0, ballot);
  driver.ack(1, ballot);
  assert.is(driver.proposer.size, 0);
});

test("a full queue refuses at once", () => {
  const driver = new RegisterDriver({ queueMax: 2 });
  for (const id of [1, 2, 3]) driver.submit(append(id, "x"));
  assert.equal([...driver.outcomes], [[3, { applied: "no", why: "too many" }]]);
});

test("a value past its deadline is a tombstone to whoever finds it, unless this node's clock is not to be trusted", () => {
  for (const expiring of [true, false]) {
    const driver = new RegisterDriver();
    driver.expiring = expiring;
    driver.now = 10;
    driver.submit(get(1));
    const ballot = driver.ballotOf("prepare");
    const base = stateOf("old", { expireAt: 10 });
    driver.promise(0, ballot, dot(0, 1), base);
    driver.promise(1, ballot, dot(0, 1), base);
    const { state } = driver.take("accept")[0].message;
    assert.is(state.value, expiring ? undefined : "old");
    assert.is(state.vv.dots.length, expiring ? 1 : 0);
    driver.ack(0, ballot);
    driver.ack(1, ballot);
    assert.equal(driver.outcomes.get(1), { applied: "yes", result: expiring ? undefined : "old", ballot });
  }
});

test("another epoch's refusals end a round like nacks", () => {
  const driver = new RegisterDriver();
  driver.submit(append(1, "a"));
  const ballot = driver.ballotOf("prepare");
  for (const from of [1, 2])
    driver.receive(from, { type: "refused", key: KEY, request: "prepare", ballot, id: 0, epoch: 2 });
  driver.replicas = { ...driver.replicas, epoch: 2 };
  driver.fire({ what: "retry", key: KEY });
  assert.is(driver.ballotOf("prepare").epoch, 2);
});

test("a timer that is over does no harm", () => {
  const { driver, ballot } = written();
  driver.fire({ what: "round", key: KEY, ballot, phase: "accept" });
  driver.fire({ what: "retry", key: KEY });
  driver.submit(append(2, "b"));
  driver.fire({ what: "retry", key: KEY });
  driver.fire({ what: "round", key: KEY, ballot, phase: "accept" });
  assert.is(driver.take("accept").length, 3);
  assert.equal(driver.take("prepare"), []);
});

test.run();
