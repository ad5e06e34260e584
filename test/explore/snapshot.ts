/**
 * test/explore/snapshot.ts: copies and fingerprints of the real state machines, made by looking at all their fields, so that a field that
 * is added to one of them is never left out.
 *
 * The convention of core/register makes it possible: what changes is an instance of a class, an array or a Map; a plain object never
 * changes after it was made. Plain objects are shared between copies; to be sure of that they are frozen when they are first seen.
 */
import { VersionVector } from "../../src/core/clock/version-vector.js";

/** No state: they are constant, lead back to the node, are looked at elsewhere, or only say how long to wait. */
const NOT_STATE: ReadonlySet<string> = new Set([
  "rules",
  "surroundings",
  "clock",
  "proposer",
  "group",
  "replicas",
  "failures",
  "one",
  "two",
]);

/** A deep copy of all that can change; what is shared within the original is shared within the copy. */
export function copyOf<T>(value: T, seen: Map<object, object> = new Map()): T {
  if (typeof value !== "object" || value === null || isConstant(value)) return value;
  const known = seen.get(value);
  if (known !== undefined) return known as T;
  if (Array.isArray(value)) {
    const copy: unknown[] = new Array(value.length);
    seen.set(value, copy);
    for (let i = 0; i < value.length; i++) copy[i] = copyOf(value[i], seen);
    return copy as T;
  }
  if (value instanceof Map) {
    const copy = new Map();
    seen.set(value, copy);
    for (const [key, entry] of value) copy.set(key, copyOf(entry, seen));
    return copy as T;
  }
  const copy = Object.create(Object.getPrototypeOf(value));
  seen.set(value, copy);
  const from = value as Record<string, unknown>;
  for (const name in from) copy[name] = copyOf(from[name], seen);
  return copy;
}

function isConstant(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype || value instanceof VersionVector;
}

/** Two lanes of 32 bits: 64 in all. With 50 million states the chance that any two are taken for one is below 1 in 10,000. */
export class Fingerprint {
  one: number = 0x9e3779b9 | 0;
  two: number = 0x85ebca6b | 0;

  number(value: number): void {
    this.one = Math.imul(this.one ^ value, 0x85ebca6b);
    this.one = (this.one ^ (this.one >>> 13)) | 0;
    this.two = Math.imul(this.two ^ value, 0xc2b2ae35);
    this.two = (this.two ^ (this.two >>> 16) ^ (this.two << 5)) | 0;
  }

  text(value: string): void {
    this.number(value.length + 0x4000);
    for (let i = 0; i < value.length; i++) this.number(value.charCodeAt(i));
  }

  value(value: unknown): void {
    switch (typeof value) {
      case "number":
        // Whole numbers up to 2^53: both halves.
        this.number(value | 0);
        if (value > 0x7fffffff) this.number(value / 4_294_967_296);
        break;
      case "string":
        this.text(value);
        break;
      case "boolean":
        this.number(value ? 0x51 : 0x52);
        break;
      case "object":
        if (value === null) this.number(0x53);
        else if (isConstant(value)) this.constant(value);
        else this.changing(value);
        break;
      default: // undefined; functions are no state
        this.number(0x54);
    }
  }

  private changing(value: object): void {
    if (Array.isArray(value)) {
      this.number(value.length + 0x1000);
      for (const entry of value) this.value(entry);
    } else if (value instanceof Map) {
      this.number(value.size + 0x2000);
      for (const [key, entry] of value) {
        this.value(key);
        this.value(entry);
      }
    } else {
      this.number(0x3000);
      const fields = value as Record<string, unknown>;
      for (const name in fields) if (!NOT_STATE.has(name)) this.value(fields[name]);
    }
  }

  private constant(value: object): void {
    const { one, two } = fingerprintOf(value);
    this.number(one);
    this.number(two);
  }
}

const constants = new WeakMap<object, Fingerprint>();

/** Of something that never changes; kept with it. */
export function fingerprintOf(value: object): Fingerprint {
  let print = constants.get(value);
  if (print === undefined) {
    Object.freeze(value);
    print = new Fingerprint();
    const fields = value as Record<string, unknown>;
    for (const name in fields) print.value(fields[name]);
    constants.set(value, print);
  }
  return print;
}
