/**
 * test/unit/commands/kv.test.ts: KV.GET, KV.SET, KV.DEL: replies in both protocols, conditions, lifetimes, and that a version names one state.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import { CommandDriver } from "../../lib/command-driver.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";
import { openEngine } from "../../lib/open-engine.js";

const NIL = "$-1\r\n";
const SYNTAX = "-ERR syntax error\r\n";

function fresh(): CommandDriver {
  return new CommandDriver(new ModelKeyspace());
}

/** The version in a reply of KV.SET, or of KV.GET. */
function versionIn(reply: string): string {
  const lines = reply.split("\r\n");
  return lines[0] === "*3" ? lines[4] : lines[2];
}

test("replies: a new key, a known one, a missing one", () => {
  const driver = fresh();
  assert.is(driver.text("KV.GET k"), NIL);
  assert.match(driver.text("KV.SET k a"), /^\*2\r\n\$8\r\n[0-9a-z]{8}\r\n:1\r\n$/);
  const reply = driver.text("KV.SET k b");
  assert.match(reply, /^\*2\r\n\$8\r\n[0-9a-z]{8}\r\n:0\r\n$/);
  assert.is(driver.text("KV.GET k"), `*3\r\n$1\r\nb\r\n$8\r\n${versionIn(reply)}\r\n:-1\r\n`);
  assert.is(driver.text("GET k"), "$1\r\nb\r\n");
  assert.is(driver.text("KV.DEL k"), ":1\r\n");
  assert.is(driver.text("KV.DEL k"), ":0\r\n");
  driver.context.reply.proto = 3;
  assert.is(driver.text("KV.GET k"), "_\r\n");
  assert.is(driver.text("KV.SET k a IFMATCH 1"), "_\r\n");
  assert.is(driver.text("KV.DEL k IFMATCH 1"), "_\r\n");
});

test("IFMATCH: the version, one of several, or any", () => {
  const driver = fresh();
  assert.is(driver.text("KV.SET k a IFMATCH *"), NIL, "no version matches what is not there");
  assert.is(driver.text("KV.DEL k IFMATCH *"), NIL);
  const first = versionIn(driver.text("KV.SET k a"));
  const second = versionIn(driver.text(`KV.SET k a ifmatch ${first}`));
  assert.not.equal(first, second, "the same bytes are another state");
  assert.is(driver.text(`KV.SET k b IFMATCH ${first}`), NIL);
  assert.is(driver.text(`KV.SET k b IFMATCH ${second}0`), NIL);
  assert.is(driver.text("KV.GET k"), `*3\r\n$1\r\na\r\n$8\r\n${second}\r\n:-1\r\n`);
  const third = versionIn(driver.text(`KV.SET k b IFMATCH ${first} IFMATCH ${second}`));
  assert.is(driver.text(`KV.DEL k IFMATCH ${second}`), NIL);
  assert.is(driver.text(`KV.DEL k IFMATCH ${second} IFMATCH ${third}`), ":1\r\n");
  assert.is(driver.text(`KV.SET k b IFMATCH ${third}`), NIL, "a key that went is in no version");
  driver.text("KV.SET k c IFMATCH * NX");
  driver.text("SET k c");
  assert.match(driver.text("KV.SET k d IFMATCH *"), /^\*2\r\n/);
  assert.is(driver.text("KV.DEL k IFMATCH *"), ":1\r\n");
});

test("whoever writes a key, and however, changes its version", () => {
  const driver = fresh();
  for (const write of ["SET k 1", "INCR k", "APPEND k 2", "EXPIRE k 100", "SETRANGE k 0 x"]) {
    const before = versionIn(driver.text("KV.SET k 5"));
    driver.text(write);
    assert.is(driver.text(`KV.SET k 7 IFMATCH ${before}`), NIL, write);
  }
});

test("NX: only where there is none", () => {
  const driver = fresh();
  assert.match(driver.text("KV.SET k a nx"), /:1\r\n$/);
  assert.is(driver.text("KV.SET k b NX"), NIL);
  assert.is(driver.text("GET k"), "$1\r\na\r\n");
});

test("lifetimes: PX, KEEPTTL, neither", () => {
  const driver = fresh();
  driver.text("KV.SET k a PX 1500", 1000);
  assert.match(driver.text("KV.GET k", 1400), /:1100\r\n$/);
  driver.text("KV.SET k b KEEPTTL", 1400);
  assert.match(driver.text("KV.GET k", 1400), /b\r\n.*:1100\r\n$/s);
  assert.is(driver.text("KV.GET k", 2500), NIL);
  assert.match(driver.text("KV.SET k c KEEPTTL", 2500), /:1\r\n$/);
  assert.match(driver.text("KV.GET k", 2500), /:-1\r\n$/);
  driver.text("KV.SET k a PX 1500", 3000);
  driver.text("KV.SET k b", 3000);
  assert.match(driver.text("KV.GET k", 3000), /:-1\r\n$/);
  for (const px of ["0", "-1", "9223372036854775807"])
    assert.is(driver.text(`KV.SET k a PX ${px}`), "-ERR invalid expire time in 'kv.set' command\r\n", px);
  assert.is(driver.text("KV.SET k a PX 1.5"), "-ERR value is not an integer or out of range\r\n");
});

test("malformed: arguments, options that clash, options that are none of it", () => {
  const driver = fresh();
  for (const name of ["KV.GET", "KV.SET", "KV.DEL"])
    assert.is(driver.text(name), `-ERR wrong number of arguments for '${name.toLowerCase()}' command\r\n`);
  for (const command of ["KV.GET k x", "KV.SET k"]) assert.match(driver.text(command), /^-ERR wrong number/);
  const sets = ["x", "IFMATCH", "PX", "NX IFMATCH 1", "IFMATCH 1 NX", "PX 10 KEEPTTL", "KEEPTTL PX 10", "XX", "EX 10"];
  for (const options of sets) assert.is(driver.text(`KV.SET k v ${options}`), SYNTAX, options);
  for (const options of ["x", "IFMATCH", "NX", "PX 10", "KEEPTTL"])
    assert.is(driver.text(`KV.DEL k ${options}`), SYNTAX, options);
  assert.is(driver.text("EXISTS k"), ":0\r\n", "nothing of that was done");
});

test("the store says the version that a put has before it is done", () => {
  const scheduler = new FakeScheduler();
  const driver = new CommandDriver(openEngine(new MemoryDisk(scheduler), scheduler).store);
  let last = "";
  for (const now of [1_800_000_000_000, 1_800_000_000_000, 1_800_000_000_005, 1_700_000_000_000]) {
    const told = versionIn(driver.text("KV.SET k v", now));
    assert.is(versionIn(driver.text("KV.GET k", now)), told);
    assert.not.equal(told, last);
    last = told;
    // An expired key goes in between: a record of its own.
    driver.text("SET other v PX 1", now);
  }
});

test.run();
