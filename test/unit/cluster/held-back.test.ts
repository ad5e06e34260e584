/**
 * test/unit/cluster/held-back.test.ts: what waits for a log that stands still: let go in order when it goes on, and no more of it is kept than
 * somebody still waits for.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Exchange } from "../../../src/cluster/exchange.js";
import { HeldBack } from "../../../src/cluster/held-back.js";
import type { PeerLink } from "../../../src/cluster/peer-link.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

test("items go at their positions, in the order they came; those that are over are let go of in between, each told once", () => {
  const over: number[] = [];
  const held = new HeldBack<number>((item) => {
    if (item % 4 > 0) return false;
    over.push(item);
    return true;
  });
  for (let i = 0; i < 3000; i++) held.add(i < 1000 ? 1 : 2, i);
  assert.ok(held.size < 2800 && over.length > 200);
  const gone: number[] = [];
  held.release(1, (item) => gone.push(item));
  assert.ok(gone.every((item) => item < 1000));
  held.release(2, (item) => gone.push(item));
  assert.equal(
    gone,
    gone.slice().sort((a, b) => a - b),
  );
  assert.is(new Set(gone.concat(over)).size, 3000);
  assert.is(gone.length + over.length, 3000);
  assert.is(held.size, 0);
});

test("answers that wait for a disk that stands still are kept no longer than their askers wait", () => {
  const scheduler = new FakeScheduler();
  const exchange = new Exchange(scheduler, 2);
  let missed = 0;
  exchange.onMissed = () => missed++;
  const deadlines: number[] = [];
  const claim = (_bytes: number, deadlineMs: number): undefined => void deadlines.push(deadlineMs);
  exchange.links[1] = { state: "up", peerBoot: 1, largeWaiting: 0, claim } as unknown as PeerLink;
  const key = "\0k";
  let most = 0;
  // Fifty thousand a second, for ten.
  for (let i = 0; i < 500_000; i++) {
    if (i % 50 === 0) scheduler.advance(1);
    exchange.reply(
      1,
      1,
      i + 1,
      0,
      { type: "state", key, boot: 1, id: i + 1, ballot: undefined, state: undefined, chosen: false, floor: 0 },
      400,
      9,
    );
    most = Math.max(most, exchange.waiting);
  }
  assert.ok(most <= 2 * 20_050, `${most}`);
  exchange.durable(9);
  assert.is(exchange.waiting, 0);
  assert.ok(deadlines.filter((ms) => ms > scheduler.monotonicMs()).length > 10_000, "those that are waited for leave");
  assert.is(missed, 0);
});

test.run();
