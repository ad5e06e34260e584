/**
 * test/integration/mission.test.ts: what the seed of this project got wrong with its disk, one test for each (mission 14 to 20), on a real
 * process.
 */
// timeout: 120s
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { atLeastOnce } from "../lib/pace.js";
import { Connection, type Reply } from "../lib/process-client.js";
import { FaultyDisk, SLOW_MS } from "../lib/process-faulty-disk.js";
import { namesIn, type ProcessOptions, ServerProcess, withDirectory } from "../lib/process-server.js";
import { type Call, canTrace, Trace } from "../lib/process-trace.js";
import { within } from "../lib/within.js";

const TEST_MS = 90_000;
const SECTOR = 512;
const EXIT_CORRUPT = 65;
const EXIT_DISK = 74;

type Start = (more?: Partial<ProcessOptions>) => Promise<ServerProcess>;

/** Run `use` on a connection to a server of its own. */
async function on<T>(server: ServerProcess, use: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.open(server.port);
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function killed(start: Start, server: ServerProcess, more: Partial<ProcessOptions> = {}): Promise<ServerProcess> {
  await server.end("SIGKILL");
  return start({ port: server.port, ...more });
}

test("mission 14: snapshot and log truncation are atomic together: kill -9 amid snapshots loses nothing", () =>
  withDirectory(TEST_MS, async (_dir, start) => {
    const args = ["--wal-segment-bytes", "65536"];
    let server = await start({ args });
    let written = 0;
    for (let round = 0; round < 6; round++) {
      const { port } = server;
      await on(server, async (connection) => {
        for (let i = 0; i < 100; i++, written++) await connection.ask("SET", `key:${written}`, `value:${written}`);
      });
      const saver = await Connection.open(port);
      const saving = (async () => {
        while (!saver.closed) await saver.send("SAVE").catch(() => undefined);
      })();
      const writing = on(server, async (connection) => {
        for (;;) {
          const reply = await connection.send("SET", `key:${written}`, `value:${written}`).catch(() => undefined);
          if (reply !== "OK") return;
          written++;
        }
      });
      await sleep(40 + round * 15);
      server = await killed(start, server, { args });
      await Promise.all([saving, writing]);
      await on(server, async (connection) => {
        const keys = Array.from({ length: written }, (_, i) => `key:${i}`);
        const values = (await connection.ask("MGET", ...keys)) as (string | null)[];
        assert.is(
          values.filter((value, i) => value !== `value:${i}`).length,
          0,
          `of ${written}, lost in round ${round}`,
        );
      });
    }
  }));

/** The calls about a snapshot in the order of their ends, as words. */
function snapshotSteps(calls: readonly Call[], dir: string): string[] {
  const steps: string[] = [];
  for (const { name, path, args, result } of calls) {
    if (result < 0) continue;
    const snapshot = /snapshot|\.snap/i.test(path);
    if (snapshot && /write/.test(name)) steps.push("write");
    else if (snapshot && /sync/.test(name)) steps.push("sync");
    else if (/rename/.test(name) && /snapshot|\.snap/i.test(args)) steps.push("rename");
    else if (name === "fsync" && path === dir) steps.push("sync directory");
    else if (/unlink/.test(name) && /wal-\d/.test(args)) steps.push("drop log");
  }
  return steps.filter((step, i) => step !== steps[i - 1]);
}

if (canTrace()) {
  test("mission 15: a snapshot is synced, renamed and its name synced before any log goes", () =>
    withDirectory(TEST_MS, async (dir, start) => {
      const server = await start({ args: ["--wal-segment-bytes", "65536"] });
      await on(server, async (connection) => {
        for (let i = 0; i < 300; i++) await connection.ask("SET", `key:${i}`, "x".repeat(1000));
        const trace = await Trace.attach(server.pid, join(dir, "trace.txt"));
        if (trace === undefined) return;
        const first = namesIn(dir, /^wal-\d+\.log$/).sort()[0] as string;
        await connection.ask("SAVE");
        // Beside a single snapshot all of the log is kept: the second one lets go of what is older than the first.
        assert.ok(namesIn(dir, /^wal-\d+\.log$/).includes(first));
        for (let i = 0; i < 100; i++) await connection.ask("SET", `key:${i}`, "y".repeat(1000));
        await connection.ask("SAVE");
        // Needless logs may go after the reply.
        while (namesIn(dir, /^wal-\d+\.log$/).includes(first)) await sleep(5);
        await sleep(100);
        const steps = snapshotSteps(await trace.stop(), dir);
        const kept = steps.slice(steps.indexOf("write"), steps.indexOf("drop log"));
        assert.equal(kept.slice(0, 4), ["write", "sync", "rename", "sync directory"], steps.join());
        assert.is(steps.filter((step) => step === "rename").length, 2, steps.join());
        assert.ok(steps.includes("drop log"), steps.join());
      });
    }));
}

test("mission 15: snapshots do not overlap, and whatever was asked at once, the data is whole", () =>
  withDirectory(TEST_MS, async (dir, start) => {
    let server = await start();
    const value = "y".repeat(10_000);
    await on(server, async (connection) => {
      for (let i = 0; i < 2000; i++) connection.send("SET", `key:${i}`, value).catch(() => {});
      const asked = await Promise.all(Array.from({ length: 5 }, () => connection.send("BGSAVE")));
      assert.is(asked.filter((reply) => reply === "Background saving started").length, 1);
      assert.is(asked.filter((reply) => String(reply).includes("already in progress")).length, 4);
      const save = String(await connection.send("SAVE"));
      assert.match(save, /^(OK|.*already in progress)/);
    });
    server = await killed(start, server);
    await on(server, async (connection) => {
      assert.is(await connection.ask("DBSIZE"), 2000);
      assert.is(await connection.ask("GET", "key:1999"), value);
    });
    assert.is(namesIn(dir, /\.tmp$/).filter((name) => !name.startsWith("wal-")).length, 0, "no half snapshot stays");
  }));

test("mission 16: a value of 70 KB, and larger ones, are there after a restart", () =>
  withDirectory(TEST_MS, async (_dir, start) => {
    let server = await start();
    const sizes = [65_535, 65_536, 70_000, 1_000_000, 5_000_000];
    const value = (bytes: number): Buffer => Buffer.alloc(bytes, `${bytes}|`);
    await on(server, async (connection) => {
      for (const bytes of sizes) await connection.ask("SET", `size:${bytes}`, value(bytes));
    });
    for (const how of ["SIGKILL", "SIGTERM"] as const) {
      await server.end(how);
      server = await start({ port: server.port });
      await on(server, async (connection) => {
        connection.buffers = true;
        for (const bytes of sizes)
          assert.ok(value(bytes).equals((await connection.ask("GET", `size:${bytes}`)) as Buffer));
      });
    }
  }));

/** The newest log file's content, its path, and where its last byte that is not zero lies. */
function lastLog(dir: string): { path: string; bytes: Buffer; end: number } {
  const path = join(
    dir,
    namesIn(dir, /^wal-\d+\.log$/)
      .sort()
      .at(-1) as string,
  );
  const bytes = readFileSync(path);
  let end = bytes.length - 1;
  while (end >= 0 && bytes[end] === 0) end--;
  return { path, bytes, end };
}

test("mission 17: after a torn tail the first acknowledged write is kept", () =>
  withDirectory(TEST_MS, async (dir, start) => {
    let server = await start();
    await on(server, async (connection) => {
      await connection.ask("SET", "before", "1");
      await connection.ask("SET", "torn", "z".repeat(5000));
    });
    await server.end("SIGKILL");
    const { path, bytes, end } = lastLog(dir);
    // The last sector of the last batch never reached the disk.
    bytes.fill(0, end - (end % SECTOR), end + 1);
    writeFileSync(path, bytes);
    server = await start({ port: server.port });
    assert.match(server.said, /dropped the torn end of the log/);
    await on(server, async (connection) => {
      assert.equal(await connection.ask("MGET", "before", "torn"), ["1", null]);
      await connection.ask("SET", "after", "2");
    });
    server = await killed(start, server);
    await on(server, async (connection) => {
      assert.equal(await connection.ask("MGET", "before", "torn", "after"), ["1", null, "2"]);
    });
  }));

test("mission 17: damage in the middle is not passed over: exit 65 names file and offset, and nothing is changed", () =>
  withDirectory(TEST_MS, async (dir, start) => {
    const server = await start();
    await on(server, async (connection) => {
      for (let i = 0; i < 200; i++) await connection.ask("SET", `key:${i}`, "x".repeat(200));
    });
    await server.end("SIGKILL");
    const { path, bytes, end } = lastLog(dir);
    bytes[Math.floor(end / 2)] ^= 1;
    writeFileSync(path, bytes);
    const again = ServerProcess.launch({ port: server.port, dir });
    const { code } = await within(TEST_MS, again.ended, "it refuses");
    assert.is(code, EXIT_CORRUPT, again.said);
    assert.match(again.said, /corrupt data: wal-\d+\.log at byte \d+/);
    assert.ok(readFileSync(path).equals(bytes), "the file is as it was");
  }));

const faulty = FaultyDisk.make();
if (faulty !== undefined) {
  test("mission 18: the log is poisoned by a failed sync, and what was refused does not come back", () =>
    withDirectory(TEST_MS, async (_dir, start) => {
      let server = await start({ env: faulty.env });
      const said: string[] = [];
      await on(server, async (connection) => {
        await connection.ask("SET", "good", "1");
        faulty.fail("write");
        const fate = (reply: Promise<Reply>): Promise<string> => reply.then(String, () => "closed");
        said.push(await fate(connection.send("SET", "waiting", "1")));
        // The disk is well again; the log must not trust it.
        faulty.heal();
        for (let i = 0; i < 3; i++) said.push(await fate(connection.send("SET", "refused", "1")));
        const { code } = await within(TEST_MS, server.ended, "it ends");
        assert.is(code, EXIT_DISK);
      });
      assert.match(said[0], /UNCERTAIN/);
      for (const reply of said.slice(1)) assert.match(reply, /MISCONF|closed/);
      server = await start({ port: server.port });
      await on(server, async (connection) => {
        assert.equal(await connection.ask("MGET", "good", "refused"), ["1", null]);
      });
    }));

  test("mission 19: reads do not stall behind a sync", () =>
    withDirectory(TEST_MS, async (_dir, start) => {
      const server = await start({ env: faulty.env });
      await on(server, async (connection) => {
        await connection.ask("SET", "read", "1");
        faulty.fail("slow");
        let stop = false;
        const writers = Array.from({ length: 4 }, (_, i) =>
          on(server, async (writer) => {
            for (let n = 0; !stop; n++) await writer.ask("SET", `write:${i}`, n);
          }),
        );
        await atLeastOnce(async () => {
          const took: number[] = [];
          for (const until = performance.now() + 1000; performance.now() < until; ) {
            const asked = performance.now();
            assert.is(await connection.ask("GET", "read"), "1");
            took.push(performance.now() - asked);
          }
          // One may meet a sync on the loop, which is tried while the disk is believed to be fast.
          const slow = took.filter((ms) => ms > SLOW_MS / 2).length;
          return slow <= 1 && took.length > 100 ? undefined : `${slow} of ${took.length} reads were slow`;
        });
        stop = true;
        await Promise.all(writers);
        faulty.heal();
      });
    }));

  test.after(() => faulty.remove());
}

test("mission 20: keys and values are bytes, values may be empty, and there are limits", () =>
  withDirectory(TEST_MS, async (_dir, start) => {
    const args = ["--max-value-bytes", "1mb"];
    let server = await start({ args });
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const keys = ["a?b", "a/b/../c", "100%", "#", "%2F", "a b", "", "\r\n", "\0", "$-1\r\n"].map((key) =>
      Buffer.from(key),
    );
    keys.push(all, Buffer.alloc(10_000, all));
    await on(server, async (connection) => {
      for (const key of keys) assert.is(await connection.ask("SET", key, Buffer.concat([all, key])), "OK");
      assert.is(await connection.ask("SET", "empty", ""), "OK");
    });
    server = await killed(start, server, { args });
    await on(server, async (connection) => {
      connection.buffers = true;
      for (const key of keys) {
        assert.ok(Buffer.concat([all, key]).equals((await connection.ask("GET", key)) as Buffer), key.toString());
      }
      assert.equal(await connection.ask("GET", "empty"), Buffer.alloc(0));
      assert.is(await connection.ask("EXISTS", "empty"), 1);
      assert.is(await connection.ask("DBSIZE"), keys.length + 1);
    });
    const refused = await on(server, (connection) =>
      connection.send("SET", "large", Buffer.alloc((1 << 20) + 1)).catch(() => "closed"),
    );
    assert.match(String(refused), /invalid bulk length|closed/);
    await on(server, async (connection) => assert.is(await connection.ask("EXISTS", "large"), 0));
  }));

test.run();
