/**
 * test/unit/package.test.ts: what whoever installs the package gets: packages that run on the oldest Node it says it runs on, and documents whose
 * links lead somewhere.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const ROOT: string = resolve(import.meta.dirname, "../..");
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");
const { engines, files, overrides } = JSON.parse(read("package.json"));

/** Ranges as packages write them: alternatives, each with its least version first. */
function admits(range: string, version: readonly number[]): boolean {
  return range.split("||").some((alternative) => {
    const [, sign, ...parts] = /^\s*(>=|\^|~)?\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(alternative) ?? [];
    const least = parts.map((part) => Number(part ?? 0));
    if (parts.length === 0 || (sign !== ">=" && least[0] !== version[0])) return alternative.trim() === "*";
    const at = least.findIndex((part, i) => part !== version[i]);
    return at < 0 || (least[at] as number) < (version[at] as number);
  });
}

test("no package that comes along needs a newer Node", () => {
  // npm follows overrides in the project that has them, not in one that installs it.
  assert.is(overrides, undefined);
  const oldest = [...engines.node.replace(">=", "").split(".").map(Number), 0];
  const { packages } = JSON.parse(read("package-lock.json"));
  for (const [name, { dev, engines: wants }] of Object.entries<{ dev?: true; engines?: { node?: string } }>(packages)) {
    if (dev !== true) assert.ok(admits(wants?.node ?? "*", oldest), `${name} needs ${wants?.node}`);
  }
  assert.equal(
    [admits(">=22", oldest), admits("^20.20 || >=22", oldest), admits("^20.19.0", oldest)],
    [false, false, true],
  );
});

test("links in the documents lead to something that is in the package", () => {
  const decisions = readdirSync(join(ROOT, "docs/decisions")).map((name) => `docs/decisions/${name}`);
  const documents = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  const shipped = ["README.md", "CHANGELOG.md", ...documents.map((name) => `docs/${name}`), ...decisions];
  for (const wanted of ["docs/*.md", "docs/decisions"]) assert.ok(files.includes(wanted), wanted);
  for (const document of shipped) {
    for (const [, target] of read(document).matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)) {
      const path = normalize(join(dirname(document), target as string)).replace(/\/$/, "");
      const there = [...shipped, "docs/decisions", "LICENSE"].includes(path) && existsSync(join(ROOT, path));
      assert.ok(there, `${document}: ${target}`);
    }
  }
});

test.run();
