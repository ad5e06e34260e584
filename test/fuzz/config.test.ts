/**
 * test/fuzz/config.test.ts: configuration files, command lines and environments that are mutated or made up. The outcome is a
 * configuration, or one ConfigError whose every problem says where it is and fits on a line of a terminal. Nothing else, and soon.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Config } from "../../src/config/config.js";
import { envName } from "../../src/config/env.js";
import { ConfigError } from "../../src/config/error.js";
import { configFromOptions, loadConfig } from "../../src/config/load.js";
import { OPTIONS, optionNames } from "../../src/config/options.js";
import { formatValue } from "../../src/config/value.js";
import { parseBytes, parseDuration, parseInteger } from "../../src/lib/units.js";
import { change, changed, fuzz } from "../lib/fuzz.js";
import { cpuMs } from "../lib/pace.js";
import { memoryFiles } from "../unit/config/memory-files.js";

const PROBLEM_CHARS_MAX = 1000;
const FILES = ["/f", "/d/a.conf", "/d/b.conf", "/d/c.conf"];

/** Every option as a line of a file, with its own default. */
const DEFAULTS = OPTIONS.filter(({ hidden }) => hidden !== true).map((option) => {
  const text = formatValue(option, option.default);
  return `${option.name} ${text === "" ? '""' : text}`;
});
const REDIS_LINES = [
  "bind 127.0.0.1 -::1",
  "save 3600 1 300 100",
  "client-output-buffer-limit normal 0 0 0",
  "client-output-buffer-limit pubsub 32mb 8mb 60",
  'rename-command FLUSHALL ""',
  'requirepass "it\'s \\x41 \\"secret\\""',
  "maxmemory 2gb",
  "unixsocketperm 700",
  "timeout 300",
  "# a comment",
  "",
  "\tlatency-monitor-threshold 100 ",
];

const NASTY = [
  "\0",
  "\x1b[2J",
  "\r",
  "\n",
  '"',
  "'",
  "\\",
  "\\x",
  "\\x0a",
  "#",
  "\xff",
  "\u00e9",
  "\xef\xbb\xbf",
  ";",
  "--",
  "\u2028",
];
const VALUES = [
  "",
  "0",
  "-1",
  "1",
  "yes",
  "no",
  "YES",
  "1kb",
  "1k",
  "1KB",
  "1.5gb",
  "5 s",
  "5s",
  "10m",
  "99999999999999999999",
  "0x10",
  "1e3",
  "a b",
  "*",
  "7777",
];
const name = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...optionNames()) },
  { weight: 1, arbitrary: fc.constantFrom("include", "nosuch", "prot", ...NASTY) },
);
const value = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 2, arbitrary: fc.constantFrom(...NASTY) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).latin1Slice()) },
  { weight: 1, arbitrary: fc.integer().map((n) => String(n)) },
);
const include = fc
  .constantFrom(...FILES, "/d/*", "/d/*.conf", "/*", "d/[ab].conf", "/nosuch", "/nosuch/*", '""', "a b")
  .map((path) => `include ${path}`);
const line = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...DEFAULTS, ...REDIS_LINES) },
  {
    weight: 3,
    arbitrary: fc.tuple(name, fc.array(value, { maxLength: 4 })).map(([word, words]) => [word, ...words].join(" ")),
  },
  { weight: 1, arbitrary: include },
);
const file = fc
  .tuple(fc.array(line, { maxLength: 25 }), fc.array(change, { maxLength: 3 }), fc.constantFrom("\n", "\r\n"))
  .map(([lines, changes, end]) => changed(Buffer.from(lines.join(end), "latin1"), changes));

/** @throws anything but a good outcome. @returns the problems, none when there is a configuration. */
function outcome(load: () => Config, place: RegExp): readonly string[] {
  let config: Config;
  try {
    config = load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    assert.ok(error.problems.length > 0);
    for (const problem of error.problems) {
      assert.match(problem, /^... and \d+ more$/.test(problem) ? /./ : place);
      assert.not.match(problem, /[\x00-\x1f\x7f]/);
      assert.ok(problem.length <= PROBLEM_CHARS_MAX, `${problem.length} characters`);
    }
    assert.is(error.message, error.problems.join("\n"));
    return error.problems;
  }
  for (const option of OPTIONS) {
    if (option.hidden !== true) assert.type(config.get(option.name), "string", option.name);
  }
  return [];
}

test("files that are mutated and include each other: a configuration, or problems with file and line", () => {
  const place = /^(\/f|\/d\/[abc]\.conf):\d+: /;
  let good = 0;
  fuzz(
    fc.property(fc.tuple(file, file, file, file), (bytes) => {
      const files = memoryFiles(Object.fromEntries(FILES.map((path, i) => [path, bytes[i] as Buffer])));
      const problems = outcome(() => loadConfig({ argv: ["/f"], env: {}, cwd: "/", files }), place);
      if (problems.length === 0) good++;
      for (const problem of problems) {
        const [, path, number] = /^(\/[^:]*):(\d+): /.exec(problem) ?? [];
        if (path === undefined) continue;
        const lines = (bytes[FILES.indexOf(path)] as Buffer).toString("latin1").split("\n").length;
        assert.ok(Number(number) >= 1 && Number(number) <= lines, problem);
      }
    }),
    1500,
  );
  assert.ok(good > 10, `${good} good files: too few to mean something`);
});

test("a command line", () => {
  const flag = fc.oneof(
    { weight: 4, arbitrary: name.map((word) => `--${word}`) },
    { weight: 2, arbitrary: fc.tuple(name, value).map(([word, text]) => `--${word}=${text}`) },
    { weight: 5, arbitrary: value },
    { weight: 1, arbitrary: fc.constantFrom("-", "--", "---", "-p", "=", "--=", "/f", "/nosuch") },
  );
  fuzz(
    fc.property(fc.array(flag, { maxLength: 8 }), file, (argv, bytes) => {
      const files = memoryFiles({ "/f": bytes });
      const place = /^(--|unexpected "|cannot read the config|the configuration cannot come|\/f:\d+: |[a-z-]+: )/;
      outcome(() => loadConfig({ argv, env: {}, cwd: "/", files }), place);
      outcome(
        () => loadConfig({ argv: ["-", ...argv], env: {}, cwd: "/", files, stdin: () => bytes }),
        /^(--|unexpected "|standard input:\d+: |[a-z-]+: )/,
      );
    }),
    1500,
  );
});

test("an environment", () => {
  const variable = fc.oneof(
    { weight: 5, arbitrary: name.map(envName) },
    { weight: 1, arbitrary: name.map((word) => `${envName(word)}_FILE`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("KVORUM_", "KVORUM_SERVICE_PORT", "KVORUM_PORT_6379_TCP", "HOME", "kvorum_port"),
    },
  );
  fuzz(
    fc.property(
      fc.array(fc.tuple(variable, value), { maxLength: 8 }),
      fc.uint8Array({ maxLength: 40 }),
      (pairs, secret) => {
        const files = memoryFiles({ "/secret": secret });
        const env = { ...Object.fromEntries(pairs), KVORUM_MASTERAUTH_FILE: "/secret" };
        outcome(() => loadConfig({ argv: [], env, cwd: "/", files }), /^(KVORUM_|[a-z-]+: )/);
      },
    ),
    1500,
  );
});

test("the options of the library", () => {
  const keys = OPTIONS.flatMap(({ key }) => (key === undefined ? [] : [key]));
  const anything = fc.oneof(
    value,
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(value, { maxLength: 3 }),
    fc.object({ maxDepth: 1 }),
    fc.bigInt(),
  );
  fuzz(
    fc.property(fc.dictionary(fc.constantFrom(...keys, "nosuch"), anything, { maxKeys: 4 }), (input) => {
      outcome(() => configFromOptions(input as object, "/"), /./);
    }),
    1500,
  );
});

test("a file that is one huge line, or huge and has none", () => {
  const huge = 2 ** 20;
  const files: [string, string][] = [
    ["a name", "x".repeat(huge)],
    ["a value", `requirepass ${"x".repeat(huge)}`],
    ["an open quote", `requirepass "${"\\x41".repeat(huge / 4)}`],
    ["words", `bind ${"127.0.0.1 ".repeat(huge / 10)}`],
    ["blanks", " ".repeat(huge)],
    ["NUL bytes", "\0".repeat(huge)],
    ["escapes", `"${"\\n".repeat(huge / 2)}" 1`],
    ["lines", "port 1\n".repeat(huge / 8)],
    ["a comment", `# ${"x".repeat(huge)}\nport 6380`],
  ];
  for (const [what, text] of files) {
    const started = cpuMs();
    const found = outcome(
      () => loadConfig({ argv: ["/f"], env: {}, cwd: "/", files: memoryFiles({ "/f": text }) }),
      /^\/f:\d+: /,
    );
    assert.ok(found.length <= 21);
    assert.ok(cpuMs() - started < 5000, `${what}: ${cpuMs() - started} ms`);
  }
});

test("files of a directory that all include the directory are read to an end", () => {
  const texts = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`/d/${i}.conf`, "include /d/*\n"]));
  const files = memoryFiles({ ...texts, "/f": "include /d/*\n" });
  const started = cpuMs();
  const problems = outcome(
    () => loadConfig({ argv: ["/f"], env: {}, cwd: "/", files }),
    /^\/(f|d\/\d+\.conf):1: include: /,
  );
  assert.ok(problems.length > 0);
  assert.ok(cpuMs() - started < 5000, `${cpuMs() - started} ms`);
});

test("sizes, durations and numbers are what arithmetic says, or refused", () => {
  const digits = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 60n }), fc.constantFrom(0n, 1n, 2n ** 53n - 1n, 2n ** 53n));
  const sizes: Record<string, bigint> = {
    "": 1n,
    b: 1n,
    k: 1000n,
    kb: 1024n,
    m: 10n ** 6n,
    mb: 2n ** 20n,
    g: 10n ** 9n,
    gb: 2n ** 30n,
  };
  const times: Record<string, bigint> = { "": 1000n, ms: 1n, s: 1000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n };
  const unit = fc.constantFrom(...Object.keys(sizes), ...Object.keys(times), "tb", "K", "Gb", "x", " kb", "kbb");
  const safe = (number: bigint): number | undefined => (number < 2n ** 53n ? Number(number) : undefined);
  fuzz(
    fc.property(digits, unit, fc.constantFrom("", "-", "+", " ", "0"), (number, suffix, sign) => {
      const text = `${sign}${number}${suffix}`;
      const plain = sign === "" || sign === "0";
      const size = plain ? sizes[suffix.toLowerCase()] : undefined;
      const bytes = parseBytes(text);
      if (size === undefined) assert.is(bytes, undefined, text);
      // Longer than any number that is meant is refused too.
      else if (bytes !== undefined || text.length < 15) assert.is(bytes, safe(number * size), text);
      const time = plain ? times[suffix] : undefined;
      const ms = parseDuration(text, 1000);
      if (time === undefined) assert.is(ms, undefined, text);
      else if (ms !== undefined || text.length < 15) assert.is(ms, safe(number * time), text);
      const whole = suffix === "" && (sign === "" || (sign === "-" && number > 0n));
      const expected = safe(number);
      const signed = whole && expected !== undefined ? (sign === "-" ? -expected : expected) : undefined;
      assert.is(parseInteger(text), signed, text);
    }),
    3000,
  );
});

test.run();
