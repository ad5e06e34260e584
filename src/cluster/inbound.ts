/**
 * cluster/inbound.ts: what peers say, each message to whom it concerns: requests to this node's replica, answers to who asked, works and
 * questions to their own desks.
 * Must never: keep what the reader lends. Invariant: a request that this node has no business with is passed over, and counted.
 */
import {
  MESSAGE_ACCEPT,
  MESSAGE_ACK,
  MESSAGE_CHOSEN,
  MESSAGE_FORWARD,
  MESSAGE_FORWARD_REPLY,
  MESSAGE_LEARN,
  MESSAGE_NACK,
  MESSAGE_PREPARE,
  MESSAGE_PROMISE,
  MESSAGE_QUERY,
  MESSAGE_QUERY_REPLY,
  MESSAGE_READ,
  MESSAGE_READ_REPLY,
  MESSAGE_SHIP,
  MESSAGE_SHIP_ACK,
  MESSAGE_SHIP_FROM,
} from "../codec/frame/layout.js";
import type { MessageReader } from "../codec/frame/message-reader.js";
import type { Dot } from "../core/clock/dot.js";
import type { Reply } from "../core/register/messages.js";
import type { Value } from "../storage/state-record.js";
import type { CatchUp } from "./catch-up.js";
import type { Exchange } from "./exchange.js";
import type { Foreign } from "./foreign.js";
import type { Forwarding } from "./forwarding.js";
import { LARGE_BYTES } from "./patience.js";
import type { Pulls } from "./pulls.js";
import type { Questions } from "./questions.js";
import { readChosen, readRequest } from "./register-wire.js";
import type { Replica } from "./replica.js";
import type { Routing } from "./routing.js";

export interface InboundParts {
  readonly exchange: Exchange;
  readonly forwarding: Forwarding;
  readonly questions: Questions;
  readonly catchUp: CatchUp;
  readonly replica: Replica;
  readonly pulls: Pulls;
  readonly routing: Routing;
  readonly selfIndex: number;
  readonly foreign: Foreign;
  readonly deliver: (from: number, reply: Reply<Value>) => void;
}

export class Inbound {
  private readonly parts: InboundParts;
  private readonly markBound: (name: string, ballot: Dot, epoch: number) => void;

  constructor(parts: InboundParts) {
    this.parts = parts;
    this.markBound = (key, ballot, epoch) => {
      if (parts.foreign.isBeyond(ballot.hlc)) {
        parts.foreign.strange++;
        return;
      }
      parts.replica.receive({ type: "chosen", key, epoch, ballot });
      parts.exchange.patience.over(key);
      if (!parts.replica.marked) parts.pulls.heard(key, ballot);
    };
  }

  /** Messages that no member should have sent. */
  get strange(): number {
    return this.parts.foreign.strange;
  }

  // HOT: once per message of a peer.
  /** @param from index of the peer. */
  message(from: number, reader: MessageReader): void {
    const { exchange, forwarding, questions, catchUp, foreign, deliver } = this.parts;
    switch (reader.type) {
      case MESSAGE_READ:
      case MESSAGE_PREPARE:
      case MESSAGE_ACCEPT:
      case MESSAGE_LEARN:
        this.request(from, reader);
        break;
      case MESSAGE_CHOSEN:
        readChosen(reader, this.markBound);
        break;
      case MESSAGE_READ_REPLY:
      case MESSAGE_PROMISE:
      case MESSAGE_ACK:
      case MESSAGE_NACK: {
        if (foreign.isAhead(reader)) return foreign.refuse(from, true);
        const reply = exchange.answer(from, reader);
        if (reply !== undefined) deliver(from, reply);
        break;
      }
      case MESSAGE_FORWARD:
        forwarding.requested(from, reader);
        break;
      case MESSAGE_FORWARD_REPLY:
        forwarding.answered(from, reader);
        break;
      case MESSAGE_QUERY:
        questions.requested(from, reader);
        break;
      case MESSAGE_QUERY_REPLY:
        questions.answered(from, reader);
        break;
      case MESSAGE_SHIP_FROM:
        catchUp.asked(from, reader);
        break;
      case MESSAGE_SHIP:
        catchUp.batch(from, reader);
        break;
      case MESSAGE_SHIP_ACK:
        catchUp.acknowledged(from, reader);
        break;
      default:
        foreign.strange++;
        break;
    }
  }

  private request(from: number, reader: MessageReader): void {
    const { exchange, replica, routing, foreign, selfIndex } = this.parts;
    const { id, boot, budgetMs } = reader;
    const ahead = foreign.isAhead(reader);
    const request = ahead ? undefined : readRequest(reader);
    if (ahead && id !== 0) exchange.decline(from, boot, id, reader.partition, foreign.knowsTime ? "ahead" : "busy");
    if (request === undefined) return foreign.refuse(from, ahead);
    const partition = routing.partitionOf(request.key);
    if (!routing.isReplica(partition, selfIndex)) {
      foreign.strange++;
      return;
    }
    if (reader.length > LARGE_BYTES && "state" in request) exchange.patience.began(request.key, reader.length, from);
    const reply = replica.receive(request);
    if (replica.lackedRoom && id !== 0) exchange.decline(from, boot, id, partition, "busy");
    if (reply === undefined || id === 0) return;
    const leftMs = exchange.patience.stretch(request.key, budgetMs);
    exchange.reply(from, boot, id, partition, reply, leftMs, replica.afterLsn);
  }
}
