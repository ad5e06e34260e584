/**
 * lib/numbered.ts: things under way, each found by a number that it was given, which comes and goes many thousand times a second.
 * Not a Map: a Map that things pass through makes a new table every few dozen of them, and each old table refers to the next. Once one
 * of them has grown old, every later one, with all it held, is kept until the next full collection.
 *
 * Invariants: numbers rise, with gaps, from 1 to 2^31 - 1, and then begin anew: one that is given out is not in use. Nothing that was
 * deleted is referred to. Every operation is O(1); the table is a power of two, at most four times as many as there ever were at once.
 */
import { assert } from "./assert.js";

const LEAST = 4;
const NUMBER_MAX: number = 2 ** 31 - 1;

export class Numbered<T> {
  size = 0;
  private items: (T | undefined)[] = new Array(LEAST).fill(undefined);
  /** Of the item in each place; 0: there is none. */
  private numbers: number[] = new Array(LEAST).fill(0);
  private last = 0;

  // HOT: these, once per operation on a key.
  /** @returns a number that is free until it is used. */
  next(): number {
    const mask = this.items.length - 1;
    do this.last = this.last === NUMBER_MAX ? 1 : this.last + 1;
    while (this.numbers[this.last & mask] !== 0);
    return this.last;
  }

  /** @param number from next(), which was not called since. */
  set(number: number, item: T): void {
    const at = number & (this.items.length - 1);
    assert(this.numbers[at] === 0, "a number that is in use", number);
    this.items[at] = item;
    this.numbers[at] = number;
    // At most half full, so that next() finds a free place soon.
    if (++this.size * 2 > this.items.length) this.grow();
  }

  get(number: number): T | undefined {
    const at = number & (this.items.length - 1);
    return this.numbers[at] === number ? this.items[at] : undefined;
  }

  has(number: number): boolean {
    return number !== 0 && this.numbers[number & (this.items.length - 1)] === number;
  }

  delete(number: number): void {
    if (!this.has(number)) return;
    const at = number & (this.items.length - 1);
    this.items[at] = undefined;
    this.numbers[at] = 0;
    this.size--;
  }

  /** A list of its own. O(size of the table). */
  entries(): [number, T][] {
    const found: [number, T][] = [];
    for (let at = 0; at < this.items.length; at++) {
      if (this.numbers[at] !== 0) found.push([this.numbers[at], this.items[at] as T]);
    }
    return found;
  }

  /** Numbers that differ by a place in the smaller table do so in the larger one. */
  private grow(): void {
    const { items, numbers } = this;
    const size = items.length * 2;
    this.items = new Array(size).fill(undefined);
    this.numbers = new Array(size).fill(0);
    for (let at = 0; at < items.length; at++) {
      if (numbers[at] === 0) continue;
      this.items[numbers[at] & (size - 1)] = items[at];
      this.numbers[numbers[at] & (size - 1)] = numbers[at];
    }
  }
}
