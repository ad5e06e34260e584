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
}

export function figuresOf({ exchange, forwarding, pulls, catchUp, inbound }: FiguresParts): Record<string, number> {
  return {
    works_forwarded: forwarding.sent,
    works_forwarded_here: forwarding.received,
    sent_read: exchange.figures.read,
    sent_prepare: exchange.figures.prepare,
    sent_accept: exchange.figures.accept,
    sent_learn: exchange.figures.learn,
    sent_replies: exchange.figures.replies,
    unsent: exchange.figures.unsent,
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
