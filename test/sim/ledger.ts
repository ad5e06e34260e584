/**
 * test/sim/ledger.ts: what an all-seeing observer has noted of rounds: each time an operation was applied to a state, what it found and what it
 * made of it; and for each ballot that was proposed, what had been applied for it and in which order. No node can read this.
 *
 * It listens to the rules that proposers ask (core/register/proposer-rules.ts): `verdict` is asked for each operation of a round, right before it
 * is applied, and `issueUnderCeiling` when the round is made up.
 */
import { type Dot, maxDot, NO_DOT } from "../../src/core/clock/dot.js";
import { EXPIRING } from "../../src/core/register/operation.js";
import type { ProposerRules, Verdict } from "../../src/core/register/proposer-rules.js";
import type { RegisterState } from "../../src/core/register/state.js";
import { dotKey, dotText, Violation } from "./history.js";
import type { Content } from "./model.js";

/** One operation, applied once. */
export class Applied {
  readonly name: string;
  /** Of the operation. */
  readonly id: number;
  readonly found: Content | undefined;
  readonly changes: boolean;
  readonly result: string;
  /** Of what it left. */
  readonly expireAt: number;
  /** The dot that last changed the state; of a round: the state before all of it. */
  readonly base: Dot;
  /** The round it was applied for. undefined: none, a read that needed none. */
  round: Round | undefined;

  constructor(name: string, id: number, base: Dot, found: Content | undefined, made: Made) {
    this.name = name;
    this.id = id;
    this.base = base;
    this.found = found;
    this.changes = made.changes;
    this.result = made.result;
    this.expireAt = made.expireAt;
  }
}

export interface Made {
  readonly changes: boolean;
  readonly result: string;
  readonly expireAt: number;
}

/** One ballot, as it was proposed. */
export interface Round {
  readonly ballot: Dot;
  /** The proposer's last change in the history of the base: the vector of what it proposed does not show it any more. */
  readonly mine: Dot | undefined;
  readonly applied: readonly Applied[];
  /** The highest that any wall clock had shown. */
  readonly wallMs: number;
  /** The highest that the median of all wall clocks had been. */
  readonly medianMs: number;
}

export type WallClocks = Pick<Round, "wallMs" | "medianMs">;

export class Ledger {
  private readonly all: (Applied | undefined)[] = [undefined];
  private readonly rounds: Map<string, Map<number, Round>> = new Map();
  /** Of works that are none of the clients'. Two keys may have the same dot. */
  private readonly nameless: Map<number, Round[]> = new Map();
  // The round that is being made up: everything within one turn of one node.
  private asked = false;
  private awaited = false;
  private mine: Dot | undefined;
  /** undefined: only works that are none of the clients' so far. */
  private name: string | undefined;
  private applied: Applied[] = [];

  /** @param turn what a reply tells. */
  of(turn: number): Applied | undefined {
    return this.all[turn];
  }

  // HOT: once or twice an operation.
  /** @returns its turn, which the reply tells. */
  add(name: string, id: number, state: RegisterState<unknown>, found: Content | undefined, made: Made): number {
    let base = NO_DOT;
    for (const dot of state.vv.dots) if (dot.node < EXPIRING) base = maxDot(base, dot);
    const applied = new Applied(name, id, base, found, made);
    if (this.awaited) {
      this.awaited = false;
      this.name = name;
      this.applied.push(applied);
    }
    return this.all.push(applied) - 1;
  }

  /** What was proposed under a ballot of a key. @param isItsDot has the key a state under this dot? */
  round(name: string, ballot: Dot, isItsDot: (dot: Dot) => boolean): Round | undefined {
    const key = dotKey(ballot);
    const named = this.rounds.get(name)?.get(key);
    const others = this.nameless.get(key);
    if (named !== undefined || others === undefined) return named;
    const fits = others.find(({ mine }) => mine !== undefined && isItsDot(mine));
    return fits ?? others.find(({ mine }) => mine === undefined) ?? others.at(-1);
  }

  roundsOf(name: string): Iterable<Round> {
    return this.rounds.get(name)?.values() ?? [];
  }

  /** Listen to a proposer. @param clocks as a round has them. */
  watched(rules: ProposerRules, clocks: () => WallClocks): ProposerRules {
    return {
      ...rules,
      verdict: (attempts, mine, cut) => {
        const verdict = rules.verdict(attempts, mine, cut);
        this.verdict(attempts, mine, verdict);
        return verdict;
      },
      answersAtPromises: (reason) => {
        const early = rules.answersAtPromises(reason);
        if (early && reason === "unchanged") this.answeredEarly();
        return early;
      },
      issueUnderCeiling: (ballot) => {
        if (this.asked) this.proposed(ballot, clocks());
        return rules.issueUnderCeiling(ballot);
      },
    };
  }

  private verdict(attempts: readonly Dot[], mine: Dot | undefined, verdict: Verdict): void {
    this.asked = true;
    this.mine = mine;
    this.awaited = verdict === "apply";
    if (verdict === "happened") this.name ??= this.nameOf(attempts);
  }

  /** Which key an operation that was proposed before is of: an attempt is the very dot that was noted then. */
  private nameOf(attempts: readonly Dot[]): string | undefined {
    for (const dot of attempts) {
      const key = dotKey(dot);
      for (const [name, rounds] of this.rounds) if (rounds.get(key)?.ballot === dot) return name;
    }
    return undefined;
  }

  /** A bug that was put in: what was just applied is no part of the round, which may come to nothing without it. */
  private answeredEarly(): void {
    this.applied.pop();
    if (this.applied.length > 0) return;
    this.name = undefined;
    this.asked = false;
  }

  /** A ballot may be noted before anything was applied (of a round that came to nothing), and once after it. @throws {Violation} */
  private proposed(ballot: Dot, { wallMs, medianMs }: WallClocks): void {
    const { name, mine, applied } = this;
    const round: Round = { ballot, mine, applied, wallMs, medianMs };
    for (const each of applied) each.round = round;
    const key = dotKey(ballot);
    if (name === undefined) this.nameless.set(key, [...(this.nameless.get(key) ?? []), round]);
    else {
      const rounds = this.rounds.get(name) ?? new Map<number, Round>();
      this.rounds.set(name, rounds);
      if ((rounds.get(key)?.applied.length ?? 0) > 0)
        throw new Violation(`ledger: the ballot ${dotText(ballot)} of ${JSON.stringify(name)} was issued twice`);
      rounds.set(key, round);
    }
    this.asked = false;
    this.awaited = false;
    this.name = undefined;
    this.applied = [];
  }
}
