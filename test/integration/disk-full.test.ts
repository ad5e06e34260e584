/**
 * test/integration/disk-full.test.ts: a disk without room, and a disk that fails: nothing acknowledged is lost, reads go on while the disk is
 * full, and a failed log ends the process with 74, telling each writer whether its write may have happened.
 */
// timeout: 120s
import { closeSync, openSync, readdirSync, rmSync, statfsSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../lib/free-ports.js";
import { KvorumProcess } from "../lib/kvorum-process.js";
import { Connection, type Reply } from "../lib/process-client.js";
import { type Fault, FaultyDisk, SmallFileSystem } from "../lib/process-faulty-disk.js";
import { ServerProcess, withDirectory } from "../lib/process-server.js";
import { within } from "../lib/within.js";

const TEST_MS = 90_000;
const WAIT_MS = 60_000;
const DISK_MB = 48;
const BALLAST_MB = 20;
const READ_BYTES = 300_000;
const EXIT_DISK = 74;
/** The process ends within a second of the failure; the rest is for a busy machine. It would give clients ten seconds to end by themselves. */
const EXIT_MS = 8000;

function textOf(reply: Reply): string {
  return reply instanceof Error ? reply.message : String(reply);
}

/** Set `name:0`, `name:1`, ... of `bytes` each until one is refused. @returns how many were acknowledged, and the refusal. */
async function fill(port: number, name: string, bytes: number): Promise<{ count: number; refusal: string }> {
  const connection = await Connection.open(port);
  for (let count = 0; ; count++) {
    const reply = await within(
      WAIT_MS,
      connection.send("SET", `${name}:${count}`, contentOf(name, count, bytes)),
      "a reply",
    );
    if (reply === "OK") continue;
    connection.close();
    return { count, refusal: textOf(reply) };
  }
}

function contentOf(name: string, i: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${name}/${i}/`);
}

async function verify(port: number, name: string, count: number, bytes: number): Promise<void> {
  const connection = await Connection.open(port);
  connection.buffers = true;
  const atOnce = Math.max(1, Math.floor(READ_BYTES / bytes));
  for (let from = 0; from < count; from += atOnce) {
    const names = Array.from({ length: Math.min(atOnce, count - from) }, (_, i) => `${name}:${from + i}`);
    const values = (await connection.ask("MGET", ...names)) as (Buffer | null)[];
    for (const [i, value] of values.entries())
      assert.ok(value?.equals(contentOf(name, from + i, bytes)), `${names[i]} of ${count}`);
  }
  connection.close();
}

/** The server looks for room again once a second: until then what is too large for what it saw is refused. */
async function untilDone(connection: Connection, ...command: (string | Buffer)[]): Promise<Reply> {
  const until = performance.now() + WAIT_MS;
  for (;;) {
    const reply = await within(WAIT_MS, connection.send(...command), "a reply");
    if (!(reply instanceof Error)) return reply;
    assert.match(textOf(reply), /^MISCONF/);
    assert.ok(performance.now() < until, "writes go on after room was made");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function untilWritable(connection: Connection, key: string, value: string | Buffer): Promise<void> {
  assert.is(await untilDone(connection, "SET", key, value), "OK");
}

async function full(bytes: number, writers: number): Promise<void> {
  const disk = SmallFileSystem.mount(DISK_MB);
  if (disk === undefined) return;
  const dir = join(disk.path, "data");
  const ballast = join(disk.path, "ballast");
  writeFileSync(ballast, Buffer.alloc(BALLAST_MB << 20));
  let server = await ServerProcess.start({ port: await freePort(), dir });
  try {
    const { port } = server;
    const names = Array.from({ length: writers }, (_, i) => `w${i}`);
    const filled = await Promise.all(names.map((name) => fill(port, name, bytes)));
    for (const { refusal } of filled) assert.match(refusal, /^MISCONF .*No space left on device/);
    // Reads go on, and so does everything that needs no room.
    const connection = await Connection.open(port);
    await Promise.all(names.map((name, i) => verify(port, name, filled[i].count, bytes)));
    assert.is(await connection.ask("PING"), "PONG");
    // A snapshot that ends just now gives log segments back: then there is room again, and OK is as right as -MISCONF.
    const more0 = textOf(await connection.send("SET", "more", contentOf("more", 0, bytes)));
    assert.match(more0, /^(MISCONF|OK$)/);
    if (more0 === "OK") {
      connection.buffers = true;
      assert.ok(((await connection.ask("GET", "more")) as Buffer).equals(contentOf("more", 0, bytes)));
      connection.buffers = false;
    }
    // With room again, writes go on by themselves.
    rmSync(ballast);
    await untilWritable(connection, "more", contentOf("more", 1, bytes));
    const more = await Promise.all(names.map((name) => fill(port, `${name}b`, bytes)));
    connection.close();
    assert.ok(
      more.some(({ count }) => count > 0),
      "and not for one key only",
    );
    // Full again: a clean stop has all it needs.
    assert.equal(await server.end(), { code: 0, signal: null }, server.said);
    // With not a byte left it serves what is there. (A start removes what was being made, which may be just the room it needs.)
    for (const name of readdirSync(dir)) if (name.endsWith(".tmp")) rmSync(join(dir, name));
    fillUp(join(disk.path, "rest"));
    server = await ServerProcess.start({ port, dir });
    assert.match(server.said, / # .*: No space left on device\n/, "it is told at the start");
    const reader = await Connection.open(port);
    assert.match(textOf(await reader.send("SET", "late", "1")), /^MISCONF .*No space left on device/);
    await reader.ask("MULTI");
    assert.match(textOf(await reader.send("SET", "late", "1")), /^MISCONF/);
    assert.match(textOf(await reader.send("EXEC")), /^EXECABORT/);
    await Promise.all(names.map((name, i) => verify(port, name, filled[i].count, bytes)));
    await Promise.all(names.map((name, i) => verify(port, `${name}b`, more[i].count, bytes)));
    rmSync(join(disk.path, "rest"));
    disk.resize(DISK_MB * 4);
    await untilWritable(reader, "late", "2");
    reader.close();
    const told = async (): Promise<void> => {
      while (!server.said.includes(" * writes are taken again"))
        await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await within(WAIT_MS, told(), "that there is room is told");
    await server.end("SIGKILL");
    server = await ServerProcess.start({ port, dir });
    await Promise.all(names.map((name, i) => verify(port, name, filled[i].count, bytes)));
    await server.end("SIGKILL");
  } finally {
    await server.end("SIGKILL");
    disk.unmount();
  }
}

test("a full disk, small values from many: -MISCONF, reads go on, writes go on with room again, nothing is lost", () =>
  within(TEST_MS, full(6000, 10), "the test"));

test("a full disk, values of 300 KiB from a few", () => within(TEST_MS, full(300_000, 3), "the test"));

test("a full disk, values of 2 MiB from one", () => within(TEST_MS, full(2 << 20, 1), "the test"));

test("a full disk: a transaction that is seen to be too large is refused at once, and smaller writes go on", () =>
  within(TEST_MS, foreseen(), "the test"));

test("a full disk: a transaction larger than could be foreseen waits for room, harms nobody, and is then done", () =>
  within(TEST_MS, unforeseen(), "the test"));

test("a full disk: short commands that would write much are refused at once, and nobody waits", () =>
  within(TEST_MS, shortAndLarge(), "the test"));

test("a full disk: SIGTERM while a transaction waits for room ends in time, and says that it may not have happened", () =>
  within(TEST_MS, stoppedWaiting(), "the test"));

test("files that may not grow as large as a command wants: it is refused, and all else goes on", () =>
  withDirectory(TEST_MS, async (dir) => {
    const port = await freePort();
    // Of 512 bytes each, by POSIX.
    const limited = ["sh", "-c", 'ulimit -f 6000; exec "$@"', "sh"];
    const server = await KvorumProcess.startBy(limited, "--port", String(port), "--dir", dir);
    try {
      const connection = await Connection.open(port);
      const set = (key: string, bytes: number): Promise<Reply> =>
        within(WAIT_MS, connection.send("SET", key, Buffer.alloc(bytes)), "a reply");
      for (let i = 0; i < 3; i++) {
        assert.is(await set(`small:${i}`, 1), "OK");
        assert.match(textOf(await set("large", 4_000_000)), /^MISCONF .*No space left on device/);
      }
      assert.is(await set("middle", 500_000), "OK");
      assert.is(await connection.ask("DBSIZE"), 4);
      connection.close();
    } finally {
      assert.is(await server.end("SIGTERM"), 0);
    }
  }));

/** Take all the room there is, or all but so much; the server may be taking some too. */
function fillUp(path: string, disk?: SmallFileSystem, leftBytes = 0): void {
  const file = openSync(path, "w");
  const zeros = Buffer.alloc(64 * 1024);
  try {
    while (disk === undefined || (DISK_MB << 20) - usedBy(disk) > leftBytes) writeSync(file, zeros);
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, "ENOSPC");
  }
  closeSync(file);
}

/**
 * @returns the reply to an EXEC of 9 MB, sent when there was 1 MB of room. @param foreseen by the bytes that were queued; else they are
 * copies, and the commands are short.
 */
async function execWithoutRoom(
  disk: SmallFileSystem,
  connection: Connection,
  ballast: string,
  foreseen: boolean,
): Promise<Reply> {
  await connection.ask("SET", "a", "1");
  await connection.ask("SET", "part", contentOf("part", 0, 30_000));
  const queued = [connection.ask("MULTI")];
  // In parts too small to be looked at one by one.
  for (let i = 0; i < 300; i++) {
    const name = `part:${i}`;
    queued.push(
      foreseen ? connection.ask("SET", name, contentOf("part", i, 30_000)) : connection.ask("COPY", "part", name),
    );
  }
  await Promise.all(queued);
  writeFileSync(ballast, Buffer.alloc((DISK_MB << 20) - usedBy(disk) - (1 << 20)));
  return connection.send("EXEC");
}

/** Until EXEC has been done in memory, and waits for room. */
async function untilItWaits(connection: Connection): Promise<void> {
  const waits = async (): Promise<void> => {
    while ((await connection.ask("DBSIZE")) !== 302) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await within(WAIT_MS, waits(), "EXEC to wait for room");
}

async function stoppedWaiting(): Promise<void> {
  const disk = SmallFileSystem.mount(DISK_MB);
  if (disk === undefined) return;
  const ballast = join(disk.path, "ballast");
  const options = { port: await freePort(), dir: join(disk.path, "data"), args: ["--shutdown-timeout", "1"] };
  let server = await ServerProcess.start(options);
  try {
    const connection = await Connection.open(server.port);
    const exec = execWithoutRoom(disk, connection, ballast, false);
    const other = await Connection.open(server.port);
    await untilItWaits(other);
    other.close();
    const asked = performance.now();
    const ended = server.end();
    assert.match(textOf(await within(WAIT_MS, exec, "EXEC is answered")), /^UNCERTAIN/);
    assert.equal(await ended, { code: EXIT_DISK, signal: null }, server.said);
    assert.ok(performance.now() - asked < EXIT_MS, "it ends soon after the time it gives to clients");
    rmSync(ballast);
    server = await ServerProcess.start(options);
    const again = await Connection.open(server.port);
    assert.is(await again.ask("GET", "a"), "1");
    const parts = Number(await again.ask("DBSIZE")) - 2;
    assert.ok(parts === 0 || parts === 300, `${parts} of 300 parts`);
    await untilWritable(again, "b", "1");
    again.close();
  } finally {
    await server.end("SIGKILL");
    disk.unmount();
  }
}

async function foreseen(): Promise<void> {
  const disk = SmallFileSystem.mount(DISK_MB);
  if (disk === undefined) return;
  const ballast = join(disk.path, "ballast");
  const server = await ServerProcess.start({ port: await freePort(), dir: join(disk.path, "data") });
  try {
    const connection = await Connection.open(server.port);
    assert.match(
      textOf(await execWithoutRoom(disk, connection, ballast, true)),
      /^EXECABORT .*No space left on device/,
    );
    assert.is(await connection.ask("DBSIZE"), 2);
    await untilWritable(connection, "b", "1");
    rmSync(ballast);
    await connection.ask("MULTI");
    for (let i = 0; i < 3; i++) await connection.ask("SET", `part:${i}`, contentOf("part", i, 30_000));
    assert.equal(await connection.ask("EXEC"), ["OK", "OK", "OK"]);
    connection.close();
  } finally {
    await server.end("SIGKILL");
    disk.unmount();
  }
}

async function shortAndLarge(): Promise<void> {
  const disk = SmallFileSystem.mount(DISK_MB);
  if (disk === undefined) return;
  const ballast = join(disk.path, "ballast");
  const server = await ServerProcess.start({ port: await freePort(), dir: join(disk.path, "data") });
  try {
    const connection = await Connection.open(server.port);
    const bytes = 5 << 20;
    await connection.ask("SET", "large", contentOf("large", 0, bytes));
    await connection.ask("SET", "a", "1");
    fillUp(ballast, disk, 1 << 20);
    const commands = [
      ["COPY", "large", "copied"],
      ["APPEND", "large", "x"],
      ["SETRANGE", "far", String(bytes), "x"],
      ["EXPIRE", "large", "1000"],
      ["RENAME", "large", "renamed"],
    ];
    const asked = performance.now();
    for (const command of commands)
      assert.match(
        textOf(await within(WAIT_MS, connection.send(...command), command.join(" "))),
        /^MISCONF .*No space/,
      );
    assert.is(await connection.ask("GET", "none"), null);
    assert.equal(await connection.ask("MGET", "a", "copied", "far", "renamed"), ["1", null, null, null]);
    assert.is(await connection.ask("STRLEN", "large"), bytes);
    assert.is(await connection.ask("TTL", "large"), -1);
    assert.ok(performance.now() - asked < EXIT_MS, "none of them waits");
    assert.is(textOf(await connection.send("SET", "b", "1")), "OK", "small writes go on");
    rmSync(ballast);
    await untilWritable(connection, "b", "2");
    assert.is(await untilDone(connection, "COPY", "large", "copied"), 1);
    connection.close();
  } finally {
    await server.end("SIGKILL");
    disk.unmount();
  }
}

async function unforeseen(): Promise<void> {
  const disk = SmallFileSystem.mount(DISK_MB);
  if (disk === undefined) return;
  const ballast = join(disk.path, "ballast");
  const server = await ServerProcess.start({ port: await freePort(), dir: join(disk.path, "data") });
  try {
    const connection = await Connection.open(server.port);
    let done = false;
    const exec = execWithoutRoom(disk, connection, ballast, false).then((reply) => {
      done = true;
      return reply;
    });
    const other = await Connection.open(server.port);
    await untilItWaits(other);
    // It looks for room once a second.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const asked = performance.now();
    assert.is(await other.ask("GET", "a"), "1", "reads go on");
    assert.is(await other.ask("GET", "none"), null);
    assert.is(await other.ask("DBSIZE"), 302);
    assert.match(textOf(await other.ask("INFO")), "db0:keys=302,");
    assert.equal(await other.ask("CONFIG", "GET", "port"), ["port", String(server.port)]);
    assert.ok(performance.now() - asked < EXIT_MS, "none of them waits");
    assert.match(textOf(await other.send("SET", "b", "1")), /^MISCONF/);
    assert.is(done, false);
    rmSync(ballast);
    assert.is(((await within(WAIT_MS, exec, "EXEC is done")) as Reply[]).length, 300);
    await untilWritable(other, "b", "1");
    await server.end("SIGKILL");
    const again = await ServerProcess.start({ port: server.port, dir: join(disk.path, "data") });
    const reader = await Connection.open(server.port);
    for (let i = 0; i < 300; i++)
      assert.is(await reader.ask("GET", `part:${i}`), contentOf("part", 0, 30_000).latin1Slice());
    reader.close();
    await again.end();
  } finally {
    await server.end("SIGKILL");
    disk.unmount();
  }
}

function usedBy({ path }: SmallFileSystem): number {
  const { blocks, bavail, bsize } = statfsSync(path);
  return (blocks - bavail) * bsize;
}

interface Fate {
  acknowledged: number;
  sent: number;
  /** First error reply, or "closed". */
  last: string;
}

/** Set one key to 1, 2, 3 ... until that fails, and then some more. */
async function writeUntilFailure(port: number, key: string): Promise<Fate> {
  const connection = await Connection.open(port);
  const fate: Fate = { acknowledged: 0, sent: 0, last: "" };
  while (fate.last === "") {
    const number = ++fate.sent;
    const reply = await connection.send("SET", key, number).catch(() => "closed");
    if (reply === "OK") fate.acknowledged = number;
    else fate.last = textOf(reply);
  }
  if (fate.last !== "closed") {
    const later = textOf(await connection.send("SET", `later:${key}`, "1").catch(() => "closed"));
    assert.match(later, /^(MISCONF|closed)/);
  }
  return fate;
}

async function broken(fault: Fault, mode: string, faulty: FaultyDisk): Promise<void> {
  await withDirectory(TEST_MS, async (_dir, start) => {
    const port = await freePort();
    const args = ["--appendfsync", mode];
    const server = await start({ port, args, env: faulty.env });
    const keys = Array.from({ length: 12 }, (_, i) => `key:${i}`);
    const fates = keys.map((key) => writeUntilFailure(port, key));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const idle = await Connection.open(port);
    await idle.ask("GET", "key:0");
    faulty.fail(fault);
    const ended = Promise.all(fates);
    const first = performance.now();
    const { code } = await within(TEST_MS, server.ended, "the server ends");
    const took = performance.now() - first;
    const all = await ended;
    assert.is(code, EXIT_DISK, server.said);
    const allowed = mode === "everysec" ? EXIT_MS + 1000 : EXIT_MS; // its sync comes once a second
    assert.ok(took < allowed, `it took ${took} ms to end`);
    const uncertain = all.filter(({ last }) => last.startsWith("UNCERTAIN"));
    for (const { last } of all) assert.match(last, /^(UNCERTAIN|MISCONF|closed)/);
    if (mode === "always") assert.ok(uncertain.length > 0, "those who waited heard that it is uncertain");
    faulty.heal();
    const again = await start({ port, args });
    const connection = await Connection.open(port);
    for (const [i, { acknowledged, sent, last }] of all.entries()) {
      const now = Number(await connection.ask("GET", keys[i]));
      const most = last.startsWith("MISCONF") ? sent - 1 : sent;
      assert.ok(now >= acknowledged && now <= most, `${keys[i]} is ${now}, acknowledged ${acknowledged}, sent ${most}`);
      assert.is(await connection.ask("GET", `later:${keys[i]}`), null, "what was refused is not there");
    }
    connection.close();
    await again.end();
  });
}

const faulty = FaultyDisk.make();
if (faulty !== undefined) {
  for (const [fault, mode] of [
    ["write", "always"],
    ["short", "always"],
    ["write", "no"],
    ["sync", "everysec"],
  ] as const) {
    test(`a ${fault} of the log fails, appendfsync ${mode}: -UNCERTAIN, -MISCONF, exit 74, acknowledged data stays`, () => {
      faulty.heal();
      return broken(fault, mode, faulty);
    });
  }
  test.after(() => faulty.remove());
}

test.run();
