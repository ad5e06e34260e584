/**
 * test/unit/cluster/clock-off.test.ts: how far a node believes its clock to be off, by what it sees of the others'.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PeerClocks, type SeenClock } from "../../../src/cluster/peer-clocks.js";
import type { Scheduler } from "../../../src/ports/scheduler.js";
import { ClusterWorld, said, work } from "../../lib/cluster-world.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

type Clock = readonly [offsetMs: number, roundTripMs: number];

const hour = 3_600_000;

const seen = (clocks: readonly Clock[]): SeenClock[] =>
  clocks.map(([clockOffsetMs, roundTripMs]) => ({ clockOffsetMs, roundTripMs }));

/** How far the median is ahead of a node that has just started, ms; that it is less than half a second is seen in offMs. */
function off(...clocks: readonly Clock[]): number {
  const own = new PeerClocks(clocks.length + 1, new FakeScheduler(), () => seen(clocks));
  own.look();
  const { correctionMs } = own;
  return correctionMs === 0 ? own.offMs : correctionMs;
}

test("the median of all clocks, one's own among them", () => {
  assert.is(off(), 0);
  assert.is(off([800, 0], [900, 0]), 800);
  assert.is(off([-800, 0], [-900, 0]), -800);
  assert.is(off([5, 0], [9000, 0]), 5, "one that is far off alone");
});

test("a round trip that took long tells little: what it may explain is no offset", () => {
  assert.is(off([1500, 3000], [1400, 2900]), 0);
  assert.is(off([-1500, 3000], [-1400, 2900]), 0);
  assert.is(off([1500, 1000], [1400, 200]), 1000);
});

test("nor does such a trip tell anything against what was found before it", () => {
  let clocks: readonly Clock[] = [
    [-2200, 2],
    [-2210, 2],
  ];
  const own = new PeerClocks(3, new FakeScheduler(), () => seen(clocks));
  own.look();
  assert.is(own.correctionMs, -2199);
  // It stood still for a while with this heartbeat under way, and sees one peer: between -2232 and 9432 that clock may be.
  clocks = [[3600, 11_664]];
  own.look();
  assert.is(own.correctionMs, -2199);
  clocks = [
    [-2230, 2],
    [3600, 11_664],
  ];
  own.look();
  assert.is(own.correctionMs, -2199);
});

test("nothing counts before a majority was seen; then time is the median's, with some play on either side", () => {
  let clocks: readonly Clock[] = [];
  const own = new PeerClocks(3, new FakeScheduler(), () => seen(clocks));
  own.look();
  assert.equal([own.compared, own.correctionMs], [false, 0]);
  const steps: [clocks: readonly Clock[], correctionMs: number][] = [
    [
      [
        [-3_600_000, 2],
        [-3_600_010, 2],
      ],
      -3_599_999,
    ],
    [
      [
        [-3_600_030, 2],
        [-3_600_040, 2],
      ],
      -3_599_999,
    ],
    [
      [
        [-3_600_060, 2],
        [-3_600_070, 2],
      ],
      -3_600_059,
    ],
    [[], -3_600_059], // alone it keeps what it knew
    [[[-3_600_060, 2]], -3_600_059], // and with one peer of two
    [[[-3_600_120, 2]], -3_600_119],
    [
      [
        [-400, 0],
        [-420, 0],
      ],
      -400,
    ],
    [
      [
        [-240, 0],
        [-250, 0],
      ],
      0,
    ],
    [
      [
        [-400, 0],
        [-420, 0],
      ],
      0,
    ],
    [
      [
        [700, 0],
        [800, 0],
      ],
      700,
    ],
  ];
  for (const [now, correctionMs] of steps) {
    clocks = now;
    own.look();
    assert.equal([own.compared, own.correctionMs, own.doubtMs], [true, correctionMs, 0], JSON.stringify(now));
  }
  const five = new PeerClocks(5, new FakeScheduler(), () => seen([[0, 0]]));
  five.look();
  assert.not.ok(five.compared, "two of five");
});

test("of two that differ nobody knows which is right: deadlines are set by the later, keys ended by the earlier", () => {
  for (const [peer, aheadMs] of [
    [-hour, 0],
    [hour, hour],
  ] as const) {
    let clocks: readonly Clock[] = [[peer, 0]];
    const scheduler = new FakeScheduler();
    const own = new PeerClocks(3, scheduler, () => seen(clocks));
    assert.is(own.expiryMs(), 0, "nothing compared");
    own.look();
    assert.equal([own.nowMs() - scheduler.wallMs, own.doubtMs], [aheadMs, hour]);
    assert.is(own.expiryMs() - scheduler.wallMs, aheadMs - hour);
    // The third settles it, for good: when it is gone again the two still differ.
    for (const third of [peer, 0]) {
      const later = new PeerClocks(3, scheduler, () => seen(clocks));
      clocks = [[peer, 0]];
      later.look();
      clocks = [
        [peer, 0],
        [third, 0],
      ];
      later.look();
      clocks = [[peer, 0]];
      later.look();
      assert.equal([later.correctionMs, later.doubtMs], [third, 0]);
      assert.is(later.expiryMs(), scheduler.wallMs + third);
    }
  }
});

test("before a majority was seen deadlines are set by the later clock, where it is far ahead; nothing else goes by one peer's", () => {
  let clocks: readonly Clock[] = [];
  const scheduler = new FakeScheduler();
  const own = new PeerClocks(5, scheduler, () => seen(clocks));
  const steps: [clocks: readonly Clock[], leadMs: number][] = [
    [[], 0],
    [[[-hour, 0]], 0],
    [[[4900, 0]], 0],
    [[[hour, 20]], hour - 10],
    [[[hour + 4000, 0]], hour - 10],
    [[], hour - 10],
    [[[0, 0]], hour - 10],
  ];
  for (const [now, leadMs] of steps) {
    clocks = now;
    own.look();
    assert.equal([own.leadMs, own.compared, own.correctionMs, own.expiryMs()], [leadMs, false, 0, 0], String(now));
  }
  scheduler.wallMs += hour;
  clocks = [[0, 0]];
  own.look();
  assert.equal(
    [own.leadMs, own.nowMs()],
    [hour - 10, scheduler.wallMs - hour],
    "what the peer is ahead of is this node's time",
  );
  clocks = [
    [0, 0],
    [0, 0],
  ];
  own.look();
  assert.equal([own.leadMs, own.compared, own.nowMs()], [0, true, scheduler.wallMs]);
  clocks = [[hour, 0]];
  own.look();
  assert.is(own.leadMs, 0, "what was found last stays");
});

test("a node of five that starts an hour behind and sees one peer: what it gives a minute is there for the others", async () => {
  const world = await ClusterWorld.start({ nodes: 5 });
  const { coordinator } = world.nodes[0].alive;
  const replicasOf = (name: string): readonly number[] => coordinator.replicas(coordinator.partitionOf(`\0${name}`));
  let key = "k";
  while (replicasOf(key)[0] !== 0 || !replicasOf(key).includes(1)) key += "k";
  for (const node of [0, 2, 3, 4]) world.kill(node);
  world.nodes[0].skewMs = -hour;
  world.boot(0);
  world.scheduler.advance(4000);
  const written = world.ask(0, work(key, "setex 60000"));
  world.scheduler.advance(2000);
  assert.equal([said(written), world.nodes[0].alive.clocks.compared], ["OK", false]);
  for (const node of [2, 3, 4]) world.boot(node);
  world.scheduler.advance(4000);
  const read = world.ask(1, work(key, "get"));
  world.scheduler.advance(100);
  assert.is(said(read), "x");
  world.scheduler.advance(60_000);
  const later = world.ask(1, work(key, "get"));
  world.scheduler.advance(100);
  assert.is(said(later), "nil");
});

test("of two clocks the one that has jumped is wrong", () => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    const scheduler = new FakeScheduler();
    const rightMs = scheduler.wallMs;
    const own = new PeerClocks(3, scheduler, () => seen([[rightMs - scheduler.wallMs, 0]]));
    own.look();
    assert.equal([own.doubtMs, own.correctionMs], [0, 0]);
    scheduler.wallMs += jumpMs;
    own.look();
    assert.is(own.correctionMs, -jumpMs);
    assert.is(own.offMs, Math.abs(jumpMs));
    assert.is(own.nowMs(), rightMs);
    scheduler.wallMs -= jumpMs;
    own.look();
    assert.equal([own.correctionMs, own.nowMs()], [0, rightMs]);
  }
});

test("of two clocks that have both jumped, one ahead and one back, none is right", () => {
  for (const jumpMs of [2000, -2000]) {
    const scheduler = new FakeScheduler();
    const rightMs = scheduler.wallMs;
    let peerMs = rightMs;
    const own = new PeerClocks(3, scheduler, () => seen([[peerMs - scheduler.wallMs, 0]]));
    own.look();
    scheduler.wallMs += jumpMs;
    peerMs -= 2 * jumpMs;
    own.look();
    assert.equal([own.correctionMs, own.nowMs()], [-jumpMs, rightMs]);
    // Both ahead: there is no other time than theirs.
    peerMs = rightMs + 2 * jumpMs;
    own.look();
    assert.equal([own.correctionMs, own.nowMs()], [0, rightMs + jumpMs]);
  }
});

test("a wall clock that jumps between two looks does not take time with it", () => {
  let jumpedMs = 0;
  const scheduler = new FakeScheduler();
  const jumping = { ...ports(scheduler), nowMs: () => scheduler.nowMs() + jumpedMs };
  // Peers are right, whatever this node's clock does: their offset is what ours has jumped.
  const clocks = new PeerClocks(3, jumping, () =>
    seen([
      [-jumpedMs, 0],
      [-jumpedMs, 0],
    ]),
  );
  for (const ms of [0, 3_600_000, -3_600_000, 0, 400, 90_000, 0]) {
    jumpedMs = ms;
    for (let step = 0; step < 4; step++) {
      assert.ok(Math.abs(clocks.nowMs() - scheduler.nowMs()) <= 500, `${clocks.nowMs() - scheduler.nowMs()} at ${ms}`);
      scheduler.advance(100);
      if (step === 2) clocks.look();
    }
  }
});

function ports(scheduler: FakeScheduler): Scheduler {
  return {
    nowMs: () => scheduler.nowMs(),
    monotonicMs: () => scheduler.monotonicMs(),
    after: (ms, run) => scheduler.after(ms, run),
    endOfTurn: (run) => scheduler.endOfTurn(run),
  };
}

test.run();
