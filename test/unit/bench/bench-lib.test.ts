/**
 * test/unit/bench/bench-lib.test.ts: what the benches' figures hang on: the requests that are made, the reading of
 * redis-benchmark's output, medians, bars, the picture.
 */
import RedisParser from "redis-parser";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { atLeast, atMost, met, plainRow, ratioRow } from "../../../bench/compare/scenario.js";
import { type LoadPlan, RequestMaker } from "../../../bench/lib/loader.js";
import { cpuTime, diskBytes, rssBytes } from "../../../bench/lib/process-facts.js";
import { parseCsv } from "../../../bench/lib/redis-benchmark.js";
import { markdown, type Report, table } from "../../../bench/lib/report.js";
import { encode } from "../../../bench/lib/resp-client.js";
import { short, spreadOf } from "../../../bench/lib/statistics.js";
import { barPicture } from "../../../bench/lib/svg.js";

/** All requests of a plan, made into a small buffer so that it fills many times. */
function requestsOf(plan: LoadPlan): string[][] {
  const requests: string[][] = [];
  const fail = (error: Error): void => {
    throw error;
  };
  const parser = new RedisParser({
    returnReply: (reply: unknown) => requests.push(reply as string[]),
    returnError: fail,
    returnFatalError: fail,
  });
  const maker = new RequestMaker(plan);
  const out = Buffer.alloc(1200 + plan.valueBytesMost);
  for (let end = maker.fill(out, 0); end > 0; end = maker.fill(out, 0))
    parser.execute(Buffer.from(out.subarray(0, end)));
  return requests;
}

test("a plan of n writes over n keys writes each key once", () => {
  const requests = requestsOf({ count: 1000, keys: 1000, valueBytesLeast: 64, valueBytesMost: 64 });
  assert.is(requests.length, 1000);
  assert.is(new Set(requests.map(([, key]) => key)).size, 1000);
  for (const [name, key, value] of requests) {
    assert.is(name, "SET");
    assert.match(key as string, /^key:\d{12}$/);
    assert.is(value?.length, 64);
  }
});

test("sizes are drawn from the whole range; the seed repeats them", () => {
  const plan = { count: 4000, keys: 100, valueBytesLeast: 16, valueBytesMost: 48, seed: 5, prefix: "{t}:" };
  const sizes = requestsOf(plan).map(([, , value]) => value?.length as number);
  assert.is(Math.min(...sizes), 16);
  assert.is(Math.max(...sizes), 48);
  assert.equal(
    requestsOf(plan).map(([, , value]) => value?.length),
    sizes,
  );
});

test("a deadline is told as PXAT", () => {
  const [request] = requestsOf({
    count: 1,
    keys: 1,
    valueBytesLeast: 3,
    valueBytesMost: 3,
    expireAtMs: 1_800_000_000_000,
  });
  assert.equal(request?.slice(3), ["PXAT", "1800000000000"]);
});

test("redis-benchmark's csv", () => {
  const text =
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n' +
    '"GET","280112.06","2.701","0.360","2.215","4.863","8.231","91.327"\n';
  assert.equal(parseCsv(text), { perSecond: 280112.06, meanMs: 2.701, p50Ms: 2.215, p99Ms: 8.231, mostMs: 91.327 });
  assert.throws(() => parseCsv("nothing"));
});

test("median, least, most", () => {
  const { median, least, most } = spreadOf([3, 1, 2]);
  assert.equal([median, least, most], [2, 1, 3]);
  assert.is(spreadOf([1, 2, 3, 10]).median, 2.5);
  assert.throws(() => spreadOf([]));
  assert.equal([0, 0.333, 12.34, 123.4, 12345.6].map(short), ["0", "0.33", "12.3", "123", "12346"]);
});

test("bars are judged on medians, in both senses", () => {
  const kvorum = spreadOf([10, 20, 90]);
  const redis = { spread: spreadOf([40]), as: "log" };
  assert.is(met(ratioRow("a", "us", kvorum, redis, atMost(0.5))), true);
  assert.is(met(ratioRow("a", "us", kvorum, redis, atMost(0.49))), false);
  assert.is(met(ratioRow("a", "us", kvorum, redis, atLeast(0.5))), true);
  assert.is(met(plainRow("a", "us", kvorum, atLeast(21))), false);
  assert.is(met(plainRow("a", "us", kvorum)), undefined);
});

test("report: text, Markdown, picture", () => {
  const rows = [ratioRow("P1 <SET>", "us", spreadOf([1, 2, 3]), { spread: spreadOf([4]), as: "log" }, atMost(0.4))];
  assert.match(table(rows), /P1 <SET>, us +2\.00 \(1\.00-3\.00\) +4\.00 \[log\] +0\.50 +<= 0\.40 +NOT MET/);
  const machine = {
    at: "2025-01-02T",
    commit: "c",
    cpu: "x",
    cpus: 2,
    memoryGiB: 1,
    kernel: "k",
    node: "20",
    redis: "7",
  };
  const section = { name: "cpu", about: "it", rows, seconds: 1 };
  const report: Report = {
    machine: { ...machine, load: [1] },
    command: "run",
    quick: false,
    runs: 3,
    sections: [section],
  };
  assert.match(markdown(report), /\| P1 <SET>, us \| 2\.00 \(1\.00-3\.00\) \| 4\.00 \[log\] \| 0\.50 \|/);
  const picture = barPicture("t", "c", [{ label: "a <b>", value: 0.5, limit: 0.4, good: false, note: "n" }]);
  assert.match(picture, /^<svg [\s\S]*a &lt;b&gt;[\s\S]*<\/svg>\n$/);
});

test("requests count bytes, not characters", () => {
  assert.is(encode(["GET", "é", 7]), "*3\r\n$3\r\nGET\r\n$2\r\né\r\n$1\r\n7\r\n");
});

test("facts of a process", () => {
  if (process.platform !== "linux") return;
  assert.ok(rssBytes(process.pid) > 1 << 20);
  assert.ok(cpuTime(process.pid).ownMs > 0);
  assert.ok(diskBytes("bench") > 0);
});

test.run();
