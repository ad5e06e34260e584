import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compareDots, type Dot, nextDot, sameDot } from "../../../../src/core/clock/dot.js";
import { VersionVector } from "../../../../src/core/clock/version-vector.js";
import { Acceptor, type AcceptorEffects } from "../../../../src/core/register/acceptor.js";
import type { Request } from "../../../../src/core/register/messages.js";
import type { Held, PartitionView, RegisterState } from "../../../../src/core/register/state.js";

const KEY = "k";
const dot = (hlc: number, node = 0, epoch = 1): Dot => ({ epoch, hlc, node });
const stateOf = (value: string | undefined): RegisterState<string> => ({
  value,
  expireAt: 0,
  vv: VersionVector.EMPTY,
  cut: 0,
});

/** A replica with its memory, as a server would keep it. */
class Replica {
  held: Held<string> | undefined;
  view: PartitionView = { epoch: 1, floor: 0, floorLsn: 0 };
  lsn = 0;
  readonly acceptor: Acceptor<string>;

  constructor(restartFloor = 0, promisesMax = 100) {
    this.acceptor = new Acceptor({ restartFloor, promisesMax });
  }

  receive(request: Request<string>): AcceptorEffects<string> {
    const effects = this.acceptor.receive(request, this.held, this.view);
    if (effects.accepted !== undefined) this.held = { ...effects.accepted, lsn: ++this.lsn };
    if (effects.floor > this.view.floor) this.view = { ...this.view, floor: effects.floor, floorLsn: ++this.lsn };
    if (effects.removes) this.held = undefined;
    if (effects.marks && this.held !== undefined) this.held = { ...this.held, chosen: true };
    return effects;
  }
  prepare(ballot: Dot, have?: Dot, key: string = KEY): AcceptorEffects<string> {
    return this.receive({ type: "prepare", key, epoch: 1, ballot, have });
  }
  accept(ballot: Dot, value: string | null = "v", key: string = KEY): AcceptorEffects<string> {
    return this.receive({ type: "accept", key, epoch: 1, ballot, state: stateOf(value ?? undefined) });
  }
}

function replyType(effects: AcceptorEffects<string>): string | undefined {
  return effects.reply?.type;
}

test("a promise waits for a ceiling at its ballot, and for nothing else", () => {
  const { reply, underCeiling, afterLsn, afterWrites, accepted } = new Replica().prepare(dot(5));
  assert.equal(reply, { type: "promise", key: KEY, ballot: dot(5), accepted: undefined, state: undefined, floor: 0 });
  assert.equal([underCeiling, afterLsn, afterWrites, accepted], [5, 0, false, undefined]);
});

test("an acknowledgement waits for its record, a doubled one too", () => {
  const replica = new Replica();
  const first = replica.accept(dot(5));
  assert.is(replyType(first), "ack");
  assert.is(first.afterWrites, true);
  const again = replica.accept(dot(5));
  assert.is(replyType(again), "ack");
  assert.is(again.accepted, undefined);
  assert.is(again.afterLsn, 1);
});

test("a doubled ACCEPT is acknowledged whatever was promised meanwhile", () => {
  const replica = new Replica();
  replica.accept(dot(5));
  replica.prepare(dot(9));
  assert.is(replyType(replica.accept(dot(5))), "ack");
});

test("the writer of the accepted state holds a promise for the next ballot", () => {
  const replica = new Replica();
  replica.accept(dot(5, 1));
  assert.is(replyType(replica.prepare(dot(6, 0))), "nack");
  assert.is(replyType(replica.prepare(dot(6, 1))), "nack");
  assert.is(replyType(replica.accept(dot(6, 0))), "nack");
  assert.is(replyType(replica.accept(dot(6, 1))), "ack");
});

test("a promise refuses what is below it and accepts its own ballot", () => {
  const replica = new Replica();
  replica.prepare(dot(9, 1));
  const { reply } = replica.accept(dot(9, 0));
  assert.equal(reply, { type: "nack", key: KEY, ballot: dot(9, 0), phase: "accept", bound: dot(9, 1) });
  assert.is(replyType(replica.prepare(dot(9, 1))), "nack", "only once");
  assert.is(replyType(replica.accept(dot(9, 1))), "ack");
});

test("the restart floor refuses every ballot of before, and its bound leads above it", () => {
  const replica = new Replica(20);
  const { reply } = replica.prepare(dot(20, 7));
  assert.ok(reply?.type === "nack" && reply.bound.hlc === 20 && reply.bound.epoch === 1);
  assert.is(replyType(replica.accept(dot(20))), "nack");
  assert.is(replyType(replica.prepare(dot(21))), "promise");
});

test("the partition's floor counts where the key is absent only", () => {
  const replica = new Replica();
  replica.accept(dot(3));
  replica.view = { epoch: 1, floor: 10, floorLsn: 4 };
  assert.is(replyType(replica.accept(dot(8))), "ack");
  replica.held = undefined;
  assert.is(replyType(replica.accept(dot(10))), "nack");
  assert.is(replyType(replica.prepare(dot(10))), "nack");
  assert.is(
    replyType(replica.receive({ type: "learn", key: KEY, epoch: 1, ballot: dot(10), state: stateOf("v") })),
    "learned",
  );
  assert.is(replica.held, undefined);
  const read = replica.receive({ type: "read", key: KEY, epoch: 1, boot: 1, id: 1, have: undefined });
  assert.is(read.afterLsn, 4, "absence depends on the floor's record");
});

test("a dropped promise goes on to bind every key", () => {
  const replica = new Replica(0, 1);
  replica.prepare(dot(9), undefined, "a");
  replica.prepare(dot(4), undefined, "b");
  assert.is(replyType(replica.accept(dot(8), "v", "a")), "nack", "the promise for a was dropped, its ballot was not");
  assert.is(replyType(replica.accept(dot(8), "v", "c")), "nack");
  assert.is(replyType(replica.accept(dot(9), "v", "a")), "ack");
});

test("LEARN passes under promises, never lowers, and leaves promises alone", () => {
  const replica = new Replica();
  replica.prepare(dot(9));
  const learn = (ballot: Dot, value: string): Request<string> => ({
    type: "learn",
    key: KEY,
    epoch: 1,
    ballot,
    state: stateOf(value),
  });
  const effects = replica.receive(learn(dot(5), "five"));
  assert.is(effects.afterWrites, true);
  assert.equal(replica.held?.ballot, dot(5));
  assert.is(replica.held?.chosen, true);
  replica.receive(learn(dot(4), "four"));
  assert.equal(replica.held?.ballot, dot(5));
  assert.is(replyType(replica.accept(dot(8))), "nack", "promised 9");
  assert.is(replyType(replica.accept(dot(9))), "ack");
  assert.is(replica.held?.chosen, false, "the mark was of the ballot before");
});

test("CHOSEN marks the very ballot, logs nothing and is not answered", () => {
  const replica = new Replica();
  replica.accept(dot(5));
  const other = replica.receive({ type: "chosen", key: KEY, epoch: 1, ballot: dot(4) });
  assert.equal([other.marks, other.reply], [false, undefined]);
  const same = replica.receive({ type: "chosen", key: KEY, epoch: 1, ballot: dot(5) });
  assert.equal([same.marks, same.accepted, same.reply], [true, undefined, undefined]);
});

test("the state is left out for an asker that has it", () => {
  const replica = new Replica();
  replica.accept(dot(5));
  const read = (have: Dot | undefined): Request<string> => ({ type: "read", key: KEY, epoch: 1, boot: 1, id: 1, have });
  const known = replica.receive(read(dot(5))).reply;
  assert.ok(known?.type === "state" && known.state === undefined && known.ballot?.hlc === 5);
  const unknown = replica.receive(read(dot(4))).reply;
  assert.ok(unknown?.type === "state" && unknown.state?.value === "v");
  const promise = replica.prepare(dot(9), dot(5)).reply;
  assert.ok(promise?.type === "promise" && promise.state === undefined && promise.accepted?.hlc === 5);
});

test("another epoch's request does nothing, and is told which epoch it met", () => {
  const replica = new Replica();
  for (const epoch of [0, 2]) {
    const effects = replica.receive({ type: "accept", key: KEY, epoch, ballot: dot(5, 0, epoch), state: stateOf("v") });
    assert.equal([effects.reply?.type, effects.accepted], ["refused", undefined]);
    assert.ok(effects.reply?.type === "refused" && effects.reply.epoch === 1 && effects.reply.request === "accept");
  }
  assert.is(replyType(replica.accept(dot(5, 0, 0))), "nack", "an old ballot under the new epoch");
});

test("a tombstone may go only when nothing else was promised, now or before a crash", () => {
  const ask = (ballot: Dot): Request<string> => ({ type: "ask", key: KEY, epoch: 1, ballot });
  const yes = (replica: Replica, ballot: Dot): boolean => {
    const { reply } = replica.receive(ask(ballot));
    return reply?.type === "purgeable" && reply.yes;
  };
  const replica = new Replica();
  assert.is(yes(replica, dot(5)), false, "absent, and not for good");
  replica.accept(dot(5), null);
  assert.is(yes(replica, dot(4)), false);
  assert.is(yes(replica, dot(5)), true);
  replica.prepare(dot(9));
  assert.is(yes(replica, dot(5)), false);
  const restarted = new Replica(5);
  restarted.held = replica.held;
  assert.is(yes(restarted, dot(5)), false);
  const live = new Replica();
  live.accept(dot(5), "v");
  assert.is(yes(live, dot(5)), false, "no tombstone");
});

test("a purge raises the floor above the next ballot and drops that tombstone only", () => {
  const replica = new Replica();
  replica.accept(dot(5), null);
  replica.prepare(dot(9));
  replica.receive({ type: "purge", key: KEY, epoch: 1, ballot: dot(5) });
  assert.equal([replica.view.floor, replica.held], [6, undefined]);
  assert.is(replyType(replica.accept(dot(6))), "nack");
  assert.is(replyType(replica.accept(dot(8))), "nack", "the promise is still there");
  replica.accept(dot(9));
  replica.receive({ type: "purge", key: KEY, epoch: 1, ballot: dot(5) });
  assert.equal(replica.held?.ballot, dot(9));
});

test("whatever comes: the accepted ballot rises, a promise is kept, and one ballot has one answer", () => {
  const ballots = fc.record({
    epoch: fc.constant(1),
    hlc: fc.integer({ min: 1, max: 12 }),
    node: fc.integer({ min: 0, max: 2 }),
  });
  const request: fc.Arbitrary<Request<string>> = fc
    .tuple(fc.constantFrom("prepare" as const, "accept" as const, "learn" as const, "chosen" as const), ballots)
    .map(([type, ballot]) => {
      if (type === "prepare") return { type, key: KEY, epoch: 1, ballot, have: undefined };
      if (type === "chosen") return { type, key: KEY, epoch: 1, ballot };
      return { type, key: KEY, epoch: 1, ballot, state: stateOf(`${ballot.hlc}.${ballot.node}`) };
    });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 40 }), fc.integer({ min: 0, max: 4 }), (requests, promisesMax) => {
      const replica = new Replica(2, promisesMax);
      let promised: Dot = dot(0);
      for (const one of requests) {
        const before = replica.held;
        const { reply, accepted } = replica.receive(one);
        if (accepted !== undefined) {
          if (before !== undefined) assert.ok(compareDots(accepted.ballot, before.ballot) > 0);
          if (one.type === "accept") {
            assert.ok(compareDots(accepted.ballot, promised) >= 0, "below a promise");
            if (before !== undefined) assert.ok(compareDots(accepted.ballot, nextDot(before.ballot)) >= 0);
            assert.ok(accepted.ballot.hlc > 2, "below the restart floor");
          }
        }
        if (reply?.type === "promise") {
          assert.ok(compareDots(reply.ballot, promised) > 0, "promised twice");
          promised = reply.ballot;
        }
        if (reply?.type === "nack") assert.ok(compareDots(reply.bound, reply.ballot) >= 0 || reply.bound.hlc >= 2);
        if (reply?.type === "ack") assert.ok(replica.held !== undefined && sameDot(replica.held.ballot, reply.ballot));
      }
    }),
  );
});

test.run();
