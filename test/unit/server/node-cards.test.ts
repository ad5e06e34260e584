/**
 * test/unit/server/node-cards.test.ts: what nodes tell one another of how clients reach them: well-formed or not at all; asked when a
 * member comes up, remembered while it is down, asked again now and then.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readCard, writeCard } from "../../../src/server/node-card.js";
import { NodeCards } from "../../../src/server/node-cards.js";
import { ShownCluster } from "../../lib/shown-cluster.js";
import { sleep } from "./harness.js";

const CARD = { host: "", port: 7001, tlsPort: 0, version: "1.2.3-test+x" };

test("a card comes back as it was; anything else is none", () => {
  assert.equal(readCard(writeCard(CARD)), CARD);
  assert.equal(readCard(writeCard({ ...CARD, host: "fd00::1%eth0" }))?.host, "fd00::1%eth0");
  assert.equal(readCard(Buffer.from(JSON.stringify({ ...CARD, more: [1] }))), CARD, "a later version may add to it");
  const bad: unknown[] = [
    null,
    1,
    "x",
    [],
    {},
    { ...CARD, port: -1 },
    { ...CARD, port: 65536 },
    { ...CARD, port: "1" },
  ];
  for (const host of ["a b", "a\n", "a,b", "a@b", "[::1]", "x".repeat(256), 5]) bad.push({ ...CARD, host });
  bad.push({ ...CARD, version: "" }, { ...CARD, version: "a b" }, { ...CARD, tlsPort: 1.5 });
  for (const value of bad) assert.is(readCard(Buffer.from(JSON.stringify(value))), undefined, JSON.stringify(value));
  assert.is(readCard(Buffer.from("{")), undefined);
});

test("asked at once when it comes up, again after a while, one question at a time; kept while it is down", async () => {
  const cluster = new ShownCluster({ ids: ["a", "b"], self: "a" });
  const cards = new NodeCards(cluster);
  let now = 1000;
  const tick = async (): Promise<void> => {
    cards.tick(now, () => now);
    await sleep(5);
  };
  cluster.set("b", "down");
  await tick();
  assert.equal(cluster.asked, []);
  cluster.set("b", "up");
  cards.tick(now, () => now);
  cards.tick(now, () => now);
  assert.equal(cluster.asked, ["b 0"], "one question at a time");
  await sleep(5);
  assert.is(cards.of(1), undefined, "no answer");
  await tick();
  assert.is(cluster.asked.length, 1, "not at once again");
  now += 500;
  cluster.answer = () => Buffer.from("nonsense");
  await tick();
  assert.equal([cluster.asked.length, cards.of(1)], [2, undefined]);
  now += 500;
  cluster.answer = () => writeCard(CARD);
  await tick();
  assert.equal(cards.of(1), CARD);
  now += 9_999;
  await tick();
  assert.is(cluster.asked.length, 3);
  now += 1;
  cluster.answer = () => undefined;
  await tick();
  assert.equal([cluster.asked.length, cards.of(1)], [4, CARD], "an answer that fails takes nothing away");
  cluster.set("b", "down");
  await tick();
  assert.equal(cards.of(1), CARD);
  cluster.set("b", "up");
  cluster.answer = () => writeCard({ ...CARD, port: 7002 });
  await tick();
  assert.is(cards.of(1)?.port, 7002);
  assert.ok(
    cluster.asked.every((asked) => asked === "b 0"),
    "never of itself",
  );
});

test.run();
