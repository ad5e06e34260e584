/**
 * test/sim/model.ts: what operations do to a key, said once more, in plain words: the works that nodes run are made of it, and the checkers
 * replay histories with it.
 *
 * A value tells where it comes from: how many changes it has seen since the key was last absent (seq), and which operation made the last.
 */

export type Kind =
  | "get"
  | "set"
  | "setnx"
  | "del"
  | "getdel"
  | "getset"
  | "incr"
  | "append"
  | "cas"
  | "setex"
  | "persist";
export const KINDS: readonly Kind[] = [
  "get",
  "set",
  "setnx",
  "del",
  "getdel",
  "getset",
  "incr",
  "append",
  "cas",
  "setex",
  "persist",
];

const TEXT_CHARS_MAX = 64;

export interface Ask {
  readonly kind: Kind;
  /** Its number, from 1. */
  readonly id: number;
  /** SET, APPEND...: what to write. */
  readonly text: string;
  /** CAS: what must be there. */
  readonly expected: string;
  /** SETEX: ms. */
  readonly ttlMs: number;
}

/** What a key is. undefined: absent. */
export interface Content {
  readonly text: string;
  readonly seq: number;
  /** The operation that made it. */
  readonly writer: number;
  /** Absolute ms, 0 = none, -1 = some, not known. */
  readonly expireAt: number;
}

export interface Step {
  readonly result: string;
  readonly changes: boolean;
  /** After it, when it changes something. */
  readonly after: Content | undefined;
}

const NIL = "nil";

export function isRead({ kind }: Ask): boolean {
  return kind === "get";
}

/** @param now wall clock ms, for deadlines. */
export function perform(ask: Ask, before: Content | undefined, now: number): Step {
  const { text } = ask;
  switch (ask.kind) {
    case "get":
      return same(before?.text ?? NIL);
    case "set":
      return changed("OK", ask, before, text, 0);
    case "setex":
      return changed("OK", ask, before, text, now + ask.ttlMs);
    case "getset":
      return changed(before?.text ?? NIL, ask, before, text, 0);
    case "setnx":
      return before === undefined ? changed("1", ask, before, text, 0) : same("0");
    case "del":
      return before === undefined ? same("0") : removed("1");
    case "getdel":
      return before === undefined ? same(NIL) : removed(before.text);
    case "append": {
      const longer = (before?.text ?? "") + text;
      const next = longer.length > TEXT_CHARS_MAX ? text : longer;
      return changed(String(next.length), ask, before, next, before?.expireAt ?? 0);
    }
    case "incr": {
      const found = before?.text ?? "0";
      if (!/^-?\d{1,9}$/.test(found)) return same("ERR");
      const next = String(Number(found) + 1);
      return changed(next, ask, before, next, before?.expireAt ?? 0);
    }
    case "cas":
      return before !== undefined && before.text === ask.expected ? changed("1", ask, before, text, 0) : same("0");
    case "persist":
      return before === undefined || before.expireAt === 0 ? same("0") : changed("1", ask, before, before.text, 0);
  }
}

function same(result: string): Step {
  return { result, changes: false, after: undefined };
}

function removed(result: string): Step {
  return { result, changes: true, after: undefined };
}

function changed(result: string, ask: Ask, before: Content | undefined, text: string, expireAt: number): Step {
  const seq = (before?.seq ?? 0) + 1;
  return { result, changes: true, after: { text, seq, writer: ask.id, expireAt } };
}
