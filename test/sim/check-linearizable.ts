/**
 * test/sim/check-linearizable.ts: checker 2, which knows nothing of the inside: could one register have given these answers? Only texts, results
 * and times count. Operations that were not answered may have taken effect at any time after they were asked, or not at all.
 *
 * The search is that of Wing and Gong (1993) with Lowe's memory of what was tried (2017), as Porcupine has it: calls and returns in the order of
 * time; a call may be taken if no return stands before it; a return that is reached takes back the last choice. Exponential at
 * worst, so it gives up after so many steps: then it says neither yes nor no.
 */
import type { Entry } from "./history.js";
import { type Content, perform } from "./model.js";

export type Verdict = "yes" | "no" | "gave up";

/** One end of an operation, in a list that can be taken apart and put together again. */
interface Node {
  readonly entry: Entry;
  readonly index: number;
  readonly isCall: boolean;
  partner: Node | undefined;
  before: Node | undefined;
  after: Node | undefined;
}

/** @param entries of one key without deadlines, from its beginning on. @param stepsMax when to give up. */
export function isLinearizable(entries: readonly Entry[], stepsMax: number): Verdict {
  const counting = entries.filter(({ heard, ask }) => heard !== "no" && (heard === "yes" || ask.kind !== "get"));
  const answered = counting.filter(({ heard }) => heard === "yes").length;
  const head = listOf(counting);
  const taken = new Uint32Array((counting.length + 31) >> 5);
  const tried = new Set<string>();
  const stack: { readonly node: Node; readonly content: Content | undefined; readonly counted: boolean }[] = [];
  let content: Content | undefined;
  let done = 0;
  let at = head.after;
  for (let steps = 0; done < answered; steps++) {
    if (steps >= stepsMax) return "gave up";
    if (at?.isCall) {
      const step = perform(at.entry.ask, content, Number.NaN);
      const result = at.entry.heard === "yes" ? at.entry.result : undefined;
      const next = step.changes ? bare(step.after) : content;
      const fits = result === undefined ? step.changes : result === step.result;
      taken[at.index >> 5] |= 1 << (at.index & 31);
      const name = fits ? `${taken.join()} ${next?.text ?? "\u0000"}` : "";
      if (fits && !tried.has(name)) {
        tried.add(name);
        const counted = at.entry.heard === "yes";
        stack.push({ node: at, content, counted });
        content = next;
        if (counted) done++;
        lift(at);
        at = head.after;
        continue;
      }
      taken[at.index >> 5] &= ~(1 << (at.index & 31));
      at = at.after;
      continue;
    }
    // A return, or the end: what was answered before it must have been taken by now.
    const last = stack.pop();
    if (last === undefined) return "no";
    content = last.content;
    if (last.counted) done--;
    taken[last.node.index >> 5] &= ~(1 << (last.node.index & 31));
    unlift(last.node);
    at = last.node.after;
  }
  return "yes";
}

/** Only the text counts here: the rest is what the inside says of itself. */
function bare(content: Content | undefined): Content | undefined {
  return content === undefined ? undefined : { text: content.text, seq: 0, writer: 0, expireAt: 0 };
}

function listOf(entries: readonly Entry[]): Node {
  const ends: { readonly tick: number; readonly node: Node }[] = [];
  entries.forEach((entry, index) => {
    const call: Node = { entry, index, isCall: true, partner: undefined, before: undefined, after: undefined };
    ends.push({ tick: entry.invoked, node: call });
    if (entry.heard !== "yes") return;
    const answer: Node = { entry, index, isCall: false, partner: undefined, before: undefined, after: undefined };
    call.partner = answer;
    ends.push({ tick: entry.responded, node: answer });
  });
  // At the same tick nobody can tell: calls first.
  ends.sort((a, b) => a.tick - b.tick || Number(b.node.isCall) - Number(a.node.isCall));
  const head: Node = {
    entry: entries[0],
    index: -1,
    isCall: true,
    partner: undefined,
    before: undefined,
    after: undefined,
  };
  let last = head;
  for (const { node } of ends) {
    last.after = node;
    node.before = last;
    last = node;
  }
  return head;
}

function lift(call: Node): void {
  unlink(call);
  if (call.partner !== undefined) unlink(call.partner);
}

function unlift(call: Node): void {
  if (call.partner !== undefined) link(call.partner);
  link(call);
}

function unlink(node: Node): void {
  if (node.before !== undefined) node.before.after = node.after;
  if (node.after !== undefined) node.after.before = node.before;
}

function link(node: Node): void {
  if (node.before !== undefined) node.before.after = node;
  if (node.after !== undefined) node.after.before = node;
}
