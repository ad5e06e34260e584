/**
 * test/sim/check-order.ts: checker 1, which looks inside. Whatever is answered last tells the last chosen state of a key. Each state's
 * vector and the ledger (what was applied for a ballot, in which order) tell the state that it was made of. So the whole history of a key is
 * known, back to its beginning, with the operations in it that nobody was told of; nothing is guessed. It is replayed through the model. O(operations).
 *
 * Checked: every result, and every state on the way, is the model's; every answered operation has its place in the history; an operation that was
 * answered before another was asked comes before it, in the order of states and in the order of dots; none takes effect twice, not even in
 * states that were abandoned; none that was surely not applied is part of any state; a value is gone only if an operation took it, or its
 * deadline had passed, by the highest clock and by the median of all.
 */
import { compareDots, type Dot, maxDot, NO_DOT, sameDot } from "../../src/core/clock/dot.js";
import type { Accepted, Evidence } from "./evidence.js";
import { dotKey, dotText, type Entry, type History, textOf, Violation } from "./history.js";
import type { Applied, Ledger, Round } from "./ledger.js";
import { type Content, perform } from "./model.js";

export interface Records {
  /** So long before its deadline, by the highest clock, a key may be ended: 0 unless clocks jump, drift or are far apart. */
  readonly clockPlayMs?: number;
  /** And so long by the median of all clocks. */
  readonly medianPlayMs?: number;
  readonly history: History;
  readonly evidence: Evidence;
  readonly ledger: Ledger;
}

/** A state that changed the key, and what it was made of. */
interface Link {
  readonly state: Accepted;
  readonly round: Round;
}

export class OrderChecker {
  private readonly records: Records;
  private readonly name: string;
  private readonly entries: readonly Entry[];
  private readonly chain: Link[] = [];
  /** By dot: its place in the chain, from 1. */
  private readonly places: Map<number, number> = new Map();
  /** By id: the place in the chain of operations that changed something. */
  private readonly effects: Map<number, number> = new Map();
  /** By place: answered operations that found the state of that place, and changed nothing. */
  private readonly looks: Entry[][] = [];
  private content: Content | undefined;
  private readonly order: Entry[] = [];
  private latestInvoked = -1;
  private latest: Entry | undefined;

  constructor(records: Records, name: string) {
    this.records = records;
    this.name = name;
    this.entries = records.history.byName.get(name) ?? [];
  }

  /** @throws {Violation} @returns operations that were checked. */
  check(): number {
    const answered = this.entries.filter(({ heard }) => heard === "yes");
    this.checkDots(answered);
    this.goBack(answered);
    for (let place = 0; place <= this.chain.length; place++) this.looks.push([]);
    for (const entry of answered) this.look(entry);
    for (let place = 1; place <= this.chain.length; place++) this.replay(this.chain[place - 1], place);
    this.flush(this.looks[this.chain.length]);
    for (const entry of answered) if (!entry.placed) this.fail("it was answered, and is no part of the history", entry);
    this.checkRefused();
    this.checkAbandoned();
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

  /** The chain: from the last state that was answered back to the beginning. */
  private goBack(answered: readonly Entry[]): void {
    let last: Entry | undefined;
    for (const entry of answered) if (last === undefined || compareDots(dotOf(entry), dotOf(last)) > 0) last = entry;
    if (last?.ballot === undefined) return;
    const state = this.records.evidence.of(this.name, last.ballot);
    if (state === undefined) return this.fail("nobody holds its state", last);
    let dot = lastChange(state);
    while (dot.hlc > 0) {
      const link = this.linkOf(dot);
      if (link === undefined) return this.fail(`nobody holds ${dotText(dot)}, which is part of its history`, last);
      this.chain.push(link);
      dot = baseOf(link);
    }
    this.chain.reverse();
    for (let i = 0; i < this.chain.length; i++) this.places.set(dotKey(this.chain[i].state.ballot), i + 1);
  }

  private linkOf(dot: Dot): Link | undefined {
    const state = this.records.evidence.of(this.name, dot);
    const round = this.records.ledger.round(
      this.name,
      dot,
      (mine) => this.records.evidence.of(this.name, mine) !== undefined,
    );
    return state === undefined || round === undefined ? undefined : { state, round };
  }

  /** An answer that changed nothing: which state is it about? One that was shown other changes of its round comes with them. */
  private look(entry: Entry): void {
    const { applied } = entry;
    if (applied === undefined || applied.id !== entry.ask.id) return this.fail("its answer is another one's", entry);
    if (applied.changes) return;
    const { round } = applied;
    if (round !== undefined && this.places.has(dotKey(round.ballot))) return; // its round tells
    const place = applied.base.hlc === 0 ? 0 : this.places.get(dotKey(applied.base));
    if (place === undefined) return this.fail("what it found is no part of the history", entry);
    this.looks[place].push(entry);
  }

  /** Those that saw what is there now. Whoever was asked first comes first: of two that follow one another that is the right order. */
  private flush(looks: Entry[]): void {
    looks.sort((a, b) => a.invoked - b.invoked);
    for (const entry of looks) this.place(entry);
    looks.length = 0;
  }

  /** The round that made the state of a place from the one before. */
  private replay({ state, round }: Link, place: number): void {
    const { applied } = round;
    // What was found before the first change is what had been there before the round.
    let looks = this.looks[place - 1];
    if (this.content !== undefined && (applied.length === 0 ? state.content === undefined : !applied[0].found)) {
      this.flush(looks);
      looks = [];
      this.expire(round, state);
    }
    for (const each of applied) {
      const entry = this.records.history.of(each.id);
      if (entry === undefined || entry.name !== this.name) throw new Violation(`order: nobody asked for #${each.id}`);
      if (each.changes) {
        this.flush(looks);
        looks = [];
        this.change(entry, each, place);
      } else if (entry.applied === each) looks.push(entry);
    }
    // What was found last is what the round left, and what others find after it.
    this.looks[place].push(...looks);
    if (!sameContent(this.content, state.content)) {
      const made = `${JSON.stringify(this.content)}, not ${JSON.stringify(state.content)}`;
      throw new Violation(
        `order: ${dotText(state.ballot)} of ${JSON.stringify(this.name)} should be ${made}\n${this.recent()}`,
      );
    }
  }

  private expire({ wallMs, medianMs }: Round, { ballot }: Accepted): void {
    const { expireAt } = this.content as Content;
    const latestMs = Math.min(wallMs + (this.records.clockPlayMs ?? 0), medianMs + (this.records.medianPlayMs ?? 0));
    if (expireAt === 0 || expireAt > latestMs) {
      throw new Violation(
        `order: what was there is gone at ${dotText(ballot)}, ${expireAt - latestMs} ms early, of ${JSON.stringify(this.name)}, and nobody took it\n${this.recent()}`,
      );
    }
    this.content = undefined;
  }

  private change(entry: Entry, applied: Applied, place: number): void {
    const { id } = entry.ask;
    if (this.effects.has(id)) this.fail(`#${id} took effect twice`, entry);
    if (entry.heard === "no") this.fail(`#${id} was surely not applied, and was`, entry);
    if (entry.heard === "yes" && entry.applied !== applied) this.fail("its answer is that of another attempt", entry);
    this.effects.set(id, place);
    this.place(entry);
    const { result, changes, after } = perform(entry.ask, this.content, Number.NaN);
    if (!changes || result !== applied.result)
      this.fail(`it should have said ${JSON.stringify(result)}, and said ${JSON.stringify(applied.result)}`, entry);
    this.content = after === undefined ? undefined : { ...after, expireAt: applied.expireAt };
  }

  private place(entry: Entry): void {
    if (entry.placed) this.fail("it has two places", entry);
    if (entry.responded < this.latestInvoked)
      this.fail(`it was answered before #${this.latest?.ask.id} was asked, and comes after it`, entry);
    entry.placed = true;
    this.order.push(entry);
    if (entry.invoked > this.latestInvoked) {
      this.latestInvoked = entry.invoked;
      this.latest = entry;
    }
    if (entry.heard !== "yes") return;
    const { result } = perform(entry.ask, this.content, Number.NaN);
    if (entry.result !== result) this.fail(`it should have answered ${JSON.stringify(result)}`, entry);
  }

  /** Whatever a replica accepted may yet be chosen, so what was refused is part of none of it. */
  private checkRefused(): void {
    for (const { ballot, applied } of this.records.ledger.roundsOf(this.name)) {
      for (const { id, changes } of applied) {
        const entry = changes ? this.records.history.of(id) : undefined;
        if (entry?.heard === "no" && this.records.evidence.of(this.name, ballot) !== undefined)
          this.fail(`#${id} was surely not applied, and is part of ${dotText(ballot)}`, entry);
      }
    }
  }

  /** States that were accepted, and that came to nothing, carry no operation that their own history has already. */
  private checkAbandoned(): void {
    for (const state of this.records.evidence.statesOf(this.name)) {
      if (this.places.has(dotKey(state.ballot)) || !sameDot(lastChange(state), state.ballot)) continue;
      const link = this.linkOf(state.ballot);
      let base = link === undefined ? undefined : baseOf(link);
      while (base !== undefined && base.hlc > 0 && !this.places.has(dotKey(base))) {
        const before = this.linkOf(base);
        base = before === undefined ? undefined : baseOf(before);
      }
      const place = base === undefined ? undefined : base.hlc === 0 ? 0 : this.places.get(dotKey(base));
      if (link === undefined || place === undefined)
        throw new Violation(`order: ${dotText(state.ballot)} of ${JSON.stringify(this.name)} comes from nowhere`);
      for (const { id, changes } of link.round.applied) {
        const entry = changes && (this.effects.get(id) ?? place + 1) <= place ? this.records.history.of(id) : undefined;
        if (entry !== undefined) this.fail(`#${id} took effect twice, in ${dotText(state.ballot)} too`, entry);
      }
    }
  }

  private recent(): string {
    return `  ${this.order.slice(-12).map(textOf).join("\n  ")}`;
  }

  private fail(what: string, entry: Entry): never {
    const state = this.content === undefined ? "nothing" : JSON.stringify(this.content);
    throw new Violation(
      `order: ${what}: #${entry.ask.id}\n${this.recent()}\n  there is ${state}\n  now: ${textOf(entry)}`,
    );
  }
}

function dotOf({ ballot }: Entry): Dot {
  return ballot ?? NO_DOT;
}

/** The dot that last changed a state: an identity round leaves it as it is. */
function lastChange({ vv }: Accepted): Dot {
  return vv.dots.reduce(maxDot, NO_DOT);
}

/** The dot that last changed what a state was made of: its proposer's dot in it has taken another one's place. */
function baseOf({ state: { ballot, vv }, round: { mine } }: Link): Dot {
  let base = mine ?? NO_DOT;
  for (const dot of vv.dots) if (dot.node !== ballot.node) base = maxDot(base, dot);
  return base;
}

function sameContent(a: Content | undefined, b: Content | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.text === b.text && a.seq === b.seq && a.writer === b.writer && a.expireAt === b.expireAt;
}
