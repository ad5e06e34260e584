/**
 * core/register/purger.ts: deleting a key for good: its tombstone is dropped at all replicas once nothing older of the key is left
 * anywhere. (event) -> effects. No I/O.
 *
 * Durable: nothing here. Each replica logs its floor and the removal. Volatile: the questions in flight.
 *
 *   event                what happens
 *   start                all N are asked whether this tombstone is their accepted state, durably, with nothing else promised
 *   purgeable yes, all   PURGE to all. It may get lost: a replica that kept its tombstone asks later, and the others say yes,
 *                        absent under a floor above it
 *   purgeable no         over; the caller has an identity round put the tombstone everywhere, and starts again
 *   timer                over; a replica does not answer, so tombstones wait for it or for its replacement
 *
 * Invariant: no PURGE without a yes from every replica. A quorum is not enough: the one that was not asked may hold an older value, and
 * would bring it back.
 * Rejected: dropping tombstones after a fixed time, as Cassandra's gc_grace_seconds does. A replica that is away for longer brings
 * the key back.
 */
import { type Dot, sameDot } from "../clock/dot.js";
import type { Effect, Surroundings } from "./effects.js";
import type { Reply } from "./messages.js";
import { PROPOSER_RULES, type ProposerRules } from "./proposer-rules.js";
import { type ReplicaGroup, Votes } from "./quorum.js";

const ASK_TIMEOUT_MS = 1000;
const QUESTIONS_MAX = 1024;

export type PurgeEnd = "purged" | "refused" | "late";

interface Question {
  readonly ballot: Dot;
  readonly group: ReplicaGroup;
  readonly yes: Votes;
}

export class Purger<V> {
  private readonly questions = new Map<string, Question>();
  private readonly surroundings: Surroundings<V>;
  private readonly rules: ProposerRules;

  constructor(surroundings: Surroundings<V>, rules: ProposerRules = PROPOSER_RULES) {
    this.surroundings = surroundings;
    this.rules = rules;
  }

  /** Keys asked about. */
  get size(): number {
    return this.questions.size;
  }

  /**
   * Ask about the tombstone that this node holds.
   * @returns whether a question was asked: not when there is no tombstone, one is in flight for the key, or too many are.
   */
  start(key: string, out: Effect<V, never>[]): boolean {
    const held = this.surroundings.held(key);
    if (held === undefined || held.state.value !== undefined) return false;
    if (this.questions.has(key) || this.questions.size >= QUESTIONS_MAX) return false;
    const group = this.surroundings.group(key);
    const { ballot } = held;
    this.questions.set(key, { ballot, group, yes: new Votes(this.rules) });
    for (const to of group.nodes) {
      out.push({ type: "send", to, message: { type: "ask", key, epoch: group.epoch, ballot }, underCeiling: 0 });
    }
    out.push({ type: "timer", delayMs: ASK_TIMEOUT_MS, timer: { what: "purge", key, ballot } });
    return true;
  }

  /** @returns how the question ended, or undefined: it goes on, or the reply is not for one. */
  receive(from: number, reply: Reply<V>, out: Effect<V, never>[]): PurgeEnd | undefined {
    if (reply.type !== "purgeable" && (reply.type !== "refused" || reply.request !== "ask")) return undefined;
    const { key, ballot } = reply;
    const question = this.questions.get(key);
    if (question === undefined || ballot === undefined || !sameDot(question.ballot, ballot)) return undefined;
    const { group, yes } = question;
    const index = group.nodes.indexOf(from);
    if (index < 0) return undefined;
    if (reply.type === "refused" || !reply.yes) {
      this.questions.delete(key);
      return "refused";
    }
    yes.add(index);
    if (yes.count < this.rules.purgeQuorum(group)) return undefined;
    this.questions.delete(key);
    for (const to of group.nodes) {
      out.push({ type: "send", to, message: { type: "purge", key, epoch: group.epoch, ballot }, underCeiling: 0 });
    }
    return "purged";
  }

  /** The timer of a question. @returns "late" if it was still open. */
  timer(key: string, ballot: Dot): PurgeEnd | undefined {
    const question = this.questions.get(key);
    if (question === undefined || !sameDot(question.ballot, ballot)) return undefined;
    this.questions.delete(key);
    return "late";
  }
}
