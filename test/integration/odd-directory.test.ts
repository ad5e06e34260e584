/**
 * test/integration/odd-directory.test.ts: a data directory with things in it that no kvorum put there, under names of kvorum's: it is refused
 * with a code and a line that names them, holds nothing open, and opens again when they are gone.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { open } from "../../src/index.js";
import { freePort } from "../lib/free-ports.js";
import { kvorum } from "../lib/kvorum-process.js";
import { within } from "../lib/within.js";

const DISK = 74;
const CORRUPT = 65;
const SEGMENT = "wal-0000000000009999.log";
const SNAPSHOT = "snap-0000000000009999.kvs";

async function inDirectory(body: (dir: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "kvorum-odd-"));
  const dir = join(root, "data");
  try {
    const node = await open({ dir });
    await node.client().set("a", "1");
    await node.close();
    // The next segment, which was being made, is let go of a moment later.
    while (openFiles(dir).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await within(90_000, body(dir), "the body of the test");
  } finally {
    rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

function openFiles(dir: string): string[] {
  if (process.platform !== "linux") return [];
  const fds = `/proc/${process.pid}/fd`;
  return readdirSync(fds)
    .map((fd) => targetOf(`${fds}/${fd}`))
    .filter((target) => target.startsWith(`${dir}/`));
}

/** "": it was closed meanwhile. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

/** @returns the code and the line of the refusal. */
async function refusal(dir: string): Promise<{ code: number; text: string }> {
  try {
    await (await open({ dir })).close();
  } catch (error) {
    const { exitCode, message } = error as Error & { exitCode: number };
    assert.equal(openFiles(dir), [], "nothing is left open");
    return { code: exitCode, text: message };
  }
  throw new Error("it opened");
}

async function opensAgain(dir: string): Promise<void> {
  const node = await open({ dir });
  assert.is(await node.client().get("a"), "1");
  await node.close();
}

for (const name of [SEGMENT, SNAPSHOT, "snapshot.tmp", "wal-next.tmp", "wal-large-512.tmp", "kvorum.pid"]) {
  test(`${name} is a directory`, () =>
    inDirectory(async (dir) => {
      rmSync(join(dir, name), { force: true });
      mkdirSync(join(dir, name));
      const { code, text } = await refusal(dir);
      assert.is(code, DISK, text);
      assert.match(text, name);
      rmSync(join(dir, name), { recursive: true });
      await opensAgain(dir);
    }));
}

test("kvorum.meta is a directory", () =>
  inDirectory(async (dir) => {
    renameSync(join(dir, "kvorum.meta"), join(dir, "kept"));
    mkdirSync(join(dir, "kvorum.meta"));
    const { code, text } = await refusal(dir);
    assert.is(code, DISK, text);
    assert.match(text, "kvorum.meta is not a file");
    rmSync(join(dir, "kvorum.meta"), { recursive: true });
    renameSync(join(dir, "kept"), join(dir, "kvorum.meta"));
    await opensAgain(dir);
  }));

test("files that are empty, or of something else, are corrupt", () =>
  inDirectory(async (dir) => {
    for (const name of [SEGMENT, SNAPSHOT]) {
      for (const contents of ["", "something else\n".repeat(100)]) {
        writeFileSync(join(dir, name), contents);
        const { code, text } = await refusal(dir);
        assert.is(code, CORRUPT, text);
        assert.match(text, name);
      }
      rmSync(join(dir, name));
    }
    await opensAgain(dir);
  }));

test("a pipe and a socket under a segment's name: refused, and not waited for", () =>
  inDirectory(async (dir) => {
    if (process.platform === "win32") return;
    execFileSync("mkfifo", [join(dir, SEGMENT)]);
    assert.match((await refusal(dir)).text, `${SEGMENT} is not a file`);
    rmSync(join(dir, SEGMENT));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(dir, SEGMENT), resolve));
    const { code, text } = await refusal(dir);
    assert.is(code, DISK, text);
    assert.match(text, SEGMENT);
    await new Promise((resolve) => server.close(resolve));
    await opensAgain(dir);
  }));

test("all files are the owner's alone", () =>
  inDirectory(async (dir) => {
    if (process.platform === "win32") return;
    const node = await open({ dir });
    try {
      await node.client().set("b", "1");
      const modes = readdirSync(dir).map((name) => `${name} ${(statSync(join(dir, name)).mode & 0o777).toString(8)}`);
      assert.ok(modes.includes("kvorum.pid 600"), modes.join());
      assert.equal(
        modes.filter((line) => !line.endsWith(" 600")),
        [],
      );
    } finally {
      await node.close();
    }
  }));

test("a file that may not be read", () =>
  inDirectory(async (dir) => {
    if (process.getuid?.() === 0) return console.log("root may read everything: not tried");
    const name = readdirSync(dir).find((candidate) => candidate.startsWith("wal-")) as string;
    chmodSync(join(dir, name), 0);
    const { code, text } = await refusal(dir);
    assert.is(code, DISK, text);
    assert.match(text, "EACCES");
    chmodSync(join(dir, name), 0o600);
    await opensAgain(dir);
  }));

test("names that only resemble kvorum's are nobody's business", () =>
  inDirectory(async (dir) => {
    for (const name of ["wal-1.log", "wal-x.log", "snap-1.kvs", "wal-0000000000009999.log.old", "lost+found"])
      mkdirSync(join(dir, name));
    await opensAgain(dir);
  }));

test("the program says where a unix socket cannot be", () =>
  inDirectory(async (dir) => {
    const long = `/tmp/${"x".repeat(120)}`;
    for (const [path, why] of [
      ["/nonexistent/u.sock", "there is no directory /nonexistent. Make it, or choose another --unixsocket"],
      [long, "the name is longer than \\d+ bytes. Choose another --unixsocket"],
    ] as const) {
      const { code, err } = await kvorum("serve", "--port", "0", "--unixsocket", path, "--dir", dir);
      assert.is(code, 69, err);
      assert.match(err, new RegExp(`^kvorum: cannot listen on ${path}: ${why}\n$`));
    }
  }));

test("the program says it in one line, without a stack", () =>
  inDirectory(async (dir) => {
    mkdirSync(join(dir, SEGMENT));
    const { code, out, err } = await kvorum("serve", "--port", String(await freePort()), "--dir", dir);
    assert.equal([code, out], [DISK, ""]);
    assert.match(err, /^kvorum: cannot read the data directory: \S+ is not a file\n$/);
    const inspected = await kvorum("inspect", "wal", dir);
    assert.is(inspected.code, 1);
    assert.match(inspected.err, /^kvorum: \S+ is not a file\n$/);
    const nowhere = await kvorum("inspect", "wal", join(dir, "nowhere"));
    assert.equal([nowhere.code, nowhere.err], [1, `kvorum: there is no ${join(dir, "nowhere")}\n`]);
  }));

test.run();
