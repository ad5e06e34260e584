/**
 * cluster/figures.ts: the counters of a node's part in the cluster, by the names under which INFO shows them.
 */
import type { CatchUp } from "./catch-up.js";
import type { Exchange } from "./exchange.js";
import type { Forwarding } from "./forwarding.js";
import type { Inbound } from "./inbound.js";
import type { Pulls } from "./pulls.js";

export interface FiguresParts {
  readonly exchange: Exchange;
  readonly forwarding: Forwarding;
  readonly pulls: Pulls;
  readonly catchUp: CatchUp;
  readonly inbound: Inbound;
  /** Of the coordinator itself. */
  readonly own: {
    readonly inFlight: number;
    readonly reads: number;
    readonly writes: number;
    readonly refused: number;
    readonly uncertain: number;
    readonly heldBack: number;
    readonly tombstones: number;
    readonly turnedAway: number;
  };
}

export function figuresOf({
  exchange,
  forwarding,
  pulls,
  catchUp,
  inbound,
  own,
}: FiguresParts): Record<string, number> {
  return {
    works_in_flight: own.inFlight,
    works_read: own.reads,
    works_write: own.writes,
    works_refused: own.refused,
    works_uncertain: own.uncertain,
    waiting_for_log: exchange.waiting + own.heldBack,
    tombstones: own.tombstones,
    works_forwarded: forwarding.sent,
    works_away: forwarding.waiting,
    works_forwarded_here: forwarding.received,
    works_closed_early: forwarding.closed,
    sent_read: exchange.figures.read,
    sent_prepare: exchange.figures.prepare,
    sent_accept: exchange.figures.accept,
    sent_learn: exchange.figures.learn,
    sent_replies: exchange.figures.replies,
    turned_away_for_room: own.turnedAway,
    unsent: exchange.figures.unsent,
    expired_states: exchange.links.reduce((sum, link) => sum + (link?.expiredStates ?? 0), 0),
    declined: exchange.figures.declined,
    strange_messages: inbound.strange,
    pulled: pulls.pulled,
    pulls_waiting: pulls.size,
    pulls_dropped: pulls.dropped,
    peers_behind: catchUp.behind.length,
    records_shipped: catchUp.shipped,
    records_received: catchUp.received,
    records_refused: catchUp.refused,
  };
}
