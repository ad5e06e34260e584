/**
 * test/lib/golden.ts: fixtures of test/golden: texts, and bytes as text that a person can read and a diff can show. UPDATE=1 writes them
 * anew instead of comparing.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import * as assert from "uvu/assert";

const ROOT = resolve(import.meta.dirname, "../golden");
const UPDATE = process.env["UPDATE"] === "1";
const LINE_BYTES = 32;

/** @param name below test/golden. */
export function readGolden(name: string): string {
  const path = join(ROOT, name);
  if (!existsSync(path)) throw new Error(`${path} is missing: UPDATE=1 npm test -- golden makes it`);
  return readFileSync(path, "utf8");
}

/** Compare, or write with UPDATE=1. */
export function golden(name: string, text: string): void {
  if (UPDATE) {
    mkdirSync(dirname(join(ROOT, name)), { recursive: true });
    writeFileSync(join(ROOT, name), text);
  }
  assert.fixture(
    text,
    readGolden(name),
    `${name} is no longer what it was; if that is meant: UPDATE=1 npm test -- golden`,
  );
}

/** Bytes, 32 on a line behind their offset; lines of zeros are left out. */
export function hexDump(bytes: Buffer): string {
  const lines = [`size ${bytes.length}`];
  for (let at = 0; at < bytes.length; at += LINE_BYTES) {
    const line = bytes.subarray(at, at + LINE_BYTES);
    if (line.every((byte) => byte === 0)) continue;
    lines.push(`${at.toString(16).padStart(6, "0")}  ${line.toString("hex").replace(/(.{8})(?!$)/g, "$1 ")}`);
  }
  return `${lines.join("\n")}\n`;
}

export function fromHexDump(text: string): Buffer {
  const [first, ...lines] = text.trimEnd().split("\n");
  const bytes = Buffer.alloc(Number(/^size (\d+)$/.exec(first as string)?.[1]));
  for (const line of lines) {
    const [offset, hex] = line.split("  ") as [string, string];
    Buffer.from(hex.replaceAll(" ", ""), "hex").copy(bytes, Number.parseInt(offset, 16));
  }
  return bytes;
}
