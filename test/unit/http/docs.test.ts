/**
 * test/unit/http/docs.test.ts: docs/HTTP.md says what the code does: the limits, and every word that stands for an error.
 */
import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LIMITS } from "../../../src/http/limits.js";

const ROOM = new URL("../../../src/http/", import.meta.url);
const TEXT = readFileSync(new URL("../../../docs/HTTP.md", import.meta.url), "utf8");

test("every error that HTTP itself makes is in the document", () => {
  const words = new Set<string>();
  for (const file of readdirSync(ROOM)) {
    const code = readFileSync(new URL(file, ROOM), "utf8");
    for (const [, word] of code.matchAll(/HttpError\(\s*\d+,\s*"([A-Z_]+)"/g)) words.add(word as string);
    for (const [, word] of code.matchAll(/code: "([A-Z_]{4,})"/g))
      if (!word?.startsWith("E")) words.add(word as string);
  }
  assert.ok(words.size > 12, [...words].join(" "));
  for (const word of words) if (word !== "INTERNAL") assert.match(TEXT, new RegExp(`\\b${word}\\b`), word);
});

test("the limits are those of the code", () => {
  const { connectionsMax, operationsMax, bytesMax, headBytesMax, headMs, requestMs, stallMs, operationMs } = LIMITS;
  const wanted = [
    `${connectionsMax} connections per address, ${operationsMax} operations and ${bytesMax / 1024 ** 2} MiB`,
    `more than ${headBytesMax / 1024} KiB`,
    `${headMs / 1000} s for a head, ${requestMs / 1000} s for a request, ${stallMs / 1000} s without`,
    `${operationMs / 1000} s for an operation, and 2 s more for each MiB that it writes`,
  ];
  for (const part of wanted) assert.ok(TEXT.replace(/\n/g, " ").includes(part), part);
});

test.run();
