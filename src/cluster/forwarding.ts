/**
 * cluster/forwarding.ts: works that another node is to propose: its preferred proposer, so that one node decides the order of a key's
 * changes and each costs one trip.
 *
 *   FORWARD payload        {u8 flags: 1 writes, u32 bytes of the name, name, work}
 *   FORWARD_REPLY payload  done, nearly: {dot of the state it took effect in (all zero: absent), reply}; not applied: {u8 why}
 *
 * Invariants: a work is sent once, never again by itself; `done` hears of it once: the answer, or undefined when the link broke; unless it
 * was forgotten: whoever asked has an end of its own.
 * The other node has less time than this one: it says for sure that nothing was done, where it can, before time is up here. One that did
 * not run for a while does nothing of what it finds whose time may be over.
 * Nearly: the state with the work in it is accepted by all of a quorum but one, and this node is a replica that was not heard yet. Once its own log
 * has that state the quorum is complete (what is chosen is a fact about acceptors, whoever counts them: Lamport, Paxos Made Simple, 2.3), and the
 * work is answered without waiting until the other node has heard so and says so: two waits less of five. Where this replica does
 * not hold that very state, the reply that follows counts.
 * A node that could not reach its quorum is left alone for a while, although its link is up: others may still reach theirs. One whose log hangs says
 * at once that nothing was done (cluster/log-watch.ts), so that the asker has time left to propose it.
 */
import {
  DOT_BYTES,
  dotEpoch,
  dotHlc,
  dotNode,
  FORWARD_DONE,
  FORWARD_NEARLY,
  FORWARD_NOT_APPLIED,
  FORWARD_UNCERTAIN,
  MESSAGE_FORWARD,
  MESSAGE_FORWARD_REPLY,
  MESSAGE_HEADER_BYTES,
  writeDot,
} from "../codec/frame/layout.js";
import type { MessageReader } from "../codec/frame/message-reader.js";
import { readU32, writeU32 } from "../codec/record/record.js";
import type { Dot } from "../core/clock/dot.js";
import { Numbered } from "../lib/numbered.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { Exchange } from "./exchange.js";
import { HeldBack } from "./held-back.js";
import type { Asked } from "./job.js";
import { LARGE_BYTES } from "./patience.js";
import type { PeerLink } from "./peer-link.js";
import type { Replica } from "./replica.js";
import { EPOCH } from "./routing.js";
import type { Answer, Performer, Work } from "./work.js";

/** Time kept for the answer's way back. */
const RETURN_MS = 100;
const AVOID_MS = 2000;
const BUDGET_MS_DEFAULT = 2000;
const AWAY_MAX = 65_536;
/** A longer answer is not sent twice. */
const NEARLY_BYTES_MAX = 1024;
const FLAG_WRITES = 1;
const HEAD_BYTES = 5;
const EMPTY: Buffer = Buffer.alloc(0);
/** Why it was not applied. */
const NO_QUORUM = 0;
const TOO_MANY = 1;

type Done = (answer: Answer | undefined) => void;
type Take = (work: Work, budgetMs: number, done: (answer: Answer) => void, asked: Asked) => void;

interface Away {
  readonly to: number;
  readonly name: string;
  readonly done: Done;
  /** It waits for this node's own log. */
  nearly: boolean;
}

/** An answer that waits for this node's own log. */
interface Closing {
  readonly id: number;
  readonly close: () => void;
}

export class Forwarding {
  sent = 0;
  received = 0;
  /** Answered by this node's own log, ahead of the other node's reply. */
  closed = 0;
  private readonly exchange: Exchange;
  private readonly replica: Replica;
  private readonly scheduler: Scheduler;
  private readonly performer: Performer;
  private readonly take: Take;
  private readonly away: Numbered<Away> = new Numbered();
  private readonly closing: HeldBack<Closing> = new HeldBack(({ id }) => !this.away.has(id));
  private readonly avoidUntilMs: number[] = [];
  /** Nodes to which an answer found no room since their link opened. A goodbye would say that they have all. */
  readonly owed: Set<number> = new Set();

  constructor(exchange: Exchange, replica: Replica, scheduler: Scheduler, performer: Performer, take: Take) {
    this.exchange = exchange;
    this.replica = replica;
    this.scheduler = scheduler;
    this.performer = performer;
    this.take = take;
  }

  /** Is another node likely to do what is forwarded to it? */
  usable(node: number): boolean {
    if (this.exchange.links[node]?.state !== "up") return false;
    const until = this.avoidUntilMs[node];
    return until === undefined || until <= this.scheduler.monotonicMs();
  }

  // HOT: once per work that is forwarded.
  /** @param deadlineMs steady clock. @returns its number; 0: it was surely not sent, and `done` is not called. */
  forward(to: number, partition: number, work: Work, deadlineMs: number, done: Done): number {
    const link = this.exchange.links[to];
    const untilMs = deadlineMs - RETURN_MS;
    if (link === undefined || this.away.size >= AWAY_MAX || untilMs <= this.scheduler.monotonicMs()) return 0;
    const { parts } = work;
    const body = parts === undefined ? work.encode() : parts.tail;
    const head = parts === undefined ? headOf(work) : Buffer.concat([headOf(work), parts.head]);
    const bytes = head.length + body.length;
    const { patience } = this.exchange;
    const writer = link.claim(MESSAGE_HEADER_BYTES + bytes, patience.deadlineMs(bytes, untilMs));
    if (writer === undefined) return 0;
    if (bytes > LARGE_BYTES) patience.began(work.name, bytes, to);
    const id = this.away.next();
    writer.opaque(MESSAGE_FORWARD, 0, id, partition, EPOCH, body, 0, body.length, head);
    this.away.set(id, { to, name: work.name, done, nearly: false });
    this.sent++;
    return id;
  }

  /** Nobody waits for it any more: it may have lapsed on its way, or its answer found no room. `done` is not called. */
  forget(id: number): void {
    this.away.delete(id);
  }

  /** Works that were forwarded and not answered yet. */
  get waiting(): number {
    return this.away.size;
  }

  /** A FORWARD came. */
  requested(from: number, reader: MessageReader): void {
    const { id, boot, budgetMs, partition } = reader;
    this.received++;
    const work = this.workOf(reader);
    const link = this.exchange.links[from] as PeerLink;
    const reply = (answer: Answer): void => {
      if (id === 0 || link.peerBoot !== boot || writeAnswer(link, id, partition, answer)) return;
      // The asker's time runs out: it cannot know then, and says so.
      this.owed.add(from);
    };
    const nearly = (ballot: Dot, result: Buffer): void => {
      if (id !== 0 && link.peerBoot === boot && result.length <= NEARLY_BYTES_MAX)
        writeDone(link, FORWARD_NEARLY, id, partition, ballot, result);
    };
    const leftMs = (budgetMs === 0 ? BUDGET_MS_DEFAULT : budgetMs) - Math.ceil(link.unreadMs);
    // Nobody waits for it any more, and what was told "may have been applied" long ago should not undo what came after it.
    if (work === undefined || leftMs <= 0) reply({ applied: "no", why: "no quorum" });
    else this.take(work, stepOf(leftMs), reply, { from, nearly });
  }

  private workOf(reader: MessageReader): Work | undefined {
    const { bytes, at, length } = reader;
    if (length < HEAD_BYTES || bytes[at] > FLAG_WRITES) return undefined;
    const nameBytes = readU32(bytes, at + 1);
    const from = at + HEAD_BYTES;
    if (nameBytes === 0 || nameBytes > length - HEAD_BYTES || bytes[from] > 15) return undefined;
    const name = bytes.latin1Slice(from, from + nameBytes);
    return this.performer.decode(name, reader.keep(from + nameBytes, length - HEAD_BYTES - nameBytes));
  }

  /** A FORWARD_REPLY came. */
  answered(from: number, reader: MessageReader): void {
    const away = this.away.get(reader.id);
    if (away === undefined || away.to !== from) return;
    const answer = answerOf(reader);
    if (reader.flags === FORWARD_NEARLY) return this.nearly(reader.id, away, answer);
    this.away.delete(reader.id);
    if (answer.applied === "no" && answer.why === "no quorum")
      this.avoidUntilMs[from] = this.scheduler.monotonicMs() + AVOID_MS;
    away.done(answer);
  }

  private nearly(id: number, away: Away, answer: Answer): void {
    if (away.nearly || answer.applied !== "yes" || answer.ballot === undefined) return;
    const lsn = this.replica.holds(away.name, answer.ballot);
    if (lsn < 0) return;
    away.nearly = true;
    const close = (): void => {
      if (this.away.get(id) !== away) return;
      this.away.delete(id);
      this.closed++;
      away.done(answer);
    };
    if (lsn === 0) close();
    else this.closing.add(lsn, { id, close });
  }

  /** The log has come further. */
  durable(lsn: number): void {
    this.closing.release(lsn, ({ close }) => close());
  }

  /** The link to `node` broke: what is there may have been done, and the answer will not come. */
  lost(node: number): void {
    this.owed.delete(node);
    this.end(node, undefined);
  }

  /** `node` said goodbye, behind the answers to all that it took: what has none came when it took nothing any more. */
  left(node: number): void {
    this.end(node, { applied: "no", why: "no quorum" });
  }

  private end(node: number, answer: Answer | undefined): void {
    for (const [id, { to, done }] of this.away.entries()) {
      if (to !== node) continue;
      this.away.delete(id);
      done(answer);
    }
  }
}

/** What stands in front of the work. */
function headOf({ name, writes }: Work): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES + name.length);
  head[0] = writes ? FLAG_WRITES : 0;
  writeU32(head, 1, name.length);
  head.latin1Write(name, HEAD_BYTES);
  return head;
}

/** @returns false: there was no room. */
function writeAnswer(link: PeerLink, id: number, partition: number, answer: Answer): boolean {
  if (answer.applied === "yes") return writeDone(link, FORWARD_DONE, id, partition, answer.ballot, answer.result);
  if (answer.applied === "maybe") return writeReply(link, FORWARD_UNCERTAIN, id, partition, EMPTY, EMPTY);
  return writeReply(link, FORWARD_NOT_APPLIED, id, partition, EMPTY, whyPayload(answer.why));
}

function writeDone(
  link: PeerLink,
  flags: number,
  id: number,
  partition: number,
  ballot: Dot | undefined,
  result: Buffer,
): boolean {
  return writeReply(link, flags, id, partition, dotBytes(ballot), result);
}

function writeReply(link: PeerLink, flags: number, id: number, partition: number, head: Buffer, body: Buffer): boolean {
  const writer = link.claim(MESSAGE_HEADER_BYTES + head.length + body.length, Number.POSITIVE_INFINITY);
  writer?.opaque(MESSAGE_FORWARD_REPLY, flags, id, partition, EPOCH, body, 0, body.length, head);
  return writer !== undefined;
}

function dotBytes(ballot: Dot | undefined): Buffer {
  const bytes = Buffer.alloc(DOT_BYTES);
  if (ballot !== undefined) writeDot(bytes, 0, ballot);
  return bytes;
}

function whyPayload(why: "no quorum" | "too many"): Buffer {
  return Buffer.of(why === "too many" ? TOO_MANY : NO_QUORUM);
}

function answerOf(reader: MessageReader): Answer {
  const { flags, bytes, at, length } = reader;
  if (flags === FORWARD_NOT_APPLIED)
    return { applied: "no", why: bytes[at] === TOO_MANY && length > 0 ? "too many" : "no quorum" };
  if ((flags !== FORWARD_DONE && flags !== FORWARD_NEARLY) || length < DOT_BYTES) return { applied: "maybe" };
  const hlc = dotHlc(bytes, at);
  const ballot = hlc === 0 ? undefined : { epoch: dotEpoch(bytes, at), hlc, node: dotNode(bytes, at) };
  return { applied: "yes", ballot, result: reader.keep(at + DOT_BYTES, length - DOT_BYTES) };
}

/** Few lengths of time, so that few queues of timers: a budget is rounded down by at most a tenth of a second. */
function stepOf(budgetMs: number): number {
  const step = budgetMs < 200 ? 10 : 100;
  return Math.max(1, budgetMs - (budgetMs % step));
}
