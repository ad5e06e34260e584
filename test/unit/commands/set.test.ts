/**
 * test/unit/commands/set.test.ts: what the differential test cannot ask a Redis 7.0: SET IFEQ and IFNE (Redis 8.4), limits of
 * values and deadlines, databases.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DEADLINE_MAX } from "../../../src/commands/deadline.js";
import { CommandDriver } from "../../lib/command-driver.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";

const NIL = "$-1\r\n";
const OK = "+OK\r\n";

function fresh(maxValueBytes = 1 << 29): CommandDriver {
  return new CommandDriver(new ModelKeyspace(), { maxValueBytes, maxmemoryPolicy: "noeviction" });
}

test("IFEQ stores only over the same value", () => {
  const driver = fresh();
  assert.is(driver.text("SET k new IFEQ old"), NIL, "a missing key equals nothing");
  driver.text("SET k old");
  assert.is(driver.text("SET k new IFEQ other"), NIL);
  assert.is(driver.text("SET k new ifeq old EX 100"), OK);
  assert.is(driver.text("GET k"), "$3\r\nnew\r\n");
  assert.is(driver.text("TTL k"), ":100\r\n");
  assert.is(driver.text("SET k newer IFEQ wrong GET"), "$3\r\nnew\r\n");
  assert.is(driver.text("GET k"), "$3\r\nnew\r\n");
});

test("IFNE stores over any other value, and where there is none", () => {
  const driver = fresh();
  assert.is(driver.text("SET k a IFNE b"), OK);
  assert.is(driver.text("SET k c IFNE a"), NIL);
  assert.is(driver.text("SET k c IFNE b"), OK);
});

test("one condition only", () => {
  const driver = fresh();
  for (const options of ["IFEQ", "NX IFEQ a", "IFEQ a IFNE b", "IFNE a XX", "NX XX"])
    assert.is(driver.text(`SET k v ${options}`), "-ERR syntax error\r\n", options);
});

test("a key at its deadline is gone", () => {
  const driver = fresh();
  driver.text("SET k v PX 100", 1000);
  assert.is(driver.text("PTTL k", 1099), ":1\r\n");
  assert.is(driver.text("GET k", 1100), NIL);
  assert.is(driver.text("SET k v PXAT 1100", 1100), OK);
  assert.is(driver.text("EXISTS k", 1100), ":0\r\n");
});

test("deadlines beyond what a record holds become the last that it does", () => {
  const driver = fresh();
  driver.text("SET k v PXAT 9223372036854775807");
  assert.is(driver.text("PEXPIRETIME k"), `:${DEADLINE_MAX}\r\n`);
  assert.is(driver.text("EXPIRE k 9223372036854775"), "-ERR invalid expire time in 'expire' command\r\n");
  assert.is(driver.text("SET k v EX 9223372036854775807"), "-ERR invalid expire time in 'set' command\r\n");
  assert.is(driver.text("GETEX k PX 0"), "-ERR invalid expire time in 'getex' command\r\n");
});

test("no command makes a value longer than allowed", () => {
  const driver = fresh(10);
  const refused = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
  driver.text("SET k 12345");
  assert.is(driver.text("APPEND k 12345"), ":10\r\n");
  assert.is(driver.text("APPEND k 1"), refused);
  assert.is(driver.text("SETRANGE k 9 ab"), refused);
  assert.is(driver.text("SETRANGE k 99999999999 ab"), refused);
  assert.is(driver.text("SETBIT k 80 1"), "-ERR bit offset is not an integer or out of range\r\n");
  assert.is(driver.text("SETBIT k 79 1"), ":1\r\n");
  assert.is(driver.text("BITFIELD k SET u8 79 1"), "-ERR bit offset is not an integer or out of range\r\n");
});

test("values above the kept scratch are built whole", () => {
  const driver = fresh();
  assert.is(driver.text("SETBIT k 80000007 1"), ":0\r\n");
  assert.is(driver.text("STRLEN k"), ":10000001\r\n");
  assert.is(driver.text("SETBIT k 80000007 0"), ":1\r\n");
  assert.is(driver.text("BITFIELD k INCRBY u8 80000000 200"), "*1\r\n:200\r\n");
  assert.is(driver.text("APPEND k x"), ":10000002\r\n");
  assert.is(driver.text("GETRANGE k 10000000 -1"), "$2\r\n\xc8x\r\n");
});

test("SWAPDB says why not, after checking its arguments", () => {
  const driver = fresh();
  assert.match(driver.text("SWAPDB 0 1"), /^-ERR SWAPDB is not supported/);
  assert.is(driver.text("SWAPDB x 1"), "-ERR invalid first DB index\r\n");
  assert.is(driver.text("SWAPDB 0 x"), "-ERR invalid second DB index\r\n");
  assert.is(driver.text("SWAPDB 0 16"), "-ERR DB index is out of range\r\n");
});

test.run();
