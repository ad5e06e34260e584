/**
 * test/explore/evidence.ts: what an all-seeing observer has noted so far, and the judgement of it. No node can read this.
 *
 * Checked at every step where it can break:
 *   one dot, one state         every ACCEPT that is sent has the same state as any other with its ballot
 *   one chain                  the chosen states, ordered by dot, each contain the history of the one before
 *   applied once               no operation is twice in a value
 *   surely not applied         an operation that was refused is in no chosen history
 *   linearizable               the answers given so far could have come from one register
 * A ballot is chosen once W replicas held it durably, whatever the replicas and proposers think.
 */
import { compareDots, type Dot, sameDot } from "../../src/core/clock/dot.js";
import type { AcceptRequest, PrepareRequest } from "../../src/core/register/messages.js";
import { isLinearizable, letterOf, type Planned, type Seen } from "./history.js";
import { type ExploredNode, KEY } from "./node.js";
import { fingerprintOf } from "./snapshot.js";

export class Violation extends Error {}
export function violation(text: string): Violation {
  return new Violation(text);
}

interface Proposed {
  readonly ballot: Dot;
  /** undefined: only a PREPARE was seen. */
  readonly state: AcceptRequest<string>["state"] | undefined;
  /** Letters of all changes in its history, in order. */
  readonly lineage: string;
  /** Replicas that ever held it durably. */
  readonly holders: number;
  readonly chosen: boolean;
}

export class Evidence {
  static readonly NONE: Evidence = new Evidence([]);
  /** In the order of ballots. */
  readonly proposed: readonly Proposed[];

  private constructor(proposed: readonly Proposed[]) {
    this.proposed = proposed;
  }

  /** How many were issued. */
  get ballots(): number {
    return this.proposed.length;
  }

  /** @throws {Violation} when the ballot has another state already. */
  sent(node: ExploredNode, message: PrepareRequest | AcceptRequest<string>): Evidence {
    const { ballot } = message;
    const at = this.proposed.findIndex((known) => sameDot(known.ballot, ballot));
    const known = this.proposed[at];
    if (message.type === "prepare") {
      if (known !== undefined) return this;
      return this.with({ ballot, state: undefined, lineage: "", holders: 0, chosen: false });
    }
    const { state } = message;
    if (known?.state !== undefined) {
      if (fingerprintOf(known.state).one !== fingerprintOf(state).one)
        throw violation(`two states under ${dotText(ballot)}`);
      return this;
    }
    const lineage = this.lineageOf(node, state.cut);
    const letters = state.value ?? "";
    if (new Set(letters).size < letters.length) throw violation(`applied twice: ${letters}`);
    return this.with({ ballot, state, lineage, holders: 0, chosen: false });
  }

  /** A node holds `ballot` durably. @throws {Violation} when that makes a second chain. */
  held(index: number, ballot: Dot, w: number): Evidence {
    const known = this.proposed.find((other) => sameDot(other.ballot, ballot));
    if (known === undefined) throw violation(`held but never sent: ${dotText(ballot)}`);
    const holders = known.holders | (1 << index);
    if (holders === known.holders) return this;
    const chosen = known.chosen || bits(holders) >= w;
    const evidence = this.with({ ...known, holders, chosen });
    if (chosen !== known.chosen) evidence.assertChain();
    return evidence;
  }

  /** @throws {Violation} when the answers contradict one another, or what was chosen. */
  judge(plan: readonly Planned[], seen: readonly Seen[]): void {
    if (!isLinearizable(plan, seen)) throw violation(`not linearizable: ${seenText(plan, seen)}`);
    for (let i = 0; i < seen.length; i++) {
      if (seen[i].status !== "refused") continue;
      const found = this.proposed.find(({ chosen, lineage }) => chosen && lineage.includes(letterOf(i)));
      if (found !== undefined) throw violation(`refused, but applied: ${letterOf(i)} in ${found.lineage}`);
    }
  }

  private with(one: Proposed): Evidence {
    const proposed = this.proposed.filter(({ ballot }) => !sameDot(ballot, one.ballot));
    const at = proposed.findIndex(({ ballot }) => compareDots(ballot, one.ballot) > 0);
    proposed.splice(at < 0 ? proposed.length : at, 0, Object.freeze(one));
    return new Evidence(proposed);
  }

  /** The history of what `node` is about to propose: that of its base, and the letters of its batch that are not in there. */
  private lineageOf(node: ExploredNode, cut: number): string {
    const round = node.proposing["entries"].get(KEY)?.round;
    if (round === undefined) throw violation("an ACCEPT without a round");
    const base = round.baseBallot;
    let lineage = "";
    if (base !== undefined) lineage = this.proposed.find(({ ballot }) => sameDot(ballot, base))?.lineage ?? "";
    else {
      // Absent below a floor: it was deleted for good, and goes on from the last state that the floor covers.
      for (const { ballot, chosen, lineage: before } of this.proposed)
        if (chosen && ballot.hlc <= cut) lineage = before;
    }
    for (const { operation, attempts } of round.batch) {
      const last = attempts.at(-1);
      const letter = letterOf(operation.id);
      if (last !== undefined && sameDot(last, round.ballot) && !lineage.includes(letter)) lineage += letter;
    }
    return lineage;
  }

  private assertChain(): void {
    let before: Proposed | undefined;
    for (const next of this.proposed) {
      if (!next.chosen) continue;
      if (before !== undefined && !next.lineage.startsWith(before.lineage)) {
        const texts = [before, next].map(({ ballot, lineage }) => `${dotText(ballot)}="${lineage}"`);
        throw violation(`two chains: ${texts.join(" and ")}`);
      }
      before = next;
    }
  }
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest > 0; rest &= rest - 1) count++;
  return count;
}

export function dotText({ epoch, hlc, node }: Dot): string {
  return epoch === 0 ? `${hlc}.${node}` : `${epoch}:${hlc}.${node}`;
}

function seenText(plan: readonly Planned[], seen: readonly Seen[]): string {
  return seen
    .map(({ status, answer, after }, i) => {
      const before = [...seen.keys()].filter((other) => after & (1 << other)).map(letterOf);
      const result = status === "done" ? ` = ${JSON.stringify(answer) ?? "nil"}` : ` ${status}`;
      return `${letterOf(i)}:${plan[i].kind}${result}${before.length > 0 ? ` after ${before.join("")}` : ""}`;
    })
    .join(", ");
}
