/**
 * cluster/explain.ts: what each replica of a key holds, for people (KV.EXPLAIN): who was asked, what they said and how long that took, who
 * lags behind. It reads as a GET does, but asks all and repairs nothing.
 * Who has no connection is not asked, and one whose connection ends is not waited for: that it is down is the answer. Who is merely silent is asked,
 * and may take all of the time.
 * Invariant: each question ends when all have answered that still can, or with the time.
 */
import { compareDots, type Dot } from "../core/clock/dot.js";
import { COUNTS_PER_MS, ORIGIN_MS } from "../core/clock/hlc.js";
import type { ReadRequest, StateReply } from "../core/register/messages.js";
import type { ReplicaGroup } from "../core/register/quorum.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import { dbOf, type Value } from "../storage/state-record.js";

const ANSWER_MS = 1000;
const QUESTIONS_MAX = 4096;
/** Numbers of these reads are beyond those of the reader. */
const IDS_FROM: number = 2 ** 45;

/** What a replica said, and when that came: by the steady clock since the question, and by the wall clock. */
interface Answer {
  readonly reply: StateReply<Value>;
  readonly ms: number;
  readonly atMs: number;
}

interface Question {
  readonly name: string;
  readonly partition: number;
  readonly group: ReplicaGroup;
  readonly preferred: number;
  readonly startedMs: number;
  readonly replies: Map<number, Answer>;
  /** Those that have not answered, and will not. */
  readonly down: Set<number>;
  readonly done: (text: string) => void;
  readonly cancel: Cancel;
}

export interface ExplainParts {
  readonly scheduler: Scheduler;
  readonly boot: number;
  readonly idOf: (node: number) => string;
  /** Never so of this node. */
  readonly isDown: (node: number) => boolean;
  readonly send: (to: number, request: ReadRequest) => void;
}

export class Explain {
  private readonly parts: ExplainParts;
  private readonly questions: Map<number, Question> = new Map();
  private nextId = IDS_FROM;

  constructor(parts: ExplainParts) {
    this.parts = parts;
  }

  ask(name: string, partition: number, group: ReplicaGroup, preferred: number, done: (text: string) => void): void {
    if (this.questions.size >= QUESTIONS_MAX) return done("too many questions at once: ask again");
    const id = this.nextId++;
    const startedMs = this.parts.scheduler.monotonicMs();
    const cancel = this.parts.scheduler.after(ANSWER_MS, () => this.end(id));
    const { boot, isDown } = this.parts;
    const down = new Set(group.nodes.filter(isDown));
    this.questions.set(id, { name, partition, group, preferred, startedMs, replies: new Map(), down, done, cancel });
    for (const to of group.nodes) {
      if (down.has(to)) continue;
      this.parts.send(to, { type: "read", key: name, epoch: group.epoch, boot, id, have: undefined });
    }
    this.endIfAll(id);
  }

  /** The connection to a node has ended: it answers nothing that was asked before. */
  lost(node: number): void {
    for (const [id, { group, replies, down }] of [...this.questions]) {
      if (!group.nodes.includes(node) || replies.has(node)) continue;
      down.add(node);
      this.endIfAll(id);
    }
  }

  /** @returns whether the reply is for one of these. */
  receive(from: number, reply: StateReply<Value>): boolean {
    if (reply.id < IDS_FROM) return false;
    const question = this.questions.get(reply.id);
    if (question === undefined || question.replies.has(from)) return true;
    const { scheduler } = this.parts;
    question.replies.set(from, { reply, ms: scheduler.monotonicMs() - question.startedMs, atMs: scheduler.nowMs() });
    this.endIfAll(reply.id);
    return true;
  }

  private endIfAll(id: number): void {
    const question = this.questions.get(id);
    if (question === undefined) return;
    const { group, replies, down } = question;
    if (group.nodes.every((node) => replies.has(node) || down.has(node))) this.end(id);
  }

  private end(id: number): void {
    const question = this.questions.get(id);
    if (question === undefined) return;
    this.questions.delete(id);
    question.cancel();
    question.done(this.text(question));
  }

  private text(question: Question): string {
    const { name, partition, group, preferred, replies } = question;
    const { idOf } = this.parts;
    let highest: Dot | undefined;
    for (const { reply } of replies.values()) {
      if (reply.ballot !== undefined && (highest === undefined || compareDots(reply.ballot, highest) > 0))
        highest = reply.ballot;
    }
    const holders = [...replies.values()].filter(({ reply }) => highest !== undefined && isAt(reply, highest));
    const lines = [
      `key ${JSON.stringify(name.slice(1))} of database ${dbOf(name)}, partition ${partition}`,
      `replicas ${group.nodes.map(idOf).join(" ")}; preferred proposer ${idOf(preferred)}; reads ask ${group.r}, writes need ${group.w}`,
    ];
    for (const node of group.nodes) {
      const answer = replies.get(node);
      const none = question.down.has(node) ? "down" : "no answer";
      lines.push(answer === undefined ? `${idOf(node)}: ${none}` : this.line(node, answer, highest));
    }
    const chosen = holders.length >= group.w || holders.some(({ reply }) => reply.chosen);
    lines.push(verdict(highest, holders.length, chosen, replies.size, group));
    return lines.join("\n");
  }

  /** Ages and times left are those of the moment in which the answer came. */
  private line(node: number, { reply, ms, atMs }: Answer, highest: Dot | undefined): string {
    const { idOf } = this.parts;
    const { ballot, state, chosen } = reply;
    const time = `${ms.toFixed(2)} ms`;
    if (ballot === undefined || state === undefined) {
      return `${idOf(node)}: ${highest === undefined ? "absent" : "stale: absent"}, ${time}`;
    }
    const what = state.value === undefined ? "deleted" : `${state.value.bytes.length} bytes`;
    const until = state.expireAt === 0 ? "" : `, expires in ${state.expireAt - atMs} ms`;
    const stale = highest !== undefined && compareDots(ballot, highest) < 0 ? "stale: " : "";
    const vector = state.vv.dots.map((dot) => this.shown(dot, atMs)).join(" ");
    return `${idOf(node)}: ${stale}${what} at ${this.shown(ballot, atMs)}${chosen ? ", known to be chosen" : ""}${until}, written by [${vector}], ${time}`;
  }

  private shown({ epoch, hlc, node }: Dot, atMs: number): string {
    const agoMs = atMs - ORIGIN_MS - Math.floor(hlc / COUNTS_PER_MS);
    return `${hlc}@${this.parts.idOf(node)}${epoch === 0 ? "" : ` epoch ${epoch}`} (${agoMs} ms ago)`;
  }
}

function isAt(reply: StateReply<Value>, dot: Dot): boolean {
  return reply.ballot !== undefined && compareDots(reply.ballot, dot) === 0;
}

/** @param chosen w replicas hold it, or one knows that they did. */
function verdict(
  highest: Dot | undefined,
  holders: number,
  chosen: boolean,
  answers: number,
  { r, w }: ReplicaGroup,
): string {
  if (answers < r) return "fewer than R answered: a GET would be refused now";
  if (highest === undefined) return "a GET answers nil, in one trip";
  if (chosen) return "a GET answers it in one trip";
  const few = `only ${holders} of the ${w} replicas needed are known to have the latest state`;
  if (answers < w) return `${few}, and fewer than W answered, so that cannot be repaired: a GET would be refused now`;
  return `${few}: a GET repairs that before it answers`;
}
