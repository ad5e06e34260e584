/**
 * test/lib/register-messages.ts: requests and replies of registers, drawn by fast-check, as nodes may make them: vectors, cuts, epochs, tombstones, keys
 * of any bytes and length in any database.
 */
import * as fc from "fast-check";
import type { Asked, WireRequest } from "../../src/cluster/register-wire.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import type { Reply } from "../../src/core/register/messages.js";
import type { RegisterState } from "../../src/core/register/state.js";
import { nameOf, type Value } from "../../src/storage/state-record.js";
import type { Dot } from "./record-bytes.js";

const PLAIN = { noNullPrototype: true } as const;
const u32 = fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const u53 = fc.oneof(fc.nat(5), fc.maxSafeNat(), fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1));
const hlc = fc.oneof(
  fc.integer({ min: 1, max: 9 }),
  u53.map((value) => Math.max(1, value)),
);
const node = fc.oneof(fc.nat(4), fc.nat(2046));
const epoch = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: u32 });
export const ballot: fc.Arbitrary<Dot> = fc.record({ epoch, hlc, node }, PLAIN);
const maybeDot = fc.option(ballot, { nil: undefined });

const short = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
const long = fc.constantFrom(65_535, 65_536, 70_001).map((bytes) => Buffer.alloc(bytes, "\xff\x00key", "latin1"));
const bytes = fc.oneof({ weight: 40, arbitrary: short }, { weight: 1, arbitrary: long });
export const name: fc.Arbitrary<string> = fc
  .tuple(fc.nat(15), bytes)
  .map(([db, key]) => nameOf(db, key, 0, key.length));

const value: fc.Arbitrary<Value> = fc.record({ type: fc.constant(0), raw: fc.boolean(), bytes }, PLAIN);
const vector: fc.Arbitrary<VersionVector> = fc
  .uniqueArray(ballot, { selector: (dot) => dot.node, maxLength: 5 })
  .map((dots) => VersionVector.of(dots.sort((a, b) => a.node - b.node)));
const cut = fc.oneof(fc.constant(0), hlc);
const expireAt = fc.constantFrom(0, 1, 1_900_000_000_123, 2 ** 48 - 1);

/** Of a key whose state has this dot: also one that a single node alone has written. */
function stateOf(dot: Dot): fc.Arbitrary<RegisterState<Value>> {
  const vv = fc.oneof(vector, fc.constant(VersionVector.of([dot])));
  return fc.oneof(
    fc.record({ value, expireAt, vv, cut }, PLAIN),
    fc.record({ value: fc.constant(undefined), expireAt: fc.constant(0), vv, cut }, PLAIN),
  );
}

const head = { key: name, epoch };

export const request: fc.Arbitrary<WireRequest> = fc.oneof(
  fc.record({ type: fc.constant("read" as const), ...head, boot: u53, id: u32, have: maybeDot }, PLAIN),
  fc.record({ type: fc.constant("prepare" as const), ...head, ballot, have: maybeDot }, PLAIN),
  ballot.chain((dot) =>
    fc.record(
      {
        type: fc.constantFrom("accept" as const, "learn" as const),
        ...head,
        ballot: fc.constant(dot),
        state: stateOf(dot),
      },
      PLAIN,
    ),
  ),
);

/** The accepted dot with the state or without it, or neither. */
type Accepted = readonly [Dot | undefined, RegisterState<Value> | undefined];
const accepted: fc.Arbitrary<Accepted> = maybeDot.chain((dot): fc.Arbitrary<Accepted> => {
  if (dot === undefined) return fc.constant([undefined, undefined]);
  return fc.option(stateOf(dot), { nil: undefined }).map((state): Accepted => [dot, state]);
});

/** An answer with what was asked. */
export type Answered = readonly [Asked, Reply<Value>];
export const answered: fc.Arbitrary<Answered> = fc.oneof(
  fc.tuple(name, u53, u32, accepted, fc.boolean(), u53).map(([key, boot, id, [dot, state], mark, floor]): Answered => {
    const chosen = mark && dot !== undefined;
    return [
      { type: "read", key, boot, id },
      { type: "state", key, boot, id, ballot: dot, state, chosen, floor },
    ];
  }),
  fc.tuple(name, ballot, accepted, u53).map(([key, dot, [held, state], floor]): Answered => {
    return [
      { type: "prepare", key, ballot: dot },
      { type: "promise", key, ballot: dot, accepted: held, state, floor },
    ];
  }),
  fc.tuple(name, ballot).map(([key, dot]): Answered => {
    return [
      { type: "accept", key, ballot: dot },
      { type: "ack", key, ballot: dot },
    ];
  }),
  fc
    .tuple(
      name,
      ballot,
      fc.constantFrom("prepare" as const, "accept" as const),
      fc.record({ epoch, hlc: u53, node }, PLAIN),
    )
    .map(([key, dot, phase, bound]): Answered => {
      return [
        { type: phase, key, ballot: dot },
        { type: "nack", key, ballot: dot, phase, bound },
      ];
    }),
  fc
    .tuple(name, ballot, fc.constantFrom("prepare" as const, "accept" as const), epoch)
    .map(([key, dot, type, at]): Answered => {
      return [
        { type, key, ballot: dot },
        { type: "refused", key, request: type, ballot: dot, id: 0, epoch: at },
      ];
    }),
  fc.tuple(name, u53, u32, epoch).map(([key, boot, id, at]): Answered => {
    return [
      { type: "read", key, boot, id },
      { type: "refused", key, request: "read", ballot: undefined, id, epoch: at },
    ];
  }),
);

/** A copy to compare: without records and shared memory. */
export function plainOf(message: WireRequest | Reply<Value>): unknown {
  return "state" in message ? { ...message, state: plainState(message.state) } : { ...message };
}

function plainState(state: RegisterState<Value> | undefined): unknown {
  if (state === undefined) return undefined;
  const { value: held, expireAt: deadline, vv, cut: until } = state;
  const copy = held && { type: held.type, raw: held.raw, bytes: held.bytes.toString("hex") };
  return { value: copy, deadline, dots: vv.dots.map((dot) => ({ ...dot })), until };
}
