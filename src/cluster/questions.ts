/**
 * cluster/questions.ts: questions about a node or about all its keys (QUERY), asked of one member and answered there at once, by the server
 * room. They change nothing, so an answer that does not come is no more than that.
 * Invariants: each question is answered once, within its time, with bytes or undefined, and never with bytes before the call that asked it
 * has returned; what is in flight is bounded.
 */
import { FLAG_FAILED, MESSAGE_HEADER_BYTES, MESSAGE_QUERY, MESSAGE_QUERY_REPLY } from "../codec/frame/layout.js";
import type { MessageReader } from "../codec/frame/message-reader.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import type { Exchange } from "./exchange.js";
import { EPOCH } from "./routing.js";
import type { Performer } from "./work.js";

const ANSWER_MS = 1500;
const ASKED_MAX = 4096;
const EMPTY: Buffer = Buffer.alloc(0);

interface Asked {
  readonly member: number;
  readonly done: (answer: Buffer | undefined) => void;
  readonly cancel: Cancel;
}

export class Questions {
  private readonly exchange: Exchange;
  private readonly scheduler: Scheduler;
  private readonly performer: Performer;
  private readonly selfIndex: number;
  private readonly asked: Map<number, Asked> = new Map();

  constructor(exchange: Exchange, scheduler: Scheduler, performer: Performer, selfIndex: number) {
    this.exchange = exchange;
    this.scheduler = scheduler;
    this.performer = performer;
    this.selfIndex = selfIndex;
  }

  ask(member: number, kind: number, bytes: Buffer, done: (answer: Buffer | undefined) => void): void {
    // Not in here: who asks page after page would get ever deeper into his own calls, and nobody else would have a turn.
    if (member === this.selfIndex) return this.scheduler.endOfTurn(() => done(this.performer.answer(kind, bytes)));
    const link = this.exchange.links[member];
    const deadlineMs = this.scheduler.monotonicMs() + ANSWER_MS;
    const full = link === undefined || this.asked.size >= ASKED_MAX;
    const writer = full ? undefined : link.claim(MESSAGE_HEADER_BYTES + bytes.length, deadlineMs);
    if (writer === undefined) return done(undefined);
    const id = this.exchange.nextId();
    writer.opaque(MESSAGE_QUERY, kind, id, 0, EPOCH, bytes, 0, bytes.length);
    const cancel = this.scheduler.after(ANSWER_MS, () => this.end(id, undefined));
    this.asked.set(id, { member, done, cancel });
  }

  private end(id: number, answer: Buffer | undefined): void {
    const asked = this.asked.get(id);
    if (asked === undefined) return;
    this.asked.delete(id);
    asked.cancel();
    asked.done(answer);
  }

  /** A QUERY came. */
  requested(from: number, reader: MessageReader): void {
    const { id, boot, bytes, at, length, flags, budgetMs } = reader;
    const answer = this.performer.answer(flags, Buffer.from(bytes.subarray(at, at + length)));
    const link = this.exchange.links[from];
    if (id === 0 || link === undefined || link.peerBoot !== boot) return;
    const payload = answer ?? EMPTY;
    const deadlineMs = this.scheduler.monotonicMs() + (budgetMs === 0 ? ANSWER_MS : budgetMs);
    const writer = link.claim(MESSAGE_HEADER_BYTES + payload.length, deadlineMs);
    writer?.opaque(
      MESSAGE_QUERY_REPLY,
      answer === undefined ? FLAG_FAILED : 0,
      id,
      0,
      EPOCH,
      payload,
      0,
      payload.length,
    );
  }

  /** A QUERY_REPLY came. */
  answered(from: number, reader: MessageReader): void {
    if (this.asked.get(reader.id)?.member !== from) return;
    const { bytes, at, length, flags } = reader;
    this.end(reader.id, flags === 0 ? Buffer.from(bytes.subarray(at, at + length)) : undefined);
  }

  lost(member: number): void {
    for (const [id, asked] of [...this.asked]) if (asked.member === member) this.end(id, undefined);
  }
}
