/**
 * test/conformance/disk.test.ts: what ports/disk.ts promises, asked of every disk there is: the real one, the one in memory, and the ones
 * that tests put in their place. What a model allows and the real disk does not is a test that proves nothing.
 */
import fs, { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { NodeDisk } from "../../src/platform/node-disk.js";
import { NodeScheduler } from "../../src/platform/node-scheduler.js";
import type { Disk, FileHandle } from "../../src/ports/disk.js";
import { SimDisk } from "../lib/sim-disk.js";
import { within } from "../lib/within.js";

interface Subject {
  readonly name: string;
  readonly open: () => { disk: Disk; remove: () => void };
}

function onRealFiles(): { disk: Disk; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), "kvorum-conformance-"));
  return {
    disk: new NodeDisk(directory),
    remove: () => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }),
  };
}

const nothing = (): void => {};
const SUBJECTS: readonly Subject[] = [
  { name: "the real disk", open: onRealFiles },
  { name: "the disk in memory", open: () => ({ disk: new MemoryDisk(new NodeScheduler()), remove: nothing }) },
  { name: "the disk that loses power", open: () => ({ disk: new SimDisk(new NodeScheduler()), remove: nothing }) },
];

const bytesOf = (text: string): Buffer => Buffer.from(text, "latin1");

function contents(disk: Disk, file: FileHandle): string {
  const into = Buffer.alloc(disk.size(file));
  assert.is(disk.read(file, into, 0, into.length, 0), into.length);
  return into.latin1Slice();
}

function put(disk: Disk, name: string, text: string): void {
  const file = disk.open(name, { create: true });
  disk.write(file, bytesOf(text), 0, text.length, 0);
  disk.close(file);
}

function get(disk: Disk, name: string): string {
  const file = disk.open(name, { readonly: true });
  const text = contents(disk, file);
  disk.close(file);
  return text;
}

function fails(work: () => void, code: string, what: string): void {
  let error: NodeJS.ErrnoException | undefined;
  try {
    work();
  } catch (thrown) {
    error = thrown as NodeJS.ErrnoException;
  }
  assert.is(error?.code, code, `${what}: ${error?.message ?? "no error"}`);
}

const wrote = (
  disk: Disk,
  file: FileHandle,
  from: Buffer,
  at: number,
  length: number,
  position: number,
): Promise<void> =>
  within(
    2000,
    new Promise((resolve, reject) => {
      let inside = true;
      disk.writeAsync(file, from, at, length, position, (error) => {
        if (inside) reject(new Error("called back inside of the call"));
        else if (error) reject(error);
        else resolve();
      });
      inside = false;
    }),
    "a write",
  );

const synced = (disk: Disk, file: FileHandle): Promise<void> =>
  within(
    2000,
    new Promise((resolve, reject) => {
      let inside = true;
      disk.syncAsync(file, (error) => {
        if (inside) reject(new Error("called back inside of the call"));
        else if (error) reject(error);
        else resolve();
      });
      inside = false;
    }),
    "a sync",
  );

async function codeOf(work: Promise<void>): Promise<string | undefined> {
  try {
    await work;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
  return undefined;
}

for (const { name, open } of SUBJECTS) {
  const on = (what: string, run: (disk: Disk) => void | Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const { disk, remove } = open();
      try {
        await run(disk);
      } finally {
        remove();
      }
    });
  };

  on("names come, go and are replaced", (disk) => {
    assert.equal(disk.list(), []);
    put(disk, "a", "1");
    put(disk, "b", "22");
    assert.equal([...disk.list()].sort(), ["a", "b"]);
    assert.ok(disk.exists("a") && !disk.exists("c"));
    disk.rename("a", "c");
    assert.equal([disk.exists("a"), get(disk, "c")], [false, "1"]);
    disk.rename("b", "c");
    assert.equal([disk.list(), get(disk, "c")], [["c"], "22"]);
    disk.remove("c");
    disk.syncDirectory();
    assert.equal(disk.list(), []);
  });

  on("what is not there, or there already, is an error with a code", (disk) => {
    put(disk, "a", "1");
    fails(() => disk.open("b", {}), "ENOENT", "open");
    fails(() => disk.open("b", { readonly: true }), "ENOENT", "open to read");
    fails(() => disk.open("a", { create: true }), "EEXIST", "create");
    fails(() => disk.remove("b"), "ENOENT", "remove");
    fails(() => disk.rename("b", "a"), "ENOENT", "rename");
    assert.is(get(disk, "a"), "1");
    assert.not.ok(disk.exists("b"));
  });

  on("bytes are written and read where they are meant to be", (disk) => {
    const file = disk.open("f", { create: true });
    assert.is(disk.size(file), 0);
    disk.write(file, bytesOf("..hello.."), 2, 5, 0);
    disk.write(file, bytesOf("J"), 0, 1, 0);
    assert.is(contents(disk, file), "Jello");
    disk.write(file, bytesOf("end"), 0, 3, 8);
    assert.is(disk.size(file), 11);
    assert.is(contents(disk, file), "Jello\0\0\0end", "a gap reads as zeros");
    disk.write(file, bytesOf("x"), 0, 0, 40);
    assert.is(disk.size(file), 11, "nothing written changes nothing");
    disk.sync(file);
    disk.close(file);
  });

  on("a read is short at the end of the file only, and touches no more than it says", (disk) => {
    put(disk, "f", "0123456789");
    const file = disk.open("f", { readonly: true });
    for (const [length, position, expected] of [
      [4, 0, "0123"],
      [4, 8, "89"],
      [10, 0, "0123456789"],
      [4, 10, ""],
      [4, 999, ""],
      [0, 3, ""],
    ] as const) {
      const into = Buffer.alloc(14, ".");
      const got = disk.read(file, into, 1, length, position);
      assert.is(into.latin1Slice(), `.${expected}`.padEnd(14, "."), `${length} from ${position}`);
      assert.is(got, expected.length);
    }
    disk.close(file);
  });

  on("a large file, in pieces of odd sizes", (disk) => {
    const whole = Buffer.alloc(3_000_000);
    for (let i = 0; i < whole.length; i++) whole[i] = (i * 7) ^ (i >> 8);
    const file = disk.open("f", { create: true });
    for (let at = 0, step = 1; at < whole.length; at += step, step = Math.min(step * 3 + 1, whole.length - at || 1))
      disk.write(file, whole, at, Math.min(step, whole.length - at), at);
    const into = Buffer.alloc(whole.length);
    assert.is(disk.read(file, into, 0, into.length, 0), whole.length);
    assert.ok(into.equals(whole));
    disk.close(file);
  });

  on("truncate cuts off, and puts zeros behind", (disk) => {
    put(disk, "f", "0123456789");
    const file = disk.open("f", {});
    disk.truncate(file, 4);
    assert.equal([disk.size(file), contents(disk, file)], [4, "0123"]);
    disk.truncate(file, 6);
    assert.is(contents(disk, file), "0123\0\0", "what was cut off does not come back");
    disk.write(file, bytesOf("x"), 0, 1, 8);
    assert.is(contents(disk, file), "0123\0\0\0\0x");
    disk.close(file);
  });

  on("a handle that is for reading does not write", async (disk) => {
    put(disk, "f", "old");
    const file = disk.open("f", { readonly: true });
    fails(() => disk.write(file, bytesOf("new"), 0, 3, 0), "EBADF", "write");
    assert.is(await codeOf(wrote(disk, file, bytesOf("new"), 0, 3, 0)), "EBADF");
    disk.close(file);
    assert.is(get(disk, "f"), "old");
  });

  on("a handle that is closed is an error, thrown or called back", async (disk) => {
    put(disk, "f", "old");
    const file = disk.open("f", {});
    disk.close(file);
    fails(() => disk.close(file), "EBADF", "close");
    fails(() => disk.size(file), "EBADF", "size");
    fails(() => disk.read(file, Buffer.alloc(1), 0, 1, 0), "EBADF", "read");
    fails(() => disk.write(file, bytesOf("x"), 0, 1, 0), "EBADF", "write");
    fails(() => disk.sync(file), "EBADF", "sync");
    assert.is(await codeOf(wrote(disk, file, bytesOf("x"), 0, 1, 0)), "EBADF");
    assert.is(await codeOf(synced(disk, file)), "EBADF");
    assert.is(get(disk, "f"), "old");
  });

  on("a file that is renamed, replaced or removed stays what an open handle sees", (disk) => {
    put(disk, "a", "first");
    put(disk, "b", "second");
    const [a, b] = [disk.open("a", {}), disk.open("b", {})];
    disk.rename("a", "b");
    disk.write(a, bytesOf("F"), 0, 1, 0);
    assert.equal([contents(disk, a), contents(disk, b), get(disk, "b")], ["First", "second", "First"]);
    disk.remove("b");
    assert.equal([contents(disk, a), disk.list()], ["First", []]);
    disk.close(a);
    disk.close(b);
  });

  on("two handles see one file", (disk) => {
    const writer = disk.open("f", { create: true });
    const durable = disk.open("f", { durable: true });
    disk.write(writer, bytesOf("one "), 0, 4, 0);
    disk.write(durable, bytesOf("two"), 0, 3, 4);
    const reader = disk.open("f", { readonly: true });
    assert.is(contents(disk, reader), "one two");
    for (const file of [writer, durable, reader]) disk.close(file);
  });

  on("asynchronous writes are whole, in any order, and called back once", async (disk) => {
    for (const durable of [false, true]) {
      const file = disk.open(`f${durable}`, { create: true, durable });
      const large = Buffer.alloc(1_000_000, "abcdefg");
      const small = bytesOf("..end..");
      await Promise.all([
        wrote(disk, file, large, 0, large.length, 0),
        wrote(disk, file, small, 2, 3, large.length),
        synced(disk, file),
      ]);
      await wrote(disk, file, small, 0, 0, 5_000_000);
      assert.ok(contents(disk, file) === `${large.latin1Slice()}end`);
      disk.close(file);
    }
  });

  on("a file removed in the background is gone when that is said", async (disk) => {
    put(disk, "f", "x");
    assert.is(await removed(disk, "f"), undefined);
    assert.is(disk.exists("f"), false);
    assert.is(await removed(disk, "f"), "ENOENT");
  });

  on("free room is a number", (disk) => {
    assert.ok(disk.freeBytes() > 0);
  });
}

/** @returns the code of what it failed with. */
function removed(disk: Disk, name: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    disk.removeAsync(name, (error) => resolve((error as NodeJS.ErrnoException | null)?.code));
  });
}

/** What the file system does for a while in place of writing all that it was given. */
function writing(most: number): () => void {
  const { writeSync, write } = fs;
  const bound = (length: number): number => Math.min(length, most);
  fs.writeSync = ((file: number, from: Buffer, at: number, length: number, position: number) =>
    writeSync(file, from, at, bound(length), position)) as typeof fs.writeSync;
  fs.write = ((file: number, from: Buffer, at: number, length: number, position: number, done: () => void) =>
    write(file, from, at, bound(length), position, done)) as typeof fs.write;
  return () => {
    fs.writeSync = writeSync;
    fs.write = write;
  };
}

test("the real disk: short writes are continued", async () => {
  const { disk, remove } = onRealFiles();
  const restore = writing(7);
  try {
    const file = disk.open("f", { create: true });
    const bytes = Buffer.alloc(1000, "0123456789abc");
    disk.write(file, bytes, 10, 500, 0);
    await wrote(disk, file, bytes, 0, 1000, 500);
    assert.is(contents(disk, file), bytes.latin1Slice(10, 510) + bytes.latin1Slice());
    disk.close(file);
  } finally {
    restore();
    remove();
  }
});

test("the real disk: a write that makes no progress is an error, not an endless one", async () => {
  const { disk, remove } = onRealFiles();
  const restore = writing(0);
  try {
    const file = disk.open("f", { create: true });
    assert.throws(() => disk.write(file, bytesOf("x"), 0, 1, 0), /no progress/);
    assert.match(String(await codeOf(wrote(disk, file, bytesOf("x"), 0, 1, 0))), /no progress/);
    disk.close(file);
  } finally {
    restore();
    remove();
  }
});

test("the real disk: an error at the end, after all was synced, is none", () => {
  const { disk, remove } = onRealFiles();
  const { closeSync } = fs;
  fs.closeSync = (file) => {
    closeSync(file);
    throw Object.assign(new Error("EIO: i/o error, close"), { code: "EIO" });
  };
  try {
    const file = disk.open("f", { create: true });
    disk.write(file, bytesOf("x"), 0, 1, 0);
    disk.sync(file);
    disk.close(file);
    assert.is(get(disk, "f"), "x");
  } finally {
    fs.closeSync = closeSync;
    remove();
  }
});

test("the real disk: no name leads out of the directory", () => {
  const { disk, remove } = onRealFiles();
  try {
    put(disk, "../outside", "x");
    assert.equal([disk.list(), disk.exists("../../outside")], [["outside"], true]);
  } finally {
    remove();
  }
});

test.run();
