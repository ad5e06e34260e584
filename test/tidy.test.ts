/**
 * test/tidy.test.ts: the rules of the house, checked. Rooms and arrows are those of the architecture document; the tables
 * below are the only place to change them.
 */
import { posix } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { filesUnder, parseSource, readSource, type Source } from "./lib/source.js";

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 400;

/** Functions that may be longer, with the length they may have: "src/room/file.ts function". A ratchet: only shorten. */
const LONG_FUNCTIONS: Readonly<Record<string, { readonly lines: number; readonly reason: string }>> = {};

/** Files that may be longer than FILE_LINES_MAX, with the length they may have and why they hold together. */
const LONG_FILES: Readonly<Record<string, { readonly lines: number; readonly reason: string }>> = {};

/**
 * Which room may import which; a room may always import itself. "root" is the files directly in src/.
 * `types` may be imported with `import type` only, so nothing of them is loaded.
 */
type Arrows = { readonly may: readonly string[]; readonly types?: readonly string[] };
const ROOMS: Readonly<Record<string, Arrows>> = {
  lib: { may: [] },
  core: { may: ["lib"] },
  codec: { may: ["lib"], types: ["core"] },
  ports: { may: ["lib"] },
  storage: { may: ["lib", "core", "codec", "ports"] },
  cluster: { may: ["lib", "core", "codec", "storage", "ports"] },
  commands: { may: ["lib", "core", "codec", "ports", "config"] },
  server: { may: ["lib", "codec", "commands", "cluster", "config", "ports"] },
  http: { may: ["lib", "ports", "root"] },
  config: { may: ["lib"] },
  platform: { may: ["lib", "ports"] },
  // The client must not load the engine.
  client: { may: ["lib"], types: ["root"] },
  // The option table is where the command line has its flags and help from; inspect and restore read files without a node.
  cli: { may: ["lib", "config", "client", "root", "storage", "ports", "platform"] },
};
const ROOT_FILES = ["node.ts", "node-cluster.ts", "node-listen.ts", "index.ts", "pipe.ts", "testing.ts"];

/** Pure: the same input gives the same output, in production and in the simulator. */
const PURE = ["core", "codec"];
const PURE_BANNED = [
  "Date",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "performance",
  "process",
].concat(["console", "Promise", "Math.random", "globalThis", "crypto"]);

/** These run in the simulator too: time, chance and the outside reach them through ports. */
const ON_PORTS = ["lib", "ports", "storage", "cluster", "commands", "server", "config"];
const ON_PORTS_BANNED = ["Date", "performance", "Math.random", "setTimeout", "setInterval", "setImmediate"];
const OUTSIDE = /^node:(fs|net|tls|dgram|http|https|http2|dns|child_process|cluster|worker_threads|timers)(\/|$)/;
const OUTSIDE_ALLOWED = ["platform", "http", "cli", "root"];

/** The embedded engine loads no package. */
const NO_PACKAGES = ["lib", "core", "codec", "ports", "storage", "cluster", "commands", "server", "config", "platform"];

const sources = filesUnder("src").map(readSource);
const others = [...filesUnder("test"), ...filesUnder("bench")].map(readSource);

/** "src/core/ring/ring.ts" is in "core", "src/node.ts" in "root". */
function roomOf(path: string): string {
  const parts = path.split("/");
  return parts.length === 2 ? "root" : (parts[1] as string);
}

function inRooms(rooms: readonly string[]): Source[] {
  return sources.filter(({ path }) => rooms.includes(roomOf(path)));
}

/** Every finding in one failure, a line each: all of them are wanted at once. */
function none(findings: readonly string[]): void {
  if (findings.length === 0) return;
  const error = new Error(`${findings.length} found\n    ${findings.join("\n    ")}`);
  error.stack = ""; // it would say nothing but repeat them
  throw error;
}

function* resolved(source: Source): Generator<{ from: string; target: string; typeOnly: boolean; at: string }> {
  for (const { from, typeOnly, line } of source.imports) {
    const target = from.startsWith(".") ? posix.join(posix.dirname(source.path), from) : from;
    yield { from, target, typeOnly, at: `${source.path}:${line}` };
  }
}

test("every file lies in a room that the table knows", () => {
  none(
    sources
      .map(({ path }) => path)
      .filter((path) => {
        const room = roomOf(path);
        return room === "root" ? !ROOT_FILES.includes(path.slice("src/".length)) : ROOMS[room] === undefined;
      }),
  );
});

test("every file opens with a header that names its path", () => {
  none(
    sources
      .filter(({ path, text }) => {
        const name = path.slice("src/".length);
        return !text.startsWith(`/**\n * ${name}: `) && !text.startsWith(`/** ${name}: `);
      })
      .map(({ path }) => `${path}: must open with "/**\\n * ${path.slice("src/".length)}: what it is for"`),
  );
});

test("arrows between rooms run one way", () => {
  const findings: string[] = [];
  for (const source of sources) {
    const room = roomOf(source.path);
    const arrows = ROOMS[room];
    if (arrows === undefined) continue;
    for (const { from, target, typeOnly, at } of resolved(source)) {
      if (!from.startsWith(".")) continue;
      const to = target.startsWith("src/") ? roomOf(target) : target;
      if (to === room || arrows.may.includes(to)) continue;
      if (arrows.types?.includes(to)) {
        if (!typeOnly) findings.push(`${at}: ${room}/ may import only types from ${to}/ (import type)`);
      } else findings.push(`${at}: ${room}/ may not import ${to} (${from})`);
    }
  }
  none(findings);
});

test("node: modules stay in the rooms that may have them", () => {
  const findings: string[] = [];
  for (const source of sources) {
    const room = roomOf(source.path);
    for (const { from, at } of resolved(source)) {
      if (!from.startsWith("node:")) continue;
      const crc = from === "node:zlib" && /^src\/lib\/crc[^/]*\.ts$/.test(source.path);
      if (PURE.includes(room) || (room === "lib" && !crc)) findings.push(`${at}: no node: module here (${from})`);
      else if (OUTSIDE.test(from) && !OUTSIDE_ALLOWED.includes(room))
        findings.push(`${at}: ${from} belongs in platform/`);
    }
  }
  none(findings);
});

test("the embedded engine loads no package", () => {
  const findings: string[] = [];
  for (const source of inRooms(NO_PACKAGES)) {
    for (const { from, typeOnly, at } of resolved(source)) {
      if (!typeOnly && !from.startsWith(".") && !from.startsWith("node:")) findings.push(`${at}: package ${from}`);
    }
  }
  none(findings);
});

test("core and codec are pure and synchronous", () => {
  const findings: string[] = [];
  for (const { path, uses, asyncLines } of inRooms(PURE)) {
    for (const { name, line } of uses) if (PURE_BANNED.includes(name)) findings.push(`${path}:${line}: ${name}`);
    for (const line of asyncLines) findings.push(`${path}:${line}: async or await`);
  }
  none(findings);
});

test("time, timers and chance come through ports", () => {
  const findings: string[] = [];
  for (const { path, uses } of inRooms(ON_PORTS)) {
    for (const { name, line } of uses) if (ON_PORTS_BANNED.includes(name)) findings.push(`${path}:${line}: ${name}`);
  }
  none(findings);
});

test("there are no barrel files", () => {
  none(sources.filter(({ path, onlyReexports }) => onlyReexports && roomOf(path) !== "root").map(({ path }) => path));
});

test("every uvu test file runs its tests, and all of them", () => {
  const findings: string[] = [];
  for (const { path, text } of others) {
    if (!path.endsWith(".test.ts")) continue;
    const suites = [...text.matchAll(/^(?:const|let) (\w+)\b[^=\n]*= suite\b/gm)].map((match) => match[1] as string);
    if (/^import \{[^}]*\btest\b[^}]*\} from "uvu"/m.test(text)) suites.push("test");
    if (suites.length === 0) findings.push(`${path}: no uvu test`);
    for (const name of suites) {
      if (!new RegExp(`^\\s*${name}\\.run\\(\\);`, "m").test(text)) findings.push(`${path}: no ${name}.run()`);
      if (new RegExp(`^\\s*${name}\\.only\\(`, "m").test(text))
        findings.push(`${path}: ${name}.only leaves the others out`);
    }
  }
  none(findings);
});

test("no promises for later in comments", () => {
  const findings: string[] = [];
  for (const { path, comments } of [...sources, ...others]) {
    for (const { name, line } of comments) {
      const word = /\b(TODO|FIXME|XXX)\b/.exec(name)?.[1];
      if (word !== undefined) findings.push(`${path}:${line}: ${word}`);
    }
  }
  none(findings);
});

test(`functions have at most ${FUNCTION_LINES_MAX} lines`, () => {
  const findings: string[] = [];
  const long = new Set<string>();
  for (const { path, functions } of sources) {
    for (const { name, lines, line } of functions) {
      if (lines <= FUNCTION_LINES_MAX) continue;
      const key = `${path} ${name}`;
      long.add(key);
      const max = LONG_FUNCTIONS[key]?.lines ?? FUNCTION_LINES_MAX;
      if (lines > max) findings.push(`${path}:${line}: ${name} has ${lines} lines, may have ${max}`);
    }
  }
  none([...findings, ...stale(LONG_FUNCTIONS, long)]);
});

test(`files over ${FILE_LINES_MAX} lines have a reason`, () => {
  const long = new Map(sources.filter((s) => s.lineCount > FILE_LINES_MAX).map((s) => [s.path, s.lineCount]));
  const findings: string[] = [];
  for (const [path, lines] of long) {
    const allowed = LONG_FILES[path];
    if (allowed !== undefined) console.log(`long file: ${path}, ${lines} lines: ${allowed.reason}`);
    const max = allowed?.lines ?? FILE_LINES_MAX;
    if (lines > max) findings.push(`${path}: ${lines} lines, may have ${max}: has a second idea moved in?`);
  }
  none([...findings, ...stale(LONG_FILES, long)]);
});

/** Exceptions that nothing needs any more. */
function stale(exceptions: object, needed: { has(key: string): boolean }): string[] {
  return Object.keys(exceptions)
    .filter((key) => !needed.has(key))
    .map((key) => `${key}: no longer long; take it out of the table`);
}

test("the reader of sources sees what the rules ask about", () => {
  const text = [
    'import { type A, b } from "./a.js";',
    'import type { C } from "node:net";',
    'export { type D } from "./d.js";',
    "// Date in a comment",
    'const words = "setTimeout";',
    "const table = { Date: words.process, [Date]: 1 };",
    "class K {",
    "  async load(): Promise<void> {",
    '    await import("./late.js");',
    "    return [1].forEach(() => Math.random());",
    "  }",
    "}",
  ].join("\n");
  const { imports, uses, asyncLines, functions, comments } = parseSource("x.ts", text);
  assert.equal(
    imports.map(({ from, typeOnly }) => `${from} ${typeOnly}`),
    ["./a.js false", "node:net true", "./d.js true", "./late.js false"],
  );
  const seen = (name: string): number[] => uses.filter((use) => use.name === name).map(({ line }) => line);
  assert.equal([seen("Date"), seen("process"), seen("setTimeout")], [[6], [], []]);
  assert.equal([seen("Promise"), seen("Math.random")], [[8], [10]]);
  assert.equal(asyncLines, [8, 9]);
  assert.equal(functions, [
    { name: "load", line: 8, lines: 4 },
    { name: "callback in load", line: 10, lines: 1 },
  ]);
  assert.equal(
    comments.map(({ line }) => line),
    [4],
  );
});

test.run();
