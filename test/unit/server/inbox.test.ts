/**
 * test/unit/server/inbox.test.ts: what clients' inboxes hold, against plain buffers; a few buffers go round among them, and none of them may be
 * two clients' at once, or somebody's who was told that he may keep it.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { Inbox } from "../../../src/server/inbox.js";

const CLIENTS = 70; // more than buffers that go round

interface Client {
  readonly inbox: Inbox;
  held: Buffer;
}

function shown({ inbox }: Client): Buffer {
  return inbox.bytes === undefined ? Buffer.alloc(0) : inbox.bytes.subarray(inbox.from, inbox.end);
}

const step = fc.record({
  client: fc.oneof(fc.nat(3), fc.nat(CLIENTS - 1)),
  act: fc.constantFrom("append", "append", "use all", "use some", "keep", "clear"),
  bytes: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 40_000 })),
  needed: fc.constantFrom(0, 0, 0, 100, 20_000),
  fill: fc.integer({ min: 1, max: 255 }),
});

test("inboxes hold what came and was not used, each its own; what was kept stays as it is", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 300 }), (steps) => {
      const clients: Client[] = Array.from({ length: CLIENTS }, () => ({ inbox: new Inbox(), held: Buffer.alloc(0) }));
      const kept: { view: Buffer; copy: Buffer }[] = [];
      for (const { client, act, bytes, needed, fill } of steps) {
        const one = clients[client] as Client;
        const { inbox } = one;
        if (act === "append") {
          const source = viewed(Buffer.alloc(bytes + 10, fill));
          inbox.append(source, 5, 5 + bytes, needed);
          one.held = Buffer.concat([one.held, source.subarray(5, 5 + bytes)]);
        } else if (act === "clear") {
          inbox.clear();
          one.held = Buffer.alloc(0);
        } else if (inbox.bytes !== undefined) {
          if (act === "keep") {
            inbox.keep();
            kept.push({ view: shown(one), copy: Buffer.from(shown(one)) });
          }
          const used = act === "use some" ? Math.min(bytes, inbox.length - 1) : inbox.length;
          inbox.usedTo(inbox.from + used);
          one.held = one.held.subarray(used);
        }
        assert.ok(one.held.equals(shown(one)));
      }
      for (const one of clients) assert.ok(one.held.equals(shown(one)));
      for (const { view, copy } of kept) assert.ok(view.equals(copy));
      for (const { inbox } of clients) inbox.clear();
    }),
    { numRuns: 100 },
  );
});

test("bytes that a client was closed in the midst of are nobody else's", () => {
  const closed = new Inbox();
  closed.append(viewed(Buffer.from("SET k v")), 0, 7, 0);
  const running = closed.bytes as Buffer;
  closed.clear();
  for (let i = 0; i < CLIENTS; i++) {
    const other = new Inbox();
    other.append(viewed(Buffer.alloc(100, "x")), 0, 100, 0);
    assert.is.not(other.bytes, running);
    if (i % 2 === 0) other.usedTo(other.end);
  }
  assert.is(running.toString("latin1", 0, 7), "SET k v");
});

test("a buffer goes round: the next client gets the one that was used up", () => {
  const first = new Inbox();
  first.append(viewed(Buffer.alloc(100)), 0, 100, 0);
  const { bytes } = first;
  first.usedTo(first.end);
  const second = new Inbox();
  second.append(viewed(Buffer.alloc(200)), 0, 200, 0);
  assert.is(second.bytes, bytes);
  second.usedTo(second.end);
});

test("a long command is held in order, and its buffer grows no further than needed", () => {
  const inbox = new Inbox();
  const all = viewed(Buffer.from(Array.from({ length: 400_000 }, (_, i) => i & 255)));
  let taken = 0;
  for (let at = 0; at < all.length; at += 1000) {
    inbox.append(all, at, at + 1000, all.length);
    if (at % 7000 === 0) {
      const to = inbox.from + 50;
      assert.equal(inbox.bytes?.subarray(inbox.from, to), all.subarray(taken, taken + 50));
      inbox.usedTo(to);
      taken += 50;
    }
  }
  assert.equal(inbox.bytes?.subarray(inbox.from, inbox.end), all.subarray(taken));
  assert.ok((inbox.bytes?.length ?? 0) <= all.length);
  inbox.usedTo(inbox.end);
  assert.is(inbox.bytes, undefined);
});

test.run();
