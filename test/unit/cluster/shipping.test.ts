/**
 * test/unit/cluster/shipping.test.ts: catching a peer up from the log, a piece at a time, on a loop that is late: what is found is sent in order and
 * once, and nothing is sent where nothing was found.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { PeerLink } from "../../../src/cluster/peer-link.js";
import type { Batch, ShipSource } from "../../../src/cluster/ship-source.js";
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
  private readonly later: (() => void)[] = [];
  private from = 0;

  constructor(pieces: readonly Piece[]) {
    let next = 0;
    const source = {
      durableLsn: 100,
      busy: false,
      now: () => ({ lsn: 100, id: ++this.asked }),
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

test("nothing goes on after a stop", () => {
  const stage = new Stage([{ records: 0, lastLsn: 10, ends: false }]);
  stage.shipping.asked(stage.link, 1000, 0);
  stage.shipping.stop();
  stage.turn();
  assert.equal(stage.sent, []);
});

test.run();
