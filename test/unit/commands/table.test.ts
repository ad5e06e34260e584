/**
 * test/unit/commands/table.test.ts: finding commands by name, the notations of the table, and what is derived from it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Args } from "../../../src/codec/resp/args.js";
import { ABSENT_NAMES } from "../../../src/commands/absent.js";
import { keysOf, usageOf } from "../../../src/commands/introspect.js";
import { nearest } from "../../../src/commands/lookup.js";
import { parseKeySpecs, parseSyntax } from "../../../src/commands/syntax.js";
import { ALL_SPECS, COMMANDS, lookup, lookupSubcommand, resolve, specByName } from "../../../src/commands/table.js";
import { CommandDriver } from "../../lib/command-driver.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";

test("every command is found by its name in any case, and nothing else is", () => {
  for (const spec of COMMANDS) {
    assert.is(lookup(Args.of([spec.name])), spec);
    assert.is(lookup(Args.of([spec.name.toUpperCase()])), spec);
    assert.is(lookup(Args.of([`${spec.name}x`]))?.name === spec.name, false);
    for (const sub of spec.subcommands ?? []) {
      assert.is(lookupSubcommand(spec, Args.of(["x", sub.name.toUpperCase()])), sub);
      assert.is(resolve(Args.of([spec.name, sub.name])), sub);
      assert.is(specByName(sub.fullName), sub);
    }
  }
  for (const name of ["", "ge", "gett", "g\x05t", "\x47\x45\x14", "x".repeat(100_000)])
    assert.is(lookup(Args.of([name])), undefined);
});

test("the table documents every command", () => {
  for (const spec of ALL_SPECS) {
    assert.ok(spec.summary.endsWith("."), spec.fullName);
    assert.match(spec.since, /^\d+\.\d+\.\d+$/, spec.fullName);
    assert.ok(spec.complexity !== "" && spec.group !== "", spec.fullName);
    assert.ok(spec.args.length >= 0);
  }
});

test("a misspelt name has a nearest one, another word has none", () => {
  const names = COMMANDS.map((spec) => spec.name);
  assert.is(nearest("GETT", names), "get");
  assert.is(nearest("incrbyflaot", names), "incrbyfloat");
  assert.is(nearest("xyzzyq", names), undefined);
  assert.is(nearest("x", names), undefined);
});

test("what is called absent is", () => {
  const names = COMMANDS.map((spec) => spec.name);
  assert.equal(
    ABSENT_NAMES.filter((name) => names.includes(name) || !/^[a-z_-]+$/.test(name)),
    [],
  );
  assert.is(new Set(ABSENT_NAMES).size, ABSENT_NAMES.length);
});

test("arguments: tokens, choices, blocks, repetitions", () => {
  const text = "key value:double [mode=EX seconds:integer@2.0.0|KEEPTTL] pair{name:pattern n:unix-time}... [GET x...*]";
  const args = parseSyntax(text);
  assert.equal(args, [
    { name: "key", type: "key", keySpecIndex: 0 },
    { name: "value", type: "double" },
    {
      name: "mode",
      type: "oneof",
      args: [
        { name: "seconds", type: "integer", token: "EX", since: "2.0.0" },
        { name: "keepttl", type: "pure-token", token: "KEEPTTL" },
      ],
      flags: ["optional"],
    },
    {
      name: "pair",
      type: "block",
      args: [
        { name: "name", type: "pattern" },
        { name: "n", type: "unix-time" },
      ],
      flags: ["multiple"],
    },
    { name: "x", type: "string", token: "GET", flags: ["optional", "multiple", "multiple_token"] },
  ]);
  assert.is(usageOf(parseSyntax("key [c=NX|XX] [EX s:integer]")), "<key> [NX|XX] [EX <s>]");
  for (const wrong of ["[key", "key]", "a=", "b{c", "k:nosuch"])
    assert.throws(() => parseSyntax(wrong), undefined, wrong);
});

test("keys: positions and what is done to them", () => {
  assert.equal(parseKeySpecs("1 RW access delete; 2..-1/2 OW"), [
    { first: 1, last: 1, step: 1, flags: ["RW", "access", "delete"] },
    { first: 2, last: -1, step: 2, flags: ["OW"] },
  ]);
  const indexes = (...words: string[]): number[] => {
    const args = Args.of(words);
    const spec = resolve(args);
    return spec === undefined ? [] : keysOf(spec, args).map(({ index }) => index);
  };
  assert.equal(indexes("get", "k"), [1]);
  assert.equal(indexes("mset", "a", "1", "b", "2"), [1, 3]);
  assert.equal(indexes("bitop", "and", "d", "a", "b"), [2, 3, 4]);
  assert.equal(indexes("object", "encoding", "k"), [2]);
  assert.equal(indexes("lcs", "a", "b", "LEN"), [1, 2]);
  assert.equal(indexes("ping"), []);
});

test("COMMAND and its subcommands", () => {
  const driver = new CommandDriver(new ModelKeyspace());
  assert.is(driver.text("COMMAND COUNT"), `:${COMMANDS.length}\r\n`);
  assert.match(driver.text("COMMAND"), new RegExp(`^\\*${COMMANDS.length}\r\n\\*10\r\n\\$3\r\nget\r\n:2\r\n`));
  assert.is(driver.text("COMMAND GETKEYS GET"), "-ERR wrong number of arguments for 'command|getkeys' command\r\n");
  assert.is(driver.text("COMMAND GETKEYS MSET a 1 b 2"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  assert.is(driver.text("COMMAND GETKEYS PING x"), "-ERR The command has no key arguments\r\n");
  assert.is(driver.text("COMMAND GETKEYS nosuch x"), "-ERR Invalid command specified\r\n");
  assert.is(driver.text("COMMAND GETKEYS SET a"), "-ERR Invalid number of arguments specified for command\r\n");
  assert.is(driver.text("COMMAND GETKEYSANDFLAGS SET a b"), "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
  assert.is(driver.text("COMMAND INFO nosuch"), "*1\r\n$-1\r\n");
  assert.is(driver.text("COMMAND LIST FILTERBY PATTERN getr*"), "*1\r\n$8\r\ngetrange\r\n");
  assert.is(driver.text("COMMAND LIST FILTERBY ACLCAT bitmap").split("\r\n")[0], "*7");
  assert.is(driver.text("COMMAND LIST FILTERBY MODULE x"), "*0\r\n");
  assert.is(driver.text("COMMAND LIST x"), "-ERR syntax error\r\n");
  assert.is(driver.text("COMMAND DOCS nosuch"), "*0\r\n");
  assert.match(driver.text("OBJECT HELP"), /^\*11\r\n\+OBJECT <subcommand> .*\r\n\+ENCODING <key>\r\n/);
  assert.is(driver.text("ACL CAT nosuch"), "-ERR Unknown category 'nosuch'\r\n");
  assert.is(driver.text("ACL CAT").split("\r\n")[0], "*21");
});

test.run();
