/**
 * test/unit/cli/files.test.ts: the config file is replaced whole, with its mode, and nothing is left behind on failure.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { realFiles } from "../../../src/cli/files.js";

const dir = mkdtempSync(join(tmpdir(), "kvorum-files-"));
test.after(() => rmSync(dir, { recursive: true }));

test("replace keeps the mode and leaves one file", () => {
  const path = join(dir, "a.conf");
  writeFileSync(path, "old");
  chmodSync(path, 0o640);
  realFiles.replace(path, Buffer.from("new"));
  assert.is(readFileSync(path, "utf8"), "new");
  assert.is(statSync(path).mode & 0o777, 0o640);
  assert.equal(readdirSync(dir), ["a.conf"]);
});

test("a file that is not there is an error, and none is made", () => {
  assert.throws(() => realFiles.replace(join(dir, "gone"), Buffer.from("x")), /ENOENT/);
  assert.not.ok(readdirSync(dir).includes("gone"));
});

test.run();
