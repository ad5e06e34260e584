/**
 * test/unit/server/access.test.ts: what a client may send before it has logged in, and who counts as logged in when the password is changed, set
 * or taken away. As in Redis: one that came without a password, or logged in, is let in for good.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Connection } from "../../../src/ports/network.js";
import { refusalOf } from "../../../src/server/admission.js";
import { type Harness, type HarnessOptions, startServer } from "./harness.js";

const NOAUTH = "-NOAUTH Authentication required.";

function served(name: string, options: HarnessOptions, body: (h: Harness) => Promise<void>): void {
  test(name, async () => {
    const h = await startServer(options);
    try {
      await body(h);
    } finally {
      await h.close();
    }
  });
}

served(
  "CONFIG SET requirepass lets in and locks those who have not logged in",
  { config: { requirepass: "a" } },
  async (h) => {
    const [admin, waits] = [await h.client(), await h.client()];
    assert.is(await admin.ask("AUTH", "a"), "+OK");
    assert.is(await waits.ask("PING"), NOAUTH);
    assert.is(await admin.ask("CONFIG", "SET", "requirepass", ""), "+OK");
    assert.is(await waits.ask("PING"), "+PONG");
    // More than may come before a login.
    assert.is(await waits.ask("SET", "big", "x".repeat(20_000)), "+OK");
    assert.is(await waits.ask("EXISTS", ...new Array(20).fill("big")), ":20");
    const came = await h.client();
    assert.is(await came.ask("PING"), "+PONG");
    assert.is(await admin.ask("CONFIG", "SET", "requirepass", "b"), "+OK");
    assert.is(await waits.ask("PING"), NOAUTH);
    for (const c of [admin, came]) assert.is(await c.ask("PING"), "+PONG");
    assert.is(await (await h.client()).ask("PING"), NOAUTH);
    assert.is(await waits.ask("AUTH", "b"), "+OK");
    assert.is(await admin.ask("CONFIG", "SET", "requirepass", "c"), "+OK");
    assert.is(await waits.ask("PING"), "+PONG");
    assert.is(await waits.ask("RESET"), "+RESET");
    assert.is(await waits.ask("PING"), NOAUTH);
  },
);
const NARROW = { requirepass: "a", unauthenticatedArgsMax: 5, unauthenticatedBytesMax: 1024 };

served("what may be sent before a login is as narrow as was said", { config: NARROW }, async (h) => {
  const c = await h.client();
  assert.is(await c.ask("SET", "a", "x".repeat(1024), "EX", "5"), NOAUTH);
  for (const [words, error] of [
    [["EXISTS", "1", "2", "3", "4", "5"], "multibulk"],
    [["EXISTS", ...new Array(12).fill("1")], "multibulk"],
    [["SET", "a", "x".repeat(1025)], "bulk"],
  ] as const) {
    const refused = await h.client();
    assert.is(await refused.ask(...words), `-ERR Protocol error: unauthenticated ${error} length`);
    await refused.closed();
  }
  assert.is(await c.ask("AUTH", "a"), "+OK");
  assert.is(await c.ask("EXISTS", "1", "2", "3", "4", "5"), ":0");
  assert.is(await c.ask("SET", "a", "x".repeat(1025)), "+OK");
});

const WIDE = { requirepass: "a", unauthenticatedArgsMax: 20, unauthenticatedBytesMax: 20_000 };

served("and as wide", { config: WIDE }, async (h) => {
  const c = await h.client();
  assert.is(await c.ask("EXISTS", ...new Array(19).fill("1")), NOAUTH);
  assert.is(await c.ask("SET", "a", "x".repeat(20_000)), NOAUTH);
});

served("protected mode turns away who comes from elsewhere, for as long as there is no password", {}, async (h) => {
  const from = (loopback: boolean): string | undefined => refusalOf(h.server, { loopback } as Connection);
  const set = async (...words: string[]): Promise<void> =>
    assert.is(await (await h.client()).ask("CONFIG", "SET", ...words), "+OK");
  await set("protected-mode", "yes");
  assert.match(String(from(false)), /^DENIED /);
  assert.is(from(true), undefined);
  await set("requirepass", "secret");
  assert.is(from(false), undefined, "who knows the password is let in from anywhere");
});

served("without protected mode anybody is let in", { config: { protectedMode: false } }, async (h) => {
  assert.is(refusalOf(h.server, { loopback: false } as Connection), undefined);
});

test.run();
