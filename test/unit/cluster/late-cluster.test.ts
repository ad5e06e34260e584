/**
 * test/unit/cluster/late-cluster.test.ts: what a server is told of its cluster before there is a coordinator, and that everything goes to it
 * afterwards; what is said of a clock that goes wrong.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ClockWatch } from "../../../src/cluster/clock-watch.js";
import { LateCluster } from "../../../src/cluster/late-cluster.js";
import { membersOf } from "../../../src/cluster/members.js";
import type { Answer, Cluster, Work } from "../../../src/cluster/work.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { ShownCluster } from "../../lib/shown-cluster.js";

const OPTIONS = { n: 3, r: 2, w: 2, partitions: 16, clusterName: "fake" };

test("before: the members are known and down, nothing is done; after: the coordinator answers", async () => {
  const ids = ["a", "b", "c", "d"];
  const peers = ["a", "c", "d"].map((id) => ({ id, host: "127.0.0.1", port: 1 }));
  const late: Cluster & LateCluster = new LateCluster(membersOf({ id: "b", peers, ...OPTIONS }));
  const real = new ShownCluster({ ids, self: "b" });
  assert.equal([late.selfIndex, late.n, late.r, late.w, late.partitions], [1, 3, 2, 2, 16]);
  assert.is(late.clusterId, real.clusterId);
  assert.equal(
    late.members().map(({ id, state, isSelf, host }) => `${id} ${state} ${isSelf} ${host}`),
    ["a down false 127.0.0.1", "b up true ", "c down false 127.0.0.1", "d down false 127.0.0.1"],
  );
  for (let partition = 0; partition < 16; partition++) {
    assert.equal(late.replicas(partition), real.replicas(partition));
  }
  const answers: unknown[] = [];
  late.perform({} as Work, (answer) => answers.push(answer));
  late.ask(0, 0, Buffer.alloc(0), (answer) => answers.push(answer));
  late.explain("\0k", (text) => answers.push(text));
  assert.equal(answers, [{ applied: "no", why: "no quorum" }, undefined, "this node has not recovered yet"]);
  assert.equal(late.figures(), {});

  const done: Answer = { applied: "maybe" };
  real.perform = (_work, tell) => tell(done);
  real.answer = () => Buffer.from("card");
  late.open(real, () => ({ clock_off_ms: 3 }));
  assert.ok(late.members().every(({ state }) => state === "up"));
  assert.equal(late.replicas(3), real.replicas(3));
  assert.equal(late.figures(), { clock_off_ms: 3, rounds: 7, wait_ms: 1.5 });
  const told = await new Promise((resolve) => late.perform({} as Work, resolve));
  assert.is(told, done);
  const asked = await new Promise<Buffer | undefined>((resolve) => late.ask(2, 0, Buffer.alloc(0), resolve));
  assert.is(String(asked), "card");
  assert.match(await new Promise<string>((resolve) => late.explain("\0k", resolve)), /^db 0, key k/);
});

test("a clock that goes wrong is told once, and once when it is back", () => {
  const scheduler = new FakeScheduler();
  const said: string[] = [];
  let offMs = 10;
  let doubtMs = 0;
  const watch = new ClockWatch({
    scheduler,
    offMs: () => offMs,
    corrected: () => offMs > 500,
    doubtMs: () => doubtMs,
    log: (level, text) => said.push(`${level}: ${text}`),
  });
  watch.start();
  scheduler.advance(5000);
  assert.equal(said, []);
  offMs = 740.4;
  scheduler.advance(5000);
  assert.equal(said, [
    "warning: this node's clock is 740 ms from most of its peers': keys expire by theirs until that is mended",
  ]);
  offMs = 3;
  scheduler.advance(5000);
  assert.is(said[1], "notice: this node's clock agrees with its peers' again");
  doubtMs = 4000;
  scheduler.advance(5000);
  assert.match(said[2] ?? "", /^warning: half of the clocks .* are 4000 ms behind/);
  watch.stop();
  offMs = 900;
  doubtMs = 0;
  scheduler.advance(5000);
  assert.is(said.length, 3);
});

test.run();
