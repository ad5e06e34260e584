/**
 * test/fuzz/commands.test.ts: every command of the table with whatever arguments, odd and long ones: one whole reply each, in RESP2 and
 * RESP3, the same from the plain model of a keyspace and from the real store; nothing thrown.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { INTROSPECTION } from "../../src/commands/introspect.js";
import type { CommandSpec } from "../../src/commands/spec.js";
import { ALL_SPECS } from "../../src/commands/table.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { CommandDriver } from "../lib/command-driver.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { fuzz } from "../lib/fuzz.js";
import { ModelKeyspace } from "../lib/model-keyspace.js";
import { openEngine } from "../lib/open-engine.js";
import { bulkOf, elements, replyEnd, showReply } from "../lib/replies.js";

/** Chosen at random, of an order of their own, about how memory is laid out, counting what is over and not swept yet, or with a version. */
const FREE = ["dbsize", "randomkey", "keys", "scan", "memory|usage", "object|idletime", "object|freq"].concat([
  "kv.get",
  "kv.set",
]);
const HOST = { maxValueBytes: 4096, maxmemoryPolicy: "noeviction" } as const;
const NOW = 1_800_000_000_000;

const SPECS = ALL_SPECS.filter(({ run, subcommands, fullName, name }) => {
  if (subcommands !== undefined && run === undefined) return false;
  return run !== undefined || name === "select" || INTROSPECTION.has(fullName);
});

const WORDS = [
  "NX",
  "XX",
  "GET",
  "EX",
  "PX",
  "EXAT",
  "PXAT",
  "KEEPTTL",
  "IFMATCH",
  "PERSIST",
  "IFEQ",
  "IFNE",
  "GT",
  "LT",
  "REPLACE",
  "DB",
  "ABSTTL",
];
const MORE = [
  "IDLETIME",
  "FREQ",
  "LEN",
  "IDX",
  "WITHMATCHLEN",
  "MINMATCHLEN",
  "BIT",
  "BYTE",
  "AND",
  "OR",
  "NOT",
  "OVERFLOW",
  "SAT",
  "FAIL",
  "SET",
  "INCRBY",
];
const NUMBERS = [
  "0",
  "1",
  "-1",
  "8",
  "63",
  "4096",
  "4097",
  "32768",
  "536870911",
  "4294967296",
  "9223372036854775807",
  "-9223372036854775808",
];
const ODD = [
  "",
  "\0",
  "\r\n",
  "\xff\xfe",
  "1e400",
  "nan",
  "-nan(x)",
  "inf",
  "0x7fp3",
  " 1",
  "1 ",
  "+1",
  "01",
  "1.",
  ".",
  "u8",
  "i64",
  "u64",
  "#0",
  "#-1",
  "#9223372036854775807",
];
const argument: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "c", "") },
  { weight: 4, arbitrary: fc.constantFrom(...NUMBERS) },
  { weight: 3, arbitrary: fc.constantFrom(...WORDS, ...MORE) },
  { weight: 3, arbitrary: fc.constantFrom(...ODD) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).latin1Slice()) },
  { weight: 1, arbitrary: fc.constantFrom(500, 4000, 4097).map((length) => "x".repeat(length)) },
  { weight: 1, arbitrary: fc.double().map(String) },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String) },
);
/** Mostly as many arguments as the command takes, or a few more. */
const command = fc
  .tuple(
    fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom("set", "append", "setrange", "setbit", "incrbyfloat") },
      { weight: 5, arbitrary: fc.constantFrom(...SPECS.map(({ fullName }) => fullName)) },
    ),
    fc.constantFrom(-1, 0, 0, 0, 0, 1, 2, 2, 4),
    fc.array(argument, { minLength: 9, maxLength: 9 }),
  )
  .map(([name, more, words]) => {
    const { arity } = SPECS.find(({ fullName }) => fullName === name) as CommandSpec;
    const count = Math.max(1, Math.abs(arity) + (arity > 0 ? Math.min(more, 1) : more));
    return [...name.split("|"), ...words].slice(0, count).map((word) => Buffer.from(word, "latin1"));
  });

function subjects(): { model: CommandDriver; store: CommandDriver } {
  const scheduler = new FakeScheduler();
  scheduler.wallMs = NOW;
  const engine = openEngine(new MemoryDisk(scheduler), scheduler, { mode: "no" });
  return { model: new CommandDriver(new ModelKeyspace(), HOST), store: new CommandDriver(engine.store, HOST) };
}

function free(parts: readonly Buffer[]): boolean {
  const [first, second] = parts.map((part) => part.latin1Slice().toLowerCase());
  return FREE.includes(first as string) || FREE.includes(`${first}|${second}`);
}

/** Databases that the numbers above name. FLUSHALL would leave a whole table for later to be freed. */
const USED = ["1", "8", "0"];

function empty(driver: CommandDriver, now: number): void {
  for (const db of USED) {
    driver.run(["SELECT", db], now);
    for (const key of elements(driver.run(["KEYS", "*"], now)) ?? []) driver.run(["DEL", bulkOf(key) as Buffer], now);
  }
}

for (const proto of [2, 3]) {
  test(`one whole reply, whatever the arguments, in RESP${proto}`, () => {
    // One pair for all: each sequence begins with an empty keyspace.
    const { model, store } = subjects();
    model.context.reply.proto = proto;
    store.context.reply.proto = proto;
    let now = NOW;
    let well = 0;
    fuzz(
      fc.property(fc.array(command, { minLength: 5, maxLength: 25 }), (commands) => {
        now += 1000;
        empty(model, now);
        empty(store, now);
        for (const parts of commands) {
          const [mine, other] = [model, store].map((driver) => driver.run(parts, now));
          assert.is(replyEnd(mine, 0), mine.length, `not one reply: ${showReply(mine)}`);
          if (mine[0] !== 45) well++;
          if (free(parts)) assert.is(replyEnd(other, 0), other.length);
          else
            assert.is(
              showReply(other),
              showReply(mine),
              parts.map((part) => JSON.stringify(part.latin1Slice())).join(" "),
            );
        }
      }),
      1500,
    );
    assert.ok(well > 300, `${well} without an error: too few to mean something`);
  });
}

test.run();
