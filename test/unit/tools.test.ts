/**
 * test/unit/tools.test.ts: the project's own tools say how they are used, and that a slip is one, before they begin.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const ROOT: string = resolve(import.meta.dirname, "../..");
const { scripts } = JSON.parse(readFileSync(resolve(ROOT, "package.json"), "utf8")) as {
  scripts: Readonly<Record<string, string>>;
};
const TOOLS = ["sim", "explore", "campaign:failures", "bench", "bench:compare"];

function run(tool: string, ...argv: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const words = (scripts[tool] as string).split(" ").slice(1);
  const child = spawn(process.execPath, [...words, ...argv], { cwd: ROOT, timeout: 60_000 });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  return new Promise((end) => child.on("close", (code) => end({ code, out, err })));
}

test("--help, and what is not understood", async () => {
  for (const tool of TOOLS) {
    const [help, slip] = await Promise.all([run(tool, "--help"), run(tool, "--nosuch")]);
    const usage = `Usage: npm run ${tool} -- `;
    assert.equal([help.code, help.err, help.out.slice(0, usage.length)], [0, "", usage], help.out);
    assert.equal([slip.code, slip.out], [64, ""], tool);
    assert.is(slip.err.split("\n\n").at(1), help.out, "usage and no stack");
  }
});

test("names and numbers that are none", async () => {
  for (const [tool, ...argv] of [
    ["sim", "--seed", "x"],
    ["explore", "--config", "nosuch"],
    ["bench", "nosuch"],
    ["bench:compare", "--runs", "0"],
  ] as const) {
    const { code, err } = await run(tool, ...argv);
    assert.is(code, 64, `${tool} ${argv.join(" ")}: ${err}`);
    assert.match(err, /^[^\n]+\n\nUsage: /);
  }
});

test.run();
