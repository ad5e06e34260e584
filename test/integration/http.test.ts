/**
 * test/integration/http.test.ts: HTTP of a node alone, by real requests: values and keys of any bytes, versions and conditions, lifetimes, JSON, what is
 * refused and how, who is let in.
 */
// timeout: 120s
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { open } from "../../src/index.js";
import { startTestServer, type TestServer } from "../../src/testing.js";
import { freePort } from "../lib/free-ports.js";
import { errorIn, type HttpAnswer, http } from "../lib/http-request.js";
import { within } from "../lib/within.js";

const JSON_TYPE = { "content-type": "application/json" };
const AS_JSON = { accept: "application/json" };

let server: TestServer;
let base = "";

const get = (path: string, headers = {}): Promise<HttpAnswer> => http(base, "GET", path, { headers });
const put = (path: string, body: string | Buffer, headers = {}): Promise<HttpAnswer> =>
  http(base, "PUT", path, { body, headers });
const remove = (path: string, headers = {}): Promise<HttpAnswer> => http(base, "DELETE", path, { headers });
const json = ({ body }: HttpAnswer): unknown => JSON.parse(body.toString());
const tagOf = ({ headers }: HttpAnswer): string => headers.etag as string;

test.before(async () => {
  // Before anything that asks for HTTP: the embedded engine loads no package but the parser of its client.
  const cache = (): string[] => Object.keys(createRequire(import.meta.url).cache);
  const fastify = /[\\/]node_modules[\\/]fastify[\\/]/;
  await using without = await open({ memory: true });
  await without.client().set("k", "v");
  assert.is(without.httpUrl, undefined);
  assert.is(
    cache().some((path) => fastify.test(path)),
    false,
    "fastify is loaded though there is no HTTP",
  );
  server = await startTestServer({ http: true, maxValueBytes: "1mb" });
  base = server.node.httpUrl as string;
  assert.ok(
    cache().some((path) => fastify.test(path)),
    "this would see fastify",
  );
});

test.after(() => server.close());

test("clients that were idle for longer than `timeout`, or were killed, are not missed", async () => {
  await using node = await open({ memory: true, http: true, port: 0, timeout: 1 });
  const url = node.httpUrl as string;
  const client = node.client();
  await client.set("k", "v");
  const ask = async (): Promise<unknown> => [
    (await http(url, "GET", "/kv/k")).status,
    (await http(url, "GET", "/health")).status,
  ];
  assert.equal(await ask(), [200, 200]);
  // A client with a socket shows when the time is over for all.
  const socket = connect(node.port as number, "127.0.0.1");
  await within(30_000, new Promise((resolve) => socket.on("close", resolve)), "the idle client is closed");
  assert.equal(await ask(), [200, 200]);
  assert.is(await client.get("k"), "v");
  assert.ok(Number(await client.call("CLIENT", "KILL", "TYPE", "normal")) > 0);
  assert.equal(await ask(), [200, 200]);
});

test("put, get, head, delete: 201, 204, 200, 404", async () => {
  const created = await put("/kv/greeting", "hello");
  assert.is(created.status, 201);
  assert.is(created.body.length, 0);
  const got = await get("/kv/greeting");
  assert.equal([got.status, got.body.toString(), tagOf(got)], [200, "hello", tagOf(created)]);
  assert.is(got.headers["content-type"], "application/octet-stream");
  assert.is(got.headers["x-content-type-options"], "nosniff");
  const replaced = await put("/kv/greeting", "hello");
  assert.is(replaced.status, 204);
  assert.not.equal(tagOf(replaced), tagOf(created), "another version, though the bytes are the same");
  const head = await http(base, "HEAD", "/kv/greeting");
  assert.equal([head.status, head.headers["content-length"], head.body.length], [200, "5", 0]);
  assert.is(tagOf(head), tagOf(replaced));
  assert.is((await remove("/kv/greeting")).status, 204);
  for (const missing of [await get("/kv/greeting"), await remove("/kv/greeting")])
    assert.equal([missing.status, errorIn(missing)], [404, "NOT_FOUND"]);
});

test("the keys are those of the Redis port", async () => {
  const client = server.node.client();
  await put("/kv/shared", "by http");
  assert.is(await client.get("shared"), "by http");
  await client.set("shared", "by redis");
  assert.is((await get("/kv/shared")).body.toString(), "by redis");
  await client.close();
});

test("mission item 20: keys with ? / % #, values of any bytes and of none", async () => {
  const client = server.node.client();
  const keys: [path: string, key: Buffer][] = [
    ["%3F", Buffer.from("?")],
    ["a%2Fb", Buffer.from("a/b")],
    ["a/b//c", Buffer.from("a/b//c")],
    ["100%25", Buffer.from("100%")],
    ["%23tag", Buffer.from("#tag")],
    ["a+b%20c&d=e", Buffer.from("a+b c&d=e")],
    ["..", Buffer.from("..")],
    ["%2e%2E", Buffer.from("..")],
    ["%FF%fe%00", Buffer.from([255, 254, 0])],
    ["%E9", Buffer.from([0xe9])],
    ["%C3%A9", Buffer.from("é")],
    ["", Buffer.alloc(0)],
    ["%0d%0A", Buffer.from("\r\n")],
  ];
  for (const [path, key] of keys) {
    const value = Buffer.concat([Buffer.from([0, 255, 13, 10]), key]);
    assert.ok([201, 204].includes((await put(`/kv/${path}`, value)).status), path);
    assert.equal(await client.getBuffer(key), value, path);
    assert.equal((await get(`/kv/${path}`)).body, value, path);
    assert.is((await remove(`/kv/${path}`)).status, 204, path);
  }
  for (const body of ["", Buffer.alloc(0)]) {
    await put("/kv/empty", body);
    const got = await get("/kv/empty");
    assert.equal([got.status, got.headers["content-length"]], [200, "0"]);
  }
  const large = Buffer.alloc(1024 * 1024, "0123456789\0\xff", "latin1");
  assert.is((await put("/kv/large", large)).status, 201);
  assert.ok((await get("/kv/large")).body.equals(large));
  await client.close();
});

test("If-Match and If-None-Match on writes: 412 when the key is not as they say", async () => {
  const first = tagOf(await put("/kv/c", "1"));
  const second = tagOf(await put("/kv/c", "2", { "if-match": first }));
  const late = await put("/kv/c", "3", { "if-match": first });
  assert.equal([late.status, errorIn(late)], [412, "PRECONDITION_FAILED"]);
  assert.is((await get("/kv/c")).body.toString(), "2");
  assert.is((await put("/kv/c", "3", { "if-none-match": "*" })).status, 412);
  assert.is((await put("/kv/c", "3", { "if-match": `"other", ${second}` })).status, 204);
  assert.is((await remove("/kv/c", { "if-match": second })).status, 412);
  assert.is((await put("/kv/c", "4", { "if-match": "*" })).status, 204);
  for (const never of ['"*"', '"a,b"', `W/${tagOf(await get("/kv/c"))}`, '""'])
    assert.is((await put("/kv/c", "5", { "if-match": never })).status, 412, never);
  assert.is((await remove("/kv/c", { "if-match": tagOf(await get("/kv/c")) })).status, 204);
  assert.is((await put("/kv/c", "6", { "if-match": "*" })).status, 412);
  assert.is((await remove("/kv/c", { "if-match": "*" })).status, 412);
  assert.is((await put("/kv/c", "7", { "if-none-match": "*" })).status, 201);
  const bad: [string, object][] = [
    ["PUT", { "if-match": "bare" }],
    ["PUT", { "if-match": "" }],
    ["PUT", { "if-none-match": '"a"' }],
    ["PUT", { "if-match": "*", "if-none-match": "*" }],
    ["DELETE", { "if-none-match": "*" }],
    ["GET", { "if-none-match": "bare" }],
  ];
  for (const [method, headers] of bad)
    assert.is((await http(base, method, "/kv/c", { headers: { ...headers } })).status, 400, JSON.stringify(headers));
  assert.is((await get("/kv/c")).body.toString(), "7");
});

test("a hundred writers with the same If-Match at once: one wins, and its value is there", async () => {
  for (const what of ["if-match", "if-none-match"]) {
    await remove("/kv/race");
    const condition = what === "if-match" ? tagOf(await put("/kv/race", "start")) : "*";
    const writers = Array.from({ length: 100 }, (_, i) => put("/kv/race", `writer ${i}`, { [what]: condition }));
    const answers = await Promise.all(writers);
    const won = answers.flatMap(({ status }, i) => (status === 412 ? [] : [i]));
    assert.is(won.length, 1, `${what}: ${won.length} of them won`);
    const got = await get("/kv/race");
    assert.is(got.body.toString(), `writer ${won[0]}`);
    assert.is(tagOf(got), tagOf(answers[won[0] as number] as HttpAnswer));
  }
});

test("reads with conditions: 304 for a version that is known, 412 for another", async () => {
  const tag = tagOf(await put("/kv/r", "x"));
  for (const known of [tag, "*", `"z", ${tag}`]) {
    const answer = await get("/kv/r", { "if-none-match": known });
    assert.equal([answer.status, answer.body.length, tagOf(answer)], [304, 0, tag], known);
  }
  assert.is((await get("/kv/r", { "if-none-match": '"z"' })).status, 200);
  assert.is((await get("/kv/r", { "if-match": '"z"' })).status, 412);
  assert.is((await get("/kv/r", { "if-match": tag })).status, 200);
  assert.is((await get("/kv/nothing", { "if-none-match": "*" })).status, 404);
});

test("?ttl=: seconds, fractions of them, keep; without it a value stays", async () => {
  await put("/kv/t?ttl=100", "x");
  const ttl = async (): Promise<number> => Number((await get("/kv/t")).headers["kvorum-ttl"] ?? -1);
  assert.ok((await ttl()) > 95 && (await ttl()) <= 100);
  await put("/kv/t?ttl=keep", "y");
  assert.ok((await ttl()) > 90);
  await put("/kv/t", "z");
  assert.is(await ttl(), -1);
  await put("/kv/t?ttl=0.05", "z");
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.is((await get("/kv/t")).status, 404);
  for (const wrong of [
    "ttl=0",
    "ttl=-1",
    "ttl=",
    "ttl=x",
    "ttl=1e3",
    "ttl=1.2345",
    "ttl=1&ttl=2",
    "tll=1",
    "ttl=0.0004",
  ])
    assert.is((await put(`/kv/t?${wrong}`, "z")).status, 400, wrong);
  for (const method of ["GET", "DELETE"]) assert.is((await http(base, method, "/kv/t?ttl=1")).status, 400);
  assert.is((await get("/kv/t")).status, 404);
});

test("JSON in and out", async () => {
  assert.is((await put("/kv/j?ttl=50", '{"value":"h\\u00e9llo \\ud83d\\ude00"}', JSON_TYPE)).status, 201);
  assert.is((await get("/kv/j")).body.toString(), "héllo 😀");
  const { version, ttl, ...rest } = json(await get("/kv/j", AS_JSON)) as { version: string; ttl: number };
  assert.equal(rest, { value: "héllo 😀" });
  assert.is(`"${version}"`, tagOf(await get("/kv/j")));
  assert.ok(ttl > 45 && ttl <= 50);
  await put("/kv/j", '{"value":"AP8=","encoding":"base64"}', { "content-type": "Application/JSON; charset=utf-8" });
  const bytes = await get("/kv/j", { accept: "text/html, application/json;q=0.5" });
  const binary = json(bytes) as Record<string, unknown>;
  assert.equal([binary["value"], binary["encoding"], binary["ttl"]], ["AP8=", "base64", null]);
  assert.equal((await get("/kv/j", { accept: "*/*" })).body, Buffer.from([0, 255]));
  const others = ["json;q=0, */*", "json; charset=utf-8; q=0", "jsonl", "json-seq"].map((end) => `application/${end}`);
  for (const accept of others) assert.equal((await get("/kv/j", { accept })).body, Buffer.from([0, 255]), accept);
  await put("/kv/j", '{"value":""}', JSON_TYPE);
  assert.is((await get("/kv/j")).body.length, 0);
  const wrong = ["", "x", "null", "[]", '"x"', "{}", '{"value":1}', '{"value":null}', '{"value":"x","more":1}'];
  wrong.push('{"value":"\\ud800"}', '{"value":"a*b","encoding":"base64"}', '{"value":"x","encoding":"gzip"}');
  // A million signs of padding that is none cost what their bytes cost, and no more.
  wrong.push(JSON.stringify({ value: `${"=".repeat(1_000_000)}x`, encoding: "base64" }));
  wrong.push('{"value":"AP8==","encoding":"base64"}', '{"value":"AP8=\\n","encoding":"base64"}');
  wrong.push('{"value":"x","__proto__":5}', '{"__proto__":{"value":"x"}}', '{"value":"x","constructor":5}');
  for (const body of [...wrong, Buffer.from('{"value":"\xff"}', "latin1")])
    assert.is((await put("/kv/j", body, JSON_TYPE)).status, 400, String(body).slice(0, 200));
  assert.is((await get("/kv/j")).body.length, 0, "nothing of that was stored");
  assert.is((await put("/kv/j", '{"value":"a","value":"b"}', JSON_TYPE)).status, 204);
  assert.is((await get("/kv/j")).body.toString(), "b", "of a name that is there twice the last one");
  assert.is(
    (await put("/kv/j", '{"value":"AP8","encoding":"base64"}', JSON_TYPE)).status,
    204,
    "padding may be left out",
  );
  await put("/kv/j", '{"a":1}', { "content-type": "text/plain" });
  assert.is((await get("/kv/j")).body.toString(), '{"a":1}', "any other type is stored as it is");
});

test("what is refused: paths, methods, escapes, encodings, sizes", async () => {
  const cases: [number, string, string, object?, string?][] = [
    [404, "GET", "/"],
    [404, "GET", "/kv"],
    [404, "PUT", "/other/kv/x"],
    [404, "GET", "/health/"],
    [405, "POST", "/kv/x"],
    [405, "PATCH", "/kv/x"],
    [405, "PUT", "/health"],
    [405, "DELETE", "/cluster/nodes"],
    [400, "GET", "/kv/%"],
    [400, "GET", "/kv/a%4"],
    [400, "GET", "/kv/a%gg"],
    [400, "GET", "/kv/a#b"],
    [400, "GET", "/kv/\xe9"],
    [414, "GET", `/kv/${"k".repeat(8193)}`],
    [431, "GET", `/kv/${"k".repeat(40_000)}`],
    [413, "PUT", "/kv/x", {}, "x".repeat(1024 * 1024 + 1)],
    [413, "PUT", "/kv/x", { "transfer-encoding": "chunked" }, "x".repeat(1024 * 1024 + 1)],
    [413, "PUT", "/kv/x", JSON_TYPE, `{"value":"${"x".repeat(1024 * 1024 + 1)}"}`],
    [413, "PUT", "/kv/x", JSON_TYPE, `{"value":"${"x".repeat(3 * 1024 * 1024)}"}`],
    [415, "PUT", "/kv/x", { "content-encoding": "gzip" }, "x"],
    [415, "PUT", "/kv/x", { "content-type": "nonsense" }, "x"],
    [400, "GET", "/health?verbose"],
  ];
  for (const [status, method, path, headers = {}, body] of cases) {
    const options = body === undefined ? { headers: { ...headers } } : { headers: { ...headers }, body };
    const answer = await http(base, method, path, options);
    const what = `${method} ${path.slice(0, 40)} ${JSON.stringify(headers)}`;
    assert.is(answer.status, status, what);
    assert.match(answer.headers["content-type"] as string, /^application\/json/, what);
    assert.ok(errorIn(answer).length > 0, what);
    if (status === 405) assert.match(answer.headers.allow as string, /GET/, what);
  }
  assert.is((await get("/kv/x")).status, 404);
  assert.is((await put(`/kv/${"k".repeat(8192)}`, "x")).status, 201);
  const options = await http(base, "OPTIONS", "/kv/x");
  assert.equal([options.status, options.headers.allow], [204, "DELETE, GET, HEAD, OPTIONS, PUT"]);
  assert.is(options.headers["access-control-allow-origin"], undefined);
  assert.is((await http(base, "OPTIONS", "/nothing")).status, 404);
});

test("max-value-bytes and the password follow CONFIG SET", async () => {
  const client = server.node.client();
  await client.call("CONFIG", "SET", "max-value-bytes", "2048");
  assert.is((await put("/kv/m", "x".repeat(2049))).status, 413);
  assert.is((await put("/kv/m", "x".repeat(2048))).status, 201);
  await client.call("CONFIG", "SET", "max-value-bytes", "1mb");
  await client.call("CONFIG", "SET", "requirepass", "s3:cret é");
  const basic = (text: string): object => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
  const bearer = (text: string): object => ({ authorization: `Bearer ${Buffer.from(text).toString("latin1")}` });
  for (const wrong of [
    {},
    basic("default:s3"),
    basic("other:s3:cret é"),
    basic("s3:cret é"),
    bearer("s3:cret"),
    { authorization: "x" },
  ]) {
    const answer = await get("/kv/m", wrong);
    assert.equal([answer.status, errorIn(answer)], [401, "NOAUTH"], JSON.stringify(wrong));
    assert.match(answer.headers["www-authenticate"] as string, /^Basic /);
  }
  assert.is((await put("/kv/m2", "x")).status, 401);
  assert.is((await get("/cluster/status")).status, 401);
  assert.is((await get("/health")).status, 200, "health is for whoever watches over the process");
  for (const right of [basic("default:s3:cret é"), basic(":s3:cret é")])
    assert.is((await get("/kv/m", right)).status, 200, JSON.stringify(right));
  await client.call("CONFIG", "SET", "requirepass", "plain");
  assert.is((await get("/kv/m", bearer("plain"))).status, 200);
  assert.is(
    (await get("/kv/m", { ...bearer("plain"), host: "evil.example" })).status,
    200,
    "who has the password is no page",
  );
  await client.call("CONFIG", "SET", "requirepass", "");
  assert.is((await get("/kv/m2")).status, 404);
  await client.close();
});

test("browsers: a page of another origin, and one whose name was made to point here", async () => {
  for (const host of [
    "evil.example",
    "evil.example:7379",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "[::1].x",
  ]) {
    const answer = await get("/health", { host });
    assert.equal([answer.status, errorIn(answer)], [403, "DENIED"], host);
  }
  for (const host of ["localhost", "LOCALHOST:1", "app.localhost:80", "127.0.0.1", "[::1]:7379", "10.1.2.3"])
    assert.is((await get("/health", { host })).status, 200, host);
  assert.is((await put("/kv/b", "x", { origin: "http://evil.example" })).status, 403);
  assert.is((await get("/kv/b", { origin: "null" })).status, 403);
  const host = new URL(base).host;
  assert.is((await put("/kv/b", "x", { origin: `http://${host}` })).status, 201);
  assert.is((await http(base, "GET", "http://evil.example/kv/b")).status, 403, "the name in the first line counts");
  assert.is((await http(base, "GET", `http://${host}/kv/b`)).body.toString(), "x");
});

test("/health, /cluster/status, /cluster/nodes of a node alone", async () => {
  assert.equal(json(await get("/health")), { status: "ok", reasons: [] });
  const status = json(await get("/cluster/status")) as Record<string, unknown>;
  assert.equal(
    [status["ok"], status["alone"], status["members"], status["n"], status["notUp"]],
    [true, true, 1, 1, []],
  );
  const { nodes } = json(await get("/cluster/nodes")) as { nodes: Record<string, unknown>[] };
  assert.is(nodes.length, 1);
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  assert.equal([nodes[0]?.["state"], nodes[0]?.["port"], nodes[0]?.["version"]], ["up", server.port, version]);
});

test("a port that is taken: exit code 69, and the option that helps", async () => {
  const port = Number(new URL(base).port);
  try {
    await open({ memory: true, httpPort: port });
    assert.unreachable("it opened");
  } catch (error) {
    assert.is((error as { exitCode?: number }).exitCode, 69);
    assert.match((error as Error).message, new RegExp(`127\\.0\\.0\\.1:${port} is in use .* --http-port$`));
  }
});

test("open with httpPort, and several addresses with one port", async () => {
  const port = await freePort();
  await using node = await open({ memory: true, httpPort: port, httpBind: ["127.0.0.1", "127.0.0.2", "-203.0.113.1"] });
  assert.is(node.httpUrl, `http://127.0.0.1:${port}`);
  await http(node.httpUrl as string, "PUT", "/kv/a", { body: "x" });
  assert.is((await http(`http://127.0.0.2:${port}`, "GET", "/kv/a")).body.toString(), "x");
});

test.run();
