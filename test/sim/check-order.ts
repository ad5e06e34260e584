/**
 * test/sim/check-order.ts: checker 1, which looks inside. Each answer tells which state its round was based on (the dot that last changed the
 * key), what the operation itself found (several operations of one round find each other's changes), and the dot it was answered under. So
 * the order of all operations on a key is known, and is replayed through the model. O(operations).
 *
 * Checked: every result is the model's; an operation that was answered before another was asked comes before it, in the order of states and
 * in the order of dots; none takes effect twice; none that was surely not applied takes effect; two rounds never change the same
 * state; a value is gone only when something may have taken it; operations of one client on one key keep their order.
 * Operations that nobody was told of take effect where the states show them, or not at all.
 */
import { compareDots, type Dot, NO_DOT, sameDot } from "../../src/core/clock/dot.js";
import type { Accepted, Evidence } from "./evidence.js";
import { type Entry, type History, textOf, Violation } from "./history.js";
import { type Content, type Kind, perform, WRITERS_MAX } from "./model.js";
import type { Replied } from "./works.js";

/** No operation writes it. */
const UNKNOWN = "\u0000";

export class OrderChecker {
  private readonly history: History;
  private readonly inOrder: boolean;
  private readonly evidence: Evidence;
  private readonly entries: readonly Entry[];
  private content: Content | undefined;
  /** The dot that made it so, as far as it is known. */
  private base: Dot = NO_DOT;
  private readonly order: Entry[] = [];
  private latestInvoked = -1;
  private latest: Entry | undefined;
  /** Operations that nobody was told of and that remove. */
  private readonly removers: readonly Entry[];

  /** @param inOrder whether operations of one client must keep their order. */
  constructor(history: History, evidence: Evidence, name: string, inOrder: boolean) {
    this.inOrder = inOrder;
    this.history = history;
    this.evidence = evidence;
    this.entries = history.byName.get(name) ?? [];
    this.removers = this.entries.filter((entry) => entry.uncertain && removes(entry));
  }

  /** @throws {Violation} @returns operations that were checked. */
  check(): number {
    const answered = this.entries.filter(({ heard }) => heard === "yes");
    this.checkDots(answered);
    answered.sort((a, b) => compareDots(baseOf(a), baseOf(b)) || a.invoked - b.invoked);
    let from = 0;
    while (from < answered.length) {
      let to = from + 1;
      const base = baseOf(answered[from]);
      while (to < answered.length && sameDot(baseOf(answered[to]), base)) to++;
      this.reach(base, answered[from]);
      this.group(answered.slice(from, to));
      from = to;
    }
    return answered.length;
  }

  /** What was answered under a dot before an operation was asked for cannot lie above that operation's dot. */
  private checkDots(answered: readonly Entry[]): void {
    const byAnswer = answered.slice().sort((a, b) => a.responded - b.responded);
    let highest: Entry | undefined;
    let next = 0;
    // The entries are in the order in which they were asked.
    for (const entry of answered) {
      for (; next < byAnswer.length && byAnswer[next].responded < entry.invoked; next++) {
        if (highest === undefined || compareDots(dotOf(byAnswer[next]), dotOf(highest)) > 0) highest = byAnswer[next];
      }
      if (highest !== undefined && compareDots(dotOf(entry), dotOf(highest)) < 0) {
        throw new Violation(`order: the dots go back\n  ${textOf(highest)}\n  ${textOf(entry)}`);
      }
    }
  }

  /** The state that the next operations were based on: either where we are, or where changes led that nobody was told of. */
  private reach(base: Dot, entry: Entry): void {
    if (base.hlc === 0) return;
    const state = this.evidence.of(entry.name, base);
    if (state === undefined) return this.fail("nobody holds the state it was based on", entry);
    // Its vector names the last change of each node: those that we have not seen lie on the way.
    const way = state.vv.dots.filter((dot) => compareDots(dot, this.base) > 0).sort(compareDots);
    for (const dot of way) {
      const step = this.evidence.of(entry.name, dot);
      if (step === undefined)
        return this.fail(`nobody holds ${dot.hlc}.${dot.node}, which is part of its history`, entry);
      this.explain(step, entry);
      this.base = dot;
      this.content = step.content;
    }
  }

  /** @throws {Violation} when nothing can have led from what is here to that state. */
  private explain(state: Accepted, entry: Entry): void {
    const { content: here } = this;
    const { content: there } = state;
    if (there?.seq === here?.seq && there?.writers.at(-1) === here?.writers.at(-1)) return;
    const grown = there === undefined ? 0 : there.seq - (here?.seq ?? 0);
    const continues = there !== undefined && (here === undefined || this.continues(here, there, grown));
    if (here !== undefined && !continues && this.remover(here, entry) === undefined && !this.wentBetween(state, entry))
      this.fail("what was there is gone, and nobody can have taken it", entry);
    if (there === undefined) return;
    const hidden = there.writers.slice(continues ? -Math.min(grown, there.writers.length) : 0);
    for (const id of hidden) {
      const writer = this.history.of(id);
      if (writer === undefined || writer.name !== entry.name) this.fail(`nobody wrote #${id}`, entry);
      if (!writer.uncertain && !(writer.heard === "yes" && changes(writer)))
        this.fail(`#${id} was surely not applied, and was`, writer);
      if (writer.placed) this.fail(`#${id} took effect twice`, writer);
      writer.placed = true;
      this.order.push(writer);
    }
  }

  /** Was the key gone, or past a deadline, in a state between here and there that nobody was told of? */
  private wentBetween(there: Accepted, entry: Entry): boolean {
    return this.evidence.between(entry.name, this.base, there).some(({ content }) => {
      return content === undefined || (content.expireAt !== 0 && content.expireAt <= entry.wallMs);
    });
  }

  private continues(here: Content, there: Content, grown: number): boolean {
    if (grown <= 0) return false;
    if (grown >= there.writers.length) return there.writers.length === WRITERS_MAX;
    return there.writers[there.writers.length - grown - 1] === here.writers.at(-1);
  }

  /** Who may have taken what is here, before an operation was answered: an operation, or its deadline. */
  private remover(here: Content, entry: Entry): Entry | "deadline" | undefined {
    if (here.expireAt !== 0 && here.expireAt <= entry.wallMs) return "deadline";
    return this.removers.find(({ placed, invoked }) => !placed && invoked < entry.responded);
  }

  /** All operations based on one state: those that only looked at it, then the round that changed it, in its own order. */
  private group(group: readonly Entry[]): void {
    const later: Entry[] = [];
    for (const entry of group) {
      // A change that another one's state has shown already is answered late, and names a later dot.
      if (entry.placed) continue;
      if (!changes(entry) && this.fits(entry) && this.isNext(entry)) this.place(entry);
      else later.push(entry);
    }
    later.sort((a, b) => turnOf(a) - turnOf(b));
    for (const entry of later) {
      if (entry.placed) continue;
      for (let tries = 0; !this.fits(entry) && tries < 2; tries++) this.reveal(entry);
      this.place(entry);
    }
  }

  /** Is what its client sent before already there? The key may have been absent several times. */
  private isNext({ after }: Entry): boolean {
    const before = this.history.of(after);
    return !this.inOrder || this.content !== undefined || before?.heard !== "yes" || before.placed;
  }

  private fits({ replied }: Entry): boolean {
    const { found, seq, writers } = replied as Replied;
    const { content } = this;
    if (content === undefined || !found) return content === undefined && !found;
    return content.seq === seq && content.writers.at(-1) === writers.at(-1);
  }

  private place(entry: Entry): void {
    const { replied, ask } = entry;
    if (entry.placed) this.fail(`#${ask.id} took effect twice`, entry);
    if (replied !== undefined && !this.fits(entry)) this.fail("what it found never was", entry);
    if (entry.heard === "no") this.fail(`#${ask.id} was surely not applied, and was`, entry);
    if (entry.responded < this.latestInvoked)
      this.fail(`it was answered before #${this.latest?.ask.id} was asked, and comes after it`, entry);
    const before = this.history.of(entry.after);
    if (this.inOrder && before?.heard === "yes" && !before.placed)
      this.fail(`it comes before #${entry.after}, which its client sent first`, entry);
    entry.placed = true;
    this.order.push(entry);
    if (entry.invoked > this.latestInvoked) {
      this.latestInvoked = entry.invoked;
      this.latest = entry;
    }
    if (this.content?.text === UNKNOWN) return this.placeOnUnknown(entry);
    const { result, changes: changing, after } = perform(ask, this.content, Number.NaN);
    if (replied !== undefined && replied.result !== result)
      this.fail(`it should have answered ${JSON.stringify(result)}`, entry);
    if (!changing) return;
    this.content = after === undefined ? undefined : { ...after, expireAt: replied?.expireAt ?? after.expireAt };
  }

  /** So many changes that nobody was told of came before that the text is not known: the answer is believed. */
  private placeOnUnknown({ ask, replied }: Entry): void {
    const here = this.content as Content;
    if (ask.kind === "get") this.content = { ...here, text: replied?.result ?? UNKNOWN };
    // One that nobody was told of has its place because it changed something.
    if (replied !== undefined && !changes({ ask, replied })) return;
    if (removesKind(ask.kind)) {
      this.content = undefined;
      return;
    }
    const told =
      ask.kind === "incr" ? replied?.result : ask.kind === "append" || ask.kind === "persist" ? UNKNOWN : ask.text;
    const writers = [...here.writers.slice(1 - WRITERS_MAX), ask.id];
    const expireAt = replied?.expireAt ?? Number.NaN;
    this.content = { text: told ?? UNKNOWN, seq: here.seq + 1, writers, expireAt };
  }

  /** It did not find what is there now: within its round there are changes that nobody was told of. */
  private reveal(entry: Entry): void {
    const { found, seq, writers } = entry.replied as Replied;
    const here = this.content;
    const grown = seq - (here?.seq ?? 0);
    const continues =
      found && (here === undefined || this.continues(here, { text: "", seq, writers, expireAt: 0 }, grown));
    if (here !== undefined && !continues) {
      const remover = this.remover(here, entry);
      if (remover === undefined) this.fail("what was there is gone, and nobody can have taken it", entry);
      if (remover === "deadline") this.content = undefined;
      else this.place(remover);
      return;
    }
    if (grown > writers.length && writers.length === WRITERS_MAX) return this.adopt(entry);
    if (grown <= 0 || grown > writers.length) this.fail("what it found never was", entry);
    for (const id of writers.slice(-grown)) {
      const hidden = this.history.of(id);
      if (hidden === undefined || hidden.name !== entry.name) this.fail(`nobody wrote #${id}`, entry);
      this.place(hidden);
    }
  }

  /** More changes than a value remembers lie before it. */
  private adopt(entry: Entry): void {
    const { seq, writers, expireAt } = entry.replied as Replied;
    for (const id of writers) {
      const hidden = this.history.of(id);
      if (hidden === undefined || hidden.name !== entry.name) this.fail(`nobody wrote #${id}`, entry);
      if (hidden.heard === "no") this.fail(`#${id} was surely not applied, and was`, hidden);
      hidden.placed = true;
      this.order.push(hidden);
    }
    this.content = { text: UNKNOWN, seq, writers, expireAt };
  }

  private fail(what: string, entry: Entry): never {
    const recent = this.order.slice(-12).map(textOf);
    const state = this.content === undefined ? "nothing" : JSON.stringify(this.content);
    throw new Violation(
      `order: ${what}: #${entry.ask.id}\n  ${recent.join("\n  ")}\n  there is ${state}\n  now: ${textOf(entry)}`,
    );
  }
}

function dotOf({ ballot }: Entry): Dot {
  return ballot ?? NO_DOT;
}

function baseOf({ replied }: Entry): Dot {
  return (replied as Replied).base;
}

function turnOf({ replied }: Entry): number {
  return (replied as Replied).turn;
}

function removes({ ask }: Entry): boolean {
  return removesKind(ask.kind);
}

function removesKind(kind: Kind): boolean {
  return kind === "del" || kind === "getdel";
}

/** Did it change something, by its own account? */
function changes({ ask, replied }: Pick<Entry, "ask" | "replied">): boolean {
  const { found, result } = replied as Replied;
  switch (ask.kind) {
    case "get":
      return false;
    case "del":
    case "getdel":
      return found;
    case "setnx":
    case "cas":
    case "persist":
      return result === "1";
    case "incr":
      return result !== "ERR";
    default:
      return true;
  }
}
