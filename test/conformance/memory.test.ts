/**
 * test/conformance/memory.test.ts: the ReleaseMemory port on Node: the buffer is empty at once, the resident set shrinks, and a process
 * that released memory ends by itself.
 */
import { spawn } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { releaseMemory } from "../../src/platform/node-memory.js";
import { within } from "../lib/within.js";

const MIB = 1 << 20;

function filled(bytes: number): ArrayBuffer {
  const memory = new ArrayBuffer(bytes);
  new Uint8Array(memory).fill(1);
  return memory;
}

async function falls(to: number): Promise<void> {
  while (process.memoryUsage.rss() > to) await new Promise((resolve) => setTimeout(resolve, 10));
}

test("released memory goes back to the system, again after a pause", async () => {
  for (const pauseMs of [2500, 0]) {
    const pieces = Array.from({ length: 6 }, () => filled(32 * MIB));
    const full = process.memoryUsage.rss();
    for (const piece of pieces) {
      releaseMemory(piece);
      assert.is(piece.byteLength, 0);
    }
    await within(30_000, falls(full - 150 * MIB), "the resident set shrinks");
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
});

test("a process that released memory ends by itself", async () => {
  const source = new URL("../../src/platform/node-memory.ts", import.meta.url).href;
  const code = `const { releaseMemory } = await import(${JSON.stringify(source)}); releaseMemory(new ArrayBuffer(1 << 25));`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], { stdio: "inherit" });
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  assert.is(await within(60_000, exit, "it ends"), 0);
});

test.run();
