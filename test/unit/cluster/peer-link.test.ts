/**
 * test/unit/cluster/peer-link.test.ts: links over the model of a network, time wound by hand: connecting, settling on one connection,
 * one frame a turn, back-pressure, deadlines, loss in the middle of a frame, restarts, strangers at the door.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeStep } from "../../../src/codec/frame/steps.js";
import { viewed } from "../../../src/lib/view.js";
import type { Dialer } from "../../../src/ports/network.js";
import { fuzzAsync } from "../../lib/fuzz.js";
import { join, PORT, pair, world } from "../../lib/linked-peers.js";
import { LIMITS, nonce, TestPeer } from "../../lib/peers.js";

test("simultaneous connects settle on one connection, whatever the delays, and no message is lost over it", () => {
  let twice = 0;
  const seeds = Array.from({ length: 100 }, (_, i) => i + 1);
  return Promise.all(
    seeds.map(async (seed) => {
      const w = world(seed);
      w.network.delayMsMax = 1 + (seed % 5) * 7;
      for (const id of ["a", "b"]) w.boot(id);
      await join(w, ["a", "b"]);
      const sent: Record<string, string[]> = { a: [], b: [] };
      for (let i = 0; i < 200; i++) {
        for (const [id, other] of [
          ["a", "b"],
          ["b", "a"],
        ] as const) {
          if (w.node(id).send(other, `${i}`)) (sent[id] as string[]).push(`${id} ${i}`);
        }
        w.scheduler.advance(1);
        if (w.network.openBetween("a", "b").length > 1) twice++;
      }
      w.scheduler.advance(1500);
      assert.is(w.network.openBetween("a", "b").length, 1, `seed ${seed}`);
      for (const [id, other] of [
        ["a", "b"],
        ["b", "a"],
      ] as const) {
        const sorted = (lines: readonly string[]): string[] => lines.slice().sort();
        assert.equal(sorted(w.node(other).received), sorted(sent[id] as string[]), `seed ${seed}`);
        assert.ok((sent[id] as string[]).length > 20);
        assert.is(w.node(id).count(`${other} lost`), 0);
        assert.is(w.node(id).count(`${other} up`), 1, `seed ${seed}: ${w.node(id).events}`);
      }
    }),
  ).then(() => assert.ok(twice > 50, `only ${twice} times there were two connections`));
});

test("nothing is heard of a peer that cannot be put on record; once it can be the link comes up", async () => {
  for (const forgetful of ["a", "b"]) {
    const w = world(3);
    for (const id of ["a", "b"]) w.boot(id);
    w.node(forgetful).forgetful = true;
    await join(w, ["a", "b"]);
    w.scheduler.advance(3000);
    assert.is(w.node(forgetful).link(forgetful === "a" ? "b" : "a").state, "down");
    assert.is(w.node(forgetful).received.length, 0);
    const said = [...w.node(forgetful).turnedAway, ...w.node(forgetful).events];
    assert.ok(
      said.some((text) => text.endsWith("it could not be put on record")),
      said.join("\n"),
    );
    w.node(forgetful).forgetful = false;
    w.scheduler.advance(12_000);
    assert.equal([w.node("a").link("b").state, w.node("b").link("a").state], ["up", "up"]);
  }
});

test("what is written in one turn of the loop leaves as one frame, in order", async () => {
  const w = await pair();
  const [connection] = w.network.openBetween("a", "b").concat(w.network.openBetween("b", "a"));
  const ends = w.network.connections.filter(({ open }) => open);
  const ofA = ends.find(({ from }) => from === "a");
  assert.ok(connection !== undefined && ofA !== undefined);
  const before = ofA?.sentBytes ?? 0;
  for (let i = 0; i < 100; i++) assert.ok(w.node("a").send("b", `m${i}`));
  assert.is(ofA?.sentBytes, before, "nothing before the turn ends");
  assert.is(w.node("a").link("b").waiting.messages, 100);
  w.scheduler.endTurn();
  assert.is(w.node("a").link("b").waiting.messages, 0);
  const bytes = Array.from({ length: 100 }, (_, i) => 20 + `m${i}`.length).reduce((sum, one) => sum + one, 28);
  assert.is((ofA?.sentBytes ?? 0) - before, bytes, "one header for all");
  w.scheduler.advance(20);
  assert.equal(
    w.node("b").received,
    Array.from({ length: 100 }, (_, i) => `a m${i}`),
  );
});

test("a peer that does not read: the queue is bounded, late messages are dropped, the rest arrives in order", async () => {
  const w = await pair(3, { limits: { ...LIMITS, messagesMax: 100, bytesMax: 1_000_000 } });
  const [a, b] = [w.node("a"), w.node("b")];
  for (const connection of w.network.connections) if (connection.from === "b") connection.pause();
  const big = "x".repeat(90_000);
  const sent: string[] = [];
  let refused = 0;
  for (let i = 0; i < 60; i++) {
    const [text, budget] = i % 3 === 0 ? [big, 10_000] : [`m${i}`, i % 3 === 1 ? 100 : 10_000];
    if (!a.send("b", text, budget)) refused++;
    else if (budget > 100 || sent.length < 6) sent.push(text === big ? "a 90000 bytes of x" : `a ${text}`);
    if (i % 6 === 5) w.scheduler.advance(1);
    const { messages, bytes } = a.link("b").waiting;
    assert.ok(messages <= 100 && bytes <= 1_000_000, `${messages} messages, ${bytes} bytes`);
  }
  assert.ok(refused > 0, "the queue was full");
  w.scheduler.advance(500);
  for (const connection of w.network.connections) if (connection.from === "b") connection.resume();
  w.scheduler.advance(200);
  assert.ok(a.link("b").waiting.expired > 0);
  const late = b.received.filter((line) => /^a m(1|4|7|\d*[147])$/.test(line));
  assert.ok(late.length <= 20);
  assert.is(b.received.length + a.link("b").waiting.expired + refused, 60);
  // In order, and nothing that had 100 ms of time came after 500.
  const numbers = b.received
    .map((line) => /^a m(\d+)$/.exec(line)?.[1])
    .filter((n) => n !== undefined)
    .map(Number);
  assert.equal(
    numbers,
    numbers.slice().sort((x, y) => x - y),
  );
  for (const [i, budget] of b.budgets.entries())
    assert.ok(budget > 0 && budget <= 10_000, `${b.received[i]}: ${budget}`);
  assert.ok(
    b.budgets.some((budget) => budget < 9600),
    "what waited has less time left",
  );
  for (let i = 0; i < 50; i++) assert.ok(a.send("b", big) || i > 5);
});

test("a large message travels in parts, and holds up nobody", async () => {
  const w = await pair(4);
  w.network.delayMsMax = 2;
  const large = "y".repeat(9_000_000);
  assert.ok(w.node("a").send("b", large, 60_000));
  assert.ok(w.node("a").send("b", "small", 60_000));
  assert.not.ok(w.node("a").send("b", "z".repeat(1_100_000)), "the lane of large ones is bounded too");
  assert.not.ok(w.node("a").send("b", "z".repeat(17_000_000)), "larger than any message may be");
  w.scheduler.advance(20);
  assert.equal(w.node("b").received, ["a small"]);
  w.scheduler.advance(3000);
  assert.equal(w.node("b").received, ["a small", "a 9000000 bytes of y"]);
  const [, left] = w.node("b").budgets as [number, number];
  assert.ok(left > 50_000 && left < 60_000 - 50, `the time it travelled is taken off: ${left}`);
  assert.equal(w.node("b").events, ["a up"], "heartbeats came through meanwhile");
  assert.ok(w.node("a").send("b", large, 5));
  w.scheduler.advance(1);
  assert.ok(w.node("a").send("b", "behind"));
  w.scheduler.advance(3000);
  assert.is(w.node("b").received.at(-1)?.slice(0, 20), "a 9000000 bytes of y", "one that has begun is sent to its end");
});

test("a link cut inside of a frame: lost is told on both sides, once; nothing of the frame arrives; it connects again", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const w = await pair(seed);
    const cut = 1 + seed * 7;
    for (const connection of w.network.connections) if (connection.from === "a") connection.cutAfterBytes = cut;
    for (let i = 0; i < 50; i++) assert.ok(w.node("a").send("b", `before ${i}`));
    w.scheduler.endTurn();
    w.scheduler.advance(20);
    assert.equal(w.node("b").received, [], "a frame is whole or not there");
    for (const [id, other] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      assert.is(w.node(id).count(`${other} lost`), 1, `${id}: ${w.node(id).events}`);
      assert.ok(w.node(id).count(`${other} down`) === 1);
    }
    w.scheduler.advance(500);
    assert.ok(w.node("a").send("b", "after"));
    w.scheduler.advance(50);
    assert.equal(w.node("b").received, ["a after"]);
  }
});

test("attempts are spaced further and further while nobody answers, and jitter is full", async () => {
  const w = world(9);
  w.boot("a");
  const attempts: number[] = [];
  const host = w.network.host("a");
  const dialer: Dialer = {
    dial: (options, accept, failed) => {
      attempts.push(w.scheduler.monotonicMs());
      return host.dial(options, accept, failed);
    },
  };
  w.nodes["a"] = new TestPeer("a", { scheduler: w.scheduler, dialer }, 5);
  await join(w, ["a"]);
  w.scheduler.advance(60_000);
  const gaps = attempts.slice(1).map((at, i) => at - (attempts[i] as number));
  assert.ok(attempts.length > 15 && attempts.length < 60, `${attempts.length} attempts in a minute`);
  for (const [i, gap] of gaps.entries()) assert.ok(gap <= Math.min(5000, 50 * 2 ** i) + 2, `gap ${i}: ${gap}`);
  assert.ok(gaps.slice(8).some((gap) => gap < 1500) && gaps.slice(8).some((gap) => gap > 3000), "full jitter");
  assert.is(w.node("a").events.length, 1, "the same trouble is told once");
  w.boot("b");
  await join(w, ["b"]);
  w.scheduler.advance(200);
  assert.is(w.node("b").link("a").state, "up", "the one that starts connects at once");
});

test("a peer that starts anew is met again once its former process is gone; what was in flight is lost; who is at an older start is refused", async () => {
  const w = await pair(11);
  const old = w.node("b");
  w.boot("b");
  w.node("b").peers.update(new Map([["a", { host: "a", port: PORT }]]));
  w.scheduler.advance(400);
  assert.ok(w.node("b").events.some((event) => /b is connected as another process/.test(event)));
  assert.equal([w.node("a").count("b lost"), w.node("b").link("a").state], [0, "down"]);
  old.link("a").sever("killed");
  old.peers.stop();
  w.scheduler.advance(5000);
  assert.is(w.node("a").count("b lost"), 1);
  assert.is(w.node("a").link("b").state, "up");
  assert.ok(w.node("a").send("b", "to the new one"));
  w.scheduler.advance(20);
  assert.equal(w.node("b").received, ["a to the new one"]);
  assert.equal(old.received, []);
  const { self, events } = w.node("b");
  w.node("b").self = { ...self, boot: 1 };
  w.node("b").link("a").sever("started on an older copy");
  w.scheduler.advance(3000);
  assert.ok(
    events.some((event) => /at start 1, and was at 2/.test(event)),
    `${events}`,
  );
  assert.is(w.node("a").link("b").state, "down");
});

test("another secret: refused on both sides with the reason, told once, tried again later", async () => {
  const w = world(12);
  w.boot("a");
  w.boot("b", { secret: "quite another secret" });
  await join(w, ["a", "b"]);
  w.scheduler.advance(10_000);
  for (const [id, other] of [
    ["a", "b"],
    ["b", "a"],
  ] as const) {
    assert.is(w.node(id).link(other).state, "down");
    assert.ok(
      w.node(id).events.some((event) => /cluster-secret differs/.test(event)),
      `${w.node(id).events}`,
    );
    assert.ok(w.node(id).events.length <= 4);
    assert.ok(w.node(id).turnedAway.length > 2);
    assert.is(w.node(id).count(`${other} lost`), 0);
  }
});

test("strangers at the door: silent ones are shown out in time, too many are not let in, garbage is disconnected", async () => {
  const w = await pair(13);
  const dialer = w.network.host("x");
  let closed = 0;
  const connect = (send: Buffer) =>
    dialer.dial(
      { host: "a", port: PORT, timeoutMs: 1000 },
      (connection) => {
        if (send.length > 0) connection.write(viewed(send), 0, send.length);
        return { onBytes: () => {}, onSent: () => {}, onEnd: () => connection.end(), onClosed: () => closed++ };
      },
      () => assert.unreachable("refused"),
    );
  for (let i = 0; i < 20; i++) connect(Buffer.alloc(0));
  w.scheduler.advance(50);
  assert.is(closed, 12, "8 may shake hands at a time");
  w.scheduler.advance(3500);
  assert.is(closed, 20);
  const hello = encodeStep({
    step: "hello",
    versionMin: 1,
    versionMax: 1,
    hasSecret: true,
    id: "x",
    wantedId: "",
    nonce: nonce(),
    starts: [],
  });
  const bye = Buffer.from(hello);
  for (const bytes of [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Buffer.alloc(1000, 0xff),
    Buffer.concat([hello, hello]),
    bye.fill(0),
  ]) {
    connect(bytes);
  }
  w.scheduler.advance(1500);
  assert.is(closed, 24);
  assert.is(w.node("a").link("b").state, "up", "nobody else noticed");
  assert.ok(
    w.node("a").turnedAway.some((why) => /no frame begins here/.test(why)),
    `${w.node("a").turnedAway}`,
  );
});

test("goodbye: what waited arrives, nothing is lost, and nobody connects again", async () => {
  const w = await pair(14);
  const [a, b] = [w.node("a"), w.node("b")];
  for (let i = 0; i < 20; i++) {
    assert.ok(a.send("b", `last ${i}`));
    assert.ok(b.send("a", `answer ${i}`));
  }
  a.peers.stop();
  assert.not.ok(a.send("b", "too late"));
  w.scheduler.advance(400);
  assert.is(b.received.length, 20);
  assert.is(a.received.length, 20);
  assert.equal([a.count("b lost"), b.count("a lost")], [0, 0]);
  assert.equal([a.link("b").state, b.link("a").state], ["down", "down"]);
  assert.is(w.network.openBetween("a", "b").length, 0);
  b.peers.update(new Map());
  assert.throws(() => b.link("a"));
  w.scheduler.advance(5000);
  assert.is(w.network.openBetween("b", "a").length, 0);
});

test("any schedule of sending, cutting and swallowing: never twice, bounded, and it heals", async () => {
  const step = fc.record({
    kind: fc.constantFrom("send", "send", "send", "cut", "swallow", "heal", "wait"),
    who: fc.constantFrom("a", "b", "c"),
    amount: fc.integer({ min: 1, max: 400 }),
  });
  await fuzzAsync(
    fc.asyncProperty(fc.nat(10_000), fc.array(step, { maxLength: 30 }), async (seed, steps) => {
      const w = world(seed);
      const ids = ["a", "b", "c"];
      for (const id of ids) w.boot(id);
      await join(w, ids, ids);
      let next = 0;
      for (const { kind, who, amount } of steps) {
        const other = ids[(ids.indexOf(who) + 1 + (amount % 2)) % 3] as string;
        const between = w.network.connections.filter(({ open, from, to }) => open && from === who && to === other);
        if (kind === "send") for (let i = 0; i < amount % 20; i++) w.node(who).send(other, `${next++}`, 5000);
        else if (kind === "cut") for (const connection of between) connection.cutAfterBytes = amount;
        else if (kind === "swallow") w.network.swallow(who, other);
        else if (kind === "heal") w.network.heal();
        w.scheduler.advance(amount * 3);
        for (const id of ids)
          for (const link of w.node(id).peers.links.values()) assert.ok(link.waiting.messages <= 1000);
      }
      for (const id of ids) {
        for (const from of ids) {
          const numbers = w
            .node(id)
            .received.filter((line) => line.startsWith(`${from} `))
            .map((line) => Number(line.slice(2)));
          assert.is(new Set(numbers).size, numbers.length, "twice");
        }
      }
      w.network.heal();
      w.scheduler.advance(15_000);
      for (const id of ids) {
        for (const link of w.node(id).peers.links.values()) assert.is(link.state, "up", `${id} to ${link.peerId}`);
        for (const other of ids)
          assert.ok(id >= other || w.network.openBetween(id, other).length === 1, `${id} ${other}`);
      }
    }),
    100,
  );
});

test.run();
