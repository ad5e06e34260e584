/**
 * test/lib/linearizable.ts: could one register have answered like this? What clients heard of one key, with the times at which they asked and heard, is put
 * into an order in which each answer is right, and in which nothing comes before what was over when it was asked (Wing and Gong
 * 1993, with Lowe's memory of what was tried). What was never answered may have happened at any time after it was asked, or not at all.
 */

/** What is there: null = nothing. */
export type Content = string | null;

export interface Step {
  readonly invokedMs: number;
  /** Infinity: it was never heard what became of it. */
  readonly respondedMs: number;
  /** For the report. */
  readonly text: string;
  /** @returns what is there afterwards; undefined: what was answered does not fit. */
  apply(content: Content): Content | undefined;
}

/** A part of the order: all of `known` before `first` but none from there on except `beyond`, and those of `unknown` in `mask`. */
interface Node {
  readonly first: number;
  readonly beyond: readonly number[];
  readonly mask: string;
  readonly content: Content;
  readonly choices: Iterator<Node>;
}

/** @param steps of one key, from when there was nothing. @returns undefined: yes; else why not, or that it gave up. */
export function notLinearizable(steps: readonly Step[], triesMax = 500_000): string | undefined {
  const known = steps.filter(isKnown).sort((a, b) => a.invokedMs - b.invokedMs);
  const unknown = steps.filter((step) => !isKnown(step)).sort((a, b) => a.invokedMs - b.invokedMs);
  const tried = new Set<string>();
  let furthest = 0;

  function* choicesAt(first: number, beyond: readonly number[], mask: string, content: Content): Generator<Node> {
    let least = Number.POSITIVE_INFINITY;
    const free: number[] = [];
    for (let i = first; i < known.length && (known[i] as Step).invokedMs <= least; i++) {
      if (beyond.includes(i)) continue;
      free.push(i);
      least = Math.min(least, (known[i] as Step).respondedMs);
    }
    for (const i of free) {
      if ((known[i] as Step).invokedMs > least) continue;
      const next = (known[i] as Step).apply(content);
      if (next === undefined) continue;
      const taken = [...beyond, i].sort((a, b) => a - b);
      let from = first;
      while (taken[0] === from) {
        taken.shift();
        from++;
      }
      yield at(from, taken, mask, next);
    }
    for (let i = 0; i < unknown.length && (unknown[i] as Step).invokedMs <= least; i++) {
      const next = mask[i] === "1" ? undefined : (unknown[i] as Step).apply(content);
      if (next !== undefined && next !== content)
        yield at(first, beyond, `${mask.slice(0, i)}1${mask.slice(i + 1)}`, next);
    }
  }

  const at = (first: number, beyond: readonly number[], mask: string, content: Content): Node => {
    return { first, beyond, mask, content, choices: choicesAt(first, beyond, mask, content) };
  };

  const path: Node[] = [at(0, [], "0".repeat(unknown.length), null)];
  for (let tries = 0; path.length > 0; tries++) {
    const node = path.at(-1) as Node;
    if (node.first === known.length) return undefined;
    if (tries > triesMax) return `gave up after ${tries} tries`;
    furthest = Math.max(furthest, node.first);
    const next = node.choices.next();
    if (next.done === true) {
      path.pop();
      continue;
    }
    const { first, beyond, mask, content } = next.value;
    const name = `${first} ${beyond} ${mask} ${content === null ? "" : `=${content}`}`;
    if (tried.has(name)) continue;
    tried.add(name);
    path.push(next.value);
  }
  return report(known, unknown, furthest);
}

function isKnown(step: Step): boolean {
  return step.respondedMs !== Number.POSITIVE_INFINITY;
}

function report(known: readonly Step[], unknown: readonly Step[], furthest: number): string {
  const shown = (step: Step): string =>
    `  ${step.text} [${step.invokedMs.toFixed(1)} .. ${step.respondedMs.toFixed(1)}]`;
  return [
    "no order fits; it goes well up to about here:",
    ...known.slice(Math.max(0, furthest - 8), furthest + 8).map(shown),
  ]
    .concat("never answered:", unknown.map(shown))
    .join("\n");
}
