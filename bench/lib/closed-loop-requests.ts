/**
 * bench/lib/closed-loop-requests.ts: the operations of the closed loop as raw bytes, and what their answers must look like.
 * Invariant: a request is made once per connection and has room for twelve digits of a key, which are written in place.
 */

/** `set wait` is a SET and a WAIT 1 in one write: one operation. `mix` is SET or GET, as a coin falls. */
export type Operation = "set" | "set wait" | "get" | "mix" | "incr" | "incr own";

interface Answer {
  readonly begins: Buffer;
  /** 0: up to the end of its line. */
  readonly length: number;
  /** A digit there must not be 0. 0: there is none. */
  readonly countAt: number;
}

export interface Request {
  readonly bytes: Buffer;
  /** Where the digits of the key are; 0: the key is always the same. */
  readonly digitsAt: number;
  readonly answer: Answer;
}

/** The one that `incr` counts in. */
export const HOT_KEY = "hot";
const DIGITS = 12;
const WAIT_MS = "1000";

function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

function answer(begins: string, length: number, countAt = 0): Answer {
  return { begins: Buffer.from(begins), length, countAt };
}

/** @param line number of the connection. */
export function requestsOf(operation: Operation, line: number, valueBytes: number): Request[] {
  const key = `key:${"0".repeat(DIGITS)}`;
  const set = command("SET", key, "x".repeat(valueBytes));
  const make = (text: string, expected: Answer): Request => {
    const at = text.indexOf(key);
    return { bytes: Buffer.from(text), digitsAt: at < 0 ? 0 : at + "key:".length, answer: expected };
  };
  const head = `$${valueBytes}\r\n`;
  const sets = make(set, answer("+OK\r\n", 5));
  const gets = make(command("GET", key), answer(head, head.length + valueBytes + 2));
  if (operation === "set") return [sets];
  if (operation === "get") return [gets];
  if (operation === "mix") return [sets, gets];
  // The count of replicas that have it: one digit, and 0 says that the time was over before one had.
  if (operation === "set wait") return [make(set + command("WAIT", "1", WAIT_MS), answer("+OK\r\n:", 9, 6))];
  return [make(command("INCR", operation === "incr" ? HOT_KEY : `own:${line}`), answer(":", 0))];
}

// HOT: once per operation.
export function writeDigits({ bytes, digitsAt }: Request, key: number): void {
  for (let i = digitsAt + DIGITS - 1; i >= digitsAt; i--) {
    bytes[i] = 48 + (key % 10);
    key = (key / 10) | 0;
  }
}
