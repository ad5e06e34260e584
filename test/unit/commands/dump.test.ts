/**
 * test/unit/commands/dump.test.ts: DUMP and RESTORE against payloads that redis-server 7.0.15 made, and against nonsense
 * with a right checksum.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeCrc64 } from "../../../src/lib/crc64.js";
import { CommandDriver } from "../../lib/command-driver.js";
import { randomFrom } from "../../lib/command-generator.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";
import { bulkOf } from "../../lib/replies.js";

const NOW = 1_000_000;
const PAYLOADS: readonly (readonly [value: string, payload: string])[] = [
  ["", "00000a005d9b5c400f7fa2da"],
  ["a", "0001610a00bffeef9b8f367db4"],
  ["5", "00c0050a00632f5f66832fb351"],
  ["-300", "00c1d4fe0a00c6c48623febede2e"],
  ["70000", "00c2701101000a0001a408fe953095a5"],
  ["2147483648", "000a323134373438333634380a00e7b129a34c1d76ee"],
];
const COMPRESSED: readonly (readonly [value: string, payload: string])[] = [
  ["x".repeat(100), "00c309406401" + "7878e05700017878" + "0a005db7f663bb08625f"],
  ["abc".repeat(30), "00c30b405a03" + "61626361e04b02016263" + "0a00238036f9e2d0c780"],
];

function fresh(): CommandDriver {
  return new CommandDriver(new ModelKeyspace());
}

function dumped(driver: CommandDriver, value: string): Buffer {
  driver.run(["SET", "k", value], NOW);
  return bulkOf(driver.run(["DUMP", "k"], NOW)) as Buffer;
}

/** A payload with its version and a right checksum. */
function sealed(body: Buffer, version = 10): Buffer {
  const payload = Buffer.concat([body, Buffer.from([version, 0]), Buffer.alloc(8)]);
  writeCrc64(payload, 0, payload.length - 8, payload, payload.length - 8);
  return payload;
}

test("short values are dumped as Redis dumps them", () => {
  for (const [value, payload] of PAYLOADS) assert.is(dumped(fresh(), value).toString("hex"), payload, value);
});

test("what Redis dumped is restored", () => {
  const driver = fresh();
  for (const [value, payload] of [...PAYLOADS, ...COMPRESSED]) {
    const reply = driver.run(["RESTORE", "k", "0", Buffer.from(payload, "hex"), "REPLACE"], NOW);
    assert.is(reply.latin1Slice(), "+OK\r\n", value);
    assert.is(bulkOf(driver.run(["GET", "k"], NOW))?.latin1Slice(), value);
  }
});

test("long repetitive values are compressed, others are not", () => {
  const driver = fresh();
  assert.is(dumped(driver, "x".repeat(100))[1], 0xc3);
  assert.ok(dumped(driver, "x".repeat(10_000)).length < 200);
  assert.is(dumped(driver, "abcdefghijklmnopqrstuvwxyz0123456789")[1], 36);
});

test("a deadline comes along, and one that has passed leaves no key", () => {
  const driver = fresh();
  const payload = dumped(driver, "v");
  assert.is(driver.run(["RESTORE", "a", "5000", payload], NOW).latin1Slice(), "+OK\r\n");
  assert.is(driver.text("PEXPIRETIME a", NOW), `:${NOW + 5000}\r\n`);
  driver.run(["RESTORE", "b", String(NOW + 7), payload, "ABSTTL"], NOW);
  assert.is(driver.text("PTTL b", NOW), ":7\r\n");
  assert.is(driver.run(["RESTORE", "a", "1", payload, "ABSTTL", "REPLACE"], NOW).latin1Slice(), "+OK\r\n");
  assert.is(driver.text("EXISTS a", NOW), ":0\r\n");
});

test("idle time and use counter come along", () => {
  const driver = new CommandDriver(new ModelKeyspace(), { maxValueBytes: 1000, maxmemoryPolicy: "allkeys-lfu" });
  const payload = dumped(driver, "v");
  driver.run(["RESTORE", "a", "0", payload, "FREQ", "99"], NOW);
  assert.is(driver.text("OBJECT FREQ a", NOW), ":99\r\n");
  driver.run(["RESTORE", "b", "0", payload, "IDLETIME", "77"], NOW);
  driver.run(["SET", "c", "after"], NOW);
  assert.is(new CommandDriver(driver.context.space).text("OBJECT IDLETIME b", NOW), ":77\r\n");
  assert.is(new CommandDriver(driver.context.space).text("OBJECT IDLETIME c", NOW), ":0\r\n");
});

test("a changed byte, a newer version and another type are refused", () => {
  const driver = fresh();
  const payload = dumped(driver, "v");
  const wrong = "-ERR DUMP payload version or checksum are wrong\r\n";
  for (let i = 0; i < payload.length; i++) {
    const changed = Buffer.from(payload);
    changed[i] ^= 1;
    assert.is(driver.run(["RESTORE", "x", "0", changed], NOW).latin1Slice(), wrong);
  }
  assert.is(driver.run(["RESTORE", "x", "0", sealed(Buffer.from([0, 1, 97]), 13)], NOW).latin1Slice(), wrong);
  assert.is(driver.run(["RESTORE", "x", "0", sealed(Buffer.from([0, 1, 97]), 12)], NOW).latin1Slice(), "+OK\r\n");
  const list = driver.run(["RESTORE", "y", "0", sealed(Buffer.from([18, 1, 97]))], NOW).latin1Slice();
  assert.is(list, "-ERR Bad data format (only strings are stored)\r\n");
});

test("nonsense under a right checksum is refused without harm", () => {
  const driver = fresh();
  const random = randomFrom(5);
  for (let round = 0; round < 20_000; round++) {
    const body = Buffer.from(Array.from({ length: Math.floor(random() * 12) }, () => Math.floor(random() * 256)));
    if (body.length > 1 && random() < 0.9) body[0] = 0;
    if (body.length > 2 && random() < 0.5) body[1] = [0xc3, 0x80, 0x81, 0xc2][Math.floor(random() * 4)];
    const reply = driver.run(["RESTORE", "k", "0", sealed(body), "REPLACE"], NOW).latin1Slice();
    assert.match(reply, /^(\+OK|-ERR Bad data format)/);
  }
});

test.run();
