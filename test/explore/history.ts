/**
 * test/explore/history.ts: the operations of a run, what clients saw of them, and whether one register could have shown that.
 *
 * The register holds a text. "append" adds the operation's own letter and answers the whole text, so each answer tells everything that
 * happened before it; "delete" answers whether something was there; "setnx" writes only where nothing is; "get" answers the text.
 * Linearizability: Herlihy and Wing, 1990. The search for an order is plain: a run has at most a handful of operations.
 */
import type { Operation } from "../../src/core/register/operation.js";

export type Kind = "append" | "delete" | "setnx" | "get" | "fence" | "once";
export type Answer = string | boolean | undefined;

export interface Planned {
  readonly kind: Kind;
  /** The node it is sent to. */
  readonly at: number;
  /** GETs go through the reader; "submit" sends one to the proposer at once. */
  readonly through?: "reader" | "submit";
  /** Sent only after that operation was answered. */
  readonly waitsFor?: number;
}

export const DEADLINE = 1000;
/** When a value of "once" is over; the explorer's clock stands at 0 or at LATE. */
const EXPIRE_AT = 10;

export function letterOf(index: number): string {
  return String.fromCharCode(97 + index);
}

interface Step {
  readonly answer: Answer;
  /** null: stays as it is. */
  readonly text: string | undefined | null;
}

function perform(kind: Kind, letter: string, text: string | undefined): Step {
  switch (kind) {
    case "append":
      return { answer: (text ?? "") + letter, text: (text ?? "") + letter };
    case "once":
      return { answer: true, text: letter };
    case "delete":
      return { answer: text !== undefined, text: text === undefined ? null : undefined };
    case "setnx":
      return { answer: text === undefined, text: text === undefined ? letter : null };
    case "get":
      return { answer: text, text: null };
    case "fence":
      return { answer: undefined, text: null };
  }
}

/** The operation as it is given to the real proposer. */
export function operationOf(index: number, { kind }: Planned): Operation<string, Answer> {
  return {
    id: index,
    deadline: DEADLINE,
    apply(state) {
      const { answer, text } = perform(kind, letterOf(index), state.value);
      const next = text === null ? undefined : { value: text, expireAt: kind === "once" ? EXPIRE_AT : 0 };
      return { result: answer, next };
    },
  };
}

/** new, sent, answered, refused (surely not applied), lost (nobody will be told). */
export type Status = "new" | "sent" | "done" | "refused" | "lost";

export interface Seen {
  readonly status: Status;
  readonly answer: Answer;
  /** Bits of the operations that were answered before this one was sent. */
  readonly after: number;
}

const verdicts = new Map<string, boolean>();
const VERDICTS_MAX = 100_000;

/** Could one register have answered like that? Operations that were not answered may have happened, at any time, or not. */
export function isLinearizable(plan: readonly Planned[], seen: readonly Seen[]): boolean {
  const name = JSON.stringify([plan, seen]);
  const known = verdicts.get(name);
  if (known !== undefined) return known;
  let wanted = 0;
  for (let i = 0; i < seen.length; i++) if (seen[i].status === "done") wanted |= 1 << i;
  const expiring = plan.some(({ kind }) => kind === "once");
  const possible = order(plan, seen, wanted, expiring, 0, undefined);
  if (verdicts.size >= VERDICTS_MAX) verdicts.clear();
  verdicts.set(name, possible);
  return possible;
}

function order(
  plan: readonly Planned[],
  seen: readonly Seen[],
  wanted: number,
  expiring: boolean,
  placed: number,
  text: string | undefined,
): boolean {
  if ((placed & wanted) === wanted) return true;
  for (let i = 0; i < seen.length; i++) {
    const { status, answer, after } = seen[i];
    if (placed & (1 << i) || status === "new" || status === "refused") continue;
    if ((placed & after) !== after) continue;
    const step = perform(plan[i].kind, letterOf(i), text);
    if (status === "done" && step.answer !== answer) continue;
    if (order(plan, seen, wanted, expiring, placed | (1 << i), step.text === null ? text : step.text)) return true;
  }
  // A value with a deadline may go by itself, once; what "once" wrote is a single letter.
  const over = expiring && text !== undefined && text.length === 1 && plan[text.charCodeAt(0) - 97].kind === "once";
  return over && order(plan, seen, wanted, expiring, placed, undefined);
}
