/**
 * test/unit/config/config.test.ts: CONFIG GET, SET and REWRITE. The error texts are those redis-server 7.0.15 answers.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadConfig } from "../../../src/config/load.js";
import { memoryFiles } from "./memory-files.js";

function load(argv: string[], texts: Record<string, string | Uint8Array> = {}) {
  return loadConfig({ argv, env: {}, cwd: "/w", files: memoryFiles(texts) });
}

const failed = (name: string, reason: string): string =>
  `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;

test("CONFIG GET: patterns, several, any case, each once, aliases", () => {
  const config = load([]);
  assert.equal(config.matching(["databases"]), [["databases", "16"]]);
  assert.equal(config.matching(["save"]), [["save", ""]]);
  assert.equal(config.matching(["appendonly"]), [["appendonly", "yes"]]);
  assert.equal(config.matching(["MaxMemory"]), [["MaxMemory", "0"]]);
  assert.equal(config.matching(["timeout", "TIMEOUT", "time*", "nosuch"]), [["timeout", "0"]]);
  assert.equal(config.matching(["max?emory"]), [["maxmemory", "0"]]);
  assert.equal(config.matching(["*listpack-value", "zset-max-zip*-value"]), [
    ["hash-max-listpack-value", "64"],
    ["zset-max-listpack-value", "64"],
    ["zset-max-ziplist-value", "64"],
  ]);
  assert.equal(config.matching(["[pq]ort"]), [["port", "6379"]]);
  assert.equal(config.matching(["user", "rename-command"]), []);
  const all = config.matching(["*"]);
  assert.ok(all.length > 200);
  assert.is(new Set(all.map(([name]) => name)).size, all.length);
  assert.is(config.get("nosuch"), undefined);
});

test("CONFIG SET: Redis's texts", () => {
  const config = load([]);
  const unknown = "ERR Unknown option or number of arguments for CONFIG SET - 'NoSuch'";
  assert.is(config.set("NoSuch", "1"), unknown);
  assert.is(config.set("user", "x"), "ERR Unknown option or number of arguments for CONFIG SET - 'user'");
  assert.is(config.set("maxmemory", "abc"), failed("maxmemory", "argument must be a memory value"));
  assert.is(config.set("MAXMEMORY", "-1"), failed("maxmemory", "argument must be a memory value"));
  assert.is(config.set("hz", "x"), failed("hz", "argument couldn't be parsed into an integer"));
  assert.is(config.set("hz", "05"), failed("hz", "argument couldn't be parsed into an integer"));
  assert.is(config.set("timeout", "-1"), failed("timeout", "argument must be between 0 and 2147483647 inclusive"));
  assert.is(config.set("maxclients", "0"), failed("maxclients", "argument must be between 1 and 4294967295 inclusive"));
  assert.is(config.set("appendonly", "x"), failed("appendonly", "argument must be 'yes' or 'no'"));
  assert.is(
    config.set("appendfsync", "x"),
    failed("appendfsync", "argument(s) must be one of the following: everysec, always, no"),
  );
  assert.is(
    config.set("maxmemory-policy", "x"),
    failed(
      "maxmemory-policy",
      "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction",
    ),
  );
  assert.is(config.set("Databases", "3"), failed("Databases", "can't set immutable config"));
  assert.is(config.set("dir", "/x"), failed("dir", "can't set protected config"));
  assert.is(config.set("save", "1 2 3"), failed("save", "Invalid save parameters"));
  const class4 = "client-output-buffer-limit";
  assert.is(config.set(class4, "normal 1"), failed(class4, "Wrong number of arguments in buffer limit configuration."));
  assert.is(
    config.set(class4, "x 1 2 3"),
    failed(class4, "Invalid client class specified in buffer limit configuration."),
  );
  assert.is(
    config.set(class4, "normal 1 2 -3"),
    failed(class4, "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
  );
  const events = "notify-keyspace-events";
  assert.is(config.set(events, "q"), failed(events, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."));
});

test("CONFIG SET: several, all or none", () => {
  const config = load([]);
  assert.is(
    config.setAll([
      ["timeout", "5"],
      ["hz", "-1"],
    ]),
    failed("hz", "argument must be between 0 and 2147483647 inclusive"),
  );
  assert.is(
    config.setAll([
      ["timeout", "5"],
      ["nosuch", "0"],
    ]),
    "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
  );
  assert.is(
    config.setAll([
      ["timeout", "x"],
      ["timeout", "5"],
    ]),
    failed("timeout", "duplicate parameter"),
  );
  assert.is(
    config.setAll([
      ["max-value-bytes", "1mb"],
      ["proto-max-bulk-len", "2mb"],
    ]),
    failed("proto-max-bulk-len", "duplicate parameter"),
  );
  assert.is(config.timeout, 0);
  assert.is(
    config.setAll([
      ["Timeout", "5"],
      ["maxmemory", "1kb"],
    ]),
    undefined,
  );
  assert.equal([config.timeout, config.maxmemory, config.get("maxmemory")], [5, 1024, "1024"]);
  assert.equal(config.origin("timeout"), { kind: "config set", where: "CONFIG SET" });
  assert.is(config.set("proto-max-bulk-len", "1mb"), undefined);
  assert.equal([config.maxValueBytes, config.get("max-value-bytes")], [1048576, "1048576"]);
});

test("CONFIG SET keeps the rules between options", () => {
  const config = load([]);
  assert.match(
    config.set("client-query-buffer-limit", "1mb") as string,
    /argument 'client-query-buffer-limit'.*less than max-value-bytes/,
  );
  assert.is(config.clientQueryBufferLimit, 1024 ** 3);
  assert.is(
    config.setAll([
      ["client-query-buffer-limit", "1mb"],
      ["max-value-bytes", "1mb"],
    ]),
    undefined,
  );
});

test("listeners are told, may refuse, and are told again when the old value is back", () => {
  const config = load([]);
  const heard: string[] = [];
  const end = config.onChange("*", (now, name) => void heard.push(`${name}=${now.get(name)}`));
  config.onChange("hz", (now) => (now.hz > 100 ? "too fast for this machine" : undefined));
  assert.is(
    config.setAll([
      ["timeout", "0"],
      ["hz", "50"],
    ]),
    undefined,
  );
  assert.equal(heard.splice(0), ["hz=50"], "what stays as it was is no change");
  assert.is(
    config.setAll([
      ["timeout", "7"],
      ["hz", "200"],
    ]),
    failed("hz", "too fast for this machine"),
  );
  assert.equal([config.timeout, config.hz], [0, 50]);
  assert.equal(heard.splice(0), ["timeout=7", "timeout=0", "hz=50"]);
  end();
  config.set("timeout", "9");
  assert.equal(heard, []);
});

test("what has no effect is stored with a warning, what is fixed stays", () => {
  const config = load([]);
  const heard: string[] = [];
  config.onWarning((text) => heard.push(text));
  assert.is(config.set("appendonly", "no"), undefined);
  assert.is(config.get("appendonly"), "yes");
  assert.is(config.set("save", ""), undefined);
  assert.is(config.set("save", "900 1"), undefined);
  assert.is(config.get("save"), "");
  assert.is(config.set("slave-priority", "5"), undefined);
  assert.is(config.get("replica-priority"), "5");
  assert.is(config.set("slave-priority", "5"), undefined);
  assert.is(heard.length, 3);
});

test("CONFIG REWRITE keeps comments, order and what still holds", () => {
  const before = [
    "# my store",
    "port 7000",
    "  maxmemory   100MB",
    "",
    "# limits",
    "timeout 3",
    "timeout 4",
    'requirepass "x y"',
    "save 900 1",
    "rdbcompression yes",
    "user default on nopass ~* &* +@all",
    "# end",
  ].join("\n");
  const texts: Record<string, string | Uint8Array> = { "/w/a.conf": before };
  const config = load(["a.conf", "--maxclients", "50"], texts);
  assert.is(config.rewrite(), undefined);
  const same = `${before}\n# Generated by CONFIG REWRITE\nmaxclients 50\n`;
  assert.is(String(texts["/w/a.conf"]), same);
  assert.is(
    config.setAll([
      ["timeout", "9"],
      ["maxmemory", "1gb"],
      ["requirepass", 'a"b\\ c\n'],
      ["appendfsync", "no"],
    ]),
    undefined,
  );
  assert.is(config.rewrite(), undefined);
  const after = same
    .replace("  maxmemory   100MB", "maxmemory 1gb")
    .replace("timeout 3\ntimeout 4", "timeout 9")
    .replace('requirepass "x y"', 'requirepass "a\\"b\\\\ c\\n"');
  assert.is(String(texts["/w/a.conf"]), `${after}appendfsync no\n`);
  const again = load(["a.conf"], texts);
  assert.equal([again.timeout, again.maxmemory, again.requirepass], [9, 1024 ** 3, 'a"b\\ c\n']);
  assert.equal([again.appendfsync, again.maxclients, again.port], ["no", 50, 7000]);
  const written = String(texts["/w/a.conf"]);
  assert.is(again.rewrite(), undefined);
  assert.is(String(texts["/w/a.conf"]), written, "a second time changes nothing");
});

test("CONFIG REWRITE: what an included file would undo goes to the end", () => {
  const texts: Record<string, string | Uint8Array> = { "/w/a": "timeout 1\ninclude b\n", "/w/b": "timeout 2\nhz 20\n" };
  const config = load(["a"], texts);
  assert.is(config.timeout, 2);
  config.setAll([
    ["timeout", "3"],
    ["hz", "30"],
  ]);
  assert.is(config.rewrite(), undefined);
  assert.is(String(texts["/w/a"]), "include b\n# Generated by CONFIG REWRITE\ntimeout 3\nhz 30\n");
  assert.equal([load(["a"], texts).timeout, load(["a"], texts).hz], [3, 30]);
});

test("CONFIG REWRITE leaves the environment's secrets out of files", () => {
  const texts: Record<string, string | Uint8Array> = { "/w/a": "port 7000" };
  const env = { KVORUM_REQUIREPASS: "hush", KVORUM_TIMEOUT: "5" };
  const config = loadConfig({ argv: ["a"], env, cwd: "/w", files: memoryFiles(texts) });
  assert.is(config.rewrite(), undefined);
  assert.is(String(texts["/w/a"]), "port 7000\n");
});

test("CONFIG REWRITE: every kind of value comes back", () => {
  const texts: Record<string, string | Uint8Array> = { "/w/a": "" };
  const config = load(["a"], texts);
  const pairs: [string, string][] = [
    ["shutdown-timeout", "1500ms"],
    ["client-output-buffer-limit", "normal 1mb 2mb 3 pubsub 5 6 7"],
    ["maxmemory", "65537"],
    ["protected-mode", "no"],
    ["oom-score-adj-values", "1 2 3"],
    ["proc-title-template", "{title} é"],
    ["masterauth", "p w"],
    ["notify-keyspace-events", "K$"],
  ];
  assert.is(config.setAll(pairs), undefined);
  assert.is(config.rewrite(), undefined);
  const again = load(["a"], texts);
  for (const [name] of pairs) assert.is(again.get(name), config.get(name), name);
});

test("CONFIG REWRITE without a file, and with one that cannot be written", () => {
  assert.is(load([]).rewrite(), "ERR The server is running without a config file");
  const texts: Record<string, string | Uint8Array> = { "/w/a": "port 1" };
  const files = memoryFiles(texts);
  const config = loadConfig({
    argv: ["a"],
    env: {},
    cwd: "/w",
    files: {
      ...files,
      replace: () => {
        throw new Error("EACCES: permission denied");
      },
    },
  });
  assert.is(config.rewrite(), "ERR Rewriting CONFIG file: EACCES: permission denied");
});

test.run();
