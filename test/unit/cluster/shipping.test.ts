/**
 * test/unit/cluster/shipping.test.ts: catching a peer up from the log, a piece at a time, on a loop that is late: what is found is sent in order and
 * once, and nothing is sent where nothing was found.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { PeerLink } from "../../../src/cluster/peer-link.js";
import { type Batch, ShipSource, type ShipSourceParts, type Walk } from "../../../src/cluster/ship-source.js";
import { Shipping } from "../../../src/cluster/shipping.js";

type Piece = Omit<Batch, "firstLsn" | "records"> & { readonly records: number };

/** A log that is read in the pieces given. */
class Stage {
  readonly sent: string[] = [];
  readonly shipping: Shipping;
  readonly link: PeerLink = { state: "up" } as PeerLink;
  /** Number of the last request to anybody, and of one that the peer has not answered. */
  asked = 0;
  unanswered = -1;
  /** As far as anything was logged. */
  appended: number;
  private readonly later: (() => void)[] = [];
  private from = 0;

  constructor(pieces: readonly Piece[]) {
    let next = 0;
    this.appended = pieces[0]?.ends === true ? pieces[0].lastLsn : (pieces.at(-1)?.lastLsn ?? 0);
    const source = {
      durableLsn: 100,
      busy: false,
      now: () => ({ lsn: this.appended, id: ++this.asked }),
      awaits: (_peer: number, after: number, until: number) => after < this.unanswered && this.unanswered <= until,
      later: (run: () => void) => this.later.push(run),
      logFrom: (lsn: number) => {
        this.from = lsn;
        return { close: () => {} };
      },
      fromLog: (): Batch => {
        const { records, lastLsn, ends } = pieces[next++] as Piece;
        const firstLsn = this.from;
        this.from = lastLsn + 1;
        return {
          records: Array.from({ length: records }, () => ({ record: Buffer.alloc(9), chosen: true })),
          firstLsn,
          lastLsn,
          ends,
        };
      },
      send: (_link: PeerLink, { firstLsn, lastLsn, records }: Batch) =>
        this.sent.push(`${records.length} of ${firstLsn}..${lastLsn}`),
    };
    this.shipping = new Shipping(1, 10, source as unknown as ShipSource);
  }

  /** Another turn of the loop. @returns whether something was to be done. */
  turn(): boolean {
    const runs = this.later.splice(0);
    for (const run of runs) run();
    return runs.length > 0;
  }
}

test("a turn that is over before anything was read sends nothing, and goes on in the next", () => {
  const stage = new Stage([
    { records: 0, lastLsn: 10, ends: false },
    { records: 0, lastLsn: 10, ends: false },
    { records: 0, lastLsn: 20, ends: false },
    { records: 2, lastLsn: 30, ends: false },
    { records: 0, lastLsn: 30, ends: false },
    { records: 1, lastLsn: 40, ends: true },
  ]);
  const { shipping, link, sent } = stage;
  shipping.asked(link, 1000, 0);
  assert.equal(sent, []);
  // A tick meanwhile does not begin it twice.
  shipping.tick(link, 1000);
  assert.ok(stage.turn());
  assert.ok(stage.turn());
  assert.is(shipping.hasLsn, 20, "what does not concern the peer it need not be sent");
  assert.ok(stage.turn());
  assert.equal(sent, ["2 of 21..30"]);
  assert.not.ok(stage.turn());
  shipping.acknowledged(link, 1, 0);
  assert.is(shipping.hasLsn, 30);
  assert.ok(stage.turn());
  assert.equal(sent, ["2 of 21..30", "1 of 31..40"]);
  shipping.acknowledged(link, 2, 0);
  assert.equal([shipping.behind, shipping.hasLsn], [false, 40]);
});

test("what the peer has moves on with the log up to the first ACCEPT that it has not answered; in the end that is shipped", () => {
  const stage = new Stage([
    { records: 0, lastLsn: 20, ends: true },
    { records: 2, lastLsn: 100, ends: true },
    { records: 0, lastLsn: 100, ends: true },
  ]);
  const { shipping, link, sent } = stage;
  shipping.asked(link, 1000, 0);
  assert.equal([shipping.behind, shipping.hasLsn], [false, 20]);
  stage.unanswered = ++stage.asked;
  let ticks = 0;
  for (; !shipping.behind && ticks < 100; ticks++) shipping.tick(link, ticks * 1000);
  assert.equal([shipping.hasLsn, sent.length], [20, 0]);
  assert.ok(ticks > 10 && ticks < 20, `${ticks}`);
  shipping.tick(link, 100_000);
  assert.equal(sent, ["2 of 21..100"]);
  shipping.acknowledged(link, 1, 0);
  assert.equal([shipping.behind, shipping.hasLsn], [false, 100]);
  // It was shipped: that it is never answered keeps nobody waiting.
  for (let i = 0; i < 100; i++) shipping.tick(link, 101_000 + i * 1000);
  assert.is(shipping.behind, false);
});

test("what was missed while the log stood still is shipped when it is durable: the peer has not caught up before", () => {
  const stage = new Stage([
    { records: 1, lastLsn: 20, ends: true },
    { records: 0, lastLsn: 20, ends: true },
    { records: 0, lastLsn: 20, ends: true },
    { records: 1, lastLsn: 30, ends: true },
  ]);
  const { shipping, link, sent } = stage;
  stage.appended = 30;
  shipping.asked(link, 1000, 0);
  shipping.acknowledged(link, 1, 0);
  assert.equal([shipping.behind, shipping.hasLsn], [true, 20]);
  shipping.tick(link, 1000);
  assert.equal([shipping.behind, shipping.hasLsn], [true, 20]);
  shipping.tick(link, 2000);
  assert.equal(sent, ["1 of 11..20", "1 of 21..30"]);
  shipping.acknowledged(link, 2, 2000);
  assert.equal([shipping.behind, shipping.hasLsn], [false, 30]);
});

test("a walk through the table goes on from what was acknowledged, whatever is missed on the way", () => {
  const sent: number[] = [];
  const runs: (() => void)[] = [];
  const fromLsn = 50;
  let logFrom = 0;
  const source = {
    durableLsn: fromLsn,
    now: () => ({ lsn: fromLsn, id: 1 }),
    later: (run: () => void) => runs.push(run),
    logFrom: (lsn: number) => {
      logFrom = lsn;
      return { close: () => {} };
    },
    fromLog: () => (logFrom > fromLsn ? { records: [], firstLsn: logFrom, lastLsn: fromLsn, ends: true } : undefined),
    // Ten pages; of the odd ones nothing concerns the peer.
    fromTable: (_peer: number, walk: Walk): Batch => {
      const page = walk.cursor++;
      walk.left.push(`left of ${page}`);
      const records = page % 2 === 0 ? [{ record: Buffer.from([page]), chosen: true }] : [];
      return { records, firstLsn: fromLsn, lastLsn: fromLsn, ends: walk.cursor === 10 };
    },
    send: (_link: PeerLink, { records }: Batch) => sent.push(records[0]?.record[0] as number),
  };
  const shipping = new Shipping(1, 10, source as unknown as ShipSource);
  const link = { state: "up" } as PeerLink;
  const turns = (): void => {
    while (runs.length > 0) runs.shift()?.();
  };
  shipping.asked(link, 1000, 0);
  for (const batch of [1, 2, 3]) {
    shipping.acknowledged(link, batch, 0);
    turns();
  }
  assert.equal(sent, [0, 2, 4, 6]);
  // The last one is on its way, and its answer comes too late.
  shipping.missed();
  shipping.acknowledged(link, 4, 0);
  assert.is(shipping.hasLsn, 10);
  shipping.asked(link, 1000, 0);
  turns();
  assert.equal(sent, [0, 2, 4, 6, 6], "not from the beginning");
  shipping.acknowledged(link, 5, 0);
  turns();
  shipping.acknowledged(link, 6, 0);
  turns();
  assert.equal(sent, [0, 2, 4, 6, 6, 8]);
  assert.equal([shipping.behind, shipping.hasLsn], [false, fromLsn]);
});

test("a turn's share of a table in which nothing concerns the peer is bounded, and nothing is passed over", () => {
  const [pages, most] = [200, 40];
  let ms = 0;
  let walked = 0;
  const storage = {
    durableLsn: 5,
    appendedLsn: 5,
    held: () => undefined,
    page: (db: number, cursor: number, count: number) => {
      walked++;
      const entries = db > 0 ? [] : Array.from({ length: count }, (_, i) => ({ key: Buffer.from(`k${cursor}:${i}`) }));
      return { entries, next: db === 0 && cursor + 1 < pages ? cursor + 1 : 0 };
    },
  };
  const seen = new Set<string>();
  const routing = {
    partitionOf: (name: string) => {
      ms += 0.002;
      seen.add(name);
      return 0;
    },
    isReplica: () => false,
  };
  const parts = { storage, routing, nowMs: () => ms } as unknown as ShipSourceParts;
  const source = new ShipSource(parts);
  const walk: Walk = { fromLsn: 5, db: 0, cursor: 0, left: [] };
  let turns = 0;
  for (let ends = false; !ends && turns < 10_000; turns++) {
    const before = ms;
    const batch = source.fromTable(1, walk, 65_536);
    assert.is(batch.records.length, 0);
    assert.ok(ms - before < 1.1, `${ms - before} ms`);
    ends = batch.ends;
  }
  assert.ok(turns >= most, `${turns} turns`);
  assert.equal([seen.size, walked], [pages * 100, pages + 15]);
});

test("nothing goes on after a stop", () => {
  const stage = new Stage([{ records: 0, lastLsn: 10, ends: false }]);
  stage.shipping.asked(stage.link, 1000, 0);
  stage.shipping.stop();
  stage.turn();
  assert.equal(stage.sent, []);
});

test.run();
