/**
 * test/sim/history.ts: what clients asked and heard, in the order in which they asked.
 */
import type { Dot } from "../../src/core/clock/dot.js";
import { COUNTS_PER_MS, ORIGIN_MS } from "../../src/core/clock/hlc.js";
import { START_WALL_MS } from "./host.js";
import type { Applied } from "./ledger.js";
import type { Ask } from "./model.js";

/** open: no answer yet; the others as Outcome has them. A client that lost its connection heard "maybe". */
export type Heard = "open" | "yes" | "no" | "maybe";

export class Entry {
  readonly ask: Ask;
  readonly name: string;
  /** The node it was sent to. */
  readonly at: number;
  /** Ticks. */
  readonly invoked: number;
  /** Infinity: never, as far as anybody can tell. */
  responded: number = Number.POSITIVE_INFINITY;
  heard: Heard = "open";
  ballot: Dot | undefined;
  /** What the reply tells of: answered operations have it. */
  applied: Applied | undefined;
  /** What the reply says. */
  result = "";
  /** For the checker of orders: it has its place. */
  placed = false;

  constructor(ask: Ask, name: string, at: number, invoked: number) {
    this.ask = ask;
    this.name = name;
    this.at = at;
    this.invoked = invoked;
  }

  /** It may have happened, and nobody was told. */
  get uncertain(): boolean {
    return this.heard === "maybe" || this.heard === "open";
  }
}

export class History {
  /** By id, from 1. */
  readonly entries: (Entry | undefined)[] = [undefined];
  readonly byName: Map<string, Entry[]> = new Map();

  get nextId(): number {
    return this.entries.length;
  }

  add(entry: Entry): void {
    this.entries.push(entry);
    const known = this.byName.get(entry.name);
    if (known === undefined) this.byName.set(entry.name, [entry]);
    else known.push(entry);
  }

  of(id: number): Entry | undefined {
    return this.entries[id];
  }
}

export class Violation extends Error {}

/** When the simulation begins, as a clock that is right has it. */
export const HLC_ORIGIN: number = (START_WALL_MS - ORIGIN_MS) * COUNTS_PER_MS;

/** A number: dots are of one epoch, and from about the beginning of the simulation on. */
export function dotKey({ hlc, node }: Dot): number {
  return (hlc - HLC_ORIGIN) * 8 + node;
}

export function dotText({ hlc, node }: Dot): string {
  return hlc === 0 ? "-" : `${hlc - HLC_ORIGIN}.${node}`;
}

export function textOf(entry: Entry): string {
  const { ask, name, heard, ballot, applied, result, invoked, responded, at } = entry;
  const asked = `#${ask.id} ${ask.kind} ${JSON.stringify(name.slice(1))} ${ask.text}${ask.expected === "" ? "" : `/${ask.expected}`}`;
  const when = `on ${at} [${invoked}..${responded}]`;
  if (applied === undefined) return `${asked} ${when}: ${heard}`;
  const found = applied.found === undefined ? "nothing" : `${applied.found.seq}:#${applied.found.writer}`;
  const dot = ballot === undefined ? "-" : dotText(ballot);
  return `${asked} ${when}: ${JSON.stringify(result)}, found ${found}, base ${dotText(applied.base)}, dot ${dot}`;
}
