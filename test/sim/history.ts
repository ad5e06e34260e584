/**
 * test/sim/history.ts: what clients asked and heard, in the order in which they asked.
 */
import type { Dot } from "../../src/core/clock/dot.js";
import type { Ask } from "./model.js";
import type { Replied } from "./works.js";

/** open: no answer yet; the others as Outcome has them. A client that lost its connection heard "maybe". */
export type Heard = "open" | "yes" | "no" | "maybe";

export class Entry {
  readonly ask: Ask;
  readonly name: string;
  /** The node it was sent to. */
  readonly at: number;
  /** The last operation on the key that its client sent before, and still waited for; 0: none. They keep their order. */
  readonly after: number;
  /** Ticks. */
  readonly invoked: number;
  /** Infinity: never, as far as anybody can tell. */
  responded: number = Number.POSITIVE_INFINITY;
  heard: Heard = "open";
  ballot: Dot | undefined;
  replied: Replied | undefined;
  /** The highest that any wall clock had shown when it was answered. */
  wallMs = 0;
  /** Lowest of all wall clocks when it was asked. */
  wallLeastMs = 0;
  /** For the checker of orders: it has its place. */
  placed = false;

  constructor(ask: Ask, name: string, at: number, invoked: number, after = 0) {
    this.ask = ask;
    this.name = name;
    this.at = at;
    this.invoked = invoked;
    this.after = after;
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

export function textOf(entry: Entry): string {
  const { ask, heard, ballot, replied, invoked, responded, at } = entry;
  const dot = ballot === undefined ? "-" : `${ballot.hlc}.${ballot.node}`;
  const found = replied === undefined ? "" : ` found ${replied.found ? `${replied.seq}:${replied.writers.join(",")}` : "nothing"} on ${replied.base.hlc}.${replied.base.node}`;
  const said = replied === undefined ? heard : `${JSON.stringify(replied.result)}${found} at ${dot}`;
  return `#${ask.id} ${ask.kind} ${ask.text}${ask.expected === "" ? "" : `/${ask.expected}`} on ${at} [${invoked}..${responded}] = ${said}`;
}
