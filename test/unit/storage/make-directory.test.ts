/**
 * test/unit/storage/make-directory.test.ts: the name of a new data directory survives a power cut, and so do those of its parents that had to be made.
 */
import fs, { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NodeDisk } from "../../../src/platform/node-disk.js";

/** @returns the directories that were synced while `work` ran, in order. */
function syncedBy(work: () => void): string[] {
  const { openSync, fsyncSync } = fs;
  const paths = new Map<number, string>();
  const synced: string[] = [];
  fs.openSync = ((...args: Parameters<typeof openSync>) => {
    const file = openSync(...args);
    paths.set(file, String(args[0]));
    return file;
  }) as typeof openSync;
  fs.fsyncSync = (file) => {
    fsyncSync(file);
    synced.push(paths.get(file) ?? "?");
  };
  try {
    work();
  } finally {
    fs.openSync = openSync;
    fs.fsyncSync = fsyncSync;
  }
  return synced;
}

test("each directory that got a new name in it is synced, the innermost first", () => {
  const top = mkdtempSync(join(tmpdir(), "kvorum-made-"));
  try {
    const made = () => void new NodeDisk(join(top, "a", "b", "data"));
    if (process.platform === "win32") assert.equal(syncedBy(made), []);
    else assert.equal(syncedBy(made), [join(top, "a", "b"), join(top, "a"), top]);
    assert.equal(syncedBy(made), [], "it is there");
    if (process.platform !== "win32")
      assert.equal(
        syncedBy(() => void new NodeDisk(join(top, "other"))),
        [top],
      );
  } finally {
    rmSync(top, { recursive: true });
  }
});

test("what is no directory is told by its name", () => {
  assert.throws(
    () => new NodeDisk("/dev/null/data"),
    (error: { message: string; exitCode: number }) =>
      error.message === "/dev/null is not a directory" && error.exitCode === 64,
  );
});

test.run();
