/**
 * test/integration/watch.test.ts: what counts as a change of a watched key: each case against what is written here, and against a
 * redis-server where there is one.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startTestServer } from "../../src/testing.js";
import { Connection } from "../lib/process-client.js";
import { findRedisServer } from "../lib/redis-server.js";
import { startJudge } from "../unit/server/redis.js";

/** A deadline that is to pass after WATCH, and how long is waited for it. Where WATCH came too late all is done again, with more time. */
const SOON = "PX SOON";
const SOON_MS = 60;
const PAST_MS = 5;

/** Commands before WATCH k, and after it by another client; "-" stands for an empty word, WAIT for time that passes. */
type Case = readonly [before: string, after: string];

const CHANGED: readonly Case[] = [
  ["", "SET k 1"],
  ["SET k 1", "SET k 1"],
  ["SET k 1", "GETSET k 1"],
  ["SET k 1", "MSET k 1"],
  ["SET k 1", "SET k 2 XX GET"],
  ["SET k 1", "DEL k; SET k 1"],
  ["SET k 1", "GETDEL k; SET k 1"],
  ["SET k 1", "RENAME k j; RENAME j k"],
  ["SET k 1; SET j 1", "RENAME j k"],
  ["SET k 1; SET j 1", "COPY j k REPLACE"],
  ["SET k 1", "MOVE k 1"],
  ["SET k 1", "FLUSHALL"],
  ["SET k 1", "INCRBY k 0"],
  ["SET k 1", "INCRBYFLOAT k 0"],
  ["SET k 1", "EXPIRE k -1"],
  ["SET k 1 EX 100", "PERSIST k"],
  ["SET k 1 EXAT 9999999999", "EXPIREAT k 9999999999"],
  ["SET k 1 EXAT 9999999999", "GETEX k EXAT 9999999999"],
  ["", "APPEND k -"],
  ["SET k a", "APPEND k -"],
  ["SET k a", "SETRANGE k 0 a"],
  ["SET k a", "BITOP AND k k"],
  ["", "SETBIT k 0 0"],
  ["SETBIT k 1 1", "SETBIT k 1 0"],
  ["SETBIT k 1 1", "SETBIT k 100 0"],
  ["", "BITFIELD k SET u8 0 0"],
  ["SETBIT k 1 1", "BITFIELD k SET u8 800 0"],
  ["SETBIT k 1 1", "BITFIELD k INCRBY u8 0 1 INCRBY u8 0 -1"],
  // It expires.
  [`SET k 1 ${SOON}`, "WAIT"],
  [`SET k 1 ${SOON}`, "WAIT; GET k"],
  [`SET k 1 ${SOON}`, "WAIT; SET k 1"],
  [`DEBUG SET-ACTIVE-EXPIRE 0; SET k 1 ${SOON}`, "WAIT"],
  // Absent, made, absent again.
  ["", "SET k 1; DEL k"],
  ["", "SET k 1; GETDEL k"],
  ["", "MSETNX k 1; DEL k"],
  ["", "SET k 1; EXPIRE k -1"],
  ["", "SET j 1; RENAME j k; DEL k"],
  ["", "SET j 1; RENAME j k; RENAME k j"],
  ["", "SELECT 1; SET k 1; MOVE k 0; SELECT 0; MOVE k 1"],
  ["", "SET k 1; FLUSHALL"],
  ["", "SET k 1; FLUSHDB"],
  ["", "SET k 1; FLUSHDB ASYNC"],
  ["", "SET k 1 PX 1; WAIT"],
  ["", "DEBUG SET-ACTIVE-EXPIRE 0; SET k 1 PX 1; WAIT"],
  ["SET k 1 PX 1; WAIT", "SET k 2; DEL k"],
  ["SET k 1; DEL k", "SET k 1; DEL k"],
];

const UNCHANGED: readonly Case[] = [
  ["", "DEL k"],
  ["", "GETDEL k"],
  ["", "EXPIRE k 10"],
  ["", "SETRANGE k 5 -"],
  ["", "SET j 1; DEL j"],
  ["", "SELECT 1; SET k 1; DEL k"],
  ["", "SELECT 1; SET k 1; FLUSHDB"],
  ["", "FLUSHALL"],
  ["", "FLUSHDB"],
  ["", "BITOP AND k none"],
  ["", "BITFIELD k GET u8 0"],
  ["SET k 1", "SELECT 1; FLUSHDB"],
  ["SET k 1", "SET k 2 NX"],
  ["SET k 1", "EXPIRE k 100 XX"],
  ["SET k 1", "PERSIST k"],
  ["SET k 1", "GETEX k"],
  ["SET k 1", "GETEX k PERSIST"],
  ["SET k 1", "TOUCH k"],
  ["SET k 1", "RENAME k k"],
  ["SET k 1; SET j 1", "COPY j k"],
  ["SET k a", "SETRANGE k 0 -"],
  ["SETBIT k 1 1", "SETBIT k 1 1"],
  ["SETBIT k 1 1", "SETBIT k 0 0"],
  ["SETBIT k 1 1; PEXPIRE k 100000", "SETBIT k 1 1"],
  ["SETBIT k 1 1", "BITFIELD k SET u8 0 64 GET u8 0 INCRBY u8 0 0"],
  ["SETBIT k 1 1", "BITFIELD k OVERFLOW FAIL INCRBY u8 0 255"],
  // It had expired when it was watched.
  ["SET k 1 PX 1; WAIT", "GET k"],
  ["DEBUG SET-ACTIVE-EXPIRE 0; SET k 1 PX 1; WAIT", "DEL k"],
];

async function run(connection: Connection, script: string, soonMs = SOON_MS): Promise<void> {
  for (const line of script.split(";").map((part) => part.trim())) {
    if (line === "") continue;
    if (line === "WAIT") await new Promise((resolve) => setTimeout(resolve, soonMs + PAST_MS));
    else await connection.ask(...line.split(" ").map((word) => (word === "-" ? "" : word === "SOON" ? soonMs : word)));
  }
}

/** @returns whether EXEC was refused. */
async function changed(port: number, each: Case, soonMs = SOON_MS): Promise<boolean> {
  const [before, after] = each;
  const watcher = await Connection.open(port);
  const other = await Connection.open(port);
  await run(other, "FLUSHALL; DEBUG SET-ACTIVE-EXPIRE 1");
  const began = performance.now();
  await run(other, before, soonMs);
  await watcher.ask("WATCH", "k");
  if (before.includes(SOON) && performance.now() - began >= soonMs) {
    watcher.close();
    other.close();
    return changed(port, each, soonMs * 2);
  }
  await run(other, after, soonMs);
  await watcher.ask("MULTI");
  await watcher.ask("PING");
  const reply = await watcher.ask("EXEC");
  watcher.close();
  other.close();
  assert.ok(reply === null || Array.isArray(reply));
  return reply === null;
}

async function check(port: number, whose: string): Promise<void> {
  for (const [cases, expected] of [
    [CHANGED, true],
    [UNCHANGED, false],
  ] as const)
    for (const each of cases)
      assert.is(await changed(port, each), expected, `${whose}: ${each[0]} | WATCH k | ${each[1]}`);
}

test("what counts as a change of a watched key", async () => {
  await using server = await startTestServer({ enableDebugCommand: "yes" });
  await check(server.port, "kvorum");
});

const path = findRedisServer();
if (path !== undefined) {
  test("the same in redis-server", async () => {
    const judge = await startJudge(path, ["--enable-debug-command", "yes"]);
    try {
      await check(judge.port, "redis-server");
    } finally {
      await judge.stop();
    }
  });
}

test("nobody waits any more after EXEC, DISCARD, UNWATCH, RESET, or when the client is gone", async () => {
  await using server = await startTestServer();
  const other = await Connection.open(server.port);
  for (const end of [["EXEC"], ["DISCARD"], ["UNWATCH"], ["RESET"], undefined]) {
    const watcher = await Connection.open(server.port);
    await watcher.ask("WATCH", "k", "j", "k");
    if (end?.[0] === "EXEC" || end?.[0] === "DISCARD") await watcher.ask("MULTI");
    if (end !== undefined) await watcher.ask(...end);
    else watcher.close();
    // What one round left behind would be marked here, and counted in the next.
    await run(other, "SET k 1; DEL k");
    if (end === undefined) continue;
    await watcher.ask("WATCH", "k");
    await watcher.ask("MULTI");
    assert.equal(await watcher.ask("EXEC"), [], `after ${end}`);
    watcher.close();
  }
  other.close();
});

test.run();
