/**
 * test/unit/server/access.test.ts: what a client may send before it has logged in, and who counts as logged in when the password is changed, set
 * or taken away. As in Redis: one that came without a password, or logged in, is let in for good.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
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
test.run();
