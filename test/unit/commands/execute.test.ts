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
