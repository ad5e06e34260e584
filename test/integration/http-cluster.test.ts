/**
 * test/integration/http-cluster.test.ts: HTTP on three nodes: any of them serves any key, an ETag is the same everywhere, conditions hold across nodes,
 * and without quorum a request is refused, with the word for it, in time.
 */
// timeout: 90s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { freePorts } from "../lib/free-ports.js";
import { errorIn, type HttpAnswer, http } from "../lib/http-request.js";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import { kvorum } from "../lib/kvorum-process.js";

const cluster = await KvorumCluster.plan(3);
const ports = await freePorts(3);
const ids = cluster.nodes.map(({ id }) => id);
const base = (i: number): string => `http://127.0.0.1:${ports[i % 3]}`;
const tagOf = ({ headers }: HttpAnswer): string => headers.etag as string;
const json = ({ body }: HttpAnswer): Record<string, unknown> => JSON.parse(body.toString());

test.before(async () => {
  const bind = ["--http-bind", "127.0.0.1 -127.0.0.2"];
  await Promise.all(ids.map((id, i) => cluster.begin(id, "--http-port", String(ports[i]), ...bind)));
  await cluster.connected();
});

test.after(() => cluster.end());

test("written through one node, read through all, with one ETag", async () => {
  assert.match(cluster.node("n1").process?.said ?? "", new RegExp(`http +http://127\\.0\\.0\\.1:${ports[0]}`));
  const created = await http(base(0), "PUT", "/kv/a%00%FF?ttl=100", { body: "hello" });
  assert.equal([created.status, created.headers.etag], [201, undefined], "the new version is not known in time");
  const read = await Promise.all([0, 1, 2].map((i) => http(base(i), "GET", "/kv/a%00%FF")));
  for (const answer of read) {
    assert.equal([answer.status, answer.body.toString(), tagOf(answer)], [200, "hello", tagOf(read[0] as HttpAnswer)]);
    assert.ok(Number(answer.headers["kvorum-ttl"]) > 60);
  }
  const tag = tagOf(read[0] as HttpAnswer);
  const replaced = await http(base(1), "PUT", "/kv/a%00%FF", { body: "", headers: { "if-match": tag } });
  assert.is(replaced.status, 204);
  const late = await http(base(2), "DELETE", "/kv/a%00%FF", { headers: { "if-match": tag } });
  assert.equal([late.status, errorIn(late)], [412, "PRECONDITION_FAILED"]);
  assert.is((await http(base(2), "DELETE", "/kv/a%00%FF")).status, 204);
  for (const i of [0, 1, 2]) assert.is((await http(base(i), "GET", "/kv/a%00%FF")).status, 404);
});

test("writers with one version, through all nodes at once: one wins, every time", async () => {
  for (let round = 0; round < 5; round++) {
    const path = `/kv/race${round}`;
    const condition = round === 0 ? { "if-none-match": "*" } : { "if-match": "" };
    if (round > 0) {
      await http(base(round), "PUT", path, { body: "start" });
      condition["if-match"] = tagOf(await http(base(round + 1), "GET", path));
    }
    const writers = Array.from({ length: 60 }, (_, i) =>
      http(base(i), "PUT", path, { body: `writer ${i}`, headers: condition }),
    );
    const answers = await Promise.all(writers);
    const count = (status: number): number => answers.filter((answer) => answer.status === status).length;
    const won = answers.flatMap(({ status }, i) => (status === 201 || status === 204 ? [i] : []));
    assert.is(won.length, 1, `round ${round}: ${won.length} won`);
    assert.is(count(412), 59, `round ${round}: ${answers.map(({ status }) => status)}`);
    assert.is((await http(base(round), "GET", path)).body.toString(), `writer ${won[0]}`);
  }
});

test("counting by compare and set through all nodes loses nothing", async () => {
  await http(base(0), "PUT", "/kv/count", { body: "0" });
  const add = async (i: number): Promise<void> => {
    for (let tries = 0; tries < 200; tries++) {
      const before = await http(base(i + tries), "GET", "/kv/count");
      const body = String(Number(before.body) + 1);
      const options = { body, headers: { "if-match": tagOf(before) } };
      const { status } = await http(base(i + tries + 1), "PUT", "/kv/count", options);
      if (status === 204) return;
      assert.is(status, 412);
    }
    assert.unreachable("never its turn");
  };
  await Promise.all(Array.from({ length: 12 }, (_, i) => add(i)));
  assert.is((await http(base(2), "GET", "/kv/count")).body.toString(), "12");
});

test("health, status and nodes say what the command line says", async () => {
  for (const [i, { port }] of cluster.nodes.entries()) {
    const server = `127.0.0.1:${port}`;
    assert.equal(json(await http(base(i), "GET", "/health")), { status: "ok", reasons: [] });
    const { alone, ...status } = json(await http(base(i), "GET", "/cluster/status"));
    assert.is(alone, false);
    assert.equal(status, JSON.parse((await kvorum("cluster", "status", "--json", "-s", server)).out));
    const { ok, ...nodes } = JSON.parse((await kvorum("cluster", "nodes", "--json", "-s", server)).out);
    const seen = json(await http(base(i), "GET", "/cluster/nodes"));
    const steady = (all: unknown): unknown =>
      (all as Record<string, unknown>[]).map(({ roundTripMs, clockOffsetMs, ...rest }) => rest);
    assert.equal([ok, seen["seenBy"], steady(seen["nodes"])], [true, nodes.seenBy, steady(nodes.nodes)]);
  }
});

test("nodes: this node's address is the one by which the client came", async () => {
  const { nodes } = json(await http(base(0), "GET", "/cluster/nodes"));
  const hosts = (all: unknown): unknown => (all as Record<string, unknown>[]).map(({ host }) => host);
  assert.equal(hosts(nodes), ["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
  const other = `http://127.0.0.2:${ports[0]}`;
  const seen = await http(other, "GET", "/cluster/nodes").catch(() => undefined);
  if (seen === undefined) return; // not every system has the address
  assert.equal(hosts(json(seen)["nodes"]), ["127.0.0.2", "127.0.0.1", "127.0.0.1"]);
});

test("one node down: served, and degraded; two: refused, surely not applied, and /health says so", async () => {
  await http(base(0), "PUT", "/kv/q", { body: "before" });
  await cluster.finish("n3");
  const healthIs = async (i: number, status: string): Promise<void> =>
    cluster.until(async () => json(await http(base(i), "GET", "/health"))["status"] === status, status);
  await healthIs(0, "degraded");
  assert.is((await http(base(0), "PUT", "/kv/q", { body: "with two" })).status, 204);
  assert.equal(json(await http(base(1), "GET", "/cluster/status"))["notUp"], ["n3"]);
  const { nodes } = json(await http(base(0), "GET", "/cluster/nodes"));
  const gone = (nodes as Record<string, unknown>[]).find(({ id }) => id === "n3");
  assert.equal([gone?.["roundTripMs"], gone?.["clockOffsetMs"]], [null, null]);
  await cluster.finish("n2");
  await healthIs(0, "unavailable");
  const health = await http(base(0), "GET", "/health");
  assert.is(health.status, 503);
  assert.match(health.body.toString(), /"NO_QUORUM"/);
  const began = performance.now();
  const put = await http(base(0), "PUT", "/kv/q", { body: "alone" });
  assert.equal([put.status, errorIn(put), json(put)["applied"]], [503, "NOREPLICAS", "no"]);
  const get = await http(base(0), "GET", "/kv/q");
  assert.equal([get.status, errorIn(get)], [503, "CLUSTERDOWN"]);
  assert.ok(performance.now() - began < 10_000);
  await cluster.begin("n2", "--http-port", String(ports[1]));
  await healthIs(1, "degraded");
  assert.is((await http(base(1), "GET", "/kv/q")).body.toString(), "with two");
});

test.run();
