/**
 * cluster/exchange.ts: messages of the register to and from peers: each request gets a number of its own, by which its answer is known;
 * what must wait for the log waits here; marks of one turn leave as one list.
 *
 * Invariants: nothing leaves before the log is durable as far as it was said to be; an answer goes only to the process that asked, since
 * the numbers of another one mean something else; an answer is taken once, and only from the peer that was asked. What cannot be
 * sent is dropped and counted: every asker has a timer.
 */
import type { MessageReader } from "../codec/frame/message-reader.js";
import type { AcceptRequest, ChosenNotice, LearnRequest, Reply, Request } from "../core/register/messages.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { Value } from "../storage/state-record.js";
import { ChosenList } from "./chosen-list.js";
import { HeldBack } from "./held-back.js";
import { LARGE_BYTES, Patience } from "./patience.js";
import type { PeerLink } from "./peer-link.js";
import {
  type Asked,
  DECLINED_BYTES,
  declinedOf,
  isAnnounced,
  readReply,
  replyBytes,
  requestBytes,
  type WireRequest,
  withRecord,
  writeDeclined,
  writeReply,
  writeRequest,
} from "./register-wire.js";

/** Requests that may be waited for at once: a power of two. What is older than so many is given up. */
const ASKED_MAX = 65_536;
/** How long a message is worth sending. */
const READ_MS = 400;
const ROUND_MS = 400;
const STATE_MS = 2000;
/** Marks of one turn for one peer. */
const CHOSEN_ITEMS_MAX = 4096;
const CHOSEN_BYTES_MAX: number = 512 * 1024;
const NEVER: number = Number.POSITIVE_INFINITY;
/** How long a node whose ballots are too far ahead for a peer leaves it to others to propose. */
const AHEAD_MS = 60_000;

interface Outgoing {
  readonly to: number;
  /** The process that asked; 0: this is a request. */
  readonly boot: number;
  readonly id: number;
  readonly partition: number;
  readonly request: WireRequest | undefined;
  readonly reply: Reply<Value> | undefined;
  readonly deadlineMs: number;
}

export interface ExchangeFigures {
  read: number;
  prepare: number;
  accept: number;
  learn: number;
  replies: number;
  /** There was no connection, or no room on it. */
  unsent: number;
  /** A peer did nothing, for a reason that says nothing about ballots. */
  declined: number;
}

/** Numbers begin anew after the highest. */
function isLater(id: number, than: number): boolean {
  return ((id - than) | 0) > 0;
}

function bytesOf({ request, reply }: Outgoing): number {
  return request === undefined ? replyBytes(reply as Reply<Value>) : requestBytes(request);
}

export class Exchange {
  readonly figures: ExchangeFigures = { read: 0, prepare: 0, accept: 0, learn: 0, replies: 0, unsent: 0, declined: 0 };
  /** By index of the member; undefined: this node. */
  readonly links: (PeerLink | undefined)[];
  /** Large states on their way. */
  readonly patience: Patience;
  /** A state did not get to a peer. */
  onMissed: (peer: number) => void = () => {};
  private readonly scheduler: Scheduler;
  private readonly heldBack: HeldBack<Outgoing> = new HeldBack((outgoing) => this.isOver(outgoing));
  private readonly asked: (Asked | undefined)[];
  private readonly askedWhom: Uint16Array;
  private readonly askedIds: Uint32Array;
  private readonly askedMask: number;
  private lastId = 0;
  /** By index: the latest ACCEPT that was given up unanswered for want of room; 0: none was. */
  private readonly givenUp: Uint32Array;
  private aheadUntilMs = 0;
  private lastRequest: AcceptRequest<Value> | LearnRequest<Value> | undefined;
  private lastRecorded: AcceptRequest<Value> | LearnRequest<Value> | undefined;
  private readonly chosen: ChosenList[];
  private flushing = false;
  private readonly flushBound = (): void => this.flushChosen();

  /** @param askedMax requests that may be waited for at once: a power of two. */
  constructor(scheduler: Scheduler, members: number, askedMax: number = ASKED_MAX) {
    this.scheduler = scheduler;
    this.asked = new Array(askedMax).fill(undefined);
    this.askedWhom = new Uint16Array(askedMax);
    this.askedIds = new Uint32Array(askedMax);
    this.askedMask = askedMax - 1;
    this.givenUp = new Uint32Array(members);
    this.links = new Array(members).fill(undefined);
    this.patience = new Patience(scheduler, this.links);
    this.chosen = Array.from({ length: members }, () => new ChosenList(CHOSEN_ITEMS_MAX, CHOSEN_BYTES_MAX));
  }

  get waiting(): number {
    return this.heldBack.size;
  }

  /** A number for a request that is not the register's, in the same row as those. */
  nextId(): number {
    this.lastId = (this.lastId + 1) >>> 0 || 1;
    return this.lastId;
  }

  /** Of the latest request. */
  get lastNumber(): number {
    return this.lastId;
  }

  /** Was an ACCEPT to the peer, behind the request `after` and up to `until`, not answered (yet)? */
  awaits(peer: number, after: number, until: number): boolean {
    const { asked, askedIds, askedWhom, askedMask } = this;
    const lost = this.givenUp[peer];
    if (lost !== 0 && isLater(lost, after)) return true;
    // Those before are not remembered.
    for (let left = Math.min((until - after) >>> 0, asked.length), id = until; left > 0; left--, id = (id - 1) >>> 0) {
      const at = id & askedMask;
      if (askedIds[at] === id && askedWhom[at] === peer && asked[at]?.type === "accept") return true;
    }
    return false;
  }

  // HOT: once per request to a peer.
  /** @param lsn the log must be durable so far first; 0: at once. */
  request(to: number, partition: number, request: Request<Value>, lsn: number): void {
    if (request.type === "chosen") {
      // Who proposes need not be a replica, which would be told too.
      this.patience.over(request.key);
      this.mark(to, request);
      return;
    }
    // Nothing is deleted for good between nodes yet.
    if (request.type === "ask" || request.type === "purge") return;
    this.figures[request.type]++;
    const ms = request.type === "read" ? READ_MS : request.type === "prepare" ? ROUND_MS : STATE_MS;
    const deadlineMs = this.scheduler.monotonicMs() + ms;
    const outgoing = { to, boot: 0, id: 0, partition, request: this.shared(request), reply: undefined, deadlineMs };
    if (lsn > 0) this.heldBack.add(lsn, outgoing);
    else this.send(outgoing);
  }

  // HOT: once per answer to a peer.
  /** @param boot of the process that asked. @param budgetMs how long it waits; 0: as long as it takes. */
  reply(
    to: number,
    boot: number,
    id: number,
    partition: number,
    reply: Reply<Value>,
    budgetMs: number,
    lsn: number,
  ): void {
    this.figures.replies++;
    const deadlineMs = budgetMs === 0 ? NEVER : this.scheduler.monotonicMs() + budgetMs;
    const outgoing = { to, boot, id, partition, request: undefined, reply, deadlineMs };
    if (lsn === 0) return this.send(outgoing);
    const link = this.links[to];
    if (link?.peerBoot === boot && replyBytes(reply) > LARGE_BYTES) this.announce(link, outgoing);
    this.heldBack.add(lsn, outgoing);
  }

  /** The log is durable so far. */
  durable(lsn: number): void {
    this.heldBack.release(lsn, this.sendBound);
  }

  /** Its time has passed while the log stood still. */
  private isOver(outgoing: Outgoing): boolean {
    const { to, boot, id, partition, request } = outgoing;
    const bytes = bytesOf(outgoing);
    if (this.dueMs(outgoing, bytes) > this.scheduler.monotonicMs()) return false;
    this.figures.unsent++;
    if (request?.type === "accept" || request?.type === "learn") this.onMissed(to);
    // It was announced.
    else if (request === undefined && bytes > LARGE_BYTES) this.decline(to, boot, id, partition, "busy");
    return true;
  }

  /** Until when it is worth sending: a large one has longer. */
  private dueMs({ deadlineMs }: Outgoing, bytes: number): number {
    return bytes > LARGE_BYTES ? this.patience.deadlineMs(bytes, deadlineMs) : deadlineMs;
  }

  private readonly sendBound = (outgoing: Outgoing): void => this.send(outgoing);

  private send(outgoing: Outgoing): void {
    const { to, boot, id, partition, request, reply } = outgoing;
    const link = this.links[to];
    if (link === undefined || (boot !== 0 && link.peerBoot !== boot)) {
      this.figures.unsent++;
      return;
    }
    const bytes = bytesOf(outgoing);
    const large = bytes > LARGE_BYTES;
    if (large && request !== undefined && !this.isNew(to, request, bytes)) return;
    const writer = link.claim(bytes, this.dueMs(outgoing, bytes));
    if (writer === undefined) {
      this.figures.unsent++;
      if (request?.type === "accept" || request?.type === "learn") {
        if (large) this.patience.arrived(to, request.key, request.ballot);
        this.onMissed(to);
      } else if (large && request === undefined) this.decline(to, boot, id, partition, "busy");
    } else if (request === undefined) {
      writeReply(writer, id, partition, reply as Reply<Value>);
      // Small ones leave first. Announced and then not sent, it would be waited for.
      if (large) this.announce(link, outgoing);
    } else {
      // Not before there was room: a round whose state was sent to nobody is begun again as soon as any other.
      if (large && "state" in request) this.patience.began(request.key, bytes, to);
      writeRequest(writer, request.type === "learn" ? 0 : this.remember(to, request), partition, request);
    }
  }

  /** @returns false: this large state is on its way already. */
  private isNew(to: number, request: WireRequest, bytes: number): boolean {
    if (request.type !== "accept" && request.type !== "learn") return true;
    return !this.patience.isUnderWay(to, request.key, request.ballot, bytes);
  }

  /** A large state that was asked for is named ahead: it may take a while until it is durable, and until its first bytes leave. */
  private announce(link: PeerLink, { id, partition, reply }: Outgoing): void {
    if (reply?.type !== "state" && reply?.type !== "promise") return;
    // Without the state, which the asker does not have: so it is no answer yet (cluster/register-wire.ts: isAnnounced).
    const brief = { ...reply, state: undefined };
    const writer = link.claim(replyBytes(brief), NEVER);
    if (writer !== undefined) writeReply(writer, id, partition, brief);
  }

  /** The same message goes to several, this node's own replica among them: it is encoded for the first. */
  shared<T extends Request<Value>>(request: T): T {
    if (request.type !== "accept" && request.type !== "learn") return request;
    if (request !== this.lastRequest) {
      this.lastRequest = request;
      this.lastRecorded = withRecord(request);
    }
    return this.lastRecorded as T;
  }

  private remember(to: number, request: WireRequest): number {
    const id = this.nextId();
    const at = id & this.askedMask;
    const { key } = request;
    if (this.asked[at]?.type === "accept") this.givenUp[this.askedWhom[at]] = this.askedIds[at];
    this.asked[at] =
      request.type === "read"
        ? request
        : {
            type: request.type === "prepare" ? "prepare" : "accept",
            key,
            ballot: request.ballot,
            have: request.type === "prepare" ? request.have : undefined,
          };
    this.askedWhom[at] = to;
    this.askedIds[at] = id;
    return id;
  }

  private declined(from: number, asked: Asked, reader: MessageReader): void {
    const why = declinedOf(reader);
    if (why === undefined) return;
    this.figures.declined++;
    if (why === "ahead") this.aheadUntilMs = this.scheduler.monotonicMs() + AHEAD_MS;
    // Nothing of it is on its way any more, in either direction.
    this.patience.turnedAway(asked.key, from);
    if (asked.type !== "accept") return;
    this.patience.arrived(from, asked.key, asked.ballot);
    this.onMissed(from);
  }

  /** Did a peer refuse what this node issued, since its clock was far ahead? Then another one had better propose. */
  get isAhead(): boolean {
    return this.aheadUntilMs > 0 && this.aheadUntilMs > this.scheduler.monotonicMs();
  }

  /** Nothing was done for a request: no statement about ballots. */
  decline(to: number, boot: number, id: number, partition: number, why: "busy" | "ahead"): void {
    const link = this.links[to];
    if (link === undefined || link.peerBoot !== boot) return;
    const writer = link.claim(DECLINED_BYTES, this.scheduler.monotonicMs() + STATE_MS);
    if (writer !== undefined) writeDeclined(writer, why, id, partition);
  }

  // HOT: once per answer from a peer.
  /** @returns the answer that the message holds; undefined: nobody waits for it (any more), or it is none. */
  answer(from: number, reader: MessageReader): Reply<Value> | undefined {
    const at = reader.id & this.askedMask;
    const asked = this.asked[at];
    if (asked === undefined || this.askedIds[at] !== reader.id || this.askedWhom[at] !== from) return undefined;
    const reply = readReply(reader, asked);
    if (reply !== undefined && isAnnounced(reply, asked)) {
      this.patience.announced(asked.key, from);
      return undefined;
    }
    this.asked[at] = undefined;
    if (reply === undefined) this.declined(from, asked, reader);
    else if (reply.type === "ack" || reply.type === "nack") this.patience.arrived(from, asked.key, reply.ballot);
    return reply;
  }

  private mark(to: number, notice: ChosenNotice): void {
    const list = this.chosen[to];
    if (!list.add(notice)) {
      this.writeChosen(to);
      list.add(notice);
    }
    if (this.flushing) return;
    this.flushing = true;
    this.scheduler.endOfTurn(this.flushBound);
  }

  private flushChosen(): void {
    this.flushing = false;
    for (let to = 0; to < this.chosen.length; to++) this.writeChosen(to);
  }

  /** Marks are worth little: where there is no room for them they go. */
  private writeChosen(to: number): void {
    const list = this.chosen[to];
    while (list.size > 0) {
      const writer = this.links[to]?.claim(list.bytes, this.scheduler.monotonicMs() + STATE_MS);
      if (writer === undefined) list.clear();
      else list.writeNext(writer);
    }
  }
}
