/**
 * test/fuzz/client-verbs.test.ts: kvorum put, get and delete with odd keys, values and options, against a real server: what was put comes
 * out byte for byte; whatever the command line, there is an exit code that means something, and nothing thrown.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runClientVerb } from "../../src/cli/client-verbs.js";
import { parseTarget } from "../../src/cli/target.js";
import { startTestServer, type TestServer } from "../../src/testing.js";
import { fuzz, fuzzAsync } from "../lib/fuzz.js";

const RUNS = 60;
let server: TestServer;
let target: string[];

test.before(async () => {
  server = await startTestServer();
  target = ["-s", `127.0.0.1:${server.port}`];
});
test.after(() => server.close());

/** What the verb wrote to standard output, and its exit code. */
async function kvorum(argv: readonly string[]): Promise<{ code: number; out: Buffer }> {
  const chunks: Buffer[] = [];
  const original = { out: process.stdout.write, err: process.stderr.write };
  const into =
    (keep: boolean) =>
    (chunk: string | Uint8Array, done?: unknown): boolean => {
      if (keep) chunks.push(Buffer.from(chunk as string));
      if (typeof done === "function") done();
      return true;
    };
  process.stdout.write = into(true) as typeof process.stdout.write;
  process.stderr.write = into(false) as typeof process.stderr.write;
  try {
    const code = await runClientVerb(argv);
    return { code, out: Buffer.concat(chunks) };
  } finally {
    process.stdout.write = original.out;
    process.stderr.write = original.err;
  }
}

/** What a command line can hold: no NUL, no half of a character. */
const word = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom(
    "",
    "-",
    "--",
    "-x",
    "--nx",
    "key with spaces",
    "\r\n",
    "\x1b[0m",
    "é€😀",
    "*3\r\n",
    "'\"`$",
    "x".repeat(70_000),
  ),
);

test("what was put comes out byte for byte, and is gone once deleted", async () => {
  await fuzzAsync(
    fc.asyncProperty(
      word,
      word.filter((value) => value !== "-"),
      async (key, value) => {
        const at = [...target, "--", key];
        assert.is((await kvorum(["put", ...at, value])).code, 0);
        const got = await kvorum(["get", ...at]);
        assert.equal([got.code, got.out.equals(Buffer.from(value))], [0, true]);
        assert.is((await kvorum(["delete", ...at])).code, 0);
        assert.is((await kvorum(["get", ...at])).code, 3);
      },
    ),
    RUNS,
  );
});

test("any command line ends with a code", async () => {
  const option = fc.constantFrom(
    "--ttl",
    "5s",
    "0",
    "-1s",
    "1e9d",
    "--nx",
    "--xx",
    "--db",
    "1",
    "16",
    "99999",
    "--json",
    "--timeout",
    "1s",
    "-a",
    "--",
    "--help",
  );
  const verb = fc.constantFrom("get", "delete", "put", "nosuch", "");
  await fuzzAsync(
    fc.asyncProperty(verb, fc.array(fc.oneof(word, option), { maxLength: 5 }), async (name, words) => {
      // Without a value put reads standard input, which is the test's.
      const argv = [name, ...target, ...words, ...(name === "put" ? ["key", "value"] : [])];
      const { code } = await kvorum(argv);
      assert.ok([0, 1, 2, 3, 4].includes(code), String(code));
    }),
    RUNS,
  );
});

test("a server is named, or the text is refused", () => {
  const piece = fc.constantFrom(
    "localhost",
    "[",
    "]",
    "::1",
    ":",
    "6379",
    "65536",
    "0",
    "/",
    "a b",
    "",
    "127.0.0.1",
    "redis://",
    "rediss://u:p@",
    "%eth0",
    "\0",
    "x".repeat(1000),
  );
  fuzz(
    fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
      const text = pieces.join("");
      const found = parseTarget(text);
      if (typeof found === "string") return;
      if (found.path !== undefined) assert.is(found.path, text);
      else assert.ok(found.host !== "" && found.port >= 1 && found.port <= 65535, JSON.stringify(found));
    }),
    2000,
  );
});

test.run();
