/**
 * test/unit/storage/backup-directory.test.ts: the BackupTarget port on the real file system: links and copies, nothing under the final
 * name before the end, nothing left after giving up.
 */
import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BackupDirectory } from "../../../src/platform/backup-directory.js";
import { NodeDisk } from "../../../src/platform/node-disk.js";
import { within } from "../../lib/within.js";

const temporary: string[] = [];
function directory(parent: string = tmpdir()): string {
  const made = mkdtempSync(join(parent, "kvorum-target-"));
  temporary.push(made);
  return made;
}

/** The outcome of one call: bytes, or the error's message. */
function call(
  run: (done: (error: Error | null, bytes?: number) => void) => void,
): Promise<number | string | undefined> {
  const outcome = new Promise<number | string | undefined>((resolve) =>
    run((error, bytes) => resolve(error === null ? bytes : error.message)),
  );
  return within(60_000, outcome, "done");
}

function source(): string {
  const from = directory();
  writeFileSync(join(from, "whole"), "0123456789");
  writeFileSync(join(from, "growing"), Buffer.alloc(3 << 20, 65));
  return from;
}

async function fill(target: BackupDirectory): Promise<void> {
  assert.is(await call((done) => target.begin(done)), undefined);
  assert.is(await call((done) => target.link("whole", done)), 10);
  assert.is(await call((done) => target.copy("growing", (2 << 20) + 5, 3 << 20, done)), 3 << 20);
  assert.is(await call((done) => target.write("list", Buffer.from("all"), done)), 3);
}

test("links where it can, copies, and has its name only at the end; parents are made", async () => {
  const from = source();
  const to = join(directory(), "a", "b", "backup");
  const target = new BackupDirectory(from, to);
  await fill(target);
  assert.not(existsSync(to));
  assert.is(await call((done) => target.commit(done)), undefined);
  assert.equal(readdirSync(to).sort(), ["growing", "list", "whole"]);
  assert.equal(readdirSync(join(to, "..")), ["backup"]);
  assert.is(statSync(join(to, "whole")).ino, statSync(join(from, "whole")).ino);
  const growing = readFileSync(join(to, "growing"));
  assert.ok(growing.equals(Buffer.concat([Buffer.alloc((2 << 20) + 5, 65)], 3 << 20)), "zeros up to its length");
});

test("another file system: a copy", async () => {
  const other = "/dev/shm";
  if (!existsSync(other) || statSync(other).dev === statSync(tmpdir()).dev) {
    console.log("no second file system here: only links were tried");
    return;
  }
  const from = source();
  const to = join(directory(other), "backup");
  const target = new BackupDirectory(from, to);
  await fill(target);
  assert.is(await call((done) => target.commit(done)), undefined);
  assert.is(readFileSync(join(to, "whole"), "utf8"), "0123456789");
});

test("an empty directory is as good as none; one with something in it is refused, at the beginning and at the end", async () => {
  const from = source();
  const to = directory();
  const target = new BackupDirectory(from, to);
  await fill(target);
  assert.is(await call((done) => target.commit(done)), undefined);
  assert.is(readdirSync(to).length, 3);
  assert.is(await call((done) => new BackupDirectory(from, to).begin(done)), `${to} is not empty`);

  const late = join(directory(), "late");
  const second = new BackupDirectory(from, late);
  await fill(second);
  mkdirSync(late);
  writeFileSync(join(late, "letter"), "mine");
  assert.is(await call((done) => second.commit(done)), `${late} is not empty`);
  assert.is(await call((done) => second.abandon(done)), undefined);
  assert.equal(readdirSync(join(late, "..")), ["late"]);
  assert.equal(readdirSync(late), ["letter"]);
});

test("a file that is too short or missing is an error; given up, nothing stays", async () => {
  const from = source();
  const parent = directory();
  const target = new BackupDirectory(from, join(parent, "backup"));
  await call((done) => target.begin(done));
  assert.match(String(await call((done) => target.copy("whole", 11, 11, done))), "ends at byte 10");
  assert.match(String(await call((done) => target.link("nosuch", done))), "ENOENT");
  const under = call((done) => target.copy("growing", 3 << 20, 3 << 20, done));
  const gone = call((done) => target.abandon(done));
  assert.type(await under, "string");
  assert.is(await gone, undefined);
  assert.equal(readdirSync(parent), []);
  const early = new BackupDirectory(from, join(parent, "backup"));
  const beginning = call((done) => early.begin(done));
  const cleared = call((done) => early.abandon(done));
  assert.is(await beginning, "abandoned");
  assert.is(await cleared, undefined);
  assert.equal(readdirSync(parent), []);
});

test("what cannot be removed stays, and whoever gives up hears of it: nothing is thrown", async () => {
  const kept = { rm: promises.rm, rmSync: fs.rmSync };
  const refused = (): Error => Object.assign(new Error("EROFS: read-only file system"), { code: "EROFS" });
  const parent = directory();
  const target = new BackupDirectory(source(), join(parent, "backup"));
  await fill(target);
  promises.rm = () => Promise.reject(refused());
  fs.rmSync = () => {
    throw refused();
  };
  syncBuiltinESMExports();
  try {
    assert.match(String(await call((done) => target.abandon(done))), "EROFS");
  } finally {
    promises.rm = kept.rm;
    fs.rmSync = kept.rmSync;
    syncBuiltinESMExports();
  }
  assert.match(readdirSync(parent).join(), /^backup\.partial-[0-9a-f]{12}$/);
});

test.after(() => {
  for (const made of temporary) rmSync(made, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

test("where no directory can be made there is an error, and no asking without end", async () => {
  if (!existsSync("/proc/self")) return;
  const refused = await call((done) => new BackupDirectory(source(), "/proc/none/backup").begin(done));
  assert.match(String(refused), /ENOENT/);
  const file = join(directory(), "file");
  writeFileSync(file, "");
  assert.match(
    String(await call((done) => new BackupDirectory(source(), join(file, "a", "b")).begin(done))),
    /ENOTDIR|EEXIST/,
  );
  for (const [name, code] of [
    ["/proc/none", 74],
    ["/proc/none/deeper", 74],
    [file, 64],
    [join(file, "a"), 64],
  ] as const) {
    assert.throws(
      () => new NodeDisk(name),
      (error: Error & { exitCode?: number }) => error.exitCode === code,
    );
  }
});

test.run();
