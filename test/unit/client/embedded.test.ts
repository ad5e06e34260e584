/**
 * test/unit/client/embedded.test.ts: the client of a node in the same process, with a link made by hand: a far end that does not answer.
 */
import RedisParser from "redis-parser";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { EmbeddedClient, type Link } from "../../../src/client/embedded.js";
import type { StoreError } from "../../../src/client/store-error.js";
import { within } from "../../lib/within.js";

const WAIT_MS = 30_000;
const PATIENCE_MS = 20;

test("close() ends what a far end does not answer: sent or not, every promise is settled, and nobody is waited for", async () => {
  const told: string[] = [];
  const link: Link = {
    send: (bytes) => void told.push(`send ${bytes.toString().split("\r\n")[2]}`),
    finish: () => void told.push("finish"),
    awaiting: (on) => void told.push(on ? "awaiting" : "idle"),
  };
  const client = new EmbeddedClient(RedisParser, () => link, PATIENCE_MS);
  const lost = client.set("a", "1").catch((error: StoreError) => [error.code, error.applied]);
  const read = client.get("a").catch((error: StoreError) => [error.code, error.applied]);
  await within(WAIT_MS, client.close(), "close() to resolve");
  assert.equal(await Promise.all([lost, read]), [
    ["CLOSED", "maybe"],
    ["CLOSED", "no"],
  ]);
  assert.equal(told, ["awaiting", "send SET", "idle", "finish"]);
  // A reply that comes after all is nobody's.
  client.onReply(Buffer.from("+OK\r\n"));
  await within(WAIT_MS, client.close(), "a second close()");
  assert.is(client.ended, true);
});

test("what has no reply of its own, or several, is refused and not sent", async () => {
  let sent = 0;
  const link: Link = { send: () => void sent++, finish: () => {}, awaiting: () => {} };
  const client = new EmbeddedClient(RedisParser, () => link, PATIENCE_MS);
  const refused: [string, ...(string | number | Buffer)[]][] = [
    ["CLIENT", "REPLY", "OFF"],
    ["client", Buffer.from("Reply"), "skip"],
    ["MONITOR"],
    ["Subscribe", "channel"],
    ["PUNSUBSCRIBE"],
    ["PSYNC", "?", -1],
    ["HELLO", 3],
    ["HELLO", "3", "SETNAME", "n"],
  ];
  for (const [name, ...args] of refused) {
    const calls = [() => client.call(name, ...args), () => client.callBuffer(name, ...args)];
    calls.push(() => client.transaction([["PING"], [name, ...args]]));
    for (const call of calls) {
      const error: StoreError = await call().then(
        () => assert.unreachable(name),
        (reason) => reason,
      );
      assert.equal([error.code, error.applied, error.retryable], ["REFUSED", "no", false], error.message);
    }
  }
  assert.is(sent, 0);
});

test.run();
