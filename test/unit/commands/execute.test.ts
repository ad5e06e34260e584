/**
 * test/unit/commands/execute.test.ts: how replies of several keys are joined, when the key is looked up, which lookups count
 * as uses, and what is refused before a handler runs.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Args } from "../../../src/codec/resp/args.js";
import { Context } from "../../../src/commands/context.js";
import { arityOk, execute, writeUnknownCommand } from "../../../src/commands/execute.js";
import { CommandSpec } from "../../../src/commands/spec.js";
import { lookup } from "../../../src/commands/table.js";
import { CommandDriver, HOST } from "../../lib/command-driver.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";

test("integers are added up, values collected, one OK for all", () => {
  const driver = new CommandDriver(new ModelKeyspace());
  assert.is(driver.text("MSET a 1 b 2 a 3"), "+OK\r\n");
  assert.is(driver.text("MGET a x b"), "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n");
  assert.is(driver.text("EXISTS a a b x"), ":3\r\n");
  assert.is(driver.text("DEL a a x"), ":1\r\n");
  assert.is(driver.text("MSET a 1 b"), "-ERR wrong number of arguments for 'mset' command\r\n");
  assert.is(driver.text("EXISTS a"), ":0\r\n", "nothing was stored");
});

test("a cursor of SCAN is what strtoul reads, however many digits it has", () => {
  const driver = new CommandDriver(new ModelKeyspace());
  const end = "*2\r\n$1\r\n0\r\n*0\r\n";
  const zeros = "0".repeat(4 << 20);
  for (const cursor of [
    "0",
    "00000000000000000000000",
    "+0",
    "-0",
    "18446744073709551615",
    `+${zeros}18446744073709551615`,
  ])
    assert.is(driver.text(`SCAN ${cursor}`), end, cursor.slice(-30));
  const before = performance.now();
  for (const cursor of ["18446744073709551616", "+", "-", "x", `${zeros}x`, "9".repeat(4 << 20), "0x1"])
    assert.is(driver.text(`SCAN ${cursor}`), "-ERR invalid cursor\r\n", cursor.slice(-30));
  assert.ok(performance.now() - before < 2000);
});

test("many keys add up to more than one digit", () => {
  const driver = new CommandDriver(new ModelKeyspace());
  driver.text("SET a 1");
  assert.is(driver.text(`EXISTS ${"a ".repeat(1234).trim()}`), ":1234\r\n");
});

test("an error in one step is the whole reply", () => {
  let left = 2;
  const row = { name: "test", arity: -2, keys: "1..-1 RO", since: "", group: "generic", complexity: "", summary: "" };
  const spec = new CommandSpec(
    {
      ...row,
      kind: "each",
      reduce: "array",
      run: (c) => (left-- > 0 ? c.reply.bulkText("fine") : c.reply.error("ERR no")),
    },
    "",
    () => 0,
  );
  const c = new Context(new ModelKeyspace(), HOST);
  c.args = Args.of(["test", "a", "b", "c", "d"]);
  c.reply.simple("before");
  const args = c.args;
  execute(c, spec);
  assert.is(c.reply.buf.toString("latin1", 0, c.reply.at), "+before\r\n-ERR no\r\n");
  assert.is(c.args, args, "the arguments are as they were");
});

test("only reads that Redis counts count as uses", () => {
  const space = new ModelKeyspace();
  const driver = new CommandDriver(space);
  for (const command of ["SET a 1", "TTL a", "EXISTS a", "TYPE a", "OBJECT ENCODING a", "INCR a", "EXPIRE a 100"])
    driver.text(command);
  assert.equal([space.hits, space.misses], [0, 0]);
  for (const command of ["GET a", "GET x", "MGET a x", "STRLEN a", "TOUCH a"]) driver.text(command);
  assert.equal([space.hits, space.misses], [4, 2]);
  for (const command of ["GETEX a", "GETEX x", "GETSET a 2", "GETDEL a", "GETDEL a"]) driver.text(command);
  assert.equal([space.hits, space.misses], [7, 4]);
});

test("a plain SET does not look its key up; one with options does", () => {
  const space = new ModelKeyspace();
  let finds = 0;
  const find = space.find.bind(space);
  space.find = (...args) => {
    finds++;
    return find(...args);
  };
  const driver = new CommandDriver(space);
  for (const command of ["SET a 1", "SETEX a 10 1", "MSET a 1 b 2"]) driver.text(command);
  assert.is(finds, 0);
  driver.text("SET a 1 NX");
  assert.is(finds, 1);
});

test("short commands that turn out large are refused where there is no room, and have changed nothing", () => {
  const large = "x".repeat(5000);
  const asked: number[] = [];
  let room = true;
  const fresh = (): CommandDriver => {
    const driver = new CommandDriver(new ModelKeyspace());
    driver.context.roomFor = (bytes) => {
      asked.push(bytes);
      return room;
    };
    room = true;
    for (const command of [`SET large ${large}`, "SET small 1", "EXPIRE large 1000000"]) driver.text(command);
    asked.length = 0;
    room = false;
    return driver;
  };
  const state = (driver: CommandDriver): string =>
    ["GET large", "PEXPIRETIME large", "OBJECT ENCODING large", "GET small", "DBSIZE", "EXISTS new"]
      .map((command) => driver.text(command))
      .join("");
  const before = state(fresh());
  const refused = [
    "APPEND large y",
    "SETRANGE new 5000 y",
    "SETRANGE large 3 y",
    "SETBIT new 80000 1",
    "BITFIELD new SET u8 80000 1 GET u8 0 INCRBY u8 8 1",
    "EXPIRE large 5",
    "PERSIST large",
    "GETEX large PERSIST",
    "COPY large new",
    "COPY large small REPLACE",
    "COPY large new DB 1",
    "MOVE large 1",
    "RENAME large new",
    "RENAME large small",
    "RENAMENX large new",
    "BITOP NOT new large",
    "BITOP OR small large small",
  ];
  for (const command of refused) {
    const driver = fresh();
    assert.is(driver.text(command), "-MISCONF Errors writing to the log: No space left on device\r\n", command);
    assert.is(asked.length, 1, command);
    assert.ok((asked[0] as number) >= 5000, command);
    assert.is(state(driver), before, command);
    room = true;
    assert.is(driver.text(command).startsWith("-"), false, command);
  }
  // What came with the command was seen before; what is small fits in anyway.
  const driver = fresh();
  const passed = [`SET new ${large}`, `MSET new ${large} small 2`, `APPEND other ${large}`, "INCR small", "DEL large"];
  for (const command of [...passed, "SETRANGE small 4000 y", "EXPIRE small 100"])
    assert.is(driver.text(command).startsWith("-"), false, command.slice(0, 30));
  assert.is(asked.length, 0);
});

test("arity counts the name; negative means at least", () => {
  const get = lookup(Args.of(["GeT"]));
  const del = lookup(Args.of(["DEL"]));
  assert.ok(get !== undefined && del !== undefined);
  assert.equal(
    [1, 2, 3].map((count) => arityOk(get, count)),
    [false, true, false],
  );
  assert.equal(
    [1, 2, 3].map((count) => arityOk(del, count)),
    [false, true, true],
  );
});

test("an unknown command shows the beginning of its arguments", () => {
  const c = new Context(new ModelKeyspace(), HOST);
  writeUnknownCommand(c.reply, Args.of(["nosuch", "a", "b\r\nc", "x".repeat(200), "never"]), "(hint: x)");
  const text = c.reply.buf.toString("latin1", 0, c.reply.at);
  assert.is(
    text,
    `-ERR unknown command 'nosuch', with args beginning with: 'a' 'b  c' '${"x".repeat(117)}' (hint: x)\r\n`,
  );
});

test.run();
