/**
 * test/unit/config/docs.test.ts: docs/OPTIONS.md says what the table says; UPDATE=1 writes it anew.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { helpText, optionsMarkdown } from "../../../src/config/docs.js";
import { OPTIONS, REDIS_NAMES } from "../../../src/config/options.js";
import { STATUS_PATHS } from "../../../src/http/status-routes.js";

const FILE = new URL("../../../docs/OPTIONS.md", import.meta.url);

test("docs/OPTIONS.md is the table in words (UPDATE=1 rewrites it)", () => {
  const wanted = optionsMarkdown();
  if (process.env["UPDATE"] === "1") writeFileSync(FILE, wanted);
  assert.is(readFileSync(FILE, "utf8"), wanted);
});

test("every name is in the file, every option of our own in --help", () => {
  const markdown = optionsMarkdown();
  const help = helpText(100);
  for (const { name, aliases, group } of OPTIONS) {
    for (const each of [name, ...(aliases ?? [])]) {
      assert.ok(markdown.includes(`\`${each}\``) || markdown.includes(`### ${each}\n`), each);
    }
    if (group !== REDIS_NAMES) assert.ok(help.includes(`--${name} `), name);
  }
});

test("a path to be asked is one that HTTP serves", () => {
  const paths = [...optionsMarkdown().matchAll(/\bask (\/[\w/]*)/g)].map(([, path]) => path as string);
  assert.ok(paths.length > 0);
  for (const path of paths) assert.ok(STATUS_PATHS.includes(path), path);
});

test("help keeps its width", () => {
  for (const width of [60, 80, 120]) {
    for (const line of helpText(width).split("\n")) assert.ok(line.length <= width + 12, line);
  }
});

test.run();
